// Conv2d: every position of y sees KernelHeight x KernelWidth positions of x, through the same weights.
#pragma once

#include <emmy/kernels/conv2d.hpp>
#include <emmy/layers/window_options.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Channels, int Height, int Width, class... Options>
struct Conv2dShape {
  static constexpr bool kFits = InShape::kRank == 3 && WindowsOn<InShape, Height, Width, Options...>::kFits;
  static_assert(kFits,
                "emmy: a two-dimensional convolution takes Shape<height, width, channels> of at least its kernel, "
                "Padding included");
  using W = windows_on<InShape, Height, Width, Options...>;
  using type = Shape<W::rows::kOut, W::columns::kOut, Channels>;
};
}  // namespace detail

// y[p, q, o] = b[o] + sum_{k, l, i} x[p s - a + k, q t - c + l, i] W[k, l, i, o], k < Height, l < Width, x zero outside;
// Conv2d<8, 3, 3>, Conv2d<8, 3, 3, Same>, Conv2d<8, 5, 5, Stride<2>, Padding<2>, NoBias>: strides s, t are 1 and paddings a, c 0
// where nothing is said. Blocks: W [Height Width in][pad(out)], row (k Width + l) in + i, and b [1][pad(out)].
// Homogeneous of degree 1 in its weights from either side, channel by channel: channel i takes the rows i, in + i, ...
template <int Channels, int Height, int Width, class... Options>
struct Conv2d {
  static_assert(Channels > 0 && Height > 0 && Width > 0,
                "emmy: Conv2d<Channels, Height, Width> needs at least one of each");
  static constexpr bool kAffine = true;
  static constexpr bool kPlainWeights = true;
  static constexpr bool kHasBias = detail::kWindowOptions<Options...>.has_bias;
  static constexpr int kWindow = Height * Width;
  template <class InShape>
  using output = typename detail::Conv2dShape<InShape, Channels, Height, Width, Options...>::type;
  template <class InShape>
  using windows = detail::windows_on<InShape, Height, Width, Options...>;
  // One position each, none left out: the product of a Dense.
  template <class InShape>
  static constexpr bool kPointwise = kWindow == 1 && detail::kPlainWindows<windows<InShape>>;
  template <class S, class InShape, int Batch>
  static constexpr int kWork = kPointwise<InShape>
                                   ? affine_work<S>(Batch* InShape::kPositions, InShape::kChannels, Channels)
                                   : conv2d_work<S>(kWindow, InShape::kChannels, Channels);
};

template <int Channels, int Height, int Width, class... Options, class InShape>
consteval auto blocks(Conv2d<Channels, Height, Width, Options...>, InShape) {
  constexpr Block kWeights{Height * Width * InShape::kChannels, Channels, Role::weight};
  if constexpr (detail::kWindowOptions<Options...>.has_bias) return Blocks<2>{{kWeights, {1, Channels, Role::bias}}};
  else return Blocks<1>{{kWeights}};
}
template <int Channels, int Height, int Width, class... Options>
consteval auto incoming(Conv2d<Channels, Height, Width, Options...>) {
  using Bias = std::conditional_t<detail::kWindowOptions<Options...>.has_bias, WithBias, NoBias>;
  return incoming(Dense<Channels, Bias>{});
}
template <int Channels, int Height, int Width, class... Options>
consteval auto outgoing(Conv2d<Channels, Height, Width, Options...>) {
  return outgoing(Dense<Channels>{});
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The text of every convolution whose windows need not lie next to each other; b may be null.
template <class W, int Channels, class F, class Activation>
EMMY_INLINE void forward_windows(const F& f, const typename F::scalar* b, Activation activation) noexcept {
  conv2d_forward<F::kBatch, W, F::kIn, F::kInStride, Channels>(f.x, f.params, b, f.y, activation);
}
template <bool kAdd, class W, int Channels, class F, class Below>
EMMY_INLINE void backward_windows(const F& f, Below below) noexcept {
  using S = typename F::scalar;
  conv2d_backward<kAdd, F::kBatch, W, F::kIn, Channels>(f.params, static_cast<const S*>(f.dy), f.x, f.dx, f.work,
                                                        below);
}
template <class W, int Channels, class F, class Visitor>
EMMY_INLINE void window_gradients(const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  const S* const dy = f.dy;
  if constexpr (requires(simd::Vec<S> v) { visitor.vector(0, 0, v); })
    conv2d_gradient_tiles<F::kBatch, W, F::kIn, F::kInStride, Channels>(
        f.x, dy, [&](int row, int col, auto v) EMMY_LAMBDA { visitor.vector(row, col, v); });
  else
    conv2d_gradient_rows<F::kBatch, W, F::kIn, F::kInStride, Channels>(f.x, dy,
                                                                       [&](int row, auto m, const S* g) EMMY_LAMBDA {
                                                                         visitor.check(row, m, g);
                                                                         visitor.template rows<0>(row, m, g);
                                                                       });
}

// y = activation(x * W + b)
template <int Channels, int Height, int Width, class... Options, class F, class Activation>
EMMY_INLINE void forward(Conv2d<Channels, Height, Width, Options...>, const F& f, Activation activation) noexcept {
  using L = Conv2d<Channels, Height, Width, Options...>;
  using In = typename F::in_shape;
  const auto* b = L::kHasBias ? f.params + L::kWindow * F::kIn * F::kOutStride : nullptr;
  if constexpr (L::template kPointwise<In>)
    affine_forward<F::kOutRows, F::kIn, F::kInStride, Channels>(f.x, f.params, b, f.y, activation);
  else forward_windows<typename L::template windows<In>, Channels>(f, b, activation);
}

// dx (+)= (dy, transposed) * below'(x), x the output of the activation below.
template <bool kAdd, int Channels, int Height, int Width, class... Options, class F, class Below>
EMMY_INLINE void backward(Conv2d<Channels, Height, Width, Options...>, const F& f, Below below) noexcept {
  using L = Conv2d<Channels, Height, Width, Options...>;
  using In = typename F::in_shape;
  if constexpr (L::template kPointwise<In>)
    affine_backward<kAdd, F::kOutRows, F::kIn, Channels>(f.params, f.dy, f.x, f.dx, f.work, below);
  else backward_windows<kAdd, typename L::template windows<In>, Channels>(f, below);
}

// dW and db, as Dense hands them to a visitor.
template <int Channels, int Height, int Width, class... Options, class F, class Visitor>
EMMY_INLINE void gradients(Conv2d<Channels, Height, Width, Options...>, const F& f, Visitor& visitor) noexcept {
  using L = Conv2d<Channels, Height, Width, Options...>;
  window_gradients<typename L::template windows<typename F::in_shape>, Channels>(f, visitor);
  if constexpr (L::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
