// Are values finite, how large can they be, and what the bounds of the ledger need: by one pass over their rows, or while they
// are written.
#pragma once

#include <emmy/kernels/gemm.hpp>
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

template <class V>
EMMY_INLINE V add_square(V v, V sum) noexcept {
  return simd::mul_add(v, v, sum);
}

// total and other += the squares of a row, from value From on, in lanes: two sums, since an addition waits for the last one.
template <int Cols, int Stride, int From = 0, class T, class V>
EMMY_INLINE void add_squares_of_row(const T* row, V& total, V& other) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  int c = From;
  EMMY_UNROLL(4)
  for (; c + 2 * lanes <= Cols; c += 2 * lanes) {
    total = add_square(simd::load(row + c), total);
    other = add_square(simd::load(row + c + lanes), other);
  }
  for (; c < Cols; c += lanes) total = add_square(load_part<Cols, Stride>(row, c), total);
}

// The same of a first row, without an addition to zeros.
template <int Cols, int Stride, class T, class V>
EMMY_INLINE void begin_squares_of_row(const T* row, V& total, V& other) noexcept {
  other = simd::zero<T>();
  if constexpr (!kLanesKnown<T>) {
    total = other;
    add_squares_of_row<Cols, Stride>(row, total, other);
  } else {
    constexpr int kLanes = kLanesOf<T>, kFrom = Cols < 2 * kLanes ? kLanes : 2 * kLanes;
    const V v = load_part<Cols, Stride>(row, 0);
    total = simd::mul(v, v);
    if constexpr (Cols >= 2 * kLanes) {
      const V next = simd::load(row + kLanes);
      other = simd::mul(next, next);
    }
    add_squares_of_row<Cols, Stride, kFrom>(row, total, other);
  }
}
template <int Cols, int Stride, class T>
EMMY_INLINE T squares_of_row(const T* row) noexcept {
  simd::Vec<T> total, other;
  begin_squares_of_row<Cols, Stride>(row, total, other);
  if constexpr (kLanesKnown<T>)
    if (Cols < 2 * kLanesOf<T>) return simd::sum(total);
  return simd::sum(simd::add(total, other));
}

// The sum of the squares of Rows x Cols values in rows of Stride, of which no other is read unless Stride is padded.
template <int Rows, int Cols, int Stride, class T>
EMMY_INLINE T squares_of_rows(const T* p) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  // Many values without gaps (pads are zeros): one run of them, in eight sums.
  constexpr int kCount = Rows * Stride, kSums = 8;
  constexpr bool kMany = kCount * static_cast<int>(sizeof(T)) >= 4096 && simd::kRegisters >= 16 && !one_lane<T>();
  if constexpr (kHasRowSquares<T> && Cols >= 16) {
    T sum = row_squares(p, Cols);
    for (int r = 1; r < Rows; ++r) sum += row_squares(p + r * Stride, Cols);
    return sum;
  } else if constexpr (kMany && (Stride == Cols || Stride == covered<T, Cols>())) {
    auto total = simd::zero<T>();
    with_vectors<T, kSums>([&](auto&... sums) EMMY_LAMBDA {
      int at = 0;
      for (; at + kSums * lanes <= kCount; at += kSums * lanes) {
        const T* next = p + at - lanes;
        ((sums = add_square(simd::load(next += lanes), sums)), ...);
      }
      total = tree_sum<0, kSums, 1>(sums...);
      for (; at < kCount; at += lanes) total = add_square(load_part<kCount, kCount>(p, at), total);
    });
    return simd::sum(total);
  } else if constexpr (Rows == 1 && !one_lane<T>()) {
    return squares_of_row<Cols, Stride>(p);
  } else {
    auto total = simd::zero<T>(), other = total;
    for (int r = 0; r < Rows; ++r) add_squares_of_row<Cols, Stride>(p + r * Stride, total, other);
    return simd::sum(simd::add(total, other));
  }
}

// Inspects Rows x Cols values in rows of Stride (any alignment; nothing beyond Cols is read unless Stride is padded).
// Statistics: column_abs[c] = sum over rows of |v|, padded(Cols) values. Relative error of all sums: (Rows Cols + 1) w_r.
// Test: tests/kernels/inspect_test.cpp.
template <int Rows, int Cols, int Stride, bool Statistics, class T>
EMMY_INLINE void inspect(const T* p, T* column_abs, Inspection<T>& result) noexcept {
  if constexpr (!Statistics) {
    result.squares += squares_of_rows<Rows, Cols, Stride>(p);
    return;
  }
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  V total = simd::zero<T>();
  clear(column_abs, Cols);
  T norm = 0, sum = 0;  // of the rows
  const auto count = [&](T squares, T values) EMMY_LAMBDA {
    norm = squares > norm ? squares : norm;
    sum = values > sum ? values : sum;
  };
  // Four rows at once: their sums take half the instructions, and the columns' wait for a store once and not four times.
  constexpr int kByFour = !one_lane<T>() ? Rows / 4 * 4 : 0;
  if constexpr (kByFour > 0) {
    for (int r = 0; r < kByFour; r += 4) {
      const T* row = p + r * Stride;
      V q0 = simd::zero<T>(), q1 = q0, q2 = q0, q3 = q0, s0 = q0, s1 = q0, s2 = q0, s3 = q0;
      for (int c = 0; c < Cols; c += lanes) {
        const auto add_to = [&](int m, V& squares, V& sums) EMMY_LAMBDA {
          const V v = load_part<Cols, Stride>(row + m * Stride, c), a = simd::abs(v);
          squares = simd::mul_add(v, v, squares);
          sums = simd::add(sums, a);
          return a;
        };
        const V a = simd::add(add_to(0, q0, s0), add_to(1, q1, s1)),
                b = simd::add(add_to(2, q2, s2), add_to(3, q3, s3));
        simd::store(simd::add(simd::load(column_abs + c), simd::add(a, b)), column_abs + c);
      }
      T q[4], s[4];
      simd::store_sums(q0, q1, q2, q3, q);
      simd::store_sums(s0, s1, s2, s3, s);
      for (int m = 0; m < 4; ++m) count(q[m], s[m]);
      total = simd::add(total, simd::add(simd::add(q0, q1), simd::add(q2, q3)));
    }
  }
  for (int r = kByFour; r < Rows; ++r) {
    const T* row = p + r * Stride;
    V squares = simd::zero<T>(), sums = simd::zero<T>();
    for (int c = 0; c < Cols; c += lanes) {
      const V v = load_part<Cols, Stride>(row, c), a = simd::abs(v);
      squares = simd::mul_add(v, v, squares);
      sums = simd::add(sums, a);
      simd::store(simd::add(simd::load(column_abs + c), a), column_abs + c);
    }
    count(simd::sum(squares), simd::sum(sums));
    total = simd::add(total, squares);
  }
  result.squares += simd::sum(total);
  result.row_norm = norm > result.row_norm ? norm : result.row_norm;
  result.row_sum = sum > result.row_sum ? sum : result.row_sum;
}

// Calls f(see), f handing the vectors that it writes to see(v...): *squares becomes the sum of their squares. nullptr: nobody
// wants it.
template <class T, class F>
EMMY_INLINE void summing_squares(T* squares, F&& f) noexcept {
  constexpr int kSums = simd::kRegisters >= 32 ? 4 : 2;  // each waits for its last product
  with_vectors<T, kSums>([&](auto&... sum) EMMY_LAMBDA {
    f([&](auto&... v) EMMY_LAMBDA {
      [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
        ((pick<I % kSums>(sum...) = add_square(v, pick<I % kSums>(sum...))), ...);
      }
      (std::make_integer_sequence<int, sizeof...(v)>{});
    });
    *squares = simd::sum(tree_sum<0, kSums, 1>(sum...));
  });
}
template <class F>
EMMY_INLINE void summing_squares(std::nullptr_t, F&& f) noexcept {
  f(nullptr);
}
// Can a product sum so, and from how many rows on?
template <class T>
inline constexpr bool kSumsSquaresInTiles = !one_lane<T>() && !simd::kStrict && simd::kRegisters >= 16;
inline constexpr int kSquaresFromRows = 3;

}  // namespace emmy::inline EMMY_TARGET
