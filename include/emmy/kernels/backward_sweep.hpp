// The way back of one sample through x W + b in one sweep of W: the dots that dx is made of, and the update.
//
//   dots[i] = sum_o W[i, o] dy[o]        of W as it was
//   W'[i, o] = k W[i, o] - x[i] v[o],    v = a0 dy
//
// One after the other, row_dots (gemm.hpp) and sweep_outer read W twice; this writes the same bits, but for the sign of a dot that
// is zero. Layout and errors as theirs; nothing can fail here. Test: tests/kernels/backward_sweep_test.cpp.
#pragma once

#include <emmy/kernels/narrow.hpp>
#include <emmy/kernels/outer_sweep.hpp>

namespace emmy {
struct Relu;  // layers/activations.hpp
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Where registers hold the dots of as many rows as fold into a vector beside panels of dy, v and W. Elsewhere two sweeps, which keep
// more of them, cost no more.
template <class T>
inline constexpr bool kSweepsBackward = kDotsByLanes<T> && !kHasPanels<T> && !simd::kStrict && simd::kRegisters >= 32;

// dots: whole vectors of them, zeros behind the last one.
template <int Rows, int Cols, class T>
requires(kDotsByLanes<T>) EMMY_INLINE
    void sweep_backward(T k, T a0, T* theta, const T* x, const T* dy, T* dots) noexcept {
  constexpr int kStride = padded<T>(Cols), kCovered = covered<T, Cols>(), kLanes = kLanesOf<T>;
  const auto pass = [&](auto decays) EMMY_LAMBDA {
    for_row_tiles<Rows, kLanes>([&](int first, auto count) EMMY_LAMBDA {
      with_vectors<T, kLanes>([&](auto&... dot) EMMY_LAMBDA {
        for_panels<T, kCovered, row_panel<T, kCovered, inner::kMovedVectors / 2>()>([&](int col, auto n_) EMMY_LAMBDA {
          constexpr int kVectors = decltype(n_)::value;
          with_vectors<T, kVectors>([&](auto&... d) EMMY_LAMBDA {
            with_vectors<T, kVectors>([&](auto&... panel) EMMY_LAMBDA {
              int n = 0;
              ((d = simd::load(dy + col + n++ * kLanes)), ...);
              ((panel = simd::mul(simd::set(a0), d)), ...);
              const auto row = [&](int i, auto& sum) EMMY_LAMBDA {
                T* const at = theta + i * kStride + col;
                const auto xi = simd::set(x[i]);
                with_vectors<T, kVectors>([&](auto&... own) EMMY_LAMBDA {
                  [&]<int... J>(std::integer_sequence<int, J...>) EMMY_LAMBDA {
                    ((own = simd::load(at + J * kLanes)), ...);
                    ((sum = simd::mul_add(own, d, sum)), ...);
                    if constexpr (decltype(decays)::value) ((own = simd::mul(simd::set(k), own)), ...);
                    ((own = simd::neg_mul_add(xi, panel, own)), ...);
                    (simd::store(own, at + J * kLanes), ...);
                  }
                  (std::make_integer_sequence<int, kVectors>{});
                });
              };
              int i = 0;
              ((i < decltype(count)::value ? row(first + i, dot) : void(), ++i), ...);
            });
          });
        });
        simd::store(simd::lane_sums(dot...), dots + first);
      });
    });
  };
  if (k == T(1)) pass(std::false_type{});
  else pass(std::true_type{});
}

// The same of turned weights [Cols][Rows], where panels can (kHasBackPanels): v = motion, and dx, with what is fused below x; both
// in the bits of narrow_backward and sweep_outer.
template <int Rows, int Cols, class T, class Below = std::nullptr_t>
EMMY_INLINE void sweep_backward_turned(T k, T* theta, const T* x, const T* dy, const T* motion, T* dx,
                                       Below below = {}) noexcept {
  constexpr bool kRectified = __is_same(Below, Relu) && kHasRectifiedPanels<T>;
  if (k == T(1)) {
    for_row_panels<Rows>([&](int i, auto cols) EMMY_LAMBDA {
      constexpr int kPanel = decltype(cols)::value;
      back_panel<kPanel, panel_rest(Cols), panel_step(kPanel, Rows), kRectified>(theta + i, x + i, dy, motion, Cols,
                                                                                 Rows, dx + i);
    });
    if constexpr (!__is_same(Below, std::nullptr_t) && !kRectified)
      for (int i = 0; i < Rows; i += kLanesOf<T>)
        put_dx<false>(below, x, dx, i, simd::load(static_cast<const T*>(dx + i)));
  } else {
    narrow_backward<false, 1, Rows, Cols>(static_cast<const T*>(theta), dy, x, dx, below);
    sweep_outer<Rows, Cols>(k, T(1), theta, motion, x, static_cast<T*>(nullptr));
  }
}

}  // namespace emmy::inline EMMY_TARGET
