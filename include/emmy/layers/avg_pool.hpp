// AvgPool: the mean of every Window positions, channel by channel. GlobalAvgPool: of all of them.
#pragma once

#include <emmy/kernels/avg_pool.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Window>
struct AvgPoolShape {
  static constexpr bool kFits = InShape::kRank == 2 && Window <= InShape::kPositions;
  static_assert(kFits, "emmy: AvgPool<Window> takes Shape<positions, channels> of at least Window positions");
  using type = Shape<kFits ? InShape::kPositions / Window : 1, InShape::kChannels>;
};
template <class InShape>
struct GlobalAvgPoolShape {
  static_assert(InShape::kRank == 2, "emmy: GlobalAvgPool takes Shape<positions, channels>, such as Conv1d gives");
  using type = Shape<InShape::kChannels>;
};
}  // namespace detail

// y[p, c] = 1 / Window sum_{k < Window} x[p Window + k, c]; positions beyond the last whole window are dropped. Linear,
// each channel by itself.
template <int Window>
struct AvgPool {
  static_assert(Window > 0, "emmy: AvgPool<Window> needs a window of at least one position");
  static constexpr bool kTakesBelow = true, kByChannel = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::AvgPoolShape<InShape, Window>::type;
  template <class InShape>
  static constexpr int kRoundings = Window / 2 + 6;
};

// y[c] = 1 / P sum_p x[p, c]: Shape<P, C> becomes Shape<C>, whatever P is.
struct GlobalAvgPool {
  static constexpr bool kTakesBelow = true, kByChannel = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::GlobalAvgPoolShape<InShape>::type;
  template <class InShape>
  static constexpr int kRoundings = InShape::kPositions / 2 + 6;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Window, class F>
EMMY_INLINE void forward(AvgPool<Window>, const F& f) noexcept {
  avg_pool_forward<F::kBatch, F::in_shape::kPositions, Window, F::kIn, F::kInStride>(f.x, f.y);
}
template <class F>
EMMY_INLINE void forward(GlobalAvgPool, const F& f) noexcept {
  forward(AvgPool<F::in_shape::kPositions>{}, f);
}

template <bool kAdd, int Window, class F, class Below>
EMMY_INLINE void backward(AvgPool<Window>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  avg_pool_backward<kAdd, F::kBatch, F::in_shape::kPositions, Window, F::kIn>(f.x, static_cast<const S*>(f.dy), f.dx,
                                                                              below);
}
template <bool kAdd, class F, class Below>
EMMY_INLINE void backward(GlobalAvgPool, const F& f, Below below) noexcept {
  backward<kAdd>(AvgPool<F::in_shape::kPositions>{}, f, below);
}

}  // namespace emmy::inline EMMY_TARGET
