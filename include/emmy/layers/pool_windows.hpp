// The windows of a pooling layer, from the sizes that it was given and the shape it meets.
#pragma once

#include <emmy/kernels/pool.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy::detail {

// Of positions: Down of them. Of an image: Down rows of Along columns, as many as rows where Along is 0.
template <class InShape, int Down, int Along>
struct Pooling {
  static constexpr bool kImage = InShape::kRank == 3;
  static constexpr int kDown = kImage ? Down : 1, kAlong = kImage && Along > 0 ? Along : Down;
  static constexpr bool kFits =
      (kImage || (InShape::kRank == 2 && Along == 0)) && kDown <= InShape::kHeight && kAlong <= InShape::kWidth;
  using windows = PoolWindows<InShape::kHeight, InShape::kWidth, kDown, kAlong>;
};
template <class InShape, int Down, int Along>
using pool_windows = typename Pooling<InShape, Down, Along>::windows;

template <class InShape, class W>
struct PooledShape {
  using type = Shape<W::kColumns, InShape::kChannels>;
};
template <int Height, int Width, int Channels, class W>
struct PooledShape<Shape<Height, Width, Channels>, W> {
  using type = Shape<W::kRows, W::kColumns, Channels>;
};
// The shape that a window that fits makes, else the input's.
template <class InShape, int Down, int Along, bool Fits = Pooling<InShape, Down, Along>::kFits>
struct PoolShape {
  using type = typename PooledShape<InShape, pool_windows<InShape, Down, Along>>::type;
};
template <class InShape, int Down, int Along>
struct PoolShape<InShape, Down, Along, false> {
  using type = InShape;
};

}  // namespace emmy::detail
