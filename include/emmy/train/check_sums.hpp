// What a layer's gradient must add up to, from what it is made of, and what it does. Test: tests/noether/faults_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/kernels/window_axis.hpp>
#include <emmy/train/passes.hpp>

namespace emmy {
namespace detail {
// Where the windows of an affine layer lie; without any, all positions of a batch are one row.
template <class L, class InShape, int Batch>
struct WindowsOf {
  static constexpr int kRows = Batch * InShape::kPositions;
  using type = WindowAxes<WindowAxis<1, 1, 0, 1, 1>, WindowAxis<1, 1, 0, kRows, kRows>>;
};
template <class L, class InShape, int Batch>
requires requires { typename L::template windows<InShape>; }
struct WindowsOf<L, InShape, Batch> {
  using type = typename L::template windows<InShape>;
};
template <class L, class InShape, int Batch>
using windows_of = typename WindowsOf<L, InShape, Batch>::type;
}  // namespace detail
}  // namespace emmy

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
  using F = frame_of<Net, I, Batch>;
  static constexpr int kIn = N::in::kChannels, kWindow = kWindowOf<typename N::layer>;
  // Whole vectors of a position's row reach into those of the next one, which they add 0 to.
  static constexpr int kRow = padded<S>((kWindow - 1) * kIn) + padded<S>(kIn);
  alignas(kAlign<S>) S row[kRow];
  S total = 0;

  // A few rows of dy at a time, of those whose windows follow one another: their sums first, then each vector of what they
  // add.
  EMMY_INLINE explicit ExpectedRows(const F& f) noexcept {
    using W = detail::windows_of<typename N::layer, typename N::in, Batch>;
    using R = typename W::rows;
    using C = typename W::columns;
    constexpr int kFew = 16, kStride = F::kInStride;
    const int lanes = static_cast<int>(simd::lanes<S>());
    clear(row, kRow);
    for (int run = 0; run < F::kOutRows / C::kOut; ++run)
      for_row_tiles<C::kOut, kFew>([&](int first, auto rows) EMMY_LAMBDA {
        constexpr int kRows = decltype(rows)::value;
        S d[kRows];
        row_totals<kRows, F::kOutStride>(f.dy + (run * C::kOut + first) * F::kOutStride, d);
        for (int r = 0; r < kRows; ++r) total += d[r];
        const int sample = run / R::kOut, output = run % R::kOut;
        const WindowRange down = taps_seen<R>(output);
        for (int k = down.first; k < down.first + down.count; ++k)
          for (int l = 0; l < C::kTaps; ++l) {
            const WindowRange seeing = outputs_seeing<C>(l);
            int from = 0, to = kRows;  // of these rows
            if constexpr (!kAllWhole<C>) {
              from = seeing.first > first ? seeing.first - first : 0;
              to = seeing.first + seeing.count < first + kRows ? seeing.first + seeing.count - first : kRows;
            }
            const int line = sample * R::kIn + output * R::kStride - R::kBefore + k,
                      start = line * C::kIn + (first + from) * C::kStride - C::kBefore + l;
            S* const to_row = row + (k * C::kTaps + l) * kIn;
            for (int c = 0; c < kIn; c += lanes) {
              const S* x = f.x + start * kStride;
              auto sum = simd::load(to_row + c);
              for (int r = from; r < to; ++r, x += C::kStride * kStride)
                sum = simd::mul_add(simd::set(d[r]), load_part<kIn, kStride>(x, c), sum);
              simd::store(sum, to_row + c);
            }
          }
      });
  }
};
// The rows of a depthwise convolution are not made of one x: the biases alone are known.
template <class Net, int I, int Batch>
requires(kIsByChannel<typename node_at<Net, I>::layer>) struct ExpectedRows<Net, I, Batch> {
  using S = typename Net::scalar;
  S total = 0;

  EMMY_INLINE explicit ExpectedRows(const frame_of<Net, I, Batch>& f) noexcept {
    using F = frame_of<Net, I, Batch>;
    for (int r = 0; r < F::kOutRows; ++r) total += row_total<S, F::kOutStride>(f.dy + r * F::kOutStride);
  }
};
// The same of turned weights: what each of their columns must add up to.
template <class Net, int I, int Batch>
struct ExpectedColumns {
  using S = typename Net::scalar;
  using F = frame_of<Net, I, Batch>;
  S column[F::kOut] = {};
  S total = 0;

  EMMY_INLINE explicit ExpectedColumns(const F& f) noexcept {
    for (int r = 0; r < F::kOutRows; ++r) {
      auto v = simd::zero<S>();
      for (int c = 0; c < F::kIn; c += static_cast<int>(simd::lanes<S>()))
        v = simd::add(v, load_part<F::kIn, F::kInStride>(f.x + r * F::kInStride, c));
      const S x = simd::sum(v);
      for (int o = 0; o < F::kOut; ++o) {
        const S d = f.dy[r * F::kOutStride + o];
        column[o] += d * x;
        total += d;
      }
    }
  }
};
struct NothingExpected {
  template <class F>
  EMMY_INLINE explicit NothingExpected(const F&) noexcept {}
};

}  // namespace emmy::inline EMMY_TARGET
