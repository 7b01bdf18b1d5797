// Rotations of the data, measured when asked: the residual of their identity and their angular momentum.
//
//   gradient(..., g) on a whole orbit;  turning<DataRotation<>>(params, g, plane) = 0;  turning<DataRotation<>>(params, state, plane)
//
// Source: theory.md section 1 #24. Test: tests/noether/rotation_test.cpp.
#pragma once

#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/rows.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/symmetry/rotation.hpp>

namespace emmy {

// <X, A W> and what it is small against, sum over planes of |A[i, k]| (|W[i, :]| |X[k, :]| + |W[k, :]| |X[i, :]|).
template <class S>
struct Turning {
  S value, scale;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class Net, class Rotation>
struct TurnedRows {
  using S = typename Net::scalar;
  static constexpr PlannedBlock kBlock = kPlan<Net>.block[block_of<Net>(Rotation{})];

  EMMY_INLINE static S dot_of(const S* a, int i, const S* b, int k) noexcept {
    if constexpr (!kBlock.turned)
      return dot(a + kBlock.at(i, 0), b + kBlock.at(k, 0), static_cast<std::size_t>(kBlock.cols));
    S sum = 0;
    for (int o = 0; o < kBlock.cols; ++o) sum += a[kBlock.at(i, o)] * b[kBlock.at(k, o)];
    return sum;
  }
  EMMY_INLINE static S length_of(const S* a, int i) noexcept { return root(dot_of(a, i, a, i)); }
  EMMY_INLINE static Turning<S> plane(const S* w, const S* x, Plane p) noexcept {
    return {dot_of(w, p.i, x, p.k) - dot_of(w, p.k, x, p.i),
            length_of(w, p.i) * length_of(x, p.k) + length_of(w, p.k) * length_of(x, p.i)};
  }
  // a [inputs][inputs] antisymmetric: what is above its diagonal is read.
  EMMY_INLINE static Turning<S> generator(const S* w, const S* x, const S* a) noexcept {
    Turning<S> sum{};
    for (int i = 0; i < kBlock.rows; ++i)
      for (int k = i + 1; k < kBlock.rows; ++k) {
        const S share = a[i * kBlock.rows + k];
        if (share == S(0)) continue;
        const Turning<S> own = plane(w, x, {i, k});
        sum.value += share * own.value;
        sum.scale += (share < S(0) ? -share : share) * own.scale;
      }
    return sum;
  }
};

}  // namespace inner

// Of the gradient of a whole orbit: 0 but for rounding. In a plane, inputs counted from 0, or for a generator.
template <class Rotation = DataRotation<>, class Net>
Turning<typename Net::scalar> turning(const Params<Net>& params, const Gradient<Net>& g, Plane plane) noexcept {
  return inner::TurnedRows<Net, Rotation>::plane(params.data, g.data, plane);
}
template <class Rotation = DataRotation<>, class Net>
Turning<typename Net::scalar> turning(const Params<Net>& params, const Gradient<Net>& g,
                                      const typename Net::scalar* generator) noexcept {
  return inner::TurnedRows<Net, Rotation>::generator(params.data, g.data, generator);
}

// The angular momentum: of the buffer of a rule with momentum, W[i, :] m[k, :]' - W[k, :] m[i, :]'. Other rules have none.
template <class Rotation = DataRotation<>, class Net, class Rule>
requires(Rule::kHasMemory) Turning<typename Net::scalar> turning(const Params<Net>& params,
                                                                 const State<Net, Rule>& state, Plane plane)
noexcept { return inner::TurnedRows<Net, Rotation>::plane(params.data, state.buf, plane); }
template <class Rotation = DataRotation<>, class Net, class Rule>
requires(Rule::kHasMemory) Turning<typename Net::scalar> turning(const Params<Net>& params,
                                                                 const State<Net, Rule>& state,
                                                                 const typename Net::scalar* generator)
noexcept { return inner::TurnedRows<Net, Rotation>::generator(params.data, state.buf, generator); }

}  // namespace emmy::inline EMMY_TARGET
