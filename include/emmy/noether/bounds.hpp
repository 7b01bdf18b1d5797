// How large weights can be, from their charges and what they do together; and how far plain steps can move a charge.
// Source: theory.md section 1 (Boundedness), after Gluch, Urbanke, "Noether: the more things change, the more stay the same",
// 2021. Test: tests/noether/bounds_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>

namespace emmy {

// Squared norms of the two sides of a unit.
template <class S>
struct Sides {
  S incoming, outgoing;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// A unit of charge q = |in|^2 - |out|^2 (Rescaling, the bias among in) and of size p = |in||out|, what it can add to the function:
//   |in|^2 = (sqrt(q^2 + 4 p^2) + q) / 2,  |out|^2 = (sqrt(q^2 + 4 p^2) - q) / 2
// so that bounded functions of bounded charge have bounded weights. Both grow with p, the first with q: an upper bound of q and
// of p gives one of |in|^2. Error: a few ulp, without cancellation.
template <class S>
EMMY_INLINE Sides<S> sides_of_unit(S charge, S size) noexcept {
  const S most = charge < S(0) ? -charge : charge;
  const S larger = S(0.5) * (root(charge * charge + S(4) * size * size) + most);
  const S smaller = larger > S(0) ? size * (size / larger) : S(0);
  return charge < S(0) ? Sides<S>{smaller, larger} : Sides<S>{larger, smaller};
}

// Two linear layers, M = W V their product and Q = V V' - W'W their balance (symmetry/balance.hpp, no bias), |.| the operator
// norm or one above it (Frobenius):   max(|W|, |V|)^2 <= (|Q| + sqrt(|Q|^2 + 4 |M|^2)) / 2, attained.
template <class S>
EMMY_INLINE S largest_of_pair(S balance, S product) noexcept {
  return sides_of_unit(balance, product).incoming;
}

// Plain steps at one rate move a charge |in|^2 - |out|^2 by at most rate^2 sum |g|^2, g the whole gradient; with rate times the
// largest curvature below 1 that is at most this.
template <class S>
EMMY_INLINE constexpr S largest_drift(S rate, S loss_before, S loss_after) noexcept {
  return S(2) * rate * (loss_before - loss_after);
}

}  // namespace emmy::inline EMMY_TARGET
