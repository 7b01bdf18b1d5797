// Meters of collapse and capacity, all in constant memory.
//
//   critical decay      -lambda_min(O' H O), H at the mirror surface: above it the mirror O attracts (theory.md section 4, 2)
//   Lyapunov exponent   mean of log |1 - eta (h + lam)|, h the curvature across the mirror, batch by batch: negative = it collapses (3)
//   mirror distance     |O' theta| / |theta|
//   unit sizes          |in_j| |out_j|, and the units below a part of the largest
//   effective rank      (sum of eigenvalues)^2 / sum of their squares of the Gram matrix of the units [in_j out_j]
//
// A mirror is a list of entries of orthonormal columns in the memory of Params; least_curvature and mirror_distance answer
// Status::not_orthonormal where they are not (2^-40, f32 2^-17), or an entry is no weight. H enters by differences of two gradients along a direction.
// "Dead" says that a unit carries nothing, not that the net has failed.
// Source: theory.md section 4 (collapse and plasticity meters). Test: tests/train/meters_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/train/verbs.hpp>

namespace emmy {

// O[at, column] = value; `at` in Params::data.
template <class S>
struct MirrorEntry {
  int column, at;
  S value;
};
template <class S>
struct Mirror {
  const MirrorEntry<S>* entry;
  int entries, columns;
};

// Running mean of the logarithm of what a step does to a small distance from a mirror.
template <class S>
struct LyapunovMeter {
  S sum = 0;
  int steps = 0;
  EMMY_INLINE constexpr S exponent() const noexcept { return steps > 0 ? sum / S(steps) : S(0); }
};

// The exponents of so many rates at once, lowest * ratio^k: where they turn negative is the critical rate of collapse by noise.
template <class S, int Rates>
struct CriticalRateMeter {
  S lowest, ratio;
  S sum[Rates] = {};
  int steps = 0;
};

// Weights beside the surface and their gradient, for differences.
template <class Net, int Columns>
struct CurvatureMeter {
  using S = typename Net::scalar;
  Params<Net> moved;
  Gradient<Net> g;
  S direction[Columns], along[Columns];
};

// lambda: an eigenvalue of O' H O is within `error` of it.
template <class S>
struct Curvature {
  Status status;
  S lambda, error;
};

// |O' theta| / |theta|.
template <class S>
struct MirrorDistance {
  Status status;
  S value;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
template <class Net>
EMMY_INLINE bool is_weight(int at) noexcept {
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
    const auto& block = kPlan<Net>.block[b];
    const int within = at - block.offset;
    if (within >= 0 && within < block.size() && block.is_weight(within)) return true;
  }
  return false;
}
// Are the columns orthonormal, all their entries weights? row: room for one number a column.
template <class Net, class S>
bool is_orthonormal(const Mirror<S>& mirror, S* row) noexcept {
  const auto *const entry = mirror.entry, *const end = entry + mirror.entries;
  for (auto e = entry; e != end; ++e)
    if (e->column < 0 || e->column >= mirror.columns || !is_weight<Net>(e->at)) return false;
  for (int p = 0; p < mirror.columns; ++p) {
    for (int q = 0; q < mirror.columns; ++q) row[q] = 0;
    for (auto own = entry; own != end; ++own) {
      if (own->column != p) continue;
      for (auto e = entry; e != end; ++e)
        if (e->at == own->at) row[e->column] += own->value * e->value;
    }
    for (int q = 0; q < mirror.columns; ++q)
      if (!detail::is_orthonormal(row[q], p == q)) return false;
  }
  return true;
}
template <class S>
EMMY_INLINE S log_of(S x) noexcept {
  return simd::first_of(log(simd::set(x)));
}
}  // namespace inner

// s = O' theta.
template <class S, class Net>
void mirror_coordinates(const Params<Net>& params, const Mirror<S>& mirror, S* s) noexcept {
  for (int k = 0; k < mirror.columns; ++k) s[k] = 0;
  for (int n = 0; n < mirror.entries; ++n)
    s[mirror.entry[n].column] += mirror.entry[n].value * params.data[mirror.entry[n].at];
}

// s becomes O' theta: room for one number a column. Status::not_orthonormal, not_finite.
template <class S, class Net>
MirrorDistance<S> mirror_distance(const Params<Net>& params, const Mirror<S>& mirror, S* s) noexcept {
  if (!inner::is_orthonormal<Net>(mirror, s)) return {Status::not_orthonormal, 0};
  mirror_coordinates(params, mirror, s);
  const S all = euclidean_norm(params.data, kPlan<Net>.params), across = euclidean_norm(s, mirror.columns);
  if (!is_finite(all) || !is_finite(across)) return {Status::not_finite, 0};
  return {Status::ok, all > S(0) ? across / all : S(0)};
}

// along = (O' H O) direction at the point of the surface below params, by central differences of 2 `step` (2^-8 in f32, 2^-17 in
// f64, against weights of size 1). gradient_at(params, g) -> Status: of a batch, or of all data. That the columns are orthonormal is
// not looked at, batch by batch.
template <int Columns, class Net, class GradientAt>
Status curvature_along(CurvatureMeter<Net, Columns>& meter, const Params<Net>& params,
                       const Mirror<typename Net::scalar>& mirror, GradientAt&& gradient_at,
                       typename Net::scalar step) noexcept {
  using S = typename Net::scalar;
  S surface[Columns];
  mirror_coordinates(params, mirror, surface);
  for (int k = 0; k < mirror.columns; ++k) meter.along[k] = 0;
  for (const S sign : {S(1), S(-1)}) {
    meter.moved = params;
    for (int n = 0; n < mirror.entries; ++n) {
      const auto& e = mirror.entry[n];
      meter.moved.data[e.at] += (sign * step * meter.direction[e.column] - surface[e.column]) * e.value;
    }
    if (const Status s = gradient_at(meter.moved, meter.g); s != Status::ok) return s;
    for (int n = 0; n < mirror.entries; ++n) {
      const auto& e = mirror.entry[n];
      meter.along[e.column] += sign * e.value * meter.g.data[e.at];
    }
  }
  for (int k = 0; k < mirror.columns; ++k) meter.along[k] /= S(2) * step;
  return Status::ok;
}

// The smallest eigenvalue of O' H O by power iterations: a few for its size, the others shifted by it. critical decay = -lambda,
// where that is positive; two gradients an iteration. A mirror of one column takes one. Status: what gradient_at answers;
// not_orthonormal, also of a mirror of none or more than Columns columns.
template <int Columns, class Net, class GradientAt>
Curvature<typename Net::scalar> least_curvature(CurvatureMeter<Net, Columns>& meter, const Params<Net>& params,
                                                const Mirror<typename Net::scalar>& mirror, GradientAt&& gradient_at,
                                                typename Net::scalar step, int iterations) noexcept {
  using S = typename Net::scalar;
  if (mirror.columns < 1 || mirror.columns > Columns || !inner::is_orthonormal<Net>(mirror, meter.along))
    return {Status::not_orthonormal, 0, 0};
  constexpr int kOfSize = 6;
  S shift = 0, lambda = 0, error = 0;
  for (int k = 0; k < mirror.columns; ++k) meter.direction[k] = S(1) + S(0.375) * S(k % 5) - S(0.25) * S(k % 3);
  for (int n = 0; n < (mirror.columns == 1 ? 1 : iterations); ++n) {
    const S size = euclidean_norm(meter.direction, mirror.columns);
    for (int k = 0; k < mirror.columns; ++k) meter.direction[k] /= size;
    if (const Status s = curvature_along(meter, params, mirror, gradient_at, step); s != Status::ok) return {s, 0, 0};
    lambda = error = 0;
    for (int k = 0; k < mirror.columns; ++k) lambda += meter.direction[k] * meter.along[k];
    for (int k = 0; k < mirror.columns; ++k) {
      const S rest = meter.along[k] - lambda * meter.direction[k];
      error += rest * rest;
    }
    error = root(error);
    const S reach = euclidean_norm(meter.along, mirror.columns);
    if (n < kOfSize) shift = larger(shift, reach);
    const S by = n + 1 < kOfSize ? S(0) : shift;
    for (int k = 0; k < mirror.columns; ++k) meter.direction[k] = meter.along[k] - by * meter.direction[k];
    if (!(euclidean_norm(meter.direction, mirror.columns) > S(0))) break;  // a zero of H, or its own eigenvector
  }
  return {Status::ok, lambda, error};
}

// One step with the rate eta, decay lam and curvature h of its batch.
template <class S>
EMMY_INLINE void note_curvature(LyapunovMeter<S>& meter, S eta, S h, S lam) noexcept {
  const S factor = S(1) - eta * (h + lam);
  meter.sum += inner::log_of(factor < S(0) ? -factor : factor);
  ++meter.steps;
}
template <class S, int Rates>
EMMY_INLINE void note_curvature(CriticalRateMeter<S, Rates>& meter, S h, S lam) noexcept {
  S eta = meter.lowest;
  for (int k = 0; k < Rates; ++k, eta *= meter.ratio) {
    const S factor = S(1) - eta * (h + lam);
    meter.sum[k] += inner::log_of(factor < S(0) ? -factor : factor);
  }
  ++meter.steps;
}
// The rate above which noise collapses the mirror, between the two of the meter where the exponent changes its sign; lowest: it collapses
// at each of them, 0: at none.
template <class S, int Rates>
EMMY_INLINE S critical_rate(const CriticalRateMeter<S, Rates>& meter) noexcept {
  S eta = meter.lowest;
  for (int k = 0; k < Rates; ++k, eta *= meter.ratio) {
    if (!(meter.sum[k] < S(0))) continue;
    if (k == 0) return eta;
    const S before = eta / meter.ratio;
    return before + (eta - before) * meter.sum[k - 1] / (meter.sum[k - 1] - meter.sum[k]);
  }
  return S(0);
}
// An exponent from |O' theta| before and after a step, where both are small and no zeros.
template <class S>
EMMY_INLINE void note_distance(LyapunovMeter<S>& meter, S before, S after) noexcept {
  meter.sum += inner::log_of(after / before);
  ++meter.steps;
}

namespace inner {
// Units of hidden layer Site of a plain net: their weights, bias and what they send to the next layer.
template <class Net, class Site>
struct HiddenUnits {
  static constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static constexpr bool kFits = hidden_layer < Net, kNode<0 ? 0 : kNode>();
  static_assert(kFits, "emmy: unit meters take a Dense with activations only between it and the next Dense");
  static constexpr int kFirst = kPlan<Net>.first_block[kNode], kEnd = kPlan<Net>.first_block[kNode + 1];
  static constexpr auto next = kPlan<Net>.block[kPlan<Net>.first_block[kFits ? next_affine<Net, kNode + 1>() : 0]];
  static constexpr int kUnits = next.rows;

  // Sum of products of what comes in to two units, and of what they send on.
  template <class S>
  static void dots(const S* data, int i, int j, S& in, S& out) noexcept {
    in = out = 0;
    for (int b = kFirst; b < kEnd; ++b) {
      const auto& block = kPlan<Net>.block[b];
      for (int r = 0; r < block.rows; ++r) in += data[block.at(r, i)] * data[block.at(r, j)];
    }
    for (int o = 0; o < next.cols; ++o) out += data[next.at(i, o)] * data[next.at(j, o)];
  }
};
}  // namespace inner

// size[j] = |in_j| |out_j| of the units of the layer that Site names; in with its bias.
template <class Site, class Net>
void unit_sizes(const Params<Net>& params, typename Net::scalar* size) noexcept {
  using U = inner::HiddenUnits<Net, Site>;
  for (int j = 0; j < U::kUnits; ++j) {
    typename Net::scalar in, out;
    U::dots(params.data, j, j, in, out);
    size[j] = root(in) * root(out);
  }
}

// Units below `part` of the largest; theory.md has 1e-3.
template <class Site, class Net>
int dead_units(const Params<Net>& params, typename Net::scalar part) noexcept {
  using U = inner::HiddenUnits<Net, Site>;
  typename Net::scalar size[U::kUnits], most = 0;
  unit_sizes<Site>(params, size);
  for (const auto s : size) most = larger(most, s);
  int dead = 0;
  for (const auto s : size) dead += !(s > part * most);
  return dead;
}

// From 1 (all units are one, up to a factor) to the number of units. 0: all weights are 0.
template <class Site, class Net>
typename Net::scalar effective_rank(const Params<Net>& params) noexcept {
  using S = typename Net::scalar;
  using U = inner::HiddenUnits<Net, Site>;
  S trace = 0, squares = 0;
  for (int i = 0; i < U::kUnits; ++i)
    for (int j = 0; j < U::kUnits; ++j) {
      S in, out;
      U::dots(params.data, i, j, in, out);
      squares += (in + out) * (in + out);
      if (i == j) trace += in + out;
    }
  return squares > S(0) ? trace * trace / squares : S(0);
}

// The mirror that swaps units i and j of the layer that Site names (sign 1), or swaps them and their signs (-1): one column for each pair of
// weights, two entries each. entry: room for 2 (weights into a unit + weights out of it).
template <class Net, class Site>
Mirror<typename Net::scalar> swap_of_units(int i, int j, int sign, MirrorEntry<typename Net::scalar>* entry) noexcept {
  using S = typename Net::scalar;
  using U = inner::HiddenUnits<Net, Site>;
  const S half = root(S(0.5));
  int n = 0, k = 0;
  const auto pair = [&](int first, int second) {
    entry[n++] = {k, first, half};
    entry[n++] = {k++, second, sign > 0 ? -half : half};
  };
  for (int b = U::kFirst; b < U::kEnd; ++b) {
    const auto& block = kPlan<Net>.block[b];
    for (int r = 0; r < block.rows; ++r) pair(block.at(r, i), block.at(r, j));
  }
  for (int o = 0; o < U::next.cols; ++o) pair(U::next.at(i, o), U::next.at(j, o));
  return {entry, n, k};
}

}  // namespace emmy::inline EMMY_TARGET
