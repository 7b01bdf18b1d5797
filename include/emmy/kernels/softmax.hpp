// Softmax of one padded row, and its logarithm's normaliser.
#pragma once

#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {

// p[o] = exp(y[o] - max y) / sum, o < Cols; pad lanes of p become zero. Returns log sum_o exp(y[o]) = max + log(sum).
// p may be y. The shift by the maximum keeps every exponential in [0, 1]. Error of p: (Cols + 6) w_r absolute; of the
// returned value: the same times 1 + max |y|.
// Test: tests/kernels/softmax_test.cpp.
template <int Cols, class T>
EMMY_INLINE T softmax_row(const T* y, T* p) noexcept {
  constexpr int kPadded = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int o = 0; o < Cols; ++o) p[o] = y[o];
  for (int o = Cols; o < kPadded; ++o) p[o] = y[0];  // a value of the row: it does not move the maximum
  auto top = simd::load(p);
  for (int o = lanes; o < kPadded; o += lanes) top = simd::max(top, simd::load(p + o));
  const T largest = simd::max_lane(top);
  for (int o = 0; o < kPadded; o += lanes) simd::store(exp(simd::sub(simd::load(p + o), simd::set(largest))), p + o);
  for (int o = Cols; o < kPadded; ++o) p[o] = T(0);
  T sum;
  if constexpr (simd::kStrict) {
    sum = ordered_sum(p, Cols);
  } else {
    auto total = simd::load(p);
    for (int o = lanes; o < kPadded; o += lanes) total = simd::add(total, simd::load(p + o));
    sum = simd::sum(total);
  }
  const auto scale = simd::set(T(1) / sum);
  for (int o = 0; o < kPadded; o += lanes) simd::store(simd::mul(simd::load(p + o), scale), p + o);
  T log_sum;
  simd::store_first(log(simd::set(sum)), &log_sum, 1);
  return largest + log_sum;
}

}  // namespace emmy::inline EMMY_TARGET
