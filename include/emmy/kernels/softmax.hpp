// Softmax of one padded row, and its logarithm's normaliser.
#pragma once

#include <limits>

#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <emmy/simd/simd.hpp>

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

// p[o] = exp(y[o] - max y) / sum, o < Cols; pad lanes of p become zero, those of y may hold anything.
// p may be y. The shift by the maximum keeps every exponential in [0, 1]. Error of p: (Cols + 6) w_r absolute; of
// log sum exp: the same times 1 + max |y|.
// No scalar touches the row: a vector loaded from fresh scalar stores waits for all of them.
// Test: tests/kernels/softmax_test.cpp.
template <int Cols, class T>
EMMY_INLINE SoftmaxSum<T> softmax_row(const T* y, T* p) noexcept {
  constexpr int kPadded = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto logits = [&](int o) EMMY_LAMBDA { return load_logits<Cols>(y, o); };
  constexpr bool kSumsAtOnce = one_lane<T>() && !simd::kStrict;
  auto top = logits(0);
  for (int o = lanes; o < Cols; o += lanes) top = simd::max(top, logits(o));
  const T largest = simd::max_lane(top);
  if constexpr (!simd::kStrict && covered<T, Cols>() == kLanesOf<T>) {  // one vector, that never leaves its register
    const auto e = exp_of_negative(simd::sub(top, simd::set(largest)));
    const T sum = simd::sum(e);
    simd::store(simd::mul(e, simd::set(T(1) / sum)), p);
    for (int o = lanes; o < kPadded; o += lanes) simd::store(simd::zero<T>(), p + o);
    return {largest, sum};
  }
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
  for (; o < Cols; o += lanes) simd::store(simd::mul(simd::load(p + o), scale), p + o);
  for (; o < kPadded; o += lanes) simd::store(simd::zero<T>(), p + o);
  return {largest, sum};
}

// As many rows at once as a vector has lanes: maxima and sums of all of them are one fold, where a row by itself waits for two.
// put(r, o, v) gets the vectors of p, up to `covered`; p holds what is needed on the way and may be y.
template <class T>
inline constexpr bool kSoftmaxByLanes = simd::kFoldsSums<T>&& simd::kFoldsMaxima<T> && !simd::kStrict;
template <int Cols, class T, class Put>
EMMY_INLINE void softmax_rows(const T* y, T* p, T* largest, T* sum, Put&& put) noexcept {
  constexpr int kStride = padded<T>(Cols), kLanes = kLanesOf<T>, kCovered = covered<T, Cols>();
  T scale[kLanes];
  const auto fold = [&](auto at, auto join, auto all, T* to) EMMY_LAMBDA {
    with_vectors<T, kLanes>([&](auto&... row) EMMY_LAMBDA {
      const auto one = [&](int r) EMMY_LAMBDA {
        auto v = at(r, 0);
        for (int o = kLanes; o < kCovered; o += kLanes) v = join(v, at(r, o));
        return v;
      };
      int r = 0;
      ((row = one(r++)), ...);
      simd::store(all(row...), to);
    });
  };
  fold([&](int r, int o) EMMY_LAMBDA { return load_logits<Cols>(y + r * kStride, o); },
       [](auto a, auto b) EMMY_LAMBDA { return simd::max(a, b); },
       [](auto... row) EMMY_LAMBDA { return simd::lane_maxima(row...); }, largest);
  for (int r = 0; r < kLanes; ++r)
    for (int o = 0; o < kCovered; o += kLanes)
      simd::store(exp_of_negative(simd::sub(load_logits<Cols>(y + r * kStride, o), simd::set(largest[r]))),
                  p + r * kStride + o);
  fold([&](int r, int o) EMMY_LAMBDA { return simd::load(static_cast<const T*>(p) + r * kStride + o); },
       [](auto a, auto b) EMMY_LAMBDA { return simd::add(a, b); },
       [](auto... row) EMMY_LAMBDA { return simd::lane_sums(row...); }, sum);
  simd::store(simd::div(simd::set(T(1)), simd::load(static_cast<const T*>(sum))), scale);
  for (int r = 0; r < kLanes; ++r)
    for (int o = 0; o < kStride; o += kLanes)
      if (o < kCovered)
        put(r, o, simd::mul(simd::load(static_cast<const T*>(p) + r * kStride + o), simd::set(scale[r])));
      else simd::store(simd::zero<T>(), p + r * kStride + o);
}

// How many rows share the vectors of one logarithm.
template <class T, int Rows>
inline constexpr int kRowsOfLog = Rows < padded<T>(1) ? Rows : padded<T>(1);

// sum[r] = largest[r] + log sum[r], the log sum exp of Rows <= padded(1) rows; sum has padded(Rows) values.
template <int Rows, class T>
EMMY_INLINE void log_sum_exp(const T* largest, T* sum) noexcept {
  if constexpr (Rows == 1) {
    if constexpr (transcendental::kHasLogOfOne) *sum = transcendental::log_of_one(*sum);
    else *sum = simd::first_of(log_of_normal(simd::set(*sum)));
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
