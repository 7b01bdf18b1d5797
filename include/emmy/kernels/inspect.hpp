// One pass over rows of values: are they finite, how large can they be, and what the bounds of the ledger need.
#pragma once

#include <emmy/simd/simd.hpp>

namespace emmy {

// The total bounds every value and is not finite if one of them is not (or if the sum overflows: then nothing that is
// made of these values could be trusted either). It costs two instructions a vector; a maximum and a probe cost five.
template <class S>
struct Inspection {
  S total = 0;     // sum of |v|
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
  constexpr bool kPadded = Stride == padded<T>(Cols);
  V total = simd::zero<T>();
  if constexpr (Statistics)
    for (int c = 0; c < Cols; c += lanes) simd::store(simd::zero<T>(), column_abs + c);
  for (int r = 0; r < Rows; ++r) {
    V squares = simd::zero<T>(), sums = simd::zero<T>();
    EMMY_UNROLL(4)
    for (int c = 0; c < Cols; c += lanes) {
      const T* at = p + r * Stride + c;
      const V v =
          kPadded || c + lanes <= Cols ? simd::load(at) : simd::load_first(at, static_cast<std::size_t>(Cols - c));
      const V a = simd::abs(v);
      if constexpr (Statistics) {
        squares = simd::mul_add(v, v, squares);
        sums = simd::add(sums, a);
        simd::store(simd::add(simd::load(column_abs + c), a), column_abs + c);
      } else {
        total = simd::add(total, a);
      }
    }
    if constexpr (Statistics) {
      const T q = simd::sum(squares), s = simd::sum(sums);
      result.row_norm = q > result.row_norm ? q : result.row_norm;
      result.row_sum = s > result.row_sum ? s : result.row_sum;
      result.total += s;
    }
  }
  if constexpr (!Statistics) result.total += simd::sum(total);
}

}  // namespace emmy::inline EMMY_TARGET
