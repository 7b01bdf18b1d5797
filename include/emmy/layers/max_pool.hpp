// MaxPool: the largest of every window of positions, channel by channel.
#pragma once

#include <emmy/kernels/max_pool.hpp>
#include <emmy/layers/pool_windows.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Window, int Along>
struct MaxPoolShape : PoolShape<InShape, Window, Along> {
  static_assert(
      Pooling<InShape, Window, Along>::kFits,
      "emmy: MaxPool<Window> takes Shape<positions, channels> of at least Window positions, or an image of at "
      "least Window x Window; MaxPool<Height, Width> takes an image");
};
}  // namespace detail

// y[p, c] = max_{k < K} x[p(k), c] over windows of Window positions, of an image over Window x Window or Window x Along; positions
// beyond the last whole window are dropped. The gradient goes to the first of equal maxima. Homogeneous, each channel by itself.
template <int Window, int Along = 0>
struct MaxPool {
  static_assert(Window > 0 && Along >= 0, "emmy: MaxPool<Window> needs a window of at least one position");
  static constexpr bool kTakesBelow = true, kByChannel = true, kPool = true, kShifts = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::MaxPoolShape<InShape, Window, Along>::type;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Window, int Along, class F>
EMMY_INLINE void forward(MaxPool<Window, Along>, const F& f) noexcept {
  using W = detail::pool_windows<typename F::in_shape, Window, Along>;
  max_pool_forward<F::kBatch, W, F::kIn, F::kInStride>(f.x, f.y);
}

template <bool kAdd, int Window, int Along, class F, class Below>
EMMY_INLINE void backward(MaxPool<Window, Along>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  using W = detail::pool_windows<typename F::in_shape, Window, Along>;
  max_pool_backward<kAdd, F::kBatch, W, F::kIn>(f.x, static_cast<const S*>(f.y), static_cast<const S*>(f.dy), f.dx,
                                                below);
}

}  // namespace emmy::inline EMMY_TARGET
