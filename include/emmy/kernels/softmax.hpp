// Softmax of one padded row, and its logarithm's normaliser.
#pragma once

#include <limits>

#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <emmy/simd/simd.hpp>

#if defined(EMMY_BACKEND_HELIUM) && defined(__OPTIMIZE__)  // as panel.hpp
#include <emmy/kernels/helium/exp_row.hpp>
#endif

namespace emmy {
namespace detail {
// -Inf in the pads of a row, 0 before them.
template <class T, int Cols>
struct Pads {
  alignas(kAlign<T>) T value[padded<T>(Cols)];
  consteval Pads() : value{} {
    for (int o = Cols; o < padded<T>(Cols); ++o) value[o] = -std::numeric_limits<T>::infinity();
  }
};
template <class T, int Cols>
inline constexpr Pads<T, Cols> kPads{};
}  // namespace detail
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// What is left of a row: log sum_o exp(y[o]) = largest + log(sum).
template <class T>
struct SoftmaxSum {
  T largest, sum;
};

// The vector at o of a row of logits, its pads -inf.
template <int Cols, class T>
EMMY_INLINE simd::Vec<T> load_logits(const T* y, int o) noexcept {
  const auto v = simd::load(y + o);
  if (o + static_cast<int>(simd::lanes<T>()) <= Cols) return v;
  const auto pads = simd::load(detail::kPads<T, Cols>.value + o);
  return simd::select(simd::less(pads, simd::zero<T>()), pads, v);
}

// Where it is there: p[o] = exp(y[o] - largest), o < n, with the sum of them.
#if defined(EMMY_HAS_EXP_ROW)
template <class T>
inline constexpr bool kHasExpRow = sizeof(T) == 4;
#else
template <class T>
inline constexpr bool kHasExpRow = false;
template <class T>
SoftmaxSum<T> exp_row(const T* y, T* p, int n) noexcept;
#endif

namespace inner {
// Do the vectors of a row stay in registers?
template <class T, int Cols>
inline constexpr bool kSoftmaxInRegisters = [] {
  if constexpr (simd::kStrict || !kLanesKnown<T> || one_lane<T>() || simd::kRegisters < 16) return false;
  else return covered<T, Cols>() <= 4 * kLanesOf<T>;
}();
}  // namespace inner

// p[o] = exp(y[o] - max y) / sum, o < Cols; pad lanes of p become zero, those of y may hold anything.
// p may be y. put: p[o] is what put(o, v) makes of that, vector by vector. The shift by the maximum keeps every exponential in [0, 1]. Error of p: (Cols + 6) w_r absolute; of
// log sum exp: the same times 1 + max |y|.
// No scalar touches the row: a vector loaded from fresh scalar stores waits for all of them.
// Test: tests/kernels/softmax_test.cpp.
template <int Cols, class T, class Put>
EMMY_INLINE SoftmaxSum<T> softmax_row(const T* y, T* p, Put&& put) noexcept {
  constexpr int kPadded = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto logits = [&](int o) EMMY_LAMBDA { return load_logits<Cols>(y, o); };
  constexpr bool kSumsAtOnce = one_lane<T>() && !simd::kStrict;
  if constexpr (inner::kSoftmaxInRegisters<T, Cols>) {
    constexpr int kVectors = covered<T, Cols>() / kLanesOf<T>;
    SoftmaxSum<T> row;
    with_vectors<T, kVectors>([&](auto& first, auto&... rest) EMMY_LAMBDA {
      int o = 0;
      first = logits(0);
      ((rest = logits(o += lanes)), ...);
      auto top = first;
      ((top = simd::max(top, rest)), ...);
      row.largest = simd::max_lane(top);
      const auto& numbers = transcendental::numbers_for_one<simd::Vec<T>>();
      const auto exponential = [&](auto v) EMMY_LAMBDA {
        return exp_of_negative(simd::sub(v, simd::set(row.largest)), numbers);
      };
      first = exponential(first);
      ((rest = exponential(rest)), ...);
      auto total = first;
      ((total = simd::add(total, rest)), ...);
      row.sum = simd::sum(total);
      const auto scale = simd::set(T(1) / row.sum);
      simd::store(put(o = 0, simd::mul(first, scale)), p);
      ((o += lanes, simd::store(put(o, simd::mul(rest, scale)), p + o)), ...);
    });
    for (int o = covered<T, Cols>(); o < kPadded; o += lanes) simd::store(simd::zero<T>(), p + o);
    return row;
  }
  if constexpr (kHasExpRow<T>) {
    const auto row = exp_row(y, p, Cols);
    const auto scale = simd::set(T(1) / row.sum);
    for (int o = 0; o < covered<T, Cols>(); o += lanes)
      simd::store(put(o, simd::mul(simd::load(static_cast<const T*>(p + o)), scale)), p + o);
    for (int o = Cols; o < kPadded; ++o) p[o] = T(0);
    return {row.largest, row.sum};
  }
  auto top = logits(0);
  for (int o = lanes; o < Cols; o += lanes) top = simd::max(top, logits(o));
  const T largest = simd::max_lane(top);
  T sum = 0;
  for (int o = 0; o < Cols; o += lanes) {
    const auto e = exp_of_negative(simd::sub(logits(o), simd::set(largest)));
    simd::store(e, p + o);
    if constexpr (kSumsAtOnce) sum += simd::sum(e);
  }
  if constexpr (simd::kStrict) {
    sum = ordered_sum(p, Cols);
  } else if constexpr (!kSumsAtOnce) {
    auto total = simd::load(p);
    for (int o = lanes; o < Cols; o += lanes) total = simd::add(total, simd::load(p + o));
    sum = simd::sum(total);
  }
  const auto scale = simd::set(T(1) / sum);
  int o = 0;
  for (; o < Cols; o += lanes) simd::store(put(o, simd::mul(simd::load(p + o), scale)), p + o);
  for (; o < kPadded; o += lanes) simd::store(simd::zero<T>(), p + o);
  return {largest, sum};
}
template <int Cols, class T>
EMMY_INLINE SoftmaxSum<T> softmax_row(const T* y, T* p) noexcept {
  return softmax_row<Cols>(y, p, [](int, auto v) EMMY_LAMBDA { return v; });
}

// As many rows at once as a vector has lanes, turned: one vector a class, so that nothing is folded, and the bits of softmax_row.
// see(o, v) gets the logits of class o, put(o, v) makes of its probabilities what goes to p; p may be y. Of so many classes that
// they are at home in the first cache and on the stack.
template <class T, int Cols>
inline constexpr bool kSoftmaxByLanes = simd::kTransposes<T> && !simd::kStrict && Cols <= 256;
namespace inner {
// The sum of the vectors of Cols classes in the order of `sum`: those whose number is J but for multiples of Step.
template <int J, int Step, int Cols, class T>
EMMY_INLINE simd::Vec<T> sum_of_classes(const T* p) noexcept {
  constexpr int kLanes = kLanesOf<T>;
  if constexpr (Step == kLanes) {
    auto v = simd::load(p + J * kLanes);
    for (int o = J + kLanes; o < Cols; o += kLanes) v = simd::add(v, simd::load(p + o * kLanes));
    return v;
  } else if constexpr (J + Step >= Cols) {
    return sum_of_classes<J, 2 * Step, Cols>(p);
  } else {
    return simd::add(sum_of_classes<J, 2 * Step, Cols>(p), sum_of_classes<J + Step, 2 * Step, Cols>(p));
  }
}
// to[o][r] = from[r][o] of kLanes rows or as many columns.
template <class T>
EMMY_INLINE void transpose_block(const T* from, int from_stride, T* to, int to_stride) noexcept {
  with_vectors<T, kLanesOf<T>>([&](auto&... v) EMMY_LAMBDA {
    ((v = simd::load(from), from += from_stride), ...);
    simd::transpose(v...);
    ((simd::store(v, to), to += to_stride), ...);
  });
}
}  // namespace inner
template <int Cols, class T, class See, class Put>
EMMY_INLINE void softmax_rows(const T* y, T* p, T* largest, T* sum, See&& see, Put&& put) noexcept {
  constexpr int kStride = padded<T>(Cols), kLanes = kLanesOf<T>, kCovered = covered<T, Cols>();
  alignas(kAlign<T>) T turned[kCovered * kLanes];
  const T* const classes = turned;
  for (int o = 0; o < kCovered; o += kLanes) inner::transpose_block(y + o, kStride, turned + o * kLanes, kLanes);
  auto top = simd::load(classes);
  for (int o = 1; o < Cols; ++o) top = simd::max(top, simd::load(classes + o * kLanes));
  simd::store(top, largest);
  for (int o = 0; o < Cols; ++o) {
    const auto logits = simd::load(classes + o * kLanes);
    see(o, logits);
    simd::store(exp_of_negative(simd::sub(logits, top)), turned + o * kLanes);
  }
  const auto total = inner::sum_of_classes<0, 1, Cols>(classes);
  simd::store(total, sum);
  const auto share = simd::div(simd::set(T(1)), total);
  for (int o = 0; o < Cols; ++o)
    simd::store(put(o, simd::mul(simd::load(classes + o * kLanes), share)), turned + o * kLanes);
  for (int o = Cols; o < kCovered; ++o) simd::store(simd::zero<T>(), turned + o * kLanes);
  for (int o = 0; o < kCovered; o += kLanes) inner::transpose_block(classes + o * kLanes, kLanes, p + o, kStride);
  for (int o = kCovered; o < kStride; o += kLanes)
    for (int r = 0; r < kLanes; ++r) simd::store(simd::zero<T>(), p + r * kStride + o);
}

// How many rows share the vectors of one logarithm.
template <class T, int Rows>
inline constexpr int kRowsOfLog = Rows < padded<T>(1) ? Rows : padded<T>(1);

// sum[r] = largest[r] + log sum[r], the log sum exp of Rows <= padded(1) rows; sum has padded(Rows) values.
template <int Rows, class T>
EMMY_INLINE void log_sum_exp(const T* largest, T* sum) noexcept {
  if constexpr (Rows == 1) {
    if constexpr (transcendental::kHasLogOfOne) *sum = transcendental::log_of_one(*sum);
    else *sum = simd::first_of(log_of_normal(simd::set(*sum), transcendental::numbers_for_one<simd::Vec<T>>()));
  } else {
    for (int r = 0; r < Rows; r += static_cast<int>(simd::lanes<T>()))
      simd::store(log_of_normal(simd::load(sum + r)), sum + r);
  }
  for (int r = 0; r < Rows; ++r) sum[r] = largest[r] + sum[r];
}
template <class T>
EMMY_INLINE T log_sum_exp(const SoftmaxSum<T>& row) noexcept {
  T sum = row.sum;
  log_sum_exp<1>(&row.largest, &sum);
  return sum;
}

}  // namespace emmy::inline EMMY_TARGET
