// Conv1d: every position of y sees Kernel positions of x, through the same weights.
#pragma once

#include <emmy/kernels/conv.hpp>
#include <emmy/layers/conv2d.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Channels, int Kernel, class... Options>
struct ConvShape {
  static constexpr bool kFits = InShape::kRank == 2 && WindowsOn<InShape, 1, Kernel, Options...>::kFits;
  static_assert(kFits, "emmy: Conv1d<Channels, Kernel> takes Shape<positions, channels> of at least Kernel positions");
  using type = Shape<kFits ? windows_on<InShape, 1, Kernel, Options...>::columns::kOut : 1, Channels>;
};
}  // namespace detail

// y[p, o] = b[o] + sum_{k < Kernel, i} x[p s - a + k, i] W[k, i, o], x zero outside; Conv1d<16, 5>, Conv1d<16, 5, Stride<2>,
// Same>: stride s is 1 and padding a 0 where nothing is said. Blocks: W [Kernel in][pad(out)], row k in + i, and b [1][pad(out)].
// Homogeneous of degree 1 in its weights from either side, channel by channel: channel i takes the rows i, in + i, ...
template <int Channels, int Kernel, class... Options>
struct Conv1d {
  static_assert(Channels > 0 && Kernel > 0, "emmy: Conv1d<Channels, Kernel> needs at least one of each");
  static constexpr bool kAffine = true;
  static constexpr bool kPlainWeights = true;
  static constexpr bool kHasBias = detail::kWindowOptions<Options...>.has_bias;
  static constexpr int kWindow = Kernel;
  template <class InShape>
  using output = typename detail::ConvShape<InShape, Channels, Kernel, Options...>::type;
  template <class InShape>
  using windows = detail::windows_on<InShape, 1, Kernel, Options...>;
  template <class S, class InShape, int Batch>
  static constexpr int kWork = detail::kPlainWindows<windows<InShape>>
                                   ? conv_work<S>(InShape::kPositions, Kernel, InShape::kChannels, Channels)
                                   : conv2d_work<S>(Kernel, InShape::kChannels, Channels);
};

template <int Channels, int Kernel, class... Options, class InShape>
consteval auto blocks(Conv1d<Channels, Kernel, Options...>, InShape) {
  return blocks(Conv2d<Channels, 1, Kernel, Options...>{}, InShape{});
}
template <int Channels, int Kernel, class... Options>
consteval auto incoming(Conv1d<Channels, Kernel, Options...>) {
  return incoming(Conv2d<Channels, 1, Kernel, Options...>{});
}
template <int Channels, int Kernel, class... Options>
consteval auto outgoing(Conv1d<Channels, Kernel, Options...>) {
  return outgoing(Dense<Channels>{});
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// y = activation(x * W + b)
template <int Channels, int Kernel, class... Options, class F, class Activation>
EMMY_INLINE void forward(Conv1d<Channels, Kernel, Options...>, const F& f, Activation activation) noexcept {
  using L = Conv1d<Channels, Kernel, Options...>;
  using W = typename L::template windows<typename F::in_shape>;
  const auto* b = L::kHasBias ? f.params + Kernel * F::kIn * F::kOutStride : nullptr;
  if constexpr (detail::kPlainWindows<W>)
    conv_forward<F::kBatch, F::in_shape::kPositions, Kernel, F::kIn, F::kInStride, Channels>(f.x, f.params, b, f.y,
                                                                                             activation);
  else forward_windows<W, Channels>(f, b, activation);
}

// dx (+)= (dy, transposed) * below'(x), x the output of the activation below.
template <bool kAdd, int Channels, int Kernel, class... Options, class F, class Below>
EMMY_INLINE void backward(Conv1d<Channels, Kernel, Options...>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  using W = typename Conv1d<Channels, Kernel, Options...>::template windows<typename F::in_shape>;
  if constexpr (detail::kPlainWindows<W>)
    conv_backward<kAdd, F::kBatch, F::in_shape::kPositions, Kernel, F::kIn, Channels>(
        f.params, static_cast<const S*>(f.dy), f.x, f.dx, f.work, below);
  else backward_windows<kAdd, W, Channels>(f, below);
}

// dW and db, as Dense hands them to a visitor.
template <int Channels, int Kernel, class... Options, class F, class Visitor>
EMMY_INLINE void gradients(Conv1d<Channels, Kernel, Options...>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  using L = Conv1d<Channels, Kernel, Options...>;
  using W = typename L::template windows<typename F::in_shape>;
  constexpr int kPositions = F::in_shape::kPositions;
  const S* const dy = f.dy;
  constexpr bool kBesides = detail::kPlainWindows<W> && L::kHasBias && kSumsBesideTiles<S>;
  alignas(kAlign<S>) [[maybe_unused]] S sums[kBesides ? F::kOutStride : 1];
  S* const db = kBesides ? sums : nullptr;
  if constexpr (!detail::kPlainWindows<W>) window_gradients<W, Channels>(f, visitor);
  else if constexpr (requires(simd::Vec<S> v) { visitor.vector(0, 0, v); })
    conv_gradient_tiles<F::kBatch, kPositions, Kernel, F::kIn, F::kInStride, Channels>(
        f.x, dy, [&](int row, int col, auto v) EMMY_LAMBDA { visitor.vector(row, col, v); }, db);
  else
    conv_gradient_rows<F::kBatch, kPositions, Kernel, F::kIn, F::kInStride, Channels>(
        f.x, dy,
        [&](int row, auto m, const S* g) EMMY_LAMBDA {
          visitor.check(row, m, g);
          visitor.template rows<0>(row, m, g);
        },
        db);
  if constexpr (kBesides) visit_bias(static_cast<const S*>(sums), visitor);
  else if constexpr (L::kHasBias) bias_gradients(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
