// What an experiment of `emmy reproduce` gives: plain data, the same for every target.
#pragma once

#include <emmy/core/status.hpp>

namespace emmy::reproduce {

// near: |measured - predicted| <= bound. at_most, at_least: measured against the bound alone.
enum class Relation { near, at_most, at_least };
struct Check {
  const char* what;
  Relation relation;
  double predicted, measured, bound;
};
// False for what is no number.
constexpr bool holds(const Check& c) noexcept {
  switch (c.relation) {
    case Relation::at_most: return c.measured <= c.bound;
    case Relation::at_least: return c.measured >= c.bound;
    case Relation::near: break;
  }
  return c.measured - c.predicted <= c.bound && c.predicted - c.measured <= c.bound;
}

// Checks, and curves over x. A curve's style is a class of the page: wide for what is predicted, main for what is measured.
struct Curve {
  static constexpr int kMostPoints = 200;
  const char *style, *name;
  double y[kMostPoints];
};
struct Result {
  static constexpr int kMostChecks = 12, kMostCurves = 3;
  Status status = Status::ok;
  int checks = 0, curves = 0, points = 0;
  bool log = false;
  Check check[kMostChecks] = {};
  double x[Curve::kMostPoints] = {};
  Curve curve[kMostCurves] = {};

  void near(const char* what, double predicted, double measured, double bound) noexcept {
    add({what, Relation::near, predicted, measured, bound});
  }
  void at_most(const char* what, double measured, double bound) noexcept {
    add({what, Relation::at_most, 0, measured, bound});
  }
  void at_least(const char* what, double measured, double bound) noexcept {
    add({what, Relation::at_least, 0, measured, bound});
  }
  void name_curves(const char* first, const char* second = nullptr, const char* third = nullptr) noexcept {
    constexpr const char* kStyle[kMostCurves] = {"wide", "main", "second"};
    for (const char* name : {first, second, third})
      if (name != nullptr) curve[curves] = {kStyle[curves], name, {}}, ++curves;
  }
  // Values of the named curves; beyond kMostPoints nothing is kept.
  void point(double at, double first, double second = 0, double third = 0) noexcept {
    if (points == Curve::kMostPoints) return;
    const double values[kMostCurves] = {first, second, third};
    x[points] = at;
    for (int c = 0; c < curves; ++c) curve[c].y[points] = values[c];
    ++points;
  }

 private:
  void add(const Check& c) noexcept {
    if (checks < kMostChecks) check[checks++] = c;
    else status = Status::does_not_fit;
  }
};

// A result passes where it has checks and all hold.
constexpr bool passes(const Result& r) noexcept {
  for (int c = 0; c < r.checks; ++c)
    if (!holds(r.check[c])) return false;
  return r.status == Status::ok && r.checks > 0;
}

struct Task {
  bool spoiled;    // something is made other than predicted, so that it must not pass; for tests
  const float* x;  // drawn digits
  const int* label;
  int rows;
  const float *state, *motor;  // of a quadrotor
  int states;
};
using Run = void (*)(const Task&, Result&) noexcept;

}  // namespace emmy::reproduce
