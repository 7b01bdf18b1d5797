// A convolution of each channel by itself, channels last, strides and zero padding as in conv2d.hpp:
//
//   forward   y[q, c]  = activation(b[c] + sum_k x[q(k), c] w[k, c])
//   dW        g[k, c]  = sum_q x[q(k), c] dy[q, c]
//   dX        dx[p, c] (+)= below'(x[p, c]) sum_{q(k) = p} dy[q, c] w[k, c]
//
// w [taps][padded(Channels)], dx without a copy of it. The tile of the other products, with a vector of channels where they have
// one number: a load more a product, and its weights are loaded once for all rows of a tile.
// x rows of XStride (unpadded: nothing beyond Channels is read), y, dy and dx padded rows, and so x backward. Errors: as those of
// affine.hpp, with taps terms. Test: tests/kernels/conv2d_test.cpp.
#pragma once

#include <emmy/kernels/conv2d.hpp>

namespace emmy::inline EMMY_TARGET {

// The vector at p of a row that ends `count` values later.
struct FirstLanes {
  std::size_t count;
  template <class T>
  EMMY_INLINE auto operator()(const T* p, std::size_t) const noexcept {
    return simd::load_first(p, count);
  }
};

// A tile of channels loads both factors of a product, so a wide one saves no broadcasts (SSE: 5 x 2 takes 0.88 of the time of 3 x 4).
inline constexpr int kChannelVectors = kTileVectors > 2 ? 2 : kTileVectors,
                     kChannelRows = kTileVectors > 2 ? 5 : kTileRows;

// f(col, constant<N>, left) over a row of Channels in rows of Stride: panels of N vectors, and how they are read.
template <class T, int Channels, int Stride, class F>
EMMY_INLINE void for_channel_panels(F&& f) noexcept {
  if constexpr (Stride == padded<T>(Channels)) {
    for_panels<T, Stride, kChannelVectors>([&](int col, auto n) EMMY_LAMBDA { f(col, n, Lanes{}); });
  } else {
    const int lanes = static_cast<int>(simd::lanes<T>());
    for (int col = 0; col < Channels; col += lanes) {
      const int left = Channels - col;
      f(col, std::integral_constant<int, 1>{}, FirstLanes{static_cast<std::size_t>(left < lanes ? left : lanes)});
    }
  }
}

// put(position, col, v) for each vector of channels of what the windows of one sample make of x and w.
template <class W, int TapRow, int Channels, int XStride, class T, class Start, class Put>
EMMY_INLINE void channel_windows(const T* x, const T* w, int width, Start&& start, Put&& put) noexcept {
  constexpr int kPad = padded<T>(Channels);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_window_blocks<W, XStride, TapRow, kPad>(
      x, w, width, [&](auto count, std::size_t apart, const auto& rows, const auto& at) EMMY_LAMBDA {
        for_channel_panels<T, Channels, XStride>([&](int col, auto n_, auto left) EMMY_LAMBDA {
          for_row_tiles<decltype(count)::value, kChannelRows>([&](int row, auto m_) EMMY_LAMBDA {
            tile_of_runs<T, decltype(m_)::value, decltype(n_)::value>(
                apart, XStride, kPad,
                [&](auto&& run) EMMY_LAMBDA {
                  rows([&](const T* from, const T* by, int n) EMMY_LAMBDA {
                    from += static_cast<std::size_t>(row) * apart + static_cast<std::size_t>(col);
                    by += col;
                    if constexpr (W::columns::kTapStep == 1) run(from, by, static_cast<std::size_t>(n));
                    else
                      for (int k = 0; k < n; ++k) run(from + k * XStride, by + k * W::columns::kTapStep * kPad, 1);
                  });
                },
                [&](int, int k) EMMY_LAMBDA { return start(col + k * lanes); },
                [&](int m, int k, auto v) EMMY_LAMBDA { put(at(row + m), col + k * lanes, v); }, left);
          });
        });
      });
}

// b may be null.
template <int Batch, class W, int Channels, int XStride, class T, class Activation>
EMMY_INLINE void depthwise_forward(const T* x, const T* w, const T* b, T* y, Activation) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kPad = padded<T>(Channels), kOutputs = R::kOut * C::kOut;
  for (int s = 0; s < Batch; ++s)
    channel_windows<W, C::kTaps, Channels, XStride>(
        x + s * R::kIn * C::kIn * XStride, w, C::kOut,
        [&](int col) EMMY_LAMBDA { return b == nullptr ? simd::zero<T>() : simd::load(b + col); },
        [&](int at, int col, auto v)
            EMMY_LAMBDA { simd::store(activate(Activation{}, v), y + (s * kOutputs + at) * kPad + col); });
  clear_pads<Batch * kOutputs, Channels>(y);
}

// below as in affine_backward.
template <bool kAdd, int Batch, class W, int Channels, class T, class Below>
EMMY_INLINE void depthwise_backward(const T* w, const T* dy, const T* x, T* dx, Below) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kPad = padded<T>(Channels);
  for (int s = 0; s < Batch; ++s)
    for_gradient_windows<W, false>([&](auto grid) EMMY_LAMBDA {
      channel_windows<decltype(grid), C::kTaps, Channels, kPad>(
          dy + s * R::kOut * C::kOut * kPad, w, C::kIn, [](int) EMMY_LAMBDA { return simd::zero<T>(); },
          [&](int at, int col, auto v)
              EMMY_LAMBDA { put_dx<kAdd>(Below{}, x, dx, (s * R::kIn * C::kIn + at) * kPad + col, v); });
    });
}

// dW, [taps][padded(Channels)], in whole rows as for_gradient_rows gives them.
template <int Batch, class W, int Channels, int XStride, class T, class Visit>
EMMY_INLINE void depthwise_gradient(const T* x, const T* dy, Visit&& visit) noexcept {
  constexpr int kPad = padded<T>(Channels);
  const int lanes = static_cast<int>(simd::lanes<T>());
  alignas(kAlign<T>) T g[kChannelRows * kPad];
  for_window_taps<Batch, W, XStride, kPad>(x, dy, [&](auto count, int tap, const auto& runs) EMMY_LAMBDA {
    for_row_tiles<decltype(count)::value, kChannelRows>([&](int row, auto m_) EMMY_LAMBDA {
      constexpr int kRows = decltype(m_)::value;
      clear(g, kRows * kPad);
      for_channel_panels<T, Channels, XStride>([&](int col, auto n_, auto left) EMMY_LAMBDA {
        tile_of_runs<T, kRows, decltype(n_)::value>(
            XStride, W::columns::kStride * XStride, kPad,
            [&](auto&& run) EMMY_LAMBDA {
              runs([&](const T* from, const T* by, std::size_t n)
                       EMMY_LAMBDA { run(from + row * XStride + col, by + col, n); });
            },
            [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
            [&](int m, int k, auto v) EMMY_LAMBDA { simd::store(v, g + m * kPad + col + k * lanes); }, left);
      });
      EMMY_GRADIENT_HOOK(g, kRows * kPad);
      visit(tap + row, m_, static_cast<const T*>(g));
    });
  });
}

}  // namespace emmy::inline EMMY_TARGET
