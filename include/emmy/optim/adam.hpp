// Rules with a preconditioner: each weight moves along its gradient times a number of its own.
//   Adam      m' = b1 m + (1 - b1) g,  v' = b2 v + (1 - b2) g^2,  pre = 1 / (sqrt(v' / (1 - b2^t)) + eps)
//             theta' = (1 - eta lam) theta - eta pre m' / (1 - b1^t)
//   RmsProp   v' = b2 v + (1 - b2) g^2,  theta' = (1 - eta lam) theta - eta g / (sqrt(v') + eps)
//   Lion      m' = b2 m + (1 - b2) g,  theta' = (1 - eta lam) theta - eta sign(b1 m + (1 - b1) g)
//   SignSgd   theta' = (1 - eta lam) theta - eta sign(g)
// Weight decay is decoupled in all of them (Adam with decay is AdamW): decay inside of g would enter v, and no law could
// tell its part. b1 and b2 constant over a run; 1 - b1^t and 1 - b2^t are kept in the state.
//
// pre breaks every symmetry whose action mixes weights of different pre: the ledger (mode Kinetic) books it as breaking,
// against the gradient times one number a unit, 1 / (sqrt(mean of v' over the unit) + eps). SharedAdam (train/
// shared_adam.hpp) has one v for all weights that symmetries tie together and breaks none.
// Bounds: |m| <= K sqrt(v) with K^2 = (1-b1)^2 / ((1-b2) (1 - b1^2/b2)) (Cauchy-Schwarz), so b1^2 < b2 is asked for; epsilon
// is at least kLeastEpsilon, since squares below kTiny are forgotten.
// Source: theory.md section 2. Test: tests/optim/adam_test.cpp.
#pragma once

#include <emmy/optim/momentum.hpp>

namespace emmy {

template <class S>
struct BasicAdam {
  using scalar = S;
  static constexpr bool kHasMemory = true, kClips = false, kPreconditioned = true;
  static constexpr int kSecondMoments = kOneAWeight;
  S learning_rate = S(0.001);
  S beta1 = S(0.9);
  S beta2 = S(0.999);
  S epsilon = S(1e-8);
  S weight_decay = S(0);
};
template <class S>
struct BasicRmsProp {
  using scalar = S;
  static constexpr bool kHasMemory = false, kClips = false, kPreconditioned = true;
  static constexpr int kSecondMoments = kOneAWeight;
  S learning_rate = S(0.01);
  S beta2 = S(0.99);
  S epsilon = S(1e-8);
  S weight_decay = S(0);
};
template <class S>
struct BasicLion {
  using scalar = S;
  static constexpr bool kHasMemory = true, kClips = false, kPreconditioned = true;
  S learning_rate = S(0.0001);
  S beta1 = S(0.9);
  S beta2 = S(0.99);
  S weight_decay = S(0);
};
template <class S>
struct BasicSignSgd {
  using scalar = S;
  static constexpr bool kHasMemory = false, kClips = false, kPreconditioned = true;
  S learning_rate = S(0.001);
  S weight_decay = S(0);
};
using Adam = BasicAdam<float>;
using RmsProp = BasicRmsProp<float>;
using Lion = BasicLion<float>;
using SignSgd = BasicSignSgd<float>;

// g_i := limit if above, -limit if below, each entry by itself. The ledger books what that breaks.
template <class Rule>
struct ClipByValue {
  static_assert(!Rule::kClips, "emmy: a rule is clipped once: by value, by norm or by tensor");
  static_assert(kSecondMoments<Rule> <= 0,
                "emmy: shared second moments are clipped by norm: ClipByNorm<SharedAdam<Net>>");
  using scalar = typename Rule::scalar;
  static constexpr bool kHasMemory = Rule::kHasMemory;
  static constexpr bool kClips = false;
  Rule rule;
  scalar limit;
};

// Far above the root of a v that is taken for 0.
template <class S>
inline constexpr S kLeastEpsilon = sizeof(S) == 4 ? S(0x1p-45) : S(0x1p-440);
static_assert(kTiny<float> <= kLeastEpsilon<float> * kLeastEpsilon<float> / 16);
static_assert(kTiny<double> <= kLeastEpsilon<double> * kLeastEpsilon<double> / 16);

namespace detail {
template <class S>
EMMY_INLINE constexpr bool betas_ok(S beta1, S beta2) noexcept {
  return within(beta1, S(0), S(1)) && within(beta2, S(0), S(1)) && beta2 < S(1) &&
         (beta1 == S(0) || beta1 * beta1 < beta2);
}
template <class S>
EMMY_INLINE constexpr bool epsilon_ok(S epsilon) noexcept {
  return within(epsilon, kLeastEpsilon<S>, S(0x1p60));
}
}  // namespace detail

template <class S>
EMMY_INLINE constexpr bool valid(const BasicAdam<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay) && detail::betas_ok(r.beta1, r.beta2) &&
         detail::epsilon_ok(r.epsilon);
}
template <class S>
EMMY_INLINE constexpr bool valid(const BasicRmsProp<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay) && detail::betas_ok(S(0), r.beta2) &&
         detail::epsilon_ok(r.epsilon);
}
template <class S>
EMMY_INLINE constexpr bool valid(const BasicLion<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay) && detail::within(r.beta1, S(0), S(1)) &&
         detail::within(r.beta2, S(0), S(1));
}
template <class S>
EMMY_INLINE constexpr bool valid(const BasicSignSgd<S>& r) noexcept {
  return detail::rates_ok(r.learning_rate, r.weight_decay);
}
template <class Rule>
EMMY_INLINE constexpr bool valid(const ClipByValue<Rule>& r) noexcept {
  return valid(r.rule) && r.limit > 0 && r.limit - r.limit == 0;
}

// Where the second moment of a weight is, by the address of the weight.
template <class S>
struct SecondByWeight {
  static constexpr bool kMoves = true;  // updated where it is used
  S* data;
  const S* theta;
};
// One number for each row of a block of so many scalars a row, or for each column: updated before the sweep. `real` has a
// one in each lane that is no pad, the line of columns a zero in each that is one.
template <class S, int Width>
struct SecondByRow {
  static constexpr bool kMoves = false;
  const S *line, *real, *theta;
};
template <class S, int Width>
struct SecondByColumn {
  static constexpr bool kMoves = false;
  const S *line, *theta;
};

// m' = b1 m + (1 - b1) g,  u = eta scale1 m' / (sqrt(scale2 v') + eps); without memory m' = g.
template <class S, bool Memory, class Second = SecondByWeight<S>>
struct AdamCoefficients {
  static constexpr Motion kMotion = Motion::general;
  static constexpr bool kBuffered = Memory;
  S k, a0, clip, beta1, beta2, epsilon;
  S scale1 = S(1), scale2 = S(1);
  S mean_of = S(1);  // a shared v is a mean over at most so many weights
  Second second = {};
};
// u = eta sign(m),  m = b1 buf + (1 - b1) g,  buf' = b2 buf + (1 - b2) g.
template <class S, bool Memory>
struct SignCoefficients {
  static constexpr Motion kMotion = Motion::general;
  static constexpr bool kBuffered = Memory;
  S k, a0, clip, beta1, beta2;
};
// Those of the rule inside, which sees |g| <= limit.
template <class C, class S>
struct ClippedCoefficients {
  static constexpr Motion kMotion = Motion::general;
  static constexpr bool kBuffered = C::kBuffered;
  S k, a0, clip, limit;
  C inside;
};

template <class S>
EMMY_INLINE constexpr AdamCoefficients<S, true> coefficients(const BasicAdam<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay, r.learning_rate, clip, r.beta1, r.beta2, r.epsilon};
}
template <class S>
EMMY_INLINE constexpr AdamCoefficients<S, false> coefficients(const BasicRmsProp<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay, r.learning_rate, clip, S(0), r.beta2, r.epsilon};
}
template <class S>
EMMY_INLINE constexpr SignCoefficients<S, true> coefficients(const BasicLion<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay, r.learning_rate, clip, r.beta1, r.beta2};
}
template <class S>
EMMY_INLINE constexpr SignCoefficients<S, false> coefficients(const BasicSignSgd<S>& r, S clip) noexcept {
  return {S(1) - r.learning_rate * r.weight_decay, r.learning_rate, clip, S(0), S(0)};
}
template <class Rule, class S = typename Rule::scalar>
EMMY_INLINE constexpr auto coefficients(const ClipByValue<Rule>& r, S clip) noexcept {
  auto inside = coefficients(r.rule, S(1));
  return ClippedCoefficients<decltype(inside), S>{inside.k, inside.a0, clip, r.limit, inside};
}
template <class Rule>
EMMY_INLINE constexpr auto of_block(const ClipByValue<Rule>& rule, int block) noexcept {
  return ClipByValue<decltype(of_block(rule.rule, block))>{of_block(rule.rule, block), rule.limit};
}

// |u| <= eta K / (1 - b1), the corrections of the first steps in it, and K <= (1 + K^2) / 2 without a root.
template <class S, bool Memory, class Second>
EMMY_INLINE constexpr void bound_step(const AdamCoefficients<S, Memory, Second>& c, S g, S& theta, S& memory) noexcept {
  memory = c.beta1 * memory + c.clip * g;
  const S rest = S(1) - c.beta1, own = S(1) - c.beta2;
  const S square = c.mean_of * rest * rest / (own * (S(1) - (c.beta1 > S(0) ? c.beta1 * c.beta1 / c.beta2 : S(0))));
  theta = c.k * theta + c.a0 * S(0.5) * (S(1) + square) / rest;
}
template <class S, bool Memory>
EMMY_INLINE constexpr void bound_step(const SignCoefficients<S, Memory>& c, S g, S& theta, S& memory) noexcept {
  memory = c.beta2 * memory + c.clip * g;
  theta = c.k * theta + c.a0;
}
template <class C, class S>
EMMY_INLINE constexpr void bound_step(const ClippedCoefficients<C, S>& c, S g, S& theta, S& memory) noexcept {
  bound_step(c.inside, g < c.limit ? g : c.limit, theta, memory);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The second moment of the weights at `theta`, and where it moves, its new value.
template <class S>
EMMY_INLINE simd::Vec<S> load_second(const SecondByWeight<S>& at, const S* theta) noexcept {
  return simd::load(at.data + (theta - at.theta));
}
template <class S, int Width>
EMMY_INLINE simd::Vec<S> load_second(const SecondByRow<S, Width>& at, const S* theta) noexcept {
  const auto from = theta - at.theta;
  return simd::mul(simd::set(at.line[from / Width]), simd::load(at.real + from % Width));
}
template <class S, int Width>
EMMY_INLINE simd::Vec<S> load_second(const SecondByColumn<S, Width>& at, const S* theta) noexcept {
  return simd::load(at.line + (theta - at.theta) % Width);
}
template <class S, bool Memory, class Second>
EMMY_INLINE simd::Vec<S> load_second(const AdamCoefficients<S, Memory, Second>& c, const S* theta) noexcept {
  return load_second(c.second, theta);
}
template <class S, bool Memory, class Second, class V>
EMMY_INLINE void store_second(const AdamCoefficients<S, Memory, Second>& c, V v, const S* theta) noexcept {
  if constexpr (Second::kMoves) simd::store(v, c.second.data + (theta - c.second.theta));
}
template <class S, bool Memory>
EMMY_INLINE simd::Vec<S> load_second(const SignCoefficients<S, Memory>&, const S*) noexcept {
  return simd::zero<S>();
}
template <class S, bool Memory, class V>
EMMY_INLINE void store_second(const SignCoefficients<S, Memory>&, V, const S*) noexcept {}
template <class C, class S>
EMMY_INLINE simd::Vec<S> load_second(const ClippedCoefficients<C, S>& c, const S* theta) noexcept {
  if constexpr (C::kMotion == Motion::general) return load_second(c.inside, theta);
  else return simd::zero<S>();
}
template <class C, class S, class V>
EMMY_INLINE void store_second(const ClippedCoefficients<C, S>& c, V v, const S* theta) noexcept {
  if constexpr (C::kMotion == Motion::general) store_second(c.inside, v, theta);
}

// second: in v; out v' for store_second, `seen` what the preconditioner is made of.
template <class S, bool Memory, class Second, class V>
EMMY_INLINE void apply(const AdamCoefficients<S, Memory, Second>& c, V theta, V g, V& buf, V& second, V& next, V& u,
                       V& u0, V& d, V& seen) noexcept {
  const V own = simd::mul(simd::set(c.clip), g);
  if constexpr (Second::kMoves)
    second = simd::without_tiny(
        simd::mul_add(simd::mul(simd::set(S(1) - c.beta2), own), own, simd::mul(simd::set(c.beta2), second)));
  seen = simd::mul(simd::set(c.scale2), second);
  const V rate = simd::div(simd::set(c.a0), simd::add(simd::sqrt(seen), simd::set(c.epsilon)));
  u0 = simd::mul(rate, own);
  if constexpr (Memory) {
    buf = simd::without_tiny(simd::mul_add(simd::set(c.beta1), buf, simd::mul(simd::set(S(1) - c.beta1), own)));
    d = simd::mul(simd::set(c.scale1), buf);
    u = simd::mul(rate, d);
  } else {
    d = own;
    u = u0;
  }
  next = simd::mul_add(simd::set(c.k), theta, simd::neg(u));
}

// The sign of v, 0 of 0.
template <class V>
EMMY_INLINE V sign(V v) noexcept {
  using S = simd::Scalar<V>;
  const V one = simd::bit_or(simd::bit_and(v, simd::set(S(-0.0))), simd::set(S(1)));
  return simd::select(simd::equal(v, simd::zero<S>()), simd::zero<S>(), one);
}
template <class S, bool Memory, class V>
EMMY_INLINE void apply(const SignCoefficients<S, Memory>& c, V theta, V g, V& buf, V&, V& next, V& u, V& u0, V& d,
                       V& seen) noexcept {
  const V own = simd::mul(simd::set(c.clip), g), eta = simd::set(c.a0);
  seen = simd::mul(own, own);
  u0 = simd::mul(eta, sign(own));
  if constexpr (Memory) {
    d = simd::mul_add(simd::set(c.beta1), buf, simd::mul(simd::set(S(1) - c.beta1), own));
    buf = simd::without_tiny(simd::mul_add(simd::set(c.beta2), buf, simd::mul(simd::set(S(1) - c.beta2), own)));
    u = simd::mul(eta, sign(d));
  } else {
    d = own;
    u = u0;
  }
  next = simd::mul_add(simd::set(c.k), theta, simd::neg(u));
}

template <class C, class S, class V>
EMMY_INLINE void apply(const ClippedCoefficients<C, S>& c, V theta, V g, V& buf, V& second, V& next, V& u, V& u0, V& d,
                       V& seen) noexcept {
  const V limit = simd::set(c.limit),
          own = simd::min(simd::max(simd::mul(simd::set(c.clip), g), simd::neg(limit)), limit);
  if constexpr (C::kMotion == Motion::general) {
    apply(c.inside, theta, own, buf, second, next, u, u0, d, seen);
  } else {
    apply(c.inside, theta, own, buf, next, u);
    u0 = simd::mul(simd::set(c.inside.a0), own);
    d = own;
    seen = simd::zero<S>();
  }
}

// The number that stands for the preconditioner of a unit, from the mean of `seen` over it.
template <class S, class V>
EMMY_INLINE V reference_scale(const BasicAdam<S>& r, V mean) noexcept {
  return simd::div(simd::set(S(1)), simd::add(simd::sqrt(mean), simd::set(r.epsilon)));
}
template <class S, class V>
EMMY_INLINE V reference_scale(const BasicRmsProp<S>& r, V mean) noexcept {
  return simd::div(simd::set(S(1)), simd::add(simd::sqrt(mean), simd::set(r.epsilon)));
}
// Of a sign: 1 / rms of the unit's gradient, 0 without one.
template <class S, class V>
EMMY_INLINE V reference_scale(const BasicSignSgd<S>&, V mean) noexcept {
  const V none = simd::zero<S>(), rms = simd::sqrt(mean);
  return simd::select(simd::less(none, rms), simd::div(simd::set(S(1)), rms), none);
}
template <class S, class V>
EMMY_INLINE V reference_scale(const BasicLion<S>&, V mean) noexcept {
  return reference_scale(BasicSignSgd<S>{}, mean);
}

}  // namespace emmy::inline EMMY_TARGET
