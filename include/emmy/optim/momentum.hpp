// Heavy ball and Nesterov, in PyTorch's form (the buffer is in gradient units, so a varying rate keeps the laws exact).
//   Momentum         buf' = beta buf + (1 - tau)(g + lam theta),  theta' = theta - eta buf'
//   MomentumW        decay decoupled: buf' = beta buf + (1 - tau) g,  theta' = (1 - eta lam) theta - eta buf'
//   Nesterov         d = g + lam theta,  buf' = beta buf + d,  theta' = theta - eta (d + beta buf')
// No special first step; the buffer starts at 0.
#pragma once

#include <emmy/optim/rule.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

template <class S, Decay kind = Decay::coupled>
struct BasicMomentum {
  using scalar = S;
  static constexpr bool kHasMemory = true;
  static constexpr bool kClips = false;
  S learning_rate = S(0.01);
  S momentum = S(0.9);
  S weight_decay = S(0);
  S dampening = S(0);
};
template <class S>
struct BasicNesterov {
  using scalar = S;
  static constexpr bool kHasMemory = true;
  static constexpr bool kClips = false;
  S learning_rate = S(0.01);
  S momentum = S(0.9);
  S weight_decay = S(0);
};
using Momentum = BasicMomentum<float>;
using MomentumW = BasicMomentum<float, Decay::decoupled>;
using Nesterov = BasicNesterov<float>;

template <class S, Decay kind>
EMMY_INLINE constexpr bool valid(const BasicMomentum<S, kind>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay) && detail::within(r.momentum, S(0), S(1)) &&
         r.momentum < S(1) && detail::within(r.dampening, S(0), S(1));
}
template <class S>
EMMY_INLINE constexpr bool valid(const BasicNesterov<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay * (S(1) + r.momentum)) &&
         detail::within(r.momentum, S(0), S(1)) && r.momentum < S(1);
}

// m = beta buf + c g,  u = eta m,  buf' = m + stored theta,  theta' = k theta - u.
// Plain: k = c = 1 and stored = 0, the same bits by fewer operations.
template <class S, bool Plain = false>
struct MomentumCoefficients {
  static constexpr Motion kMotion = Motion::linear;
  static constexpr bool kBuffered = true;
  S k, a0, beta, c, eta, stored;
};
template <class S, Decay kind>
EMMY_INLINE constexpr MomentumCoefficients<S> coefficients(const BasicMomentum<S, kind>& r, S clip) noexcept {
  const S share = S(1) - r.dampening, c = share * clip;
  const S into_theta = kind == Decay::coupled ? share * r.weight_decay : r.weight_decay;
  const S into_buf = kind == Decay::coupled ? share * r.weight_decay : S(0);
  return {S(1) - r.learning_rate * into_theta, r.learning_rate * c, r.momentum, c, r.learning_rate, into_buf};
}
template <class S>
EMMY_INLINE constexpr Combination<S> combination(const MomentumCoefficients<S>& c) noexcept {
  return {c.eta * c.c, c.eta * c.beta};
}
// The factor of an angular momentum a step, J = antisymmetric part of buf times theta: buf' = m + stored theta and
// theta' = k theta - eta m give (k + eta stored) beta J, since that of g vanishes. Nesterov has no such law.
template <class S>
EMMY_INLINE constexpr S angular_factor(const MomentumCoefficients<S>& c) noexcept {
  return c.beta * (c.k + c.eta * c.stored);
}
template <class S, Decay kind>
EMMY_INLINE constexpr S angular_factor(const BasicMomentum<S, kind>& r) noexcept {
  return angular_factor(coefficients(r, S(1)));
}
template <class S, Decay kind>
EMMY_INLINE constexpr LawRates<S> law_rates(const BasicMomentum<S, kind>& r) noexcept {
  const auto c = coefficients(r, S(1));
  return {c.k, r.learning_rate, r.momentum, c.stored};
}
template <class S>
EMMY_INLINE constexpr void bound_step(const MomentumCoefficients<S>& c, S g, S& theta, S& memory) noexcept {
  const S m = c.beta * memory + c.c * g;
  memory = m + c.stored * theta;
  theta = c.k * theta + c.eta * m;
}

// m = beta buf + c g,  u = eta (c g + beta m),  buf' = m + lam theta,  theta' = k theta - u.
// Plain: k = c = 1 and stored = 0, the same bits by fewer operations.
template <class S, bool Plain = false>
struct NesterovCoefficients {
  static constexpr Motion kMotion = Motion::linear;
  static constexpr bool kBuffered = true;
  S k, a0, beta, c, eta, stored;
};
template <class S>
EMMY_INLINE constexpr NesterovCoefficients<S> coefficients(const BasicNesterov<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay * (S(1) + r.momentum),
          r.learning_rate * clip,
          r.momentum,
          clip,
          r.learning_rate,
          r.weight_decay};
}
template <class S>
EMMY_INLINE constexpr Combination<S> combination(const NesterovCoefficients<S>& c) noexcept {
  return {c.eta * c.c * (S(1) + c.beta), c.eta * c.beta * c.beta};
}
template <class S>
EMMY_INLINE constexpr void bound_step(const NesterovCoefficients<S>& c, S g, S& theta, S& memory) noexcept {
  const S m = c.beta * memory + c.c * g;
  memory = m + c.stored * theta;
  theta = c.k * theta + c.eta * (c.beta * m + c.c * g);
}

template <class S, Decay kind>
inline constexpr bool kMayBePlain<BasicMomentum<S, kind>> = true;
template <class S>
inline constexpr bool kMayBePlain<BasicNesterov<S>> = true;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <template <class, bool> class C, class S>
EMMY_INLINE constexpr bool is_plain(const C<S, false>& c) noexcept {
  return c.k == S(1) && c.c == S(1) && c.stored == S(0);
}
template <template <class, bool> class C, class S>
EMMY_INLINE constexpr C<S, true> plain(const C<S, false>& c) noexcept {
  return {c.k, c.a0, c.beta, c.c, c.eta, c.stored};
}

template <bool Plain, class S, class V>
EMMY_INLINE V scaled(S factor, V v) noexcept {
  if constexpr (Plain) return v;
  else return simd::mul(simd::set(factor), v);
}

// k theta - eta m, u = eta m.
template <bool Plain, class C, class V>
EMMY_INLINE V moved(const C& c, V theta, V m, V u) noexcept {
  if constexpr (kSplitsProducts) return simd::sub(scaled<Plain>(c.k, theta), u);
  else return simd::neg_mul_add(simd::set(c.eta), m, scaled<Plain>(c.k, theta));
}

// A buffer without new gradient decays into denormal numbers, where x86 needs a hundred cycles an operation and
// rounding to nearest stalls it for ever: what is tiny is 0.
template <class S, bool Plain, class V>
EMMY_INLINE void apply(const MomentumCoefficients<S, Plain>& c, V theta, V g, V& buf, V& next, V& u) noexcept {
  const V m = simd::without_tiny(simd::mul_add(simd::set(c.beta), buf, scaled<Plain>(c.c, g)));
  u = simd::mul(simd::set(c.eta), m);
  buf = Plain ? m : simd::mul_add(simd::set(c.stored), theta, m);
  next = moved<Plain>(c, theta, m, u);
}

template <class S, bool Plain, class V>
EMMY_INLINE void apply(const NesterovCoefficients<S, Plain>& c, V theta, V g, V& buf, V& next, V& u) noexcept {
  const V own = scaled<Plain>(c.c, g);
  const V m = simd::without_tiny(simd::mul_add(simd::set(c.beta), buf, own)),
          ahead = simd::mul_add(simd::set(c.beta), m, own);
  u = simd::mul(simd::set(c.eta), ahead);
  buf = Plain ? m : simd::mul_add(simd::set(c.stored), theta, m);
  next = moved<Plain>(c, theta, ahead, u);
}

}  // namespace emmy::inline EMMY_TARGET
