// Conv1d: every position of y sees Kernel positions of x, through the same weights.
#pragma once

#include <emmy/kernels/conv.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Channels, int Kernel>
struct ConvShape {
  static constexpr bool kFits = InShape::kRank == 2 && Kernel <= InShape::kPositions;
  static_assert(kFits, "emmy: Conv1d<Channels, Kernel> takes Shape<positions, channels> of at least Kernel positions");
  using type = Shape<kFits ? InShape::kPositions - Kernel + 1 : 1, Channels>;
};
}  // namespace detail

// y[p, o] = b[o] + sum_{k < Kernel, i} x[p + k, i] W[k, i, o]: no padding, stride 1. Blocks: W [Kernel in][pad(out)], row
// k in + i, and b [1][pad(out)].
// Homogeneous of degree 1 in its weights from either side, channel by channel: channel i takes the rows i, in + i, ...
template <int Channels, int Kernel, class Bias = WithBias>
struct Conv1d {
  static_assert(Channels > 0 && Kernel > 0, "emmy: Conv1d<Channels, Kernel> needs at least one of each");
  static constexpr bool kAffine = true;
  static constexpr bool kPlainWeights = true;
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  static constexpr int kWindow = Kernel;
  template <class InShape>
  using output = typename detail::ConvShape<InShape, Channels, Kernel>::type;
  template <class S, class InShape, int Batch>
  static constexpr int kWork = conv_work<S>(InShape::kPositions, Kernel, InShape::kChannels, Channels);
};

template <int Channels, int Kernel, class InShape>
consteval auto blocks(Conv1d<Channels, Kernel, WithBias>, InShape) {
  return Blocks<2>{{{Kernel * InShape::kChannels, Channels, Role::weight}, {1, Channels, Role::bias}}};
}
template <int Channels, int Kernel, class InShape>
consteval auto blocks(Conv1d<Channels, Kernel, NoBias>, InShape) {
  return Blocks<1>{{{Kernel * InShape::kChannels, Channels, Role::weight}}};
}
template <int Channels, int Kernel, class Bias>
consteval auto incoming(Conv1d<Channels, Kernel, Bias>) {
  return incoming(Dense<Channels, Bias>{});
}
template <int Channels, int Kernel, class Bias>
consteval auto outgoing(Conv1d<Channels, Kernel, Bias>) {
  return outgoing(Dense<Channels, Bias>{});
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// y = activation(x * W + b)
template <int Channels, int Kernel, class Bias, class F, class Activation>
EMMY_INLINE void forward(Conv1d<Channels, Kernel, Bias>, const F& f, Activation activation) noexcept {
  const auto* b = Conv1d<Channels, Kernel, Bias>::kHasBias ? f.params + Kernel * F::kIn * F::kOutStride : nullptr;
  conv_forward<F::kBatch, F::in_shape::kPositions, Kernel, F::kIn, F::kInStride, Channels>(f.x, f.params, b, f.y,
                                                                                           activation);
}

// dx (+)= (dy, transposed) * below'(x), x the output of the activation below.
template <bool kAdd, int Channels, int Kernel, class Bias, class F, class Below>
EMMY_INLINE void backward(Conv1d<Channels, Kernel, Bias>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  conv_backward<kAdd, F::kBatch, F::in_shape::kPositions, Kernel, F::kIn, Channels>(
      f.params, static_cast<const S*>(f.dy), f.x, f.dx, f.work, below);
}

// dW and db, as Dense hands them to a visitor.
template <int Channels, int Kernel, class Bias, class F, class Visitor>
EMMY_INLINE void gradients(Conv1d<Channels, Kernel, Bias>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  constexpr int kPositions = F::in_shape::kPositions;
  const S* const dy = f.dy;
  if constexpr (requires(simd::Vec<S> v) { visitor.vector(0, 0, v); })
    conv_gradient_tiles<F::kBatch, kPositions, Kernel, F::kIn, F::kInStride, Channels>(
        f.x, dy, [&](int row, int col, auto v) EMMY_LAMBDA { visitor.vector(row, col, v); });
  else
    conv_gradient_rows<F::kBatch, kPositions, Kernel, F::kIn, F::kInStride, Channels>(
        f.x, dy, [&](int row, auto m, const S* g) EMMY_LAMBDA {
          visitor.check(row, m, g);
          visitor.template rows<0>(row, m, g);
        });
  if constexpr (Conv1d<Channels, Kernel, Bias>::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
