// One pass over rows of values: are they finite, how large can they be, and what the bounds of the ledger need.
#pragma once

#include <emmy/kernels/panel.hpp>
#include <emmy/kernels/rows.hpp>

namespace emmy {

// The sum of squares bounds every value and is not finite if one of them is not (or if it overflows: then nothing that
// is made of these values could be trusted either). It costs one instruction a vector; a maximum and a probe cost five.
template <class S>
struct Inspection {
  S squares = 0;   // sum of v^2
  S row_norm = 0;  // max over rows of sum v^2 (statistics only)
  S row_sum = 0;   // max over rows of sum |v| (statistics only)
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Inspects Rows x Cols values in rows of Stride (any alignment; nothing beyond Cols is read unless Stride is padded).
// Statistics: column_abs[c] = sum over rows of |v|, padded(Cols) values. Relative error of all sums: (Rows Cols + 1) w_r.
// Test: tests/kernels/inspect_test.cpp.
template <int Rows, int Cols, int Stride, bool Statistics, class T>
EMMY_INLINE void inspect(const T* p, T* column_abs, Inspection<T>& result) noexcept {
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  if constexpr (!Statistics && kHasRowSquares<T> && Cols >= 16) {
    for (int r = 0; r < Rows; ++r) result.squares += row_squares(p + r * Stride, Cols);
    return;
  }
  V total = simd::zero<T>(), other = total;  // two sums: an addition waits for the last one
  if constexpr (Statistics)
    for (int c = 0; c < Cols; c += lanes) simd::store(simd::zero<T>(), column_abs + c);
  for (int r = 0; r < Rows; ++r) {
    const T* row = p + r * Stride;
    if constexpr (Statistics) {
      V squares = simd::zero<T>(), sums = simd::zero<T>();
      for (int c = 0; c < Cols; c += lanes) {
        const V v = load_part<Cols, Stride>(row, c), a = simd::abs(v);
        squares = simd::mul_add(v, v, squares);
        sums = simd::add(sums, a);
        simd::store(simd::add(simd::load(column_abs + c), a), column_abs + c);
      }
      const T q = simd::sum(squares), s = simd::sum(sums);
      result.row_norm = q > result.row_norm ? q : result.row_norm;
      result.row_sum = s > result.row_sum ? s : result.row_sum;
      result.squares += q;
    } else {
      int c = 0;
      EMMY_UNROLL(4)
      for (; c + 2 * lanes <= Cols; c += 2 * lanes) {
        const V v = simd::load(row + c), w = simd::load(row + c + lanes);
        total = simd::mul_add(v, v, total);
        other = simd::mul_add(w, w, other);
      }
      for (; c < Cols; c += lanes) {
        const V v = load_part<Cols, Stride>(row, c);
        total = simd::mul_add(v, v, total);
      }
    }
  }
  if constexpr (!Statistics) result.squares += simd::sum(simd::add(total, other));
}

}  // namespace emmy::inline EMMY_TARGET
