// The largest of every window of positions, channel by channel; W: a PoolWindows, in which position k of window p is p(k):
//
//   y[p, c] = max_{k < K} x[p(k), c]
//   dx[p(k), c] (+)= below'(x) dy[p, c] at the first k whose x is y, 0 elsewhere
//
// Positions that fill no window are dropped: their dx is 0. NaN is larger than any number: it comes through forward and
// takes no gradient. x rows of InStride (unpadded: nothing beyond Channels is read), y, dy and dx padded rows, and so x
// backward. Exact. Test: tests/kernels/max_pool_test.cpp.
#pragma once

#include <emmy/kernels/pool.hpp>

namespace emmy::inline EMMY_TARGET {

// max(a, b), NaN if one of them is.
template <class V>
EMMY_INLINE V larger_or_nan(V a, V b) noexcept {
  return simd::select(simd::equal(a, a), simd::max(a, b), a);
}

template <int Batch, class W, int Channels, int InStride, class T>
EMMY_INLINE void max_pool_forward(const T* x, T* y) noexcept {
  constexpr int kStride = padded<T>(Channels);
  for_each_window<Batch, W, Channels, T>([&](int from, int to, int c) EMMY_LAMBDA {
    const T* window = x + from * InStride;
    auto top = load_part<Channels, InStride>(window, c);
    for (int k = 1; k < W::kWindow; ++k)
      top = larger_or_nan(top, load_part<Channels, InStride>(window + W::at(k) * InStride, c));
    simd::store(top, y + to * kStride + c);
  });
  clear_pads<Batch * W::kOutputs, Channels>(y);
}

// below as in affine_backward.
template <bool kAdd, int Batch, class W, int Channels, class T, class Below>
EMMY_INLINE void max_pool_backward(const T* x, const T* y, const T* dy, T* dx, Below) noexcept {
  constexpr int kStride = padded<T>(Channels);
  for_each_window<Batch, W, kStride, T>([&](int to, int from, int c) EMMY_LAMBDA {
    const auto top = simd::load(y + from * kStride + c);
    auto left = simd::load(dy + from * kStride + c);  // 0 once it went somewhere
    for (int k = 0; k < W::kWindow; ++k) {
      const int at = (to + W::at(k)) * kStride + c;
      const auto hit = simd::equal(simd::load(x + at), top);
      put_dx<kAdd>(Below{}, x, dx, at, simd::select(hit, left, simd::zero<T>()));
      left = simd::select(hit, simd::zero<T>(), left);
    }
  });
  if constexpr (!kAdd) clear_dropped<Batch, W, kStride>(dx);
}

}  // namespace emmy::inline EMMY_TARGET
