// The mean of every window of positions, channel by channel; W: a PoolWindows, in which position k of window p is p(k):
//
//   y[p, c] = 1 / K sum_{k < K} x[p(k), c]
//   dx[p(k), c] (+)= below'(x) dy[p, c] / K
//
// Positions that fill no window are dropped: their dx is 0. x rows of InStride (unpadded: nothing beyond Channels is read),
// y, dy and dx padded rows, and so x backward. Error of y: (K / 2 + 4) w_r times the mean of |x|; of dx: 2 w_r of it,
// w_r more where it is added. Test: tests/kernels/avg_pool_test.cpp.
#pragma once

#include <emmy/kernels/pool.hpp>

namespace emmy::inline EMMY_TARGET {

template <int Batch, class W, int Channels, int InStride, class T>
EMMY_INLINE void avg_pool_forward(const T* x, T* y) noexcept {
  constexpr int kStride = padded<T>(Channels);
  const auto scale = simd::set(T(1) / T(W::kWindow));
  for_each_window<Batch, W, Channels, T>([&](int from, int to, int c) EMMY_LAMBDA {
    const auto row = [&](int k)
                         EMMY_LAMBDA { return load_part<Channels, InStride>(x + (from + W::at(k)) * InStride, c); };
    auto sum = row(0);
    if constexpr (W::kWindow > 1) {
      auto other = row(1);  // two sums: an addition waits for the last one
      for (int k = 2; k + 1 < W::kWindow; k += 2) {
        sum = simd::add(sum, row(k));
        other = simd::add(other, row(k + 1));
      }
      if constexpr (W::kWindow % 2 == 1) sum = simd::add(sum, row(W::kWindow - 1));
      sum = simd::add(sum, other);
    }
    simd::store(simd::mul(scale, sum), y + to * kStride + c);
  });
  clear_pads<Batch * W::kOutputs, Channels>(y);
}

// below as in affine_backward.
template <bool kAdd, int Batch, class W, int Channels, class T, class Below>
EMMY_INLINE void avg_pool_backward(const T* x, const T* dy, T* dx, Below) noexcept {
  constexpr int kStride = padded<T>(Channels);
  const auto scale = simd::set(T(1) / T(W::kWindow));
  for_each_window<Batch, W, kStride, T>([&](int to, int from, int c) EMMY_LAMBDA {
    const auto share = simd::mul(scale, simd::load(dy + from * kStride + c));
    // Where dx is twice as far as dy, g++ 12 (-O1, -O2, AVX-512) loses the pointer behind the address and drops the stores.
    T* into = dx + to * kStride + c;
    __asm__("" : "+r"(into));
    for (int k = 0; k < W::kWindow; ++k) put_dx<kAdd>(Below{}, x + to * kStride + c, into, W::at(k) * kStride, share);
  });
  if constexpr (!kAdd) clear_dropped<Batch, W, kStride>(dx);
}

}  // namespace emmy::inline EMMY_TARGET
