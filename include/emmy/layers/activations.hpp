// Activations: y = f(x), one value at a time. Each is fused into the epilogue of the layer before it where it works in
// place, and its derivative into the product that makes dx.
#pragma once

#include <emmy/kernels/transcendental.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

struct Identity {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true, kContracts = true;
  static constexpr Ratio kDegree{1, 1};
  static constexpr int kPolynomial = 1;
};

// max(x, 0), f'(0) = 0.
struct Relu {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true, kContracts = true;
  static constexpr Ratio kDegree{1, 1};
};

// x > 0 ? x : slope x, slope = Numerator / Denominator > 0; f'(0) = slope.
template <int Numerator = 1, int Denominator = 100>
struct LeakyRelu {
  static_assert(Numerator > 0 && Denominator > 0, "emmy: LeakyRelu needs a positive slope (use Relu for slope 0)");
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true;
  static constexpr bool kContracts = Numerator <= Denominator;
  static constexpr Ratio kDegree{1, 1};
};

// max(x, 0)^(P/Q), Q = 1 or 2, P >= Q: PowerRelu<2> is the squared ReLU, PowerRelu<3, 2> is x^1.5.
template <int P, int Q = 1>
struct PowerRelu {
  static_assert(Q == 1 || Q == 2, "emmy: PowerRelu<P, Q> takes Q = 1 or 2 (powers and square roots)");
  static_assert(P >= Q && P <= 16, "emmy: PowerRelu<P, Q> needs P >= Q (a slope at 0) and P <= 16");
  static constexpr bool kElementwise = true, kFromOutput = false, kFixesZero = true;
  static constexpr Ratio kDegree{P, Q};
};

struct Tanh {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true, kContracts = true;
};

// tanh x with an absolute error of at most 2e-5 (fast_tanh), for who asks for it; f' = 1 - y^2, the slope of tanh within
// 4e-5 and not that of the approximation.
struct FastTanh {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true, kContracts = true;
};

// 1 / (1 + e^-x)
struct Sigmoid {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = false;
};

// e^x; <= 1.5 ulp. A number added to x is a factor of y: the trait from which ExpUnit is derived.
struct Exp {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = false;
  static constexpr bool kExponential = true;
};

// x sigmoid(x), also called swish; <= 4 ulp.
struct Silu {
  static constexpr bool kElementwise = true, kFromOutput = false, kFixesZero = true;
};

// The Gaussian error linear unit by its usual approximation, x / 2 (1 + tanh u) = x sigmoid(2 u) with
// u = sqrt(2 / pi) (x + 0.044715 x^3): within (4 + 4 |u|) ulp of that formula, whose slope it has, and within 5e-4 of
// x Phi(x).
struct GeluTanh {
  static constexpr bool kElementwise = true, kFromOutput = false, kFixesZero = true;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class V>
EMMY_INLINE V activate(Identity, V x) noexcept {
  return x;
}
template <class V>
EMMY_INLINE V derivative_from_output(Identity, V) noexcept {
  return simd::set(simd::Scalar<V>(1));
}

// The operand order lets NaN through on x86: max(0, NaN) is NaN, max(NaN, 0) is 0.
template <class V>
EMMY_INLINE V activate(Relu, V x) noexcept {
  return simd::max(simd::zero<simd::Scalar<V>>(), x);
}
template <class V>
EMMY_INLINE V derivative_from_output(Relu, V y) noexcept {
  using S = simd::Scalar<V>;
  return simd::select(simd::less(simd::zero<S>(), y), simd::set(S(1)), simd::zero<S>());
}

template <class V>
EMMY_INLINE V through_output(Relu, V y, V dy) noexcept {
  using S = simd::Scalar<V>;
  return simd::select(simd::less(simd::zero<S>(), y), dy, simd::zero<S>());
}

template <class V, int Numerator, int Denominator>
EMMY_INLINE V activate(LeakyRelu<Numerator, Denominator>, V x) noexcept {
  using S = simd::Scalar<V>;
  const V scaled = simd::mul(x, simd::set(S(Numerator) / S(Denominator)));
  return simd::select(simd::less(simd::zero<S>(), x), x, scaled);
}
template <class V, int Numerator, int Denominator>
EMMY_INLINE V derivative_from_output(LeakyRelu<Numerator, Denominator>, V y) noexcept {
  using S = simd::Scalar<V>;
  return simd::select(simd::less(simd::zero<S>(), y), simd::set(S(1)), simd::set(S(Numerator) / S(Denominator)));
}

namespace inner {
// x^(P/Q) for x >= 0 by repeated multiplication, times a square root where Q is 2 and P odd.
template <int P, int Q, class V>
EMMY_INLINE V power(V x) noexcept {
  if constexpr (P % 2 == 0 && Q == 2) return power<P / 2, 1>(x);
  else if constexpr (Q == 2 && P == 1) return simd::sqrt(x);
  else if constexpr (Q == 2) return simd::mul(power<(P - 1) / 2, 1>(x), simd::sqrt(x));
  else if constexpr (P == 0) return simd::set(simd::Scalar<V>(1));
  else if constexpr (P == 1) return x;
  else if constexpr (P % 2 == 0) return power<P / 2, 1>(simd::mul(x, x));
  else return simd::mul(x, power<P - 1, 1>(x));
}
}  // namespace inner

template <class V, int P, int Q>
EMMY_INLINE V activate(PowerRelu<P, Q>, V x) noexcept {
  return inner::power<P, Q>(simd::max(simd::zero<simd::Scalar<V>>(), x));
}
template <class V, int P, int Q>
EMMY_INLINE V derivative_from_input(PowerRelu<P, Q>, V x) noexcept {
  using S = simd::Scalar<V>;
  const V slope = simd::mul(simd::set(S(P) / S(Q)), inner::power<P - Q, Q>(simd::max(simd::zero<S>(), x)));
  return simd::select(simd::less(simd::zero<S>(), x), slope, simd::zero<S>());
}

template <class V>
EMMY_INLINE V activate(Tanh, V x) noexcept {
  return tanh(x);
}
template <class V>
EMMY_INLINE V derivative_from_output(Tanh, V y) noexcept {
  return simd::neg_mul_add(y, y, simd::set(simd::Scalar<V>(1)));
}

template <class V>
EMMY_INLINE V activate(FastTanh, V x) noexcept {
  return fast_tanh(x);
}
template <class V>
EMMY_INLINE V derivative_from_output(FastTanh, V y) noexcept {
  return derivative_from_output(Tanh{}, y);
}

template <class V>
EMMY_INLINE V activate(Sigmoid, V x) noexcept {
  return sigmoid(x);
}
template <class V>
EMMY_INLINE V derivative_from_output(Sigmoid, V y) noexcept {
  return simd::neg_mul_add(y, y, y);
}

template <class V>
EMMY_INLINE V activate(Exp, V x) noexcept {
  return exp(x);
}
template <class V>
EMMY_INLINE V derivative_from_output(Exp, V y) noexcept {
  return y;
}

template <class V>
EMMY_INLINE V activate(Silu, V x) noexcept {
  return simd::mul(x, sigmoid(x));
}
template <class V>
EMMY_INLINE V derivative_from_input(Silu, V x) noexcept {
  const V s = sigmoid(x);
  return simd::mul_add(simd::neg_mul_add(s, s, s), x, s);
}

namespace inner {
// 2 u = x (A + B x^2).
template <class S>
inline constexpr S kGeluA = S(1.5957691216057307117597842397375);
template <class S>
inline constexpr S kGeluB = S(0.044715 * 1.5957691216057307117597842397375);
}  // namespace inner

template <class V>
EMMY_INLINE V activate(GeluTanh, V x) noexcept {
  using S = simd::Scalar<V>;
  const V factor = simd::mul_add(simd::mul(x, x), simd::set(inner::kGeluB<S>), simd::set(inner::kGeluA<S>));
  return simd::mul(x, sigmoid(simd::mul(x, factor)));
}
template <class V>
EMMY_INLINE V derivative_from_input(GeluTanh, V x) noexcept {
  using S = simd::Scalar<V>;
  const V square = simd::mul(x, x), a = simd::set(inner::kGeluA<S>);
  const V s = sigmoid(simd::mul(x, simd::mul_add(square, simd::set(inner::kGeluB<S>), a)));
  const V slope_of_2u = simd::mul_add(square, simd::set(S(3) * inner::kGeluB<S>), a);
  // s (1 - s) x first: it is 0 where the slope of u alone would be infinite.
  return simd::mul_add(simd::mul(simd::neg_mul_add(s, s, s), x), slope_of_2u, s);
}

}  // namespace emmy::inline EMMY_TARGET
