// Rules with a preconditioner, and clipping by value, as plain double loops with all that a report needs of them.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <tests/reference/net.hpp>

namespace reference {

struct Adaptive {
  enum class Kind { adam, rmsprop, lion, sign, clipped_momentum } kind = Kind::adam;
  double eta = 0, lam = 0, beta1 = 0, beta2 = 0, epsilon = 0, limit = 0;
  std::vector<std::vector<std::size_t>> shared;  // blocks whose weights have one second moment
};
struct AdaptiveState {
  Blocks m, v;
  int steps = 0;
};

// What one step is made of, block by block: u without decay, u0 without memory, d the gradient with memory, and the second
// moment that the preconditioner is made of.
struct AdaptiveStep {
  Blocks u, u0, d, second;
};

inline double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

// Moves the state; the weights move to (1 - eta lam) theta - u.
inline AdaptiveStep adaptive_step(const Adaptive& r, AdaptiveState& s, const Blocks& g) {
  using Kind = Adaptive::Kind;
  const bool corrects = r.kind == Kind::adam;
  ++s.steps;
  const double c1 = corrects ? 1 - std::pow(r.beta1, s.steps) : 1, c2 = corrects ? 1 - std::pow(r.beta2, s.steps) : 1;
  Blocks squares = g;
  for (auto& block : squares)
    for (double& x : block) x *= x;
  for (const auto& group : r.shared) {
    double sum = 0, count = 0;
    for (const std::size_t b : group)
      for (const double x : squares[b]) sum += x, count += 1;
    for (const std::size_t b : group)
      for (double& x : squares[b]) x = sum / count;
  }
  AdaptiveStep step{g, g, g, squares};
  for (std::size_t b = 0; b < g.size(); ++b)
    for (std::size_t i = 0; i < g[b].size(); ++i) {
      double &m = s.m[b][i], &v = s.v[b][i];
      const double x = g[b][i];
      double &u = step.u[b][i], &u0 = step.u0[b][i], &d = step.d[b][i], &second = step.second[b][i];
      switch (r.kind) {
        case Kind::adam:
        case Kind::rmsprop: {
          m = r.kind == Kind::adam ? r.beta1 * m + (1 - r.beta1) * x : x;
          v = r.beta2 * v + (1 - r.beta2) * squares[b][i];
          second = v / c2;
          d = m / c1;
          const double pre = 1 / (std::sqrt(second) + r.epsilon);
          u = r.eta * pre * d;
          u0 = r.eta * pre * x;
          break;
        }
        case Kind::lion:
        case Kind::sign:
          second = x * x;
          d = r.kind == Kind::lion ? r.beta1 * m + (1 - r.beta1) * x : x;
          m = r.beta2 * m + (1 - r.beta2) * x;
          u = r.eta * sign(d);
          u0 = r.eta * sign(x);
          break;
        case Kind::clipped_momentum: {
          const double own = std::fmax(-r.limit, std::fmin(r.limit, x));
          d = m = r.beta1 * m + own;
          u = r.eta * m;
          u0 = r.eta * own;
          break;
        }
      }
    }
  return step;
}

}  // namespace reference
