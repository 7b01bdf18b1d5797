// Softmax of one padded row, and its logarithm's normaliser.
#pragma once

#include <limits>

#include <emmy/kernels/reduce.hpp>
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

// p[o] = exp(y[o] - max y) / sum, o < Cols; pad lanes of p become zero, those of y may hold anything. Returns
// log sum_o exp(y[o]) = max + log(sum).
// p may be y. The shift by the maximum keeps every exponential in [0, 1]. Error of p: (Cols + 6) w_r absolute; of the
// returned value: the same times 1 + max |y|.
// No scalar touches the row: a vector loaded from fresh scalar stores waits for all of them.
// Test: tests/kernels/softmax_test.cpp.
template <int Cols, class T>
EMMY_INLINE T softmax_row(const T* y, T* p) noexcept {
  constexpr int kPadded = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto logits = [&](int o) EMMY_LAMBDA {
    const auto v = simd::load(y + o);
    if (o + lanes <= Cols) return v;
    const auto pads = simd::load(detail::kPads<T, Cols>.value + o);
    return simd::select(simd::less(pads, simd::zero<T>()), pads, v);
  };
  auto top = logits(0);
  for (int o = lanes; o < Cols; o += lanes) top = simd::max(top, logits(o));
  const T largest = simd::max_lane(top);
  for (int o = 0; o < Cols; o += lanes) simd::store(exp_of_negative(simd::sub(logits(o), simd::set(largest))), p + o);
  T sum;
  if constexpr (simd::kStrict) {
    sum = ordered_sum(p, Cols);
  } else {
    auto total = simd::load(p);
    for (int o = lanes; o < Cols; o += lanes) total = simd::add(total, simd::load(p + o));
    sum = simd::sum(total);
  }
  const auto scale = simd::set(T(1) / sum);
  int o = 0;
  for (; o < Cols; o += lanes) simd::store(simd::mul(simd::load(p + o), scale), p + o);
  for (; o < kPadded; o += lanes) simd::store(simd::zero<T>(), p + o);
  T log_sum;
  simd::store_first(log_of_normal(simd::set(sum)), &log_sum, 1);
  return largest + log_sum;
}

}  // namespace emmy::inline EMMY_TARGET
