// Rows of equal size: each row of x by itself, C its columns,
//
//   m_r = Centred ? 1 / C sum_c x[r, c] : 0       s_r = 1 / sqrt(1 / C sum_c (x[r, c] - m_r)^2 + epsilon)
//   n[r, c] = s_r (x[r, c] - m_r)                 y[r, c] = n[r, c] gain[c] + bias[c]
//   dx[r, c] (+)= below'(x) s_r (d[r, c] - (Centred ? 1 / C sum_c d[r, c] : 0) - n[r, c] 1 / C sum_c d[r, c] n[r, c]),
//                                                 d = dy gain
//   dgain[c] = sum_r dy[r, c] n[r, c]
//   along = sum_r sum_c x[r, c] dx[r, c] = epsilon sum_r s_r^2 sum_c d[r, c] n[r, c]   (without below' and what dx was)
//
// kept: m and s of every row, kNormKept scalars a row. x rows of InStride (unpadded: nothing beyond Cols is read), y, dy and
// dx padded rows, and so x backward. A row of equal values gives n = 0, and NaN where epsilon is 0.
// Errors, with R = Cols / 2 + 16 and X the largest |x[r, c]| where Centred, else 0:
//   n      e = R (s_r X (1 + |n|) + |n|) w_r                 y      e |gain| + 2 w_r (|n gain| + |bias|)
//   dx     8 R s_r (1 + s_r X) |d[r]|_2 w_r, w_r |dx| more where it is added
//   dgain  sum_r |dy| e + (rows + 1) w_r sum_r |dy n|
//   along  w_r along_error, along_error = R sum_r (1 + s_r X) |d[r]|_2 (8 s_r |x[r]|_1 + 4 sqrt(C) epsilon s_r^2): that of
//          the number and of the sum over the dx of norm_backward together
//   across_error: w_r of it bounds |sum_c dx[r, c]| of every row where Centred; the largest C 8 R s_r (1 + s_r X) |d[r]|_2
// Test: tests/kernels/norm_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>

namespace emmy {

inline constexpr int kNormKept = 2;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// The sum of f(c) over the vectors of a row.
template <int Cols, class T, class F>
EMMY_INLINE T row_sum(F&& f) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  auto sum = f(0);
  if (lanes < Cols) {
    auto other = f(lanes);  // two sums: an addition waits for the last one
    int c = 2 * lanes;
    for (; c + lanes < Cols; c += 2 * lanes) {
      sum = simd::add(sum, f(c));
      other = simd::add(other, f(c + lanes));
    }
    if (c < Cols) sum = simd::add(sum, f(c));
    sum = simd::add(sum, other);
  }
  return simd::sum(sum);
}
template <class T>
EMMY_INLINE T inverse_root(T square) noexcept {
  return simd::first_of(simd::div(simd::set(T(1)), simd::sqrt(simd::set(square))));
}
}  // namespace inner

// bias may be null.
template <bool Centred, int Rows, int Cols, int InStride, class T>
EMMY_INLINE void norm_forward(const T* x, const T* gain, const T* bias, T epsilon, T* y, T* kept) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int r = 0; r < Rows; ++r, x += InStride, y += kStride, kept += kNormKept) {
    T mean = 0;
    if constexpr (Centred)
      mean = inner::row_sum<Cols, T>([&](int c) EMMY_LAMBDA { return load_part<Cols, InStride>(x, c); }) / T(Cols);
    const auto m = simd::set(mean);
    for (int c = 0; c < Cols; c += lanes) simd::store(simd::sub(load_part<Cols, InStride>(x, c), m), y + c);
    clear_pads<1, Cols>(y);  // where -m is
    const T squares = inner::row_sum<Cols, T>([&](int c) EMMY_LAMBDA {
      const auto v = simd::load(y + c);
      return simd::mul(v, v);
    });
    const T s = inner::inverse_root(squares / T(Cols) + epsilon);
    for (int c = 0; c < Cols; c += lanes) {
      const auto n = simd::mul(simd::set(s), simd::load(y + c));
      simd::store(simd::mul_add(n, simd::load(gain + c), bias == nullptr ? simd::zero<T>() : simd::load(bias + c)),
                  y + c);
    }
    kept[0] = mean;
    kept[1] = s;
  }
}

// n[r, c] of a row, from what was kept of it; pad lanes are not 0 where Centred.
template <int Cols, int Stride, class T>
EMMY_INLINE simd::Vec<T> normed(const T* x, const T* kept, int c) noexcept {
  return simd::mul(simd::set(kept[1]), simd::sub(load_part<Cols, Stride>(x, c), simd::set(kept[0])));
}

// below as in affine_backward.
template <bool Centred, bool kAdd, int Rows, int Cols, class T, class Below>
EMMY_INLINE void norm_backward(const T* x, const T* gain, const T* kept, const T* dy, T* dx, Below) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int r = 0; r < Rows; ++r, x += kStride, dy += kStride, dx += kStride, kept += kNormKept) {
    const auto d = [&](int c) EMMY_LAMBDA { return simd::mul(simd::load(dy + c), simd::load(gain + c)); };
    const auto n = [&](int c) EMMY_LAMBDA { return normed<Cols, kStride>(x, kept, c); };
    T mean = 0;
    if constexpr (Centred) mean = inner::row_sum<Cols, T>(d) / T(Cols);
    const T along = inner::row_sum<Cols, T>([&](int c) EMMY_LAMBDA { return simd::mul(d(c), n(c)); }) / T(Cols);
    for (int c = 0; c < Cols; c += lanes) {
      const auto across = simd::neg_mul_add(n(c), simd::set(along), simd::sub(d(c), simd::set(mean)));
      put_dx<kAdd>(Below{}, x, dx, c, simd::mul(simd::set(kept[1]), across));
    }
    clear_pads<1, Cols>(dx);
  }
}

// x in padded rows, as backward has it.
template <bool Centred, int Rows, int Cols, class T>
EMMY_INLINE void norm_invariance(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T& along,
                                 T& along_error, T& across_error) noexcept {
  constexpr int kStride = padded<T>(Cols);
  constexpr T kTerms = Cols / 2 + 16;
  const int lanes = static_cast<int>(simd::lanes<T>());
  const T width = root(T(Cols));  // of a row of ones
  along = along_error = across_error = T(0);
  for (int r = 0; r < Rows; ++r, x += kStride, dy += kStride, kept += kNormKept) {
    auto largest = simd::zero<T>();
    const auto d = [&](int c) EMMY_LAMBDA { return simd::mul(simd::load(dy + c), simd::load(gain + c)); };
    const T product = inner::row_sum<Cols, T>(
                [&](int c) EMMY_LAMBDA { return simd::mul(d(c), normed<Cols, kStride>(x, kept, c)); }),
            squares = inner::row_sum<Cols, T>([&](int c) EMMY_LAMBDA { return simd::mul(d(c), d(c)); }),
            sizes = inner::row_sum<Cols, T>([&](int c) EMMY_LAMBDA { return simd::abs(simd::load(x + c)); });
    for (int c = 0; Centred && c < Cols; c += lanes) largest = simd::max(largest, simd::abs(simd::load(x + c)));
    const T s = kept[1], share = epsilon * s * s, error = kTerms * (T(1) + s * simd::max_lane(largest)) * root(squares);
    along += share * product;
    along_error += error * (T(8) * s * sizes + T(4) * width * share);
    const T across = T(Cols) * T(8) * s * error;
    if (Centred && across > across_error) across_error = across;
  }
}

// dgain of a whole row of pads: 0 in the pad lanes.
template <int Rows, int Cols, int InStride, class T>
EMMY_INLINE void norm_gain_gradient(const T* x, const T* kept, const T* dy, T* dgain) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    auto sum = simd::zero<T>();
    for (int r = 0; r < Rows; ++r)
      sum = simd::mul_add(simd::load(dy + r * kStride + c),
                          normed<Cols, InStride>(x + r * InStride, kept + r * kNormKept, c), sum);
    simd::store(sum, dgain + c);
  }
  clear_pads<1, Cols>(dgain);
}

}  // namespace emmy::inline EMMY_TARGET
