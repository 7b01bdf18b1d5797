// What pooling kernels share: Batch samples of Height x Width positions, every Down x Along of them one row of the result;
// positions that fill no window are dropped. A vector of positions is one row of them.
#pragma once

#include <emmy/kernels/elementwise.hpp>

namespace emmy {

template <int Height, int Width, int Down, int Along>
struct PoolWindows {
  static constexpr int kWidth = Width, kPositions = Height * Width;
  static constexpr int kRows = Height / Down, kColumns = Width / Along, kOutputs = kRows * kColumns;
  static constexpr int kDown = Down, kAlong = Along, kWindow = Down * Along;

  // Position k of a window, from its first one on.
  EMMY_INLINE static constexpr int at(int k) noexcept {
    return Down == 1 || Along == Width ? k : k / Along * Width + k % Along;
  }
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// f(first row of the window, its row of the result, column) for every window and every vector of Cols columns.
template <int Batch, class W, int Cols, class T, class F>
EMMY_INLINE void for_each_window(F&& f) noexcept {
  for (int s = 0; s < Batch; ++s)
    for (int p = 0; p < W::kRows; ++p)
      for (int q = 0; q < W::kColumns; ++q)
        for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>()))
          f(s * W::kPositions + p * W::kDown * W::kWidth + q * W::kAlong, s * W::kOutputs + p * W::kColumns + q, c);
}

// dx of the positions that were dropped: 0.
template <int Batch, class W, int Stride, class T>
EMMY_INLINE void clear_dropped(T* dx) noexcept {
  constexpr int kUsed = W::kRows * W::kDown, kUsedColumns = W::kColumns * W::kAlong;
  for (int s = 0; s < Batch; ++s) {
    T* const sample = dx + s * W::kPositions * Stride;
    if constexpr (kUsedColumns < W::kWidth)
      for (int p = 0; p < kUsed; ++p)
        clear(sample + (p * W::kWidth + kUsedColumns) * Stride, (W::kWidth - kUsedColumns) * Stride);
    clear(sample + kUsed * W::kWidth * Stride, (W::kPositions - kUsed * W::kWidth) * Stride);
  }
}

}  // namespace emmy::inline EMMY_TARGET
