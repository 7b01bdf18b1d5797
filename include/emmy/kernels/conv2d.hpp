// A convolution over two axes with strides and zero padding, channels last, as products whose rows overlap:
//
//   forward   y[q, o]     = activation(b[o] + sum_{k, i} x[q(k), i] w[k, i, o])
//   dW        g[k, i, o]  = sum_q x[q(k), i] dy[q, o]
//   dX        dx[p, i] (+)= below'(x[p, i]) sum_{q(k) = p, o} dy[q, o] w[k, i, o]
//
// q runs over the outputs, k over the taps, q(k) is the position where tap k of output q is, if it is one (window_axis.hpp).
// Layout, for each of Batch samples: x and dx rows of channels, y and dy rows of padded(Out), w [taps][In][padded(Out)].
// A row of taps is a run of Columns::kTaps In values in x where its rows have no pads, else a run of In values a tap; the
// register tile sums over the rows of taps, and no window is ever copied. Padding is not stored: a window at an edge has fewer
// rows of taps, or shorter ones, so its zeros cost neither memory nor products. (Zeros around each activation would have to be
// known to every layer that makes or reads one, and be multiplied.) A stride spreads dx over as many grids as it has steps,
// each of every stride-th tap; dx reads a transposed copy of w, last tap first.
// Errors: as those of affine.hpp, with taps In or taps Out terms. Test: tests/kernels/conv2d_test.cpp.
#pragma once

#include <emmy/kernels/affine.hpp>
#include <emmy/kernels/window_tiles.hpp>

namespace emmy {

// Scalars of `work` that conv2d_backward needs: the transposed weights.
template <class S>
EMMY_INLINE constexpr int conv2d_work(int taps, int in, int out) noexcept {
  return taps * out * padded<S>(in);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// put(position, col, v): what the windows of one sample make of x and w, for each vector of a padded row; TapRow: taps in a row
// of w.
template <class W, int TapRow, int In, int XStride, int Padded, class T, class Start, class Put>
EMMY_INLINE void window_products(const T* x, const T* w, int width, Start&& start, Put&& put) noexcept {
  constexpr bool kOneRun = XStride == In && W::columns::kTapStep == 1;
  constexpr int kTap = In * Padded;
  for_window_blocks<W, XStride, TapRow, kTap>(
      x, w, width, [&](auto count, std::size_t apart, const auto& rows, const auto& at) EMMY_LAMBDA {
        gemm_of_runs<T, decltype(count)::value, Padded>(
            apart, 1,
            [&](auto&& run) EMMY_LAMBDA {
              rows([&](const T* from, const T* by, int n) EMMY_LAMBDA {
                if constexpr (kOneRun) run(from, by, static_cast<std::size_t>(n * In));
                else
                  for (int k = 0; k < n; ++k) run(from + k * XStride, by + k * W::columns::kTapStep * kTap, In);
              });
            },
            [&](int, int col) EMMY_LAMBDA { return start(col); },
            [&](int m, int col, auto v) EMMY_LAMBDA { put(at(m), col, v); });
      });
}

// f(gradient windows of one grid) for each grid that the strides make.
template <class W, bool Reversed, class F>
EMMY_INLINE void for_gradient_windows(F&& f) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
    (f(WindowAxes<GradientAxis<R, I / C::kStride, Reversed>, GradientAxis<C, I % C::kStride, Reversed>>{}), ...);
  }
  (std::make_integer_sequence<int, R::kStride * C::kStride>{});
}

// b may be null. x rows of XStride.
template <int Batch, class W, int In, int XStride, int Out, class T, class Activation>
EMMY_INLINE void conv2d_forward(const T* x, const T* w, const T* b, T* y, Activation) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kPad = padded<T>(Out), kOutputs = R::kOut * C::kOut;
  for (int s = 0; s < Batch; ++s)
    window_products<W, C::kTaps, In, XStride, kPad>(
        x + s * R::kIn * C::kIn * XStride, w, C::kOut,
        [&](int col) EMMY_LAMBDA { return b == nullptr ? simd::zero<T>() : simd::load(b + col); },
        [&](int at, int col, auto v)
            EMMY_LAMBDA { simd::store(activate(Activation{}, v), y + (s * kOutputs + at) * kPad + col); });
  if constexpr (!Activation::kFixesZero) clear_pads<Batch * kOutputs, Out>(y);
}

// dx in rows of padded(In), x too; below as in affine_backward. work: conv2d_work scalars.
template <bool kAdd, int Batch, class W, int In, int Out, class T, class Below>
EMMY_INLINE void conv2d_backward(const T* w, const T* dy, const T* x, T* dx, T* work, Below) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kInPad = padded<T>(In), kOutPad = padded<T>(Out);
  for (int k = 0; k < W::kTaps; ++k)
    transpose<In, Out, kInPad, kOutPad>(w + k * In * kOutPad, work + (W::kTaps - 1 - k) * Out * kInPad);
  for (int s = 0; s < Batch; ++s)
    for_gradient_windows<W, true>([&](auto grid) EMMY_LAMBDA {
      window_products<decltype(grid), C::kTaps, Out, kOutPad, kInPad>(
          dy + s * R::kOut * C::kOut * kOutPad, static_cast<const T*>(work), C::kIn,
          [](int) EMMY_LAMBDA { return simd::zero<T>(); },
          [&](int at, int col, auto v)
              EMMY_LAMBDA { put_dx<kAdd>(Below{}, x, dx, (s * R::kIn * C::kIn + at) * kInPad + col, v); });
    });
}

// f(row of W, constant<Rows>, runs): dW in pieces of rows that follow each other.
template <int Batch, class W, int In, int XStride, int Out, class T, class F>
EMMY_INLINE void for_conv2d_rows(const T* x, const T* dy, F&& f) noexcept {
  for_window_taps<Batch, W, XStride, padded<T>(Out)>(x, dy, [&](auto count, int tap, const auto& runs) EMMY_LAMBDA {
    constexpr int kTaps = decltype(count)::value;
    if constexpr (XStride == In) {
      f(tap * In, std::integral_constant<int, kTaps * In>{}, runs);
    } else {
      for (int k = 0; k < kTaps; ++k)
        f((tap + k) * In, std::integral_constant<int, In>{}, [&](auto&& run) EMMY_LAMBDA {
          runs([&](const T* from, const T* by, std::size_t n) EMMY_LAMBDA { run(from + k * XStride, by, n); });
        });
    }
  });
}

// dW, [taps In][padded(Out)], in tiles as for_gradient_tiles gives them, or in whole rows as for_gradient_rows does.
template <int Batch, class W, int In, int XStride, int Out, class T, class Put>
EMMY_INLINE void conv2d_gradient_tiles(const T* x, const T* dy, Put&& put) noexcept {
  for_conv2d_rows<Batch, W, In, XStride, Out>(x, dy, [&](int first, auto count, const auto& runs) EMMY_LAMBDA {
    gradient_tiles_of_runs<T, decltype(count)::value, padded<T>(Out)>(
        W::columns::kStride * XStride, runs,
        [&](int row, int m, int col, auto v) EMMY_LAMBDA { put(first + row + m, col, v); },
        [](int, auto) EMMY_LAMBDA {});
  });
}
template <int Batch, class W, int In, int XStride, int Out, class T, class Visit>
EMMY_INLINE void conv2d_gradient_rows(const T* x, const T* dy, Visit&& visit) noexcept {
  for_conv2d_rows<Batch, W, In, XStride, Out>(x, dy, [&](int first, auto count, const auto& runs) EMMY_LAMBDA {
    gradient_rows_of_runs<T, decltype(count)::value, padded<T>(Out)>(W::columns::kStride * XStride, runs,
                                                                     [&](int row, auto m, const T* g)
                                                                         EMMY_LAMBDA { visit(first + row, m, g); });
  });
}

}  // namespace emmy::inline EMMY_TARGET
