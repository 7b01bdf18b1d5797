// What the experiments of `emmy reproduce` share, and the references that they are held against: plain loops, no kernels.
#pragma once

#include <cmath>

#include <emmy/parametrize/constrained.hpp>
#include <emmy/train/dispatch.hpp>
#include <emmy/train/meters.hpp>
#include <emmy/train/trainer.hpp>

#include "cli/reproduce.hpp"

namespace emmy {

// The row of a dispatch table for some experiments.
template <class C>
requires requires { C::kExperiments; }
struct Table<C> {
  const char* target;
  reproduce::Run run[C::kExperiments];
};

}  // namespace emmy

namespace emmy::reproduce::inline EMMY_TARGET {

// Box-Muller.
inline double normal(Pcg32& rng) {
  const double radius = std::sqrt(-2 * std::log(1.0 - static_cast<double>(rng.uniform())));
  return radius * std::cos(6.283185307179586 * static_cast<double>(rng.uniform()));
}
template <int Count>
void fill_normal(Pcg32& rng, double (&values)[Count], double deviation = 1) {
  for (double& v : values) v = deviation * normal(rng);
}
// The unit matrix as inputs: outputs are weights.
template <int Size>
void units(double (&x)[Size * Size]) {
  for (int i = 0; i < Size * Size; ++i) x[i] = i % (Size + 1) == 0 ? 1 : 0;
}
inline double magnitude(double v) { return std::fabs(v); }
inline double square(double v) { return v * v; }

// Loss and gradient, times scale, of all rows.
template <class N, int Batch, class Target, class Loss>
StepResult<double> slope_of(const Params<N>& params, const double* x, const Target* target, Loss loss, double scale,
                            Gradient<N>& g) {
  Buffers<N> buffers{};
  Scratch<N, Batch, Train<BasicSgd<double>>> scratch{};
  return gradient<false>(params, buffers, scratch, x, target, loss, Batch, scale, g);
}
template <class N>
double* block_of(Params<N>& params, int block) {
  return params.data + kPlan<N>.block[block].offset;
}
template <class N>
void scale_block(Gradient<N>& g, int block, double by) {
  for (int i = 0; i < kPlan<N>.block[block].size(); ++i) g.data[kPlan<N>.block[block].offset + i] *= by;
}

// min over w of |y - X w|^2 / (2 Rows) + lam |w|_1 by cyclic coordinate descent.
template <int Rows, int Cols>
void lasso(const double* x, const double* y, double lam, double (&w)[Cols]) {
  double residual[Rows], size[Cols] = {};
  for (double& v : w) v = 0;
  for (int r = 0; r < Rows; ++r) residual[r] = y[r];
  for (int i = 0; i < Rows * Cols; ++i) size[i % Cols] += x[i] * x[i] / Rows;
  double moved = 1;
  for (int sweep = 0; sweep < 100000 && moved > 1e-14; ++sweep) {
    moved = 0;
    for (int c = 0; c < Cols; ++c) {
      double along = size[c] * w[c];
      for (int r = 0; r < Rows; ++r) along += x[r * Cols + c] * residual[r] / Rows;
      const double shrunk = std::fmax(std::fabs(along) - lam, 0) / size[c], now = along < 0 ? -shrunk : shrunk;
      for (int r = 0; r < Rows; ++r) residual[r] += x[r * Cols + c] * (w[c] - now);
      moved = std::fmax(moved, std::fabs(now - w[c]));
      w[c] = now;
    }
  }
}

// min of t' A t / 2 - b' t over the t of O' t = 0 by projected gradients; along: O'(A t - b) there.
template <int Size, int Count>
void constrained_optimum(const double (&a)[Size][Size], const double (&b)[Size], const double (&o)[Count][Size],
                         double (&t)[Size], double (&along)[Count]) {
  double trace = 0;
  for (int i = 0; i < Size; ++i) trace += a[i][i], t[i] = 0;
  for (int step = 0; step < 20000; ++step) {
    double slope[Size];
    for (int i = 0; i < Size; ++i) {
      slope[i] = -b[i];
      for (int j = 0; j < Size; ++j) slope[i] += a[i][j] * t[j];
    }
    for (int k = 0; k < Count; ++k) along[k] = detail::constant_dot(o[k], slope, Size);
    for (int i = 0; i < Size; ++i) {
      for (int k = 0; k < Count; ++k) slope[i] -= o[k][i] * along[k];
      t[i] -= slope[i] / trace;
    }
  }
}

// The rate above which E log |1 + eta k| < 0, k normal, by a sum over +-8 deviations and bisection.
inline double critical_rate_of_normal(double mean, double deviation) {
  const auto exponent = [&](double eta) {
    double sum = 0;
    constexpr int kHalf = 4000;
    for (int i = -kHalf; i <= kHalf; ++i) {
      const double t = 8.0 * i / kHalf;
      sum += std::exp(-t * t / 2) * std::log(std::fabs(1 + eta * (mean + deviation * t)) + 1e-300);
    }
    return sum;
  };
  double low = 1e-3 * mean, high = 10 * mean / (deviation * deviation);
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (exponent(middle) > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace emmy::reproduce::inline EMMY_TARGET
