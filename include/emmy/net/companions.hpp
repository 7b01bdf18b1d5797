// What moves along with the weights: momentum buffers, second moments.
//
// Where a projection of units multiplies weights by c, their gradient is multiplied by 1 / c, so a buffer of gradients moves by the
// power -1 and one of squared gradients by -2: P = B(buf, theta) is the same before and after, and the budget goes on without a
// jump (the next step does differ, because the metric of plain descent is not invariant). Projections that change the function
// put buffers of power -1 onto the tangent space, by the map of the gradient, and leave the others.
// Source: theory.md section 5. Test: tests/project/rebalance_test.cpp.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/kernels/reduce.hpp>
#include <emmy/net/memory.hpp>

namespace emmy {

// An array in the layout of the parameters.
template <class S>
struct Companion {
  S* data;
  int power;
};
template <class S>
struct Companions {
  static constexpr int kMost = 4;
  Companion<S> array[kMost] = {};
  int count = 0;

  EMMY_INLINE constexpr void add(S* data, int power) noexcept { array[count++] = {data, power}; }
  EMMY_INLINE constexpr const Companion<S>* begin() const noexcept { return array; }
  EMMY_INLINE constexpr const Companion<S>* end() const noexcept { return array + count; }
};

// Those of a state: a line for each array that a rule keeps. Second moments that weights share (SharedAdam) stay as they are:
// what ties them is not scaled alike.
template <class Net, class Rule>
EMMY_INLINE constexpr auto companions_of(State<Net, Rule>& state) noexcept {
  Companions<typename Net::scalar> all;
  if constexpr (requires { state.buf; }) all.add(state.buf, -1);
  if constexpr (detail::second_moments<Net, Rule>() == kPlan<Net>.params) all.add(state.second.data, -2);
  return all;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class Net, class S>
EMMY_INLINE bool companions_finite(const Companions<S>& all) noexcept {
  bool finite = true;
  for (const auto& c : all) finite = finite && all_finite(c.data, kPlan<Net>.params);
  return finite;
}

}  // namespace emmy::inline EMMY_TARGET
