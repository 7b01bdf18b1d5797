// AvgPool: the mean of every window of positions, channel by channel. GlobalAvgPool: of all of them.
#pragma once

#include <emmy/kernels/avg_pool.hpp>
#include <emmy/layers/pool_windows.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Window, int Along>
struct AvgPoolShape : PoolShape<InShape, Window, Along> {
  static_assert(
      Pooling<InShape, Window, Along>::kFits,
      "emmy: AvgPool<Window> takes Shape<positions, channels> of at least Window positions, or an image of at "
      "least Window x Window; AvgPool<Height, Width> takes an image");
};
template <class InShape>
struct GlobalAvgPoolShape {
  static_assert(
      InShape::kRank == 2 || InShape::kRank == 3,
      "emmy: GlobalAvgPool takes Shape<positions, channels> or Shape<height, width, channels>, such as Conv1d and "
      "Conv2d give");
  using type = Shape<InShape::kChannels>;
};
}  // namespace detail

// y[p, c] = 1 / K sum_{k < K} x[p(k), c] over windows of Window positions, of an image over Window x Window or Window x Along;
// positions beyond the last whole window are dropped. Linear, each channel by itself.
template <int Window, int Along = 0>
struct AvgPool {
  static_assert(Window > 0 && Along >= 0, "emmy: AvgPool<Window> needs a window of at least one position");
  static constexpr bool kTakesBelow = true, kByChannel = true, kPool = true, kAverages = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::AvgPoolShape<InShape, Window, Along>::type;
  template <class InShape>
  static constexpr int kRoundings = detail::pool_windows<InShape, Window, Along>::kWindow / 2 + 6;
};

// y[c] = 1 / P sum_p x[p, c]: Shape<P, C> and Shape<H, W, C> become Shape<C>, whatever they are.
struct GlobalAvgPool {
  static constexpr bool kTakesBelow = true, kByChannel = true, kPool = true, kAverages = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::GlobalAvgPoolShape<InShape>::type;
  template <class InShape>
  static constexpr int kRoundings = InShape::kPositions / 2 + 6;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Window, int Along, class F>
EMMY_INLINE void forward(AvgPool<Window, Along>, const F& f) noexcept {
  using W = detail::pool_windows<typename F::in_shape, Window, Along>;
  avg_pool_forward<F::kBatch, W, F::kIn, F::kInStride>(f.x, f.y);
}
template <class F>
EMMY_INLINE void forward(GlobalAvgPool, const F& f) noexcept {
  using In = typename F::in_shape;
  forward(AvgPool < In::kRank == 3 ? In::kHeight : In::kWidth, In::kRank == 3 ? In::kWidth : 0 > {}, f);
}

template <bool kAdd, int Window, int Along, class F, class Below>
EMMY_INLINE void backward(AvgPool<Window, Along>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  using W = detail::pool_windows<typename F::in_shape, Window, Along>;
  avg_pool_backward<kAdd, F::kBatch, W, F::kIn>(f.x, static_cast<const S*>(f.dy), f.dx, below);
}
template <bool kAdd, class F, class Below>
EMMY_INLINE void backward(GlobalAvgPool, const F& f, Below below) noexcept {
  using In = typename F::in_shape;
  backward<kAdd>(AvgPool < In::kRank == 3 ? In::kHeight : In::kWidth, In::kRank == 3 ? In::kWidth : 0 > {}, f, below);
}

}  // namespace emmy::inline EMMY_TARGET
