// One pass over rows of values: are they finite, how large are they, and what the bounds of the ledger need.
#pragma once

#include <emmy/simd/simd.hpp>

namespace emmy {

template <class S>
struct Inspection {
  S largest = 0;   // max |v|; meaningful if finite
  S probe = 0;     // sum of 0 * v: 0 if every value is finite, else NaN
  S row_norm = 0;  // max over rows of sum v^2 (statistics only)
  S row_sum = 0;   // max over rows of sum |v| (statistics only)
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Inspects Rows x Cols values in rows of Stride (any alignment; nothing beyond Cols is read unless Stride is padded).
// Statistics: column_abs[c] = sum over rows of |v|, padded(Cols) values. Test: tests/kernels/inspect_test.cpp.
template <int Rows, int Cols, int Stride, bool Statistics, class T>
EMMY_INLINE void inspect(const T* p, T* column_abs, Inspection<T>& result) noexcept {
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  constexpr bool kPadded = Stride == padded<T>(Cols);
  V top = simd::zero<T>(), probe = simd::zero<T>();
  if constexpr (Statistics)
    for (int c = 0; c < Cols; c += lanes) simd::store(simd::zero<T>(), column_abs + c);
  for (int r = 0; r < Rows; ++r) {
    V squares = simd::zero<T>(), sums = simd::zero<T>();
    for (int c = 0; c < Cols; c += lanes) {
      const T* at = p + r * Stride + c;
      const V v =
          kPadded || c + lanes <= Cols ? simd::load(at) : simd::load_first(at, static_cast<std::size_t>(Cols - c));
      const V a = simd::abs(v);
      top = simd::max(a, top);
      probe = simd::mul_add(v, simd::zero<T>(), probe);
      if constexpr (Statistics) {
        squares = simd::mul_add(v, v, squares);
        sums = simd::add(sums, a);
        simd::store(simd::add(simd::load(column_abs + c), a), column_abs + c);
      }
    }
    if constexpr (Statistics) {
      const T q = simd::sum(squares), s = simd::sum(sums);
      result.row_norm = q > result.row_norm ? q : result.row_norm;
      result.row_sum = s > result.row_sum ? s : result.row_sum;
    }
  }
  const T total = simd::sum(probe);
  result.probe += total;
  if (total == T(0)) {
    const T largest = simd::max_lane(top);
    result.largest = largest > result.largest ? largest : result.largest;
  }
}

}  // namespace emmy::inline EMMY_TARGET
