// A convolution over positions, channels last, as products whose rows overlap: no copy of windows is ever made.
//
//   forward   y[p, o]  = activation(b[o] + sum_{k < Kernel, i} x[p + k, i] w[k, i, o])
//   dW        g[k, i, o] = sum_p x[p + k, i] dy[p, o]
//   dX        dx[p, i] (+)= below'(x[p, i]) sum_{k, o} dy[p - k, o] w[k, i, o]
//
// Layout, for each of Batch samples: x and dx Positions rows, y and dy Positions - Kernel + 1 rows of padded(Out), w
// [Kernel][In][padded(Out)]. A window of x is a row of Kernel In values, the next one starts InStride later. Where rows of
// x have pads the register tile sums over Kernel runs of In instead of one (`tile` in gemm.hpp). Rows without pads would
// need deltas, activations and every layer between to know of them; whole pads are what they have in common, and a run
// costs its loop only: nothing for 16 channels, the input of a net has no pads.
// dx is the product of dy with rows of zeros before and behind it and the transposed weights, last k first. Only the
// windows at the edges see those zeros, so no more than Kernel - 1 rows of dy are copied to either side of them: the last ones
// of a sample and the first ones of the next, whose windows are one product.
// Errors: as those of affine.hpp, with Kernel In or Kernel Out terms. Test: tests/kernels/conv_test.cpp.
#pragma once

#include <emmy/kernels/affine.hpp>

namespace emmy {

// A window of Kernel rows of In values in rows of Stride, as kRuns runs of kTerms values.
template <int Kernel, int In, int Stride>
struct ConvWindow {
  static constexpr int kRuns = Stride == In ? 1 : Kernel;
  static constexpr int kTerms = Kernel * In / kRuns;
};

// Rows of dy and of zeros that the windows at an edge of dx see: all of dy where it is that short.
EMMY_INLINE constexpr int conv_edge_rows(int positions, int kernel) noexcept {
  const int rows = positions - kernel + 1;
  return rows < kernel - 1 ? rows + 2 * (kernel - 1) : 3 * (kernel - 1);
}

// Scalars of `work` that conv_backward needs: the transposed weights and an edge.
template <class S>
EMMY_INLINE constexpr int conv_work(int positions, int kernel, int in, int out) noexcept {
  return kernel * out * padded<S>(in) + conv_edge_rows(positions, kernel) * padded<S>(out);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// b may be null.
template <int Batch, int Positions, int Kernel, int In, int InStride, int Out, class T, class Activation>
EMMY_INLINE void conv_forward(const T* x, const T* w, const T* b, T* y, Activation activation) noexcept {
  using X = ConvWindow<Kernel, In, InStride>;
  constexpr int kRows = Positions - Kernel + 1;
  for (int s = 0; s < Batch; ++s)
    affine_forward<kRows, X::kTerms, InStride, Out, X::kRuns>(x + s * Positions * InStride, w, b,
                                                              y + s * kRows * padded<T>(Out), activation);
}

// dx in rows of padded(In), x too; below as in affine_backward. work: conv_work scalars.
template <bool kAdd, int Batch, int Positions, int Kernel, int In, int Out, class T, class Below>
EMMY_INLINE void conv_backward(const T* w, const T* dy, const T* x, T* dx, T* work, Below) noexcept {
  constexpr int kInPad = padded<T>(In), kOutPad = padded<T>(Out), kRows = Positions - Kernel + 1, kEdge = Kernel - 1;
  using D = ConvWindow<Kernel, Out, kOutPad>;
  for (int k = 0; k < Kernel; ++k)
    transpose<In, Out, kInPad, kOutPad>(w + k * In * kOutPad, work + (kEdge - k) * Out * kInPad);
  T* const edge = work + Kernel * Out * kInPad;
  const auto copy = [&](const T* from, int rows, int to)
                        EMMY_LAMBDA { pass_on<false>(from, edge + to * kOutPad, rows * kOutPad); };
  const auto clear_edge = [&](int to) EMMY_LAMBDA { clear(edge + to * kOutPad, kEdge * kOutPad); };
  // Count rows of dx, `windows` where the first one's window starts; row_of(m): which rows of dx they are.
  const auto rows = [&](auto count, const T* windows, auto&& row_of) EMMY_LAMBDA {
    gemm<decltype(count)::value, kInPad, D::kTerms, D::kRuns>(
        windows, kOutPad, 1, static_cast<const T*>(work), D::kTerms,
        [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
        [&](int row, int col, auto v) EMMY_LAMBDA { put_dx<kAdd>(Below{}, x, dx, row_of(row) * kInPad + col, v); },
        kOutPad);
  };
  if constexpr (kEdge > 0) clear_edge(kRows < kEdge ? 0 : kEdge);
  if constexpr (kRows < kEdge) clear_edge(kEdge + kRows);
  for (int s = 0; s < Batch; ++s) {
    const T* const from = dy + s * kRows * kOutPad;
    const int first = s * Positions, next = (s + 1 == Batch ? 0 : s + 1);
    const auto in_order = [&](int m) EMMY_LAMBDA { return first + kEdge + m; };
    if constexpr (kRows < kEdge) {
      copy(from, kRows, kEdge);
      rows(std::integral_constant<int, Positions>{}, edge, [&](int m) EMMY_LAMBDA { return first + m; });
    } else {
      if constexpr (kRows > kEdge) rows(std::integral_constant<int, kRows - kEdge>{}, from, in_order);
      if constexpr (kEdge > 0) {
        copy(from + (kRows - kEdge) * kOutPad, kEdge, 0);
        copy(dy + next * kRows * kOutPad, kEdge, 2 * kEdge);
        rows(std::integral_constant<int, 2 * kEdge>{}, edge,
             [&](int m) EMMY_LAMBDA { return m < kEdge ? first + kRows + m : next * Positions + m - kEdge; });
      }
    }
  }
}

// dW, [Kernel In][padded(Out)], in tiles as for_gradient_tiles gives them, or in whole rows as for_gradient_rows does, and db
// if it is not null.
template <int Batch, int Positions, int Kernel, int In, int InStride, int Out, class T, class Put>
EMMY_INLINE void conv_gradient_tiles(const T* x, const T* dy, Put&& put, T* db = nullptr) noexcept {
  using X = ConvWindow<Kernel, In, InStride>;
  for (int k = 0; k < X::kRuns; ++k)
    for_gradient_tiles<X::kTerms, padded<T>(Out), Positions - Kernel + 1, Batch>(
        x + k * InStride, InStride, dy,
        [&](int row, int m, int col, auto v) EMMY_LAMBDA { put(k * In + row + m, col, v); },
        [](int, auto) EMMY_LAMBDA {}, static_cast<std::size_t>(Positions) * InStride, 0, k == 0 ? db : nullptr);
}
template <int Batch, int Positions, int Kernel, int In, int InStride, int Out, class T, class Visit>
EMMY_INLINE void conv_gradient_rows(const T* x, const T* dy, Visit&& visit, T* db = nullptr) noexcept {
  using X = ConvWindow<Kernel, In, InStride>;
  for (int k = 0; k < X::kRuns; ++k)
    for_gradient_rows<X::kTerms, padded<T>(Out), Positions - Kernel + 1, Batch>(
        x + k * InStride, InStride, dy, [&](int row, auto m, const T* g) EMMY_LAMBDA { visit(k * In + row, m, g); },
        static_cast<std::size_t>(Positions) * InStride, 0, k == 0 ? db : nullptr);
}

}  // namespace emmy::inline EMMY_TARGET
