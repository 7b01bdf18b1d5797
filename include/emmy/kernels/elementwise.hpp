// Activations that are not fused into a product, the sum and the product of two tensors. Test: tests/kernels/elementwise_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>

namespace emmy::inline EMMY_TARGET {

// dy f'(x), f' from the output y: the default of every activation that works in place.
template <class L, class V>
EMMY_INLINE V through_output(L, V y, V dy) noexcept {
  return simd::mul(dy, derivative_from_output(L{}, y));
}

// dx[at] (+)= v below'(x[at]) for one vector, which is returned; below' from x, the output of the activation below; nullptr:
// there is none.
template <bool kAdd, class Below, class T, class V>
EMMY_INLINE V put_dx(Below, const T* x, T* dx, int at, V v) noexcept {
  if constexpr (!__is_same(Below, std::nullptr_t)) v = through_output(Below{}, simd::load(x + at), v);
  if constexpr (kAdd) v = simd::add(v, simd::load(dx + at));
  simd::store(v, dx + at);
  return v;
}

// y = f(x) for Rows x Cols values, y in padded rows, x in rows of InStride (unpadded: nothing beyond Cols is read). y
// may be x where the strides agree. Pad lanes of y become zero.
template <int Rows, int Cols, int InStride, class L, class T>
EMMY_INLINE void elementwise_forward(L, const T* x, T* y) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Cols; c += lanes)
      simd::store(activate(L{}, load_part<Cols, InStride>(x + r * InStride, c)), y + r * kStride + c);
  clear_pads<Rows, Cols>(y);
}

// dx (+)= dy f'(.), all in padded rows; dx may be dy. f' from the output where the activation allows it, else from x.
template <bool kAdd, int Rows, int Cols, class L, class T>
EMMY_INLINE void elementwise_backward(L, const T* x, const T* y, const T* dy, T* dx) noexcept {
  for (int at = 0; at < Rows * padded<T>(Cols); at += static_cast<int>(simd::lanes<T>())) {
    auto v = simd::load(dy + at);
    if constexpr (L::kFromOutput) v = through_output(L{}, simd::load(y + at), v);
    else v = simd::mul(v, derivative_from_input(L{}, simd::load(x + at)));
    if constexpr (kAdd) v = simd::add(v, simd::load(dx + at));
    simd::store(v, dx + at);
  }
}

// y = a + b or a b for Rows x Cols values, y in padded rows, a and b in rows of their own strides. Pad lanes of y become
// zero.
template <bool kMultiply, int Rows, int Cols, int StrideA, int StrideB, class T>
EMMY_INLINE void join_rows(const T* a, const T* b, T* y) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Cols; c += lanes) {
      const auto left = load_part<Cols, StrideA>(a + r * StrideA, c),
                 right = load_part<Cols, StrideB>(b + r * StrideB, c);
      simd::store(kMultiply ? simd::mul(left, right) : simd::add(left, right), y + r * kStride + c);
    }
  clear_pads<Rows, Cols>(y);
}

// da (+)= dy b for Rows x Cols values: what a product gives its other side; b in rows of StrideB. da may not be b.
template <bool kAdd, int Rows, int Cols, int StrideB, class T>
EMMY_INLINE void multiply_backward(const T* dy, const T* b, T* da) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Cols; c += lanes) {
      const int at = r * kStride + c;
      const auto other = load_part<Cols, StrideB>(b + r * StrideB, c), d = simd::load(dy + at);
      if constexpr (kAdd) simd::store(simd::mul_add(d, other, simd::load(da + at)), da + at);
      else simd::store(simd::mul(d, other), da + at);
    }
  if constexpr (!kAdd) clear_pads<Rows, Cols>(da);
}

// d (+)= dy over `count` scalars, a whole number of padded rows.
template <bool kAdd, class T>
EMMY_INLINE void pass_on(const T* dy, T* d, int count) noexcept {
  for (int at = 0; at < count; at += static_cast<int>(simd::lanes<T>())) {
    auto v = simd::load(dy + at);
    if constexpr (kAdd) v = simd::add(v, simd::load(d + at));
    simd::store(v, d + at);
  }
}

}  // namespace emmy::inline EMMY_TARGET
