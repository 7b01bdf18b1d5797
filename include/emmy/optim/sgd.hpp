// Gradient descent: theta' = theta - eta (g + lam theta). Coupled and decoupled decay are the same here.
#pragma once

#include <emmy/optim/rule.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

template <class S>
struct BasicSgd {
  using scalar = S;
  static constexpr bool kHasMemory = false;
  static constexpr bool kClips = false;
  S learning_rate = S(0.01);
  S weight_decay = S(0);
};
using Sgd = BasicSgd<float>;

template <class S>
EMMY_INLINE constexpr bool valid(const BasicSgd<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay);
}

// k = 1 - eta lam, u = u0 = a0 g with a0 = eta clip. Plain: k = 1, the same bits by fewer operations.
template <class S, bool Plain = false>
struct SgdCoefficients {
  static constexpr Motion kMotion = Motion::plain;
  static constexpr bool kBuffered = false;
  S k, a0;
};
template <class S>
EMMY_INLINE constexpr SgdCoefficients<S> coefficients(const BasicSgd<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay, r.learning_rate * clip};
}
template <class S>
EMMY_INLINE constexpr Combination<S> combination(const SgdCoefficients<S>& c) noexcept {
  return {c.a0, S(0)};
}
template <class S>
EMMY_INLINE constexpr LawRates<S> law_rates(const BasicSgd<S>& r) noexcept {
  return {coefficients(r, S(1)).k, r.learning_rate, S(0), S(0)};
}
// From upper bounds of |theta|, |g| and |buf| to those of |theta'| and |buf'|.
template <class S>
EMMY_INLINE constexpr void bound_step(const SgdCoefficients<S>& c, S g, S& theta, S&) noexcept {
  theta = c.k * theta + c.a0 * g;
}

template <class S>
inline constexpr bool kMayBePlain<BasicSgd<S>> = true;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class S>
EMMY_INLINE constexpr bool is_plain(const SgdCoefficients<S>& c) noexcept {
  return c.k == S(1);
}
template <class S>
EMMY_INLINE constexpr SgdCoefficients<S, true> plain(const SgdCoefficients<S>& c) noexcept {
  return {c.k, c.a0};
}

template <class S, bool Plain, class V>
EMMY_INLINE void apply(const SgdCoefficients<S, Plain>& c, V theta, V g, V&, V& next, V& u) noexcept {
  u = simd::mul(simd::set(c.a0), g);
  next = Plain ? simd::sub(theta, u) : simd::mul_add(simd::set(c.k), theta, simd::neg(u));
}

}  // namespace emmy::inline EMMY_TARGET
