// Singular values and vectors of a small matrix by one-sided Jacobi rotations (Hestenes), in place.
//
//   orthogonalise<Rows, Cols>(b, q)     b' = Q b with orthogonal rows, Q orthogonal: b = Q' b'
//
// b [Rows][pad(Cols)], q [Rows][pad(Rows)], pads zero; q is overwritten. Then |b'_k| are the singular values, in no order, row k of q
// is the left singular vector and b'_k / |b'_k| the right one. Of a symmetric matrix without negative eigenvalues these are its
// eigenvalues, and row k of q its eigenvector.
// Pairs of rows are turned in cyclic order until |b_i b_j| <= 8 w_r |b_i| |b_j| for all of them: quadratic convergence, 6 to 10
// sweeps of Rows^2 / 2 rotations. A row below w_r |b| is the rounding of others and stays as it is. Returns false where 40 sweeps do
// not get there (values that are not finite). Source: J. Demmel, Applied Numerical Linear Algebra, section 5.4.3.
// Test: tests/kernels/jacobi_test.cpp.
#pragma once

#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/rows.hpp>

namespace emmy::inline EMMY_TARGET {

// The turn a' = c a - s b, b' = s a + c b that makes two rows orthogonal, from a a, b b and a b, which is not 0.
template <class T>
struct Turn {
  T c, s;
};
template <class T>
EMMY_INLINE Turn<T> turn_of(T aa, T bb, T ab) noexcept {
  const T zeta = (bb - aa) / (T(2) * ab), size = zeta < 0 ? -zeta : zeta;
  const T sum = size > T(0x1p60) ? T(2) * size : size + root(T(1) + zeta * zeta);  // no square overflows
  const T tangent = (zeta < 0 ? T(-1) : T(1)) / sum;
  const T c = T(1) / root(T(1) + tangent * tangent);
  return {c, c * tangent};
}

// The same of `count` values in whole vectors.
template <class T>
EMMY_INLINE void rotate(T c, T s, int count, T* a, T* b) noexcept {
  for (int at = 0; at < count; at += static_cast<int>(simd::lanes<T>())) {
    const auto x = simd::load(a + at), y = simd::load(b + at);
    simd::store(simd::neg_mul_add(simd::set(s), y, simd::mul(simd::set(c), x)), a + at);
    simd::store(simd::mul_add(simd::set(s), x, simd::mul(simd::set(c), y)), b + at);
  }
}

template <int Rows, int Cols, class T>
bool orthogonalise(T* b, T* q) noexcept {
  constexpr int kStride = padded<T>(Cols), kOwn = padded<T>(Rows);
  constexpr T kSmall = T(8) * kRoundoff<T>;
  const T size_of_all = root(sum_squares(b, Rows * kStride)), nothing = kRoundoff<T> * size_of_all;
  clear(q, Rows * kOwn);
  for (int k = 0; k < Rows; ++k) q[k * kOwn + k] = T(1);
  for (int sweep = 0; sweep < 40; ++sweep) {
    bool turned = false;
    for (int i = 0; i < Rows; ++i)
      for (int j = i + 1; j < Rows; ++j) {
        T *x = b + i * kStride, *y = b + j * kStride;
        const T xx = dot(x, x, kStride), yy = dot(y, y, kStride), xy = dot(x, y, kStride);
        const T x_size = root(xx), y_size = root(yy);
        if (x_size <= nothing || y_size <= nothing || (xy < 0 ? -xy : xy) <= kSmall * x_size * y_size) continue;
        turned = true;
        const auto [c, s] = turn_of(xx, yy, xy);
        rotate(c, s, kStride, x, y);
        rotate(c, s, kOwn, q + i * kOwn, q + j * kOwn);
      }
    if (!turned) return true;
  }
  return false;
}

}  // namespace emmy::inline EMMY_TARGET
