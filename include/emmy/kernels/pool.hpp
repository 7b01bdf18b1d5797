// What pooling kernels share: Batch samples of Positions rows, every Window of them one row of the result; positions that
// fill no window are dropped.
#pragma once

#include <emmy/kernels/elementwise.hpp>

namespace emmy::inline EMMY_TARGET {

// f(first row of the window, its row of the result, column) for every window and every vector of Cols columns.
template <int Batch, int Positions, int Window, int Cols, class T, class F>
EMMY_INLINE void for_each_window(F&& f) noexcept {
  constexpr int kRows = Positions / Window;
  for (int s = 0; s < Batch; ++s)
    for (int p = 0; p < kRows; ++p)
      for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>()))
        f(s * Positions + p * Window, s * kRows + p, c);
}

// dx of the positions that were dropped: 0.
template <int Batch, int Positions, int Window, int Stride, class T>
EMMY_INLINE void clear_dropped(T* dx) noexcept {
  constexpr int kUsed = Positions / Window * Window;
  for (int s = 0; s < Batch; ++s) clear(dx + (s * Positions + kUsed) * Stride, (Positions - kUsed) * Stride);
}

}  // namespace emmy::inline EMMY_TARGET
