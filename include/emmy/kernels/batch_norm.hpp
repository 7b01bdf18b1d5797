// Columns of equal size: each column of x by itself, R its rows,
//
//   m_c = 1 / R sum_r x[r, c]     v_c = 1 / R sum_r (x[r, c] - m_c)^2     s_c = 1 / sqrt(v_c + epsilon)
//   n[r, c] = s_c (x[r, c] - m_c)                 y[r, c] = n[r, c] gain[c] + bias[c]
//   dx[r, c] (+)= below'(x) s_c (d[r, c] - 1 / R sum_r d[r, c] - n[r, c] 1 / R sum_r d[r, c] n[r, c]),    d = dy gain
//   dgain[c] = sum_r dy[r, c] n[r, c]
//   along[c] = sum_r x[r, c] dx[r, c] = epsilon s_c^2 sum_r d[r, c] n[r, c]   (without below' and what dx was)
//   running: the mean and R / (R - 1) v of many batches, those of the first one, then running + share (batch - running)
//
// kept: rows m, v, s of padded(Cols); running: Cols means, Cols variances without pads, and whether they are of any batch: zeros
// stand for mean 0 and variance 1. x rows of InStride (unpadded: nothing beyond Cols is read), y, dy and dx padded rows, and so x
// backward. Vectors run along the columns: a sum has one order on every target. A column of equal values gives n = 0, and NaN
// where epsilon is 0.
// Errors, with K = Rows / 2 + 16 and X the largest |x[r, c]| of the column:
//   n      e = K (s X (1 + |n|) + |n|) w_r                   y      e |gain| + 2 w_r (|n gain| + |bias|)
//   dx     8 K s (1 + s X) |d[:, c]|_2 w_r, w_r |dx| more where it is added
//   dgain  sum_r |dy| e + (Rows + 1) w_r sum_r |dy n|
//   along  w_r along_error, along_error = K (1 + s X) |d[:, c]|_2 (8 s |x[:, c]|_1 + 4 sqrt(R) epsilon s^2): that of the number
//          and of the sum over the dx of batch_norm_backward together
//   across_error: w_r of it bounds |sum_r dx[r, c]|; R 8 K s (1 + s X) |d[:, c]|_2
// Sources: Ioffe, Szegedy 2015; theory.md section 1 #10. Test: tests/kernels/batch_norm_test.cpp.
#pragma once

#include <emmy/kernels/elementwise.hpp>

namespace emmy {

// Rows of what is kept.
inline constexpr int kBatchNormKept = 3;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// The sum of f(r) over the rows; two sums, for an addition waits for the last one.
template <int Rows, class F>
EMMY_INLINE auto column_sum(F&& f) noexcept {
  auto sum = f(0);
  if constexpr (Rows > 1) {
    auto other = f(1);
    int r = 2;
    for (; r + 1 < Rows; r += 2) {
      sum = simd::add(sum, f(r));
      other = simd::add(other, f(r + 1));
    }
    if (r < Rows) sum = simd::add(sum, f(r));
    sum = simd::add(sum, other);
  }
  return sum;
}
template <class V>
EMMY_INLINE V inverse_roots(V square) noexcept {
  return simd::div(simd::set(simd::Scalar<V>(1)), simd::sqrt(square));
}
// One vector of a row of Cols values without pads.
template <int Cols, class T, class V>
EMMY_INLINE void store_part(V v, T* row, int c) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  simd::store_first(v, row + c, static_cast<std::size_t>(Cols - c < lanes ? Cols - c : lanes));
}
}  // namespace inner

// m, v, s of a batch.
template <int Rows, int Cols, int InStride, class T>
EMMY_INLINE void batch_statistics(const T* x, T epsilon, T* kept) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const auto per_row = simd::set(T(1) / T(Rows));
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto at = [&](int r) EMMY_LAMBDA { return load_part<Cols, InStride>(x + r * InStride, c); };
    const auto mean = simd::mul(inner::column_sum<Rows>(at), per_row);
    const auto squares = inner::column_sum<Rows>([&](int r) EMMY_LAMBDA {
      const auto v = simd::sub(at(r), mean);
      return simd::mul(v, v);
    });
    const auto variance = simd::mul(squares, per_row);
    simd::store(mean, kept + c);
    simd::store(variance, kept + kStride + c);
    simd::store(inner::inverse_roots(simd::add(variance, simd::set(epsilon))), kept + 2 * kStride + c);
  }
  clear_pads<kBatchNormKept, Cols>(kept);
}

// The same of what many batches left.
template <int Cols, class T>
EMMY_INLINE void running_statistics(const T* running, T epsilon, T* kept) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const auto at_first = simd::set(running[2 * Cols] == T(0) ? T(1) : T(0));
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto variance = simd::add(load_part<Cols, Cols>(running + Cols, c), at_first);
    simd::store(load_part<Cols, Cols>(running, c), kept + c);
    simd::store(variance, kept + kStride + c);
    simd::store(inner::inverse_roots(simd::add(variance, simd::set(epsilon))), kept + 2 * kStride + c);
  }
  clear_pads<kBatchNormKept, Cols>(kept);
}

// What a batch of Rows rows leaves.
template <int Rows, int Cols, class T>
EMMY_INLINE void update_running(const T* kept, T share, T* running) noexcept {
  static_assert(Rows > 1);
  constexpr int kStride = padded<T>(Cols);
  const auto moved = simd::set(running[2 * Cols] == T(0) ? T(1) : share);
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto move = [&](T* to, auto batch) EMMY_LAMBDA {
      const auto old = load_part<Cols, Cols>(to, c);
      inner::store_part<Cols>(simd::mul_add(moved, simd::sub(batch, old), old), to, c);
    };
    move(running, simd::load(kept + c));
    move(running + Cols, simd::mul(simd::set(T(Rows) / T(Rows - 1)), simd::load(kept + kStride + c)));
  }
  running[2 * Cols] = T(1);
}

// n of one vector, from what was kept.
template <int Cols, int Stride, class T>
EMMY_INLINE simd::Vec<T> column_normed(const T* x, const T* kept, int c) noexcept {
  return simd::mul(simd::load(kept + 2 * padded<T>(Cols) + c),
                   simd::sub(load_part<Cols, Stride>(x, c), simd::load(kept + c)));
}

// bias may be null.
template <int Rows, int Cols, int InStride, class T>
EMMY_INLINE void batch_norm_forward(const T* x, const T* gain, const T* bias, const T* kept, T* y) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>()))
      simd::store(simd::mul_add(column_normed<Cols, InStride>(x + r * InStride, kept, c), simd::load(gain + c),
                                bias == nullptr ? simd::zero<T>() : simd::load(bias + c)),
                  y + r * kStride + c);
  clear_pads<Rows, Cols>(y);
}

// below as in affine_backward. What rounding left of the mean of x - m is taken away too; gain s is a factor of all of dx and v +
// epsilon a divisor: with s twice, as in the formula, its rounding alone would be all that <x, dx> may be off by.
template <bool kAdd, int Rows, int Cols, class T, class Below>
EMMY_INLINE void batch_norm_backward(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* dx,
                                     Below) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const auto per_row = simd::set(T(1) / T(Rows));
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto m = simd::load(kept + c);
    const auto d = [&](int r) EMMY_LAMBDA { return simd::load(dy + r * kStride + c); };
    const auto z = [&](int r) EMMY_LAMBDA { return simd::sub(simd::load(x + r * kStride + c), m); };
    // column_sum of d, z and d z in one pass.
    auto of_d = d(0), of_z = z(0), of_both = simd::mul(of_d, of_z);
    if constexpr (Rows > 1) {
      auto d1 = d(1), z1 = z(1), both1 = simd::mul(d1, z1);
      const auto meet = [&](int r, auto& a, auto& b, auto& ab) EMMY_LAMBDA {
        const auto dr = d(r), zr = z(r);
        a = simd::add(a, dr), b = simd::add(b, zr), ab = simd::add(ab, simd::mul(dr, zr));
      };
      int r = 2;
      for (; r + 1 < Rows; r += 2) meet(r, of_d, of_z, of_both), meet(r + 1, d1, z1, both1);
      if (r < Rows) meet(r, of_d, of_z, of_both);
      of_d = simd::add(of_d, d1), of_z = simd::add(of_z, z1), of_both = simd::add(of_both, both1);
    }
    const auto mean = simd::mul(of_d, per_row);
    const auto square = simd::add(simd::load(kept + kStride + c), simd::set(epsilon));
    const auto along = simd::div(simd::mul(simd::neg_mul_add(mean, of_z, of_both), per_row), square);
    const auto across = simd::neg_mul_add(simd::mul(of_z, per_row), along, mean);
    const auto factor = simd::mul(simd::load(gain + c), simd::load(kept + 2 * kStride + c));
    for (int r = 0; r < Rows; ++r)
      put_dx<kAdd>(Below{}, x, dx, r * kStride + c,
                   simd::mul(factor, simd::sub(d(r), simd::mul_add(z(r), along, across))));
  }
  clear_pads<Rows, Cols>(dx);
}

// A number a column, without pads; x in padded rows, as backward has it.
template <int Rows, int Cols, class T>
EMMY_INLINE void batch_norm_invariance(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* along,
                                       T* along_error, T* across_error) noexcept {
  constexpr int kStride = padded<T>(Cols);
  const auto times = [](T factor, auto v) EMMY_LAMBDA { return simd::mul(simd::set(factor), v); };
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>())) {
    const auto g = simd::load(gain + c), s = simd::load(kept + 2 * kStride + c);
    const auto d = [&](int r) EMMY_LAMBDA { return simd::mul(simd::load(dy + r * kStride + c), g); };
    const auto size = [&](int r) EMMY_LAMBDA { return simd::abs(simd::load(x + r * kStride + c)); };
    const auto product = inner::column_sum<Rows>(
        [&](int r) EMMY_LAMBDA { return simd::mul(d(r), column_normed<Cols, kStride>(x + r * kStride, kept, c)); });
    const auto squares = inner::column_sum<Rows>([&](int r) EMMY_LAMBDA { return simd::mul(d(r), d(r)); });
    const auto sizes = inner::column_sum<Rows>(size);
    auto largest = size(0);
    for (int r = 1; r < Rows; ++r) largest = simd::max(largest, size(r));
    const auto share = times(epsilon, simd::mul(s, s));
    const auto error =
        times(T(Rows / 2 + 16), simd::mul(simd::mul_add(s, largest, simd::set(T(1))), simd::sqrt(squares)));
    inner::store_part<Cols>(simd::mul(share, product), along, c);
    inner::store_part<Cols>(
        simd::mul(error,
                  simd::mul_add(times(T(8), s), sizes, simd::mul(times(T(4), simd::sqrt(simd::set(T(Rows)))), share))),
        along_error, c);
    inner::store_part<Cols>(times(T(Rows) * T(8), simd::mul(s, error)), across_error, c);
  }
}

// dgain of a whole row of pads: 0 in the pad lanes.
template <int Rows, int Cols, int InStride, class T>
EMMY_INLINE void batch_norm_gain_gradient(const T* x, const T* kept, const T* dy, T* dgain) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for (int c = 0; c < Cols; c += static_cast<int>(simd::lanes<T>()))
    simd::store(inner::column_sum<Rows>([&](int r) EMMY_LAMBDA {
                  return simd::mul(simd::load(dy + r * kStride + c),
                                   column_normed<Cols, InStride>(x + r * InStride, kept, c));
                }),
                dgain + c);
  clear_pads<1, Cols>(dgain);
}

}  // namespace emmy::inline EMMY_TARGET
