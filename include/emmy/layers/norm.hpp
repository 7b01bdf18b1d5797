// LayerNorm and RmsNorm: the channels of every position at unit size, times a gain.
#pragma once

#include <emmy/kernels/norm.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

namespace detail {
// Epsilon is Numerator / Denominator.
template <bool Centred, class Bias, int Numerator, int Denominator>
struct Norm {
  static_assert(Numerator >= 0 && Denominator > 0, "emmy: the epsilon of a norm is not negative");
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  static constexpr bool kTakesBelow = true, kForgetsOutput = true, kNorm = true, kPositionwise = true;
  static constexpr bool kScaleInvariant = true, kShiftInvariant = Centred;
  template <class S>
  static constexpr S kEpsilon = S(Numerator) / S(Denominator);
  template <class S, class InShape, int Batch>
  static constexpr int kKept = kNormKept* Batch* InShape::kPositions;
};
}  // namespace detail

// y[c] = gain[c] (x[c] - m) / sqrt(v + epsilon) + bias[c], m and v mean and variance (over n) of the channels of a position.
// Blocks: gain and bias [1][pad(channels)]. Epsilon: Numerator / Denominator. Ba, Kiros, Hinton 2016.
template <class Bias = WithBias, int Numerator = 1, int Denominator = 100000>
struct LayerNorm : detail::Norm<true, Bias, Numerator, Denominator> {};

// y[c] = gain[c] x[c] / sqrt(q + epsilon) + bias[c], q the mean square of the channels of a position. Zhang, Sennrich 2019.
template <class Bias = NoBias, int Numerator = 1, int Denominator = 100000>
struct RmsNorm : detail::Norm<false, Bias, Numerator, Denominator> {};

template <bool Centred, class Bias, int Numerator, int Denominator, class InShape>
consteval auto blocks(detail::Norm<Centred, Bias, Numerator, Denominator>, InShape) {
  constexpr Block kGain{1, InShape::kChannels, Role::gain};
  if constexpr (__is_same(Bias, WithBias)) return Blocks<2>{{kGain, {1, InShape::kChannels, Role::bias}}};
  else return Blocks<1>{{kGain}};
}
// Scaling channel j by c: gain[j] and bias[j] by c. The next layer's rows take 1/c.
template <bool Centred, class Bias, int Numerator, int Denominator>
consteval auto incoming(detail::Norm<Centred, Bias, Numerator, Denominator>) {
  return incoming(Dense<1, Bias>{});
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <bool Centred, class Bias, int Numerator, int Denominator, class F>
EMMY_INLINE void forward(detail::Norm<Centred, Bias, Numerator, Denominator>, const F& f) noexcept {
  using L = typename F::layer;
  const auto* bias = L::kHasBias ? f.params + F::kOutStride : nullptr;
  norm_forward<Centred, F::kOutRows, F::kIn, F::kInStride>(f.x, f.params, bias,
                                                           L::template kEpsilon<typename F::scalar>, f.y, f.kept);
}

template <bool kAdd, bool Centred, class Bias, int Numerator, int Denominator, class F, class Below>
EMMY_INLINE void backward(detail::Norm<Centred, Bias, Numerator, Denominator>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  norm_backward<Centred, kAdd, F::kOutRows, F::kIn>(f.x, f.params, static_cast<const S*>(f.kept),
                                                    static_cast<const S*>(f.dy), f.dx, below);
}

template <bool Centred, class Bias, int Numerator, int Denominator, class F>
EMMY_INLINE Invariance<typename F::scalar> invariance(detail::Norm<Centred, Bias, Numerator, Denominator>,
                                                      const F& f) noexcept {
  using S = typename F::scalar;
  Invariance<S> all{};
  norm_invariance<Centred, F::kOutRows, F::kIn>(f.x, f.params, static_cast<const S*>(f.kept),
                                                static_cast<const S*>(f.dy), F::layer::template kEpsilon<S>, all.along,
                                                all.along_error, all.across_error);
  return all;
}

// dgain and dbias, one row each.
template <bool Centred, class Bias, int Numerator, int Denominator, class F, class Visitor>
EMMY_INLINE void gradients(detail::Norm<Centred, Bias, Numerator, Denominator>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  alignas(kAlign<S>) S g[F::kOutStride];
  norm_gain_gradient<F::kOutRows, F::kIn, F::kInStride>(f.x, static_cast<const S*>(f.kept), static_cast<const S*>(f.dy),
                                                        g);
  visitor.template rows<0>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(g));
  if constexpr (F::layer::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
