// The products of a layer with few outputs, whose weights are turned: [Out][In], vectors running along the inputs, so that no
// vector is half pads.
//
//   forward   y[r, o] = activation(b[o] + sum_i x[r, i] w[o, i])        dot products
//   dX        dx[r, i] (+)= below'(x[r, i]) sum_o dy[r, o] w[o, i]      gemm as it is, without a transposed copy
//   dW        g[o, i] = sum_r dy[r, o] x[r, i]                          a gradient whose x is dy
//
// In is a whole number of pads; w [Out][In], x and dx rows of In, y and dy rows of padded(Out), pads of y become zero.
// Errors: as those of affine.hpp. Test: tests/kernels/narrow_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/panel.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {
// The rows of a tile of Out dots each: their sums, a vector of x a row and one of w.
template <int Rows, int Out>
consteval int dot_rows() {
  int rows = (simd::kRegisters - 2) / (Out + 1);
  rows = rows > 4 ? 4 : rows < 1 ? 1 : rows;
  return rows < Rows ? rows : Rows;
}
// Are the dots of a row folded into whole vectors? Of many rows only where few of their lanes are none.
template <class T, int Rows, int Out>
inline constexpr bool kFoldsDots = kDotsByLanes<T> && (Rows == 1 || 2 * Out > kLanesOf<T>);
// Do the dots of one row come output by output, where sums do not fold? x stays in registers.
template <class T, int Rows, int In>
inline constexpr bool kDotsRowByRow = Rows == 1 && kLanesKnown<T> && !simd::kFoldsSums<T> && simd::kRegisters >= 32 &&
                                      row_panel<T, In>() * kLanesOf<T> == In;
// Of how many rows are the dots with a row of w folded, so that no lane is none? Whose x, which is read for every output, fits
// into the first cache.
template <class T, int Rows, int In>
consteval int turned_rows() {
  if constexpr (!simd::kFoldsSums<T> || !simd::kTransposes<T>) return 0;
  else return In * kLanesOf<T> * static_cast<int>(sizeof(T)) <= 16384 ? Rows / kLanesOf<T> * kLanesOf<T> : 0;
}
// put(r, o, v) gets the vectors of the products of as many rows of x as there are lanes with w [Out][In].
template <int In, int Out, class T, class Put>
EMMY_INLINE void turned_dots(const T* x, const T* w, Put&& put) noexcept {
  constexpr int kLanes = kLanesOf<T>;
  for (int block = 0; block < Out; block += kLanes) {
    alignas(kAlign<T>) T dots[kLanes * kLanes];
    for (int o = 0; o < kLanes; ++o)
      if (block + o < Out)
        with_vectors<T, kLanes>([&](auto&... v) EMMY_LAMBDA {
          for (int i = 0; i < In; i += kLanes) {
            const auto weights = simd::load(w + (block + o) * In + i);
            const T* row = x + i - In;
            ((v = simd::mul_add(simd::load(row += In), weights, v)), ...);
          }
          simd::store(simd::lane_sums(v...), dots + o * kLanes);
        });
      else simd::store(simd::zero<T>(), dots + o * kLanes);
    with_vectors<T, kLanes>([&](auto&... v) EMMY_LAMBDA {
      const T* from = dots;
      ((v = simd::load(from), from += kLanes), ...);
      simd::transpose(v...);
      int r = 0;
      (put(r++, block, v), ...);
    });
  }
}
}  // namespace inner

template <int Rows, int In, int Out, class T, class Activation>
EMMY_INLINE void narrow_forward(const T* x, const T* w, const T* b, T* y, Activation) noexcept {
  static_assert(In == padded<T>(In));
  constexpr int kStride = padded<T>(Out);
  const int lanes = static_cast<int>(simd::lanes<T>());
  // From the dots of a row.
  const auto put = [&](int row, const T* dots) EMMY_LAMBDA {
    for (int o = 0; o < kStride; o += lanes) {
      auto v = simd::zero<T>();
      if (o < Out) {
        const int n = Out - o < lanes ? Out - o : lanes;
        v = load_units(dots + o, n);
        if (b != nullptr) v = simd::add(simd::load(b + o), v);
        v = activate(Activation{}, v);
      }
      simd::store(v, y + row * kStride + o);
    }
  };
  if constexpr (simd::kStrict) {
    for (int r = 0; r < Rows; ++r) {
      alignas(kAlign<T>) T dots[kStride] = {};
      for (int o = 0; o < Out; ++o) dots[o] = ordered_dot(x + r * In, w + o * In, In, b == nullptr ? T(0) : b[o]);
      for (int o = 0; o < kStride; o += lanes)
        simd::store(activate(Activation{}, simd::load(static_cast<const T*>(dots + o))), y + r * kStride + o);
    }
  } else {
    const auto finish = [&](T* to, int o, auto v) EMMY_LAMBDA {
      if (b != nullptr) v = simd::add(simd::load(b + o), v);
      simd::store(activate(Activation{}, v), to + o);
    };
    const auto clear_rest = [&](T* to) EMMY_LAMBDA {
      for (int o = covered<T, Out>(); o < kStride; o += lanes) simd::store(simd::zero<T>(), to + o);
    };
    constexpr int kTurned = inner::turned_rows<T, Rows, In>();
    if constexpr (kTurned > 0)
      for (int r = 0; r < kTurned; r += lanes)
        inner::turned_dots<In, Out>(x + r * In, w, [&](int m, int o, auto v) EMMY_LAMBDA {
          finish(y + (r + m) * kStride, o, v);
          if (o == 0) clear_rest(y + (r + m) * kStride);
        });
    if constexpr (inner::kFoldsDots<T, Rows, Out>) {
      for (int r = kTurned; r < Rows; ++r) {
        T* const to = y + r * kStride;
        row_dots<Out, In>(w, x + r * In, [&](int o, auto v) EMMY_LAMBDA { finish(to, o, v); });
        clear_rest(to);
      }
    } else if constexpr (inner::kDotsRowByRow<T, Rows, In>) {
      alignas(kAlign<T>) T dots[kStride];
      row_dots<In>(w, Out, x, StoreDots<T>{dots});
      put(0, dots);
    } else if constexpr (kTurned < Rows) {
      for_row_tiles<Rows - kTurned, inner::dot_rows<Rows, Out>()>([&](int first, auto count) EMMY_LAMBDA {
        constexpr int kCount = decltype(count)::value;
        const int row = kTurned + first;
        alignas(kAlign<T>) T dots[kCount * Out][1];
        with_vectors<T, kCount * Out>([&](auto&... c) EMMY_LAMBDA {
          [&]<int... O>(std::integer_sequence<int, O...>) EMMY_LAMBDA {
            for (int i = 0; i < In; i += lanes)
              with_vectors<T, kCount>([&](auto&... own) EMMY_LAMBDA {
                int r = row;
                ((own = simd::load(x + r++ * In + i)), ...);
                const auto output = [&]<int At>(std::integral_constant<int, At>) EMMY_LAMBDA {
                  const auto weights = simd::load(w + At * In + i);
                  [&]<int... R>(std::integer_sequence<int, R...>) EMMY_LAMBDA {
                    ((pick<R * Out + At>(c...) = simd::mul_add(pick<R>(own...), weights, pick<R * Out + At>(c...))),
                     ...);
                  }
                  (std::make_integer_sequence<int, kCount>{});
                };
                (output(std::integral_constant<int, O>{}), ...);
              });
          }
          (std::make_integer_sequence<int, Out>{});
          put_sums(dots, 0, c...);
        });
        for (int r = 0; r < kCount; ++r) put(row + r, dots[r * Out]);
      });
    }
  }
  if constexpr (!Activation::kFixesZero) clear_pads<Rows, Out>(y);
}

template <bool kAdd, int Rows, int In, int Out, class T, class Below, class Squares = std::nullptr_t>
EMMY_INLINE void narrow_backward(const T* w, const T* dy, const T* x, T* dx, Below, Squares squares = {}) noexcept {
  const auto finish = [&](int row, int col, auto v)
                          EMMY_LAMBDA { return put_dx<kAdd>(Below{}, x, dx, row * In + col, v); };
  if constexpr (Rows == 1 && !kAdd && kHasPanels<T> && __is_same(Squares, std::nullptr_t)) {
    alignas(kAlign<T>) static constexpr T kNone[kWidestPanel] = {};
    for_row_panels<In>([&](int i, auto cols) EMMY_LAMBDA {
      constexpr int kPanel = decltype(cols)::value;
      multiply_panel<kPanel, panel_rest(Out), panel_step(kPanel, In)>(kNone, dy, w + i, Out, In, dx + i);
    });
    if constexpr (!__is_same(Below, std::nullptr_t)) {
      EMMY_UNROLL(4)
      for (int i = 0; i < In; i += kLanesOf<T>) finish(0, i, simd::load(static_cast<const T*>(dx + i)));
    }
    return;
  }
  summing_squares(squares, [&](auto see) EMMY_LAMBDA {
    gemm<Rows, In, Out>(
        dy, padded<T>(Out), 1, w, Out, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); }, finish, 0, see);
  });
}

}  // namespace emmy::inline EMMY_TARGET
