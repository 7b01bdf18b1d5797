// The products of a layer with one output, whose weights are one column without row pads: vectors run along the inputs.
//
//   forward   y[r] = activation(b + sum_i x[r, i] w[i])       a dot product a row
//   dX        dx[r, i] (+)= below'(x[r, i]) dy[r] w[i]
//   dW        g[i] = sum_r dy[r] x[r, i]
//
// w [padded(In)], x rows of InStride (unpadded: nothing beyond In is read), y and dy rows of padded(1), dx of padded(In).
// Errors: as those of affine.hpp with one output. Test: tests/kernels/column_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/kernels/gemm.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Two sums, of the even and of the odd vectors: an addition waits for the last one. One where registers are few.
inline constexpr bool kOneColumnSum = simd::kRegisters < 16;

// The products of x and w in the lanes of one vector.
template <int In, int InStride, class T>
EMMY_INLINE simd::Vec<T> column_products(const T* x, const T* w) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  auto even = simd::mul(load_part<In, InStride>(x, 0), simd::load(w));
  if constexpr (kOneColumnSum) {
    for (int i = lanes; i < In; i += lanes)
      even = simd::mul_add(load_part<In, InStride>(x, i), simd::load(w + i), even);
    return even;
  }
  if (In <= lanes) return even;
  auto odd = simd::mul(load_part<In, InStride>(x, lanes), simd::load(w + lanes));
  int i = 2 * lanes;
  for (; i + lanes < In; i += 2 * lanes) {
    even = simd::mul_add(load_part<In, InStride>(x, i), simd::load(w + i), even);
    odd = simd::mul_add(load_part<In, InStride>(x, i + lanes), simd::load(w + i + lanes), odd);
  }
  if (i < In) even = simd::mul_add(load_part<In, InStride>(x, i), simd::load(w + i), even);
  return simd::add(even, odd);
}
// {1, 0, 0 ...}
template <class T>
struct FirstLane {
  alignas(kAlign<T>) T value[padded<T>(1)];
};
template <class T>
inline constexpr FirstLane<T> kFirstLane{{T(1)}};
}  // namespace inner

template <int Rows, int In, int InStride, class T, class Activation>
EMMY_INLINE void column_forward(const T* x, const T* w, const T* b, T* y, Activation) noexcept {
  constexpr int kStride = padded<T>(1);
  const T start = b == nullptr ? T(0) : *b;
  const auto put = [&](int r, T value) EMMY_LAMBDA {
    const auto v = activate(Activation{}, simd::set(value));
    if constexpr (kStride == 1) {
      simd::store(v, y + r);
    } else {
      const auto first = simd::less(simd::zero<T>(), simd::load(inner::kFirstLane<T>.value));
      simd::store(simd::select(first, v, simd::zero<T>()), y + r * kStride);
      for (int o = static_cast<int>(simd::lanes<T>()); o < kStride; o += static_cast<int>(simd::lanes<T>()))
        simd::store(simd::zero<T>(), y + r * kStride + o);
    }
  };
  int r = 0;
  if constexpr (simd::kStrict) {
    for (; r < Rows; ++r) put(r, ordered_dot(x + r * InStride, w, In, start));
  } else {
    const auto products = [&](int row)
                              EMMY_LAMBDA { return inner::column_products<In, InStride>(x + row * InStride, w); };
    if constexpr (Rows >= 4 && !one_lane<T>())
      for (; r + 4 <= Rows; r += 4) {
        T sums[4];
        simd::store_sums(products(r), products(r + 1), products(r + 2), products(r + 3), sums);
        for (int k = 0; k < 4; ++k) put(r + k, start + sums[k]);
      }
    for (; r < Rows; ++r) put(r, start + simd::sum(products(r)));
  }
}

template <bool kAdd, int Rows, int In, class T, class Below>
EMMY_INLINE void column_backward(const T* w, const T* dy, const T* x, T* dx, Below) noexcept {
  constexpr int kInPad = padded<T>(In);
  for (int r = 0; r < Rows; ++r)
    for (int i = 0; i < kInPad; i += static_cast<int>(simd::lanes<T>())) {
      const int at = r * kInPad + i;
      // In strict text a sum like any other: it starts from 0, which makes -0 to 0.
      auto v = simd::kStrict ? simd::mul_add(simd::set(dy[r * padded<T>(1)]), simd::load(w + i), simd::zero<T>())
                             : simd::mul(simd::set(dy[r * padded<T>(1)]), simd::load(w + i));
      if constexpr (!__is_same(Below, std::nullptr_t)) v = through_output(Below{}, simd::load(x + at), v);
      if constexpr (kAdd) v = simd::add(v, simd::load(dx + at));
      simd::store(v, dx + at);
    }
}

// visit(g), g one row of padded(In).
template <int In, int InStride, int Rows, class T, class Visit>
EMMY_INLINE void column_gradient(const T* x, const T* dy, Visit&& visit) noexcept {
  constexpr int kInPad = padded<T>(In);
  alignas(kAlign<T>) T g[kInPad] = {};
  for (int i = 0; i < In; i += static_cast<int>(simd::lanes<T>())) {
    auto v = simd::zero<T>();
    for (int r = 0; r < Rows; ++r)
      v = simd::mul_add(simd::set(dy[r * padded<T>(1)]), load_part<In, InStride>(x + r * InStride, i), v);
    simd::store(v, g + i);
  }
  EMMY_GRADIENT_HOOK(g, kInPad);
  visit(static_cast<const T*>(g));
}

// The row of x with its pads: x itself where it has them, else a copy in `work`.
template <int In, int InStride, class T>
EMMY_INLINE const T* with_pads(const T* x, T* work) noexcept {
  if constexpr (InStride == padded<T>(In)) return x;
  for (int i = 0; i < padded<T>(In); i += static_cast<int>(simd::lanes<T>()))
    simd::store(i < In ? load_part<In, InStride>(x, i) : simd::zero<T>(), work + i);
  return work;
}

}  // namespace emmy::inline EMMY_TARGET
