// Gram matrices: the products of all lines of one matrix with all lines of another of the same shape.
//
//   gram_of_rows     g[i, j] = sum_c a[i, c] b[j, c]     a, b [Rows][pad(Cols)], g [Rows][pad(Rows)]
//   gram_of_columns  g[i, j] = sum_r a[r, i] b[r, j]     a, b [Rows][pad(Cols)], g [Cols][pad(Cols)]
//
// Pads of a and b are zero, those of g become so; g overlaps neither. Of a matrix with itself g[i, j] and g[j, i] may
// differ by rounding. Error: K w_r sum |a b|, K the terms of a sum. Test: tests/kernels/gram_test.cpp.
#pragma once

#include <emmy/kernels/gemm.hpp>

namespace emmy::inline EMMY_TARGET {

template <int Rows, int Cols, class T>
EMMY_INLINE void gram_of_rows(const T* a, const T* b, T* g) noexcept {
  clear(g, Rows * padded<T>(Rows));
  for (int i = 0; i < Rows; ++i)
    row_dots<Cols>(b, Rows, a + i * padded<T>(Cols), StoreDots<T>{g + i * padded<T>(Rows)});
}

template <int Rows, int Cols, class T>
EMMY_INLINE void gram_of_columns(const T* a, const T* b, T* g) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for_gradient_tiles<Cols, kStride, Rows>(
      a, kStride, b,
      [&](int row, int m, int col, auto v) EMMY_LAMBDA { simd::store(v, g + (row + m) * kStride + col); },
      [](int, auto) EMMY_LAMBDA {});
}

}  // namespace emmy::inline EMMY_TARGET
