// DepthwiseConv2d and DepthwiseConv1d: every channel of y sees its own channel of x, through one filter of its own.
#pragma once

#include <emmy/kernels/depthwise.hpp>
#include <emmy/layers/conv1d.hpp>

namespace emmy {

namespace detail {
// Height x Width taps, of positions in Rank - 1 dimensions. Its row k of W is tap k of all channels, so no row is what one input
// is multiplied with: its weights are not plain.
template <int Rank, int Height, int Width, class... Options>
struct Depthwise {
  static_assert(Height > 0 && Width > 0, "emmy: a depthwise convolution needs a kernel of at least one position");
  static constexpr bool kAffine = true, kByChannel = true;
  static constexpr bool kHasBias = kWindowOptions<Options...>.has_bias;
  static constexpr int kWindow = Height * Width;
  template <class InShape>
  using output =
      typename std::conditional_t<Rank == 3, Conv2dShape<InShape, InShape::kChannels, Height, Width, Options...>,
                                  ConvShape<InShape, InShape::kChannels, Width, Options...>>::type;
  template <class InShape>
  using windows = windows_on<InShape, Height, Width, Options...>;
};
}  // namespace detail

// y[p, q, c] = b[c] + sum_{k, l} x[p s - a + k, q t - c + l, c] W[k, l, c], options as of Conv2d. Blocks: W [Height
// Width][pad(channels)] and b [1][pad(channels)]. Behind it a Conv2d<Out, 1, 1> mixes the channels.
// Homogeneous of degree 1 in its weights, channel by channel: column c of W is what makes channel c and what takes it.
template <int Height, int Width, class... Options>
struct DepthwiseConv2d : detail::Depthwise<3, Height, Width, Options...> {};

// y[p, c] = b[c] + sum_k x[p s - a + k, c] W[k, c], options as of Conv1d.
template <int Kernel, class... Options>
struct DepthwiseConv1d : detail::Depthwise<2, 1, Kernel, Options...> {};

template <int Rank, int Height, int Width, class... Options, class InShape>
consteval auto blocks(detail::Depthwise<Rank, Height, Width, Options...>, InShape) {
  constexpr Block kWeights{Height * Width, InShape::kChannels, Role::weight};
  if constexpr (detail::kWindowOptions<Options...>.has_bias)
    return Blocks<2>{{kWeights, {1, InShape::kChannels, Role::bias}}};
  else return Blocks<1>{{kWeights}};
}
template <int Rank, int Height, int Width, class... Options>
consteval auto incoming(detail::Depthwise<Rank, Height, Width, Options...>) {
  return incoming(Conv2d<1, Height, Width, Options...>{});
}
template <int Rank, int Height, int Width, class... Options>
consteval auto outgoing(detail::Depthwise<Rank, Height, Width, Options...>) {
  return Parts<1>{{{0, Axis::column, 1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// y = activation(x * W + b)
template <int Rank, int Height, int Width, class... Options, class F, class Activation>
EMMY_INLINE void forward(detail::Depthwise<Rank, Height, Width, Options...>, const F& f,
                         Activation activation) noexcept {
  using L = detail::Depthwise<Rank, Height, Width, Options...>;
  const auto* b = L::kHasBias ? f.params + L::kWindow * F::kOutStride : nullptr;
  depthwise_forward<F::kBatch, typename L::template windows<typename F::in_shape>, F::kIn, F::kInStride>(
      f.x, f.params, b, f.y, activation);
}

// dx (+)= (dy, transposed) * below'(x), x the output of the activation below.
template <bool kAdd, int Rank, int Height, int Width, class... Options, class F, class Below>
EMMY_INLINE void backward(detail::Depthwise<Rank, Height, Width, Options...>, const F& f, Below below) noexcept {
  using L = detail::Depthwise<Rank, Height, Width, Options...>;
  depthwise_backward<kAdd, F::kBatch, typename L::template windows<typename F::in_shape>, F::kIn>(
      f.params, static_cast<const typename F::scalar*>(f.dy), f.x, f.dx, below);
}

// dW and db.
template <int Rank, int Height, int Width, class... Options, class F, class Visitor>
EMMY_INLINE void gradients(detail::Depthwise<Rank, Height, Width, Options...>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  using L = detail::Depthwise<Rank, Height, Width, Options...>;
  depthwise_gradient<F::kBatch, typename L::template windows<typename F::in_shape>, F::kIn, F::kInStride>(
      f.x, static_cast<const S*>(f.dy),
      [&](int row, auto m, const S* g) EMMY_LAMBDA { visitor.template rows<0>(row, m, g); });
  if constexpr (L::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
