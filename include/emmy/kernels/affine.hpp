// The three products of an affine layer with what is fused into them.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/panel.hpp>
#include <emmy/kernels/transpose.hpp>

namespace emmy {

struct Identity;  // the activation that is none (layers/activations.hpp)
struct Relu;

// Below this many rows dx is made by dot products with the rows of W; above, by a tile on a transposed copy: copying
// costs In * Out moves once, a dot a horizontal sum for every element (64-32-10, AVX2: even at about 3 rows).
inline constexpr int kTransposeFromRows = 3;

// Columns of dx that the copy is made of at a time: one pad where that is a line of caches, the first of which then holds the copy
// as it does not hold all of a wide W (13-256-256-4, batch 16, AVX-512: 0.77 of the time of a step), else all.
template <class S>
EMMY_INLINE constexpr int transposed_columns(int in) noexcept {
  return kPadBytes >= 64 ? padded<S>(1) : padded<S>(in);
}

// Scalars of `work` that affine_backward needs; no fewer for more inputs or outputs.
template <class S>
EMMY_INLINE constexpr int affine_work(int rows, int in, int out) noexcept {
  return rows < kTransposeFromRows ? 0 : out * transposed_columns<S>(in);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Below this many rows dx is made of dots. Where they are folded into whole vectors, of weights that are in L1 for the next row: a fold
// takes 30 shuffles for as many rows of W as there are lanes, a transposed copy 64 for each of their vectors (13-64-64-4, AVX-512:
// 4 samples take 0.91 of the time of a copy, 8 0.96). `work` is as large as without: no size depends on the target.
template <class T, int In, int Out>
inline constexpr int kDotsBelowRows = [] {
  if constexpr (!kDotsByLanes<T> || kLanesOf<T> < 8 || In * padded<T>(Out) * static_cast<int>(sizeof(T)) > 16384) {
    return kTransposeFromRows;
  } else {
    return 2 * (covered<T, Out>() / kLanesOf<T>)+1;
  }
}();

// y[r, o] = activation(b[o] + sum_i x[r, i] w[i, o]); w [In][padded(Out)], x rows of InStride, y rows of padded(Out)
// whose pad lanes become zero. b may be null. Rows of x may overlap (In > InStride), and i may go on over Groups rows:
// w [Groups In][padded(Out)]. Error: (Groups In + 1) w_r (|b| + sum |x w|), and the activation's. Test:
// tests/kernels/affine_test.cpp.
template <int Rows, int In, int InStride, int Out, int Groups = 1, class T, class Activation,
          class Squares = std::nullptr_t>
EMMY_INLINE void affine_forward(const T* x, const T* w, const T* b, T* y, Activation, Squares squares = {}) noexcept {
  constexpr int kStride = padded<T>(Out);
  if constexpr (Rows == 1 && Groups == 1 && In >= 4 && kHasPanels<T>) {  // of fewer inputs a call is the larger part
    constexpr bool kWide = Out > kWidestPanel && kStride <= kWidestRow,
                   kRectified = __is_same(Activation, Relu) && kHasRectifiedPanels<T> && !kWide;
    alignas(kAlign<T>) static constexpr T kNone[kWide ? kStride : kWidestPanel] = {};
    if constexpr (kWide) multiply_wide_rows<kStride, panel_rest(In)>(b == nullptr ? kNone : b, x, w, In, y);
    else
      for_row_panels<Out>([&](int o, auto cols) EMMY_LAMBDA {
        constexpr int kPanel = decltype(cols)::value;
        const T* const start = b == nullptr ? kNone : b + o;
        if constexpr (kRectified)
          multiply_panel<kPanel, panel_rest(In), panel_step(kPanel, kStride), true>(start, x, w + o, In, kStride,
                                                                                    y + o);
        else multiply_panel<kPanel, panel_rest(In), panel_step(kPanel, kStride)>(start, x, w + o, In, kStride, y + o);
      });
    const int lanes = static_cast<int>(simd::lanes<T>());
    if constexpr (!__is_same(Activation, Identity) && !kRectified) {
      int o = 0;
      if constexpr (__is_same(Activation, Relu) && kHasRectifiedRows<T> && Out >= 4) o = Out / 4 * 4, rectify_row(y, o);
      EMMY_UNROLL(4)
      for (; o < covered<T, Out>(); o += lanes) simd::store(activate(Activation{}, simd::load(y + o)), y + o);
    }
    clear(y + covered<T, Out>(), kStride - covered<T, Out>());
  } else {
    summing_squares(squares, [&](auto see) EMMY_LAMBDA {
      gemm<Rows, kStride, In, Groups>(
          x, InStride, 1, w, In,
          [&](int, int col) EMMY_LAMBDA { return b == nullptr ? simd::zero<T>() : simd::load(b + col); },
          [&](int row, int col, auto v) EMMY_LAMBDA {
            v = activate(Activation{}, v);
            simd::store(v, y + row * kStride + col);
            return v;
          },
          InStride, see);
    });
  }
  if constexpr (!Activation::kFixesZero) clear_pads<Rows, Out>(y);
}

// dx[r, i] (+)= below'(x[r, i]) sum_o dy[r, o] w[i, o]; below' is taken from x, the output of the activation below.
// work: affine_work scalars, for a transposed copy in rows of transposed_columns. Error: (Out + 6) w_r (|dx| + max(1, |below'|)
// sum |dy w|), with the rounding of x itself.
template <bool kAdd, int Rows, int In, int Out, class T, class Below, class Squares = std::nullptr_t>
EMMY_INLINE void affine_backward(const T* w, const T* dy, const T* x, T* dx, T* work, Below,
                                 Squares squares = {}) noexcept {
  constexpr int kInPad = padded<T>(In), kOutPad = padded<T>(Out);
  const auto finish = [&](int row, int col, auto v)
                          EMMY_LAMBDA { return put_dx<kAdd>(Below{}, x, dx, row * kInPad + col, v); };
  if constexpr (Rows == 1 && kInPad == In && In >= 4 && Out <= kWidestDots && !kAdd && kHasDots<T>) {
    constexpr bool kRectified = __is_same(Below, Relu) && kHasRectifiedPanels<T>;
    if constexpr (kRectified) dot_panel<Out, panel_rest(In), panel_step(Out, kOutPad), true>(w, dy, In, kOutPad, dx, x);
    else dot_panel<Out, panel_rest(In), panel_step(Out, kOutPad)>(w, dy, In, kOutPad, dx);
    int i = 0;
    if constexpr (__is_same(Below, Relu) && kHasRectifiedRows<T> && !kRectified)
      i = In / 4 * 4, rectify_delta(dx, x, i);
    if constexpr (!__is_same(Below, std::nullptr_t) && !kRectified)
      for (; i < In; i += static_cast<int>(simd::lanes<T>())) finish(0, i, simd::load(dx + i));
  } else if constexpr (Rows < kTransposeFromRows && kInPad == In && one_lane<T>()) {
    for (int r = 0; r < Rows; ++r)
      row_dots<Out>(w, In, dy + r * kOutPad, [&](int i, T dot) EMMY_LAMBDA { finish(r, i, dot); });
  } else if constexpr (Rows < kDotsBelowRows<T, In, Out> && kDotsByLanes<T> && !simd::kStrict) {
    summing_squares(squares, [&](auto see) EMMY_LAMBDA {
      for (int r = 0; r < Rows; ++r) {
        row_dots<In, Out>(w, dy + r * kOutPad, [&](int i, auto v) EMMY_LAMBDA {
          v = finish(r, i, v);
          if constexpr (!__is_same(Squares, std::nullptr_t)) see(v);
        });
        if constexpr (!kAdd)
          for (int i = covered<T, In>(); i < kInPad; i += kLanesOf<T>)
            simd::store(simd::zero<T>(), dx + r * kInPad + i);
      }
    });
  } else if constexpr (Rows < kTransposeFromRows) {
    // The dots go where dx is going to be, or a pad at a time beside it where they are added; then what is fused.
    constexpr int kStep = kAdd ? padded<T>(1) : kInPad;
    const int lanes = static_cast<int>(simd::lanes<T>());
    alignas(kAlign<T>) T part[kAdd ? kStep : 1];
    for (int r = 0; r < Rows; ++r)
      for (int i = 0; i < kInPad; i += kStep) {
        T* dots = kAdd ? part : dx + r * kInPad;
        const int count = i + kStep <= In ? kStep : In - i;
        row_dots<Out>(w + i * kOutPad, count, dy + r * kOutPad, StoreDots<T>{dots});
        for (int j = count; j < kStep; ++j) dots[j] = T(0);
        if constexpr (kAdd || !__is_same(Below, std::nullptr_t))
          for (int j = 0; j < kStep; j += lanes) finish(r, i + j, simd::load(dots + j));
      }
  } else {
    constexpr int kColumns = transposed_columns<T>(In), kWhole = In < kColumns ? In : kColumns,
                  kRest = In % kColumns == 0 ? kWhole : In % kColumns;
    summing_squares(squares, [&](auto see) EMMY_LAMBDA {
      for (int i = 0; i < kInPad; i += kColumns) {
        const T* const rows = w + i * kOutPad;
        if (kRest == kWhole || i + kColumns <= In) transpose<kWhole, Out, kColumns, kOutPad>(rows, work);
        else transpose<kRest, Out, kColumns, kOutPad>(rows, work);
        gemm<Rows, kColumns>(
            dy, kOutPad, 1, work, Out, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
            [&, i](int row, int col, auto v) EMMY_LAMBDA { return finish(row, i + col, v); }, 0, see);
      }
    });
  }
}

// db[o] = sum_r dy[r, o], handed to visit(db) as one padded row.
template <int Padded, int Rows, class T, class Visit>
EMMY_INLINE void bias_gradient(const T* dy, Visit&& visit) noexcept {
  if constexpr (Rows == 1 && !EMMY_GRADIENT_HOOKED) {
    visit(dy);
    return;
  }
  alignas(kAlign<T>) T g[Padded];
  sum_rows<Padded, Rows>(dy, g);
  EMMY_GRADIENT_HOOK(g, Padded);
  visit(static_cast<const T*>(g));
}

}  // namespace emmy::inline EMMY_TARGET
