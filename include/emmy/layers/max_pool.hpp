// MaxPool: the largest of every Window positions, channel by channel.
#pragma once

#include <emmy/kernels/max_pool.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Window>
struct PoolShape {
  static constexpr bool kFits = InShape::kRank == 2 && Window <= InShape::kPositions;
  static_assert(kFits, "emmy: MaxPool<Window> takes Shape<positions, channels> of at least Window positions");
  using type = Shape<kFits ? InShape::kPositions / Window : 1, InShape::kChannels>;
};
}  // namespace detail

// y[p, c] = max_{k < Window} x[p Window + k, c]; positions beyond the last whole window are dropped. The gradient goes to
// the first of equal maxima. Homogeneous, each channel by itself.
template <int Window>
struct MaxPool {
  static_assert(Window > 0, "emmy: MaxPool<Window> needs a window of at least one position");
  static constexpr bool kTakesBelow = true, kByChannel = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::PoolShape<InShape, Window>::type;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Window, class F>
EMMY_INLINE void forward(MaxPool<Window>, const F& f) noexcept {
  max_pool_forward<F::kBatch, F::in_shape::kPositions, Window, F::kIn, F::kInStride>(f.x, f.y);
}

template <bool kAdd, int Window, class F, class Below>
EMMY_INLINE void backward(MaxPool<Window>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  max_pool_backward<kAdd, F::kBatch, F::in_shape::kPositions, Window, F::kIn>(f.x, static_cast<const S*>(f.y),
                                                                              static_cast<const S*>(f.dy), f.dx, below);
}

}  // namespace emmy::inline EMMY_TARGET
