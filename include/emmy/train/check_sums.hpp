// What a layer's gradient must add up to, from what it is made of, and what it does. Test: tests/noether/faults_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/train/passes.hpp>

namespace emmy::inline EMMY_TARGET {

template <int Count, class T>
EMMY_INLINE simd::Vec<T> row_lanes(const T* p) noexcept {
  auto v = simd::load(p);
  for (int o = static_cast<int>(simd::lanes<T>()); o < Count; o += static_cast<int>(simd::lanes<T>()))
    v = simd::add(v, simd::load(p + o));
  return v;
}
template <class T, int Count>
EMMY_INLINE T row_total(const T* p) noexcept {
  return simd::sum(row_lanes<Count>(p));
}
// The same of M rows of Count values.
template <int M, int Count, class T>
EMMY_INLINE void row_totals(const T* p, T* totals) noexcept {
  int m = 0;
  for (; m + 4 <= M; m += 4)
    simd::store_sums(row_lanes<Count>(p + m * Count), row_lanes<Count>(p + (m + 1) * Count),
                     row_lanes<Count>(p + (m + 2) * Count), row_lanes<Count>(p + (m + 3) * Count), totals + m);
  for (; m < M; ++m) totals[m] = row_total<T, Count>(p + m * Count);
}

// What the rows of a weight gradient must add up to (see check_rows in noether/booking.hpp).
template <class Net, int I, int Batch>
struct ExpectedRows {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  static constexpr int kIn = N::in::kChannels, kWindow = kWindowOf<typename N::layer>;
  // Whole vectors of a position's row reach into those of the next one, which they add 0 to.
  static constexpr int kRow = padded<S>((kWindow - 1) * kIn) + padded<S>(kIn);
  alignas(kAlign<S>) S row[kRow];
  S total = 0;

  // A few rows of dy at a time: their sums first, then each vector of what they add.
  EMMY_INLINE explicit ExpectedRows(const frame_of<Net, I, Batch>& f) noexcept {
    using F = frame_of<Net, I, Batch>;
    constexpr int kFew = 16, kStride = F::kInStride;
    // Rows of dy whose windows follow one another: all of them, or one sample's, which has kWindow - 1 positions more.
    constexpr int kRun = kWindow == 1 ? F::kOutRows : N::out::kPositions, kNextRun = kRun + kWindow - 1;
    const int lanes = static_cast<int>(simd::lanes<S>());
    clear(row, kRow);
    for (int run = 0; run < F::kOutRows / kRun; ++run)
      for_row_tiles<kRun, kFew>([&](int first, auto rows) EMMY_LAMBDA {
        constexpr int kRows = decltype(rows)::value;
        S d[kRows];
        row_totals<kRows, F::kOutStride>(f.dy + (run * kRun + first) * F::kOutStride, d);
        for (int r = 0; r < kRows; ++r) total += d[r];
        for (int k = 0; k < kWindow; ++k)
          for (int c = 0; c < kIn; c += lanes) {
            const S* x = f.x + (run * kNextRun + first + k) * kStride;
            auto sum = simd::load(row + k * kIn + c);
            for (int r = 0; r < kRows; ++r, x += kStride)
              sum = simd::mul_add(simd::set(d[r]), load_part<kIn, kStride>(x, c), sum);
            simd::store(sum, row + k * kIn + c);
          }
      });
  }
};
// The same of a column: what all of it must add up to.
template <class Net, int I, int Batch>
struct ExpectedColumn {
  using S = typename Net::scalar;
  S sum = 0, total = 0;

  EMMY_INLINE explicit ExpectedColumn(const frame_of<Net, I, Batch>& f) noexcept {
    using F = frame_of<Net, I, Batch>;
    for (int r = 0; r < F::kOutRows; ++r) {
      auto v = simd::zero<S>();
      for (int c = 0; c < F::kIn; c += static_cast<int>(simd::lanes<S>()))
        v = simd::add(v, load_part<F::kIn, F::kInStride>(f.x + r * F::kInStride, c));
      const S d = f.dy[r * F::kOutStride];
      sum += d * simd::sum(v);
      total += d;
    }
  }
};
struct NothingExpected {
  template <class F>
  EMMY_INLINE explicit NothingExpected(const F&) noexcept {}
};

}  // namespace emmy::inline EMMY_TARGET
