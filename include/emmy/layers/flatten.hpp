// Flatten: all positions and channels as one vector, channels fastest.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

// Shape<P, C> becomes Shape<P C>, value p C + c is channel c of position p. Where rows have no pads that is another name
// for the same memory, else a copy into one row a sample.
struct Flatten {
  static constexpr bool kReshapes = true, kByChannel = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = Shape<InShape::kSize>;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The copy, element by element: rows that it is for are shorter than a pad or no multiple of it.
template <class F>
EMMY_INLINE void forward(Flatten, const F& f) noexcept {
  for (int s = 0; s < F::kBatch; ++s) {
    auto* y = f.y + s * F::kOutStride;
    for (int p = 0; p < F::in_shape::kPositions; ++p)
      for (int c = 0; c < F::kIn; ++c) *y++ = f.x[(s * F::in_shape::kPositions + p) * F::kInStride + c];
    for (int at = F::kOut; at < F::kOutStride; ++at) *y++ = 0;
  }
}

template <bool kAdd, class F>
EMMY_INLINE void backward(Flatten, const F& f) noexcept {
  constexpr int kStride = padded<typename F::scalar>(F::kIn);
  for (int s = 0; s < F::kBatch; ++s)
    for (int p = 0; p < F::in_shape::kPositions; ++p) {
      const auto* dy = f.dy + s * F::kOutStride + p * F::kIn;
      auto* dx = f.dx + (s * F::in_shape::kPositions + p) * kStride;
      for (int c = 0; c < kStride; ++c) {
        const auto d = c < F::kIn ? dy[c] : typename F::scalar(0);
        dx[c] = kAdd ? dx[c] + d : d;
      }
    }
}

}  // namespace emmy::inline EMMY_TARGET
