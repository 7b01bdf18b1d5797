// BatchNorm: every channel at unit size over a batch and its positions, times a gain.
#pragma once

#include <emmy/kernels/batch_norm.hpp>
#include <emmy/layers/norm.hpp>

namespace emmy {

// y[r, c] = gain[c] (x[r, c] - m[c]) / sqrt(v[c] + epsilon) + bias[c], r over batch and positions. In training m and v are
// mean and variance (over n) of the batch; without it those that the steps left in Buffers: the mean and the unbiased variance
// of the first batch, then moved by Momentum of the way to those of each next one. Zeros there, a new net, stand for mean 0 and
// variance 1. A step that is refused leaves them as they are; `gradient` too: `commit` moves them (train/verbs.hpp).
// Blocks: gain and bias [1][pad(channels)]. Epsilon: Numerator / Denominator; Momentum: of statistics, MomentumNumerator /
// MomentumDenominator. What is below it has a charge a unit (Scale) and, where it is a layer with biases, dead ones
// (Translation). Ioffe, Szegedy 2015. Test: tests/layers/batch_norm_test.cpp.
template <class Bias = WithBias, int Numerator = 1, int Denominator = 100000, int MomentumNumerator = 1,
          int MomentumDenominator = 10>
struct BatchNorm {
  static_assert(Numerator >= 0 && Denominator > 0, "emmy: the epsilon of a norm is not negative");
  static_assert(MomentumNumerator > 0 && MomentumNumerator <= MomentumDenominator,
                "emmy: the momentum of a BatchNorm's statistics is above 0, at most 1");
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  static constexpr bool kTakesBelow = true, kForgetsOutput = true, kNorm = true, kByChannel = true;
  static constexpr bool kScaleInvariant = true, kUnitInvariant = true, kMixesSamples = true;
  template <class S>
  static constexpr S kEpsilon = S(Numerator) / S(Denominator);
  template <class S>
  static constexpr S kMomentum = S(MomentumNumerator) / S(MomentumDenominator);
  template <class InShape>
  static constexpr int kBuffers = 2 * InShape::kChannels + 1;
  template <class S, class InShape, int Batch>
  static constexpr int kKept = kBatchNormKept* padded<S>(InShape::kChannels);
};

template <class Bias, int... Numbers, class InShape>
consteval auto blocks(BatchNorm<Bias, Numbers...>, InShape) {
  return blocks(LayerNorm<Bias>{}, InShape{});
}
template <class Bias, int... Numbers>
consteval auto incoming(BatchNorm<Bias, Numbers...>) {
  return incoming(LayerNorm<Bias>{});
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
template <class F>
EMMY_INLINE void batch_norm_rows(const F& f) noexcept {
  using S = typename F::scalar;
  batch_norm_forward<F::kOutRows, F::kIn, F::kInStride>(
      f.x, f.params, F::layer::kHasBias ? f.params + F::kOutStride : nullptr, static_cast<const S*>(f.kept), f.y);
}
}  // namespace inner

template <class Bias, int... Numbers, class F>
EMMY_INLINE void forward(BatchNorm<Bias, Numbers...>, const F& f) noexcept {
  static_assert(F::kOutRows > 1,
                "emmy: a BatchNorm learns from several samples or positions: train with a batch of 2 or more, or take "
                "LayerNorm or RmsNorm");
  batch_statistics<F::kOutRows, F::kIn, F::kInStride>(f.x, F::layer::template kEpsilon<typename F::scalar>, f.kept);
  inner::batch_norm_rows(f);
}
template <class Bias, int... Numbers, class F>
EMMY_INLINE void forward_trained(BatchNorm<Bias, Numbers...>, const F& f) noexcept {
  using S = typename F::scalar;
  running_statistics<F::kIn>(static_cast<const S*>(f.buffers), F::layer::template kEpsilon<S>, f.kept);
  inner::batch_norm_rows(f);
}
template <class Bias, int... Numbers, class F>
EMMY_INLINE bool forward_next(BatchNorm<Bias, Numbers...> layer, const F& f) noexcept {
  forward_trained(layer, f);
  return true;
}
template <class Bias, int... Numbers, class F>
EMMY_INLINE void commit(BatchNorm<Bias, Numbers...>, const F& f) noexcept {
  using S = typename F::scalar;
  update_running<F::kOutRows, F::kIn>(static_cast<const S*>(f.kept), F::layer::template kMomentum<S>, f.buffers);
}

template <bool kAdd, class Bias, int... Numbers, class F, class Below>
EMMY_INLINE void backward(BatchNorm<Bias, Numbers...>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  batch_norm_backward<kAdd, F::kOutRows, F::kIn>(f.x, f.params, static_cast<const S*>(f.kept),
                                                 static_cast<const S*>(f.dy), F::layer::template kEpsilon<S>, f.dx,
                                                 below);
}

template <class Bias, int... Numbers, class F, class S>
EMMY_INLINE void invariances(BatchNorm<Bias, Numbers...>, const F& f, S* along, S* along_error,
                             S* across_error) noexcept {
  batch_norm_invariance<F::kOutRows, F::kIn>(f.x, f.params, static_cast<const S*>(f.kept), static_cast<const S*>(f.dy),
                                             F::layer::template kEpsilon<S>, along, along_error, across_error);
}

// dgain and dbias, one row each.
template <class Bias, int... Numbers, class F, class Visitor>
EMMY_INLINE void gradients(BatchNorm<Bias, Numbers...>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  alignas(kAlign<S>) S g[F::kOutStride];
  batch_norm_gain_gradient<F::kOutRows, F::kIn, F::kInStride>(f.x, static_cast<const S*>(f.kept),
                                                              static_cast<const S*>(f.dy), g);
  visitor.template rows<0>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(g));
  if constexpr (F::layer::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
