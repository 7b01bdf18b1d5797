// The largest of every Window positions, channel by channel:
//
//   y[p, c] = max_{k < Window} x[p Window + k, c]
//   dx[p Window + k, c] (+)= below'(x) dy[p, c] at the first k whose x is y, 0 elsewhere
//
// Positions that fill no window are dropped: their dx is 0. NaN is larger than any number: it comes through forward and
// takes no gradient. x rows of InStride (unpadded: nothing beyond Channels is read), y, dy and dx padded rows, and so x
// backward. Exact. Test: tests/kernels/max_pool_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>

namespace emmy::inline EMMY_TARGET {

// max(a, b), NaN if one of them is.
template <class V>
EMMY_INLINE V larger_or_nan(V a, V b) noexcept {
  return simd::select(simd::equal(a, a), simd::max(a, b), a);
}

template <int Batch, int Positions, int Window, int Channels, int InStride, class T>
EMMY_INLINE void max_pool_forward(const T* x, T* y) noexcept {
  constexpr int kRows = Positions / Window, kStride = padded<T>(Channels);
  for (int s = 0; s < Batch; ++s, x += Positions * InStride, y += kRows * kStride)
    for (int p = 0; p < kRows; ++p) {
      const T* window = x + p * Window * InStride;
      for (int c = 0; c < Channels; c += static_cast<int>(simd::lanes<T>())) {
        auto top = load_part<Channels, InStride>(window, c);
        for (int k = 1; k < Window; ++k)
          top = larger_or_nan(top, load_part<Channels, InStride>(window + k * InStride, c));
        simd::store(top, y + p * kStride + c);
      }
      for (int c = Channels; c < kStride; ++c) y[p * kStride + c] = T(0);
    }
}

// below as in affine_backward.
template <bool kAdd, int Batch, int Positions, int Window, int Channels, class T, class Below>
EMMY_INLINE void max_pool_backward(const T* x, const T* y, const T* dy, T* dx, Below) noexcept {
  constexpr int kRows = Positions / Window, kStride = padded<T>(Channels);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int s = 0; s < Batch; ++s) {
    const int first = s * Positions * kStride;
    for (int p = 0; p < kRows; ++p)
      for (int c = 0; c < kStride; c += lanes) {
        const int from = (s * kRows + p) * kStride + c;
        const auto top = simd::load(y + from);
        auto left = simd::load(dy + from);  // 0 once it went somewhere
        for (int k = 0; k < Window; ++k) {
          const int at = first + (p * Window + k) * kStride + c;
          const auto hit = simd::equal(simd::load(x + at), top);
          put_dx<kAdd>(Below{}, x, dx, at, simd::select(hit, left, simd::zero<T>()));
          left = simd::select(hit, simd::zero<T>(), left);
        }
      }
    if constexpr (!kAdd)
      for (int at = kRows * Window * kStride; at < Positions * kStride; at += lanes)
        simd::store(simd::zero<T>(), dx + first + at);
  }
}

}  // namespace emmy::inline EMMY_TARGET
