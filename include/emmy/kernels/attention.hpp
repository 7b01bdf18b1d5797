// Scaled dot-product attention of a head on windows of Positions rows, its gradients, and rotary positions.
//
//   attend          p[i, :] = softmax over j of scale q[i] . k[j]      o[i] = sum_j p[i, j] v[j]        (causal: j <= i alone)
//   attend_deltas   dp[i, j] = do[i] . v[j]       ds[i, j] = scale p[i, j] (dp[i, j] - sum_l p[i, l] dp[i, l])
//                   dq[i] = sum_j ds[i, j] k[j]   dk[j] = sum_i ds[i, j] q[i]   dv[j] = sum_i p[i, j] do[i]
//   turn            (y[2m], y[2m + 1]) = (x[2m] c - x[2m + 1] s, x[2m] s + x[2m + 1] c), c and s of an angle a position and plane
//                   m; backwards the same with -s
//
// Layout: q, k, v, o and their gradients rows of padded(HeadSize), p rows of padded(Positions); pads are and become zero. dq,
// dk, dv take the place of q, k, v. Errors in units of w_r, with z = scale sum |q k| the largest in a row:
//   p   2 (HeadSize + 2) z p + Positions + 8 (absolute)      o   (Positions + 2) sum |p v| and what p brings
// Sources: Vaswani et al. 2017; Su et al. 2021 (rotary positions). Test: tests/kernels/attention_test.cpp.
#pragma once

#include <emmy/kernels/affine.hpp>
#include <emmy/kernels/softmax.hpp>

namespace emmy {
namespace detail {

// 1 / sqrt(N), the same number on every target.
template <int N>
inline constexpr double kInverseRoot = [] {
  double root = N;  // Newton's steps come down to the root
  for (double last = root + 1; root < last;) {
    last = root;
    root = 0.5 * (root + N / root);
  }
  return 1 / root;
}();

struct Turn {
  double cosine, sine;
};
// Of an angle >= 0, to a few w_r of it.
EMMY_INLINE constexpr Turn turn_of(double angle) {
  const auto quarters = static_cast<long long>(angle * 0.63661977236758134308 + 0.5);
  const auto k = static_cast<double>(2 * quarters);  // pi / 4 in three parts: the first two products are exact
  const double x =
      angle - k * 7.85398125648498535156e-1 - k * 3.77489470793079817668e-8 - k * 2.69515142907905952645e-15;
  double sine = 1, cosine = 1;
  for (int n = 20; n > 1; n -= 2) {
    cosine = 1 - cosine * x * x / (n * (n - 1));
    sine = 1 - sine * x * x / (n * (n + 1));
  }
  sine *= x;
  switch (quarters % 4) {
    case 0: return {cosine, sine};
    case 1: return {-sine, cosine};
    case 2: return {-cosine, -sine};
    default: return {sine, -cosine};
  }
}

// What turns a row: y = x cosine + (the element behind) next + (the element before) last, next not 0 at even elements alone,
// last at odd ones. Angles::angle(position, plane, planes) >= 0.
template <class T, class Angles, int Positions, int HeadSize>
struct TurnTable {
  static constexpr int kStride = padded<T>(HeadSize), kSize = Positions * kStride;
  alignas(kAlign<T>) T cosine[kSize];
  alignas(kAlign<T>) T next[kSize];
  alignas(kAlign<T>) T last[kSize];
  consteval TurnTable() : cosine{}, next{}, last{} {
    for (int s = 0; s < Positions; ++s)
      for (int m = 0; m < HeadSize / 2; ++m) {
        const Turn turn = turn_of(Angles::angle(s, m, HeadSize / 2));
        const int at = s * kStride + 2 * m;
        cosine[at] = cosine[at + 1] = T(turn.cosine);
        next[at] = T(-turn.sine);
        last[at + 1] = T(turn.sine);
      }
  }
};
template <class T, class Angles, int Positions, int HeadSize>
inline constexpr TurnTable<T, Angles, Positions, HeadSize> kTurns{};

// 1, 2, 3 ...: the row from which on a causal mask lets a column be seen.
template <class T, int Cols>
struct SeenFrom {
  alignas(kAlign<T>) T row[padded<T>(Cols)];
  consteval SeenFrom() : row{} {
    for (int c = 0; c < padded<T>(Cols); ++c) row[c] = T(c);
  }
};
template <class T, int Cols>
inline constexpr SeenFrom<T, Cols> kSeenFrom{};

// Scalars of `work` that attend (and attend_deltas besides) need.
template <class S>
EMMY_INLINE constexpr int attend_work(int positions, int head_size) noexcept {
  return head_size * padded<S>(positions);
}
template <class S>
EMMY_INLINE constexpr int attend_deltas_work(int positions, int head_size) noexcept {
  return attend_work<S>(positions, head_size) + positions * padded<S>(positions);
}

}  // namespace detail
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// work: attend_work scalars.
template <int Positions, int HeadSize, bool IsCausal, class T>
EMMY_INLINE void attend(const T* q, const T* k, const T* v, T* p, T* o, T* work) noexcept {
  constexpr int kCols = padded<T>(Positions), kStride = padded<T>(HeadSize);
  constexpr T kScale = T(detail::kInverseRoot<HeadSize>);
  transpose<Positions, HeadSize, kCols, kStride>(k, work);
  gemm<Positions, kCols, HeadSize>(
      q, kStride, 1, static_cast<const T*>(work), HeadSize, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
      [&](int row, int col, auto s) EMMY_LAMBDA {
        auto z = simd::mul(s, simd::set(kScale));
        if constexpr (IsCausal) {
          const auto from = simd::load(detail::kSeenFrom<T, Positions>.row + col);
          z = simd::select(simd::less_equal(from, simd::set(T(row))), z,
                           simd::set(-std::numeric_limits<T>::infinity()));
        }
        simd::store(z, p + row * kCols + col);
      });
  for (int i = 0; i < Positions; ++i) static_cast<void>(softmax_row<Positions>(p + i * kCols, p + i * kCols));
  gemm<Positions, kStride, Positions>(
      static_cast<const T*>(p), kCols, 1, v, Positions, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
      [&](int row, int col, auto sum) EMMY_LAMBDA { simd::store(sum, o + row * kStride + col); });
}

namespace inner {
// dp = scale p (dp - sum p dp), one padded row.
template <int Cols, class T>
EMMY_INLINE void softmax_delta(T scale, const T* p, T* dp) noexcept {
  constexpr int kCols = padded<T>(Cols);
  const int lanes = static_cast<int>(simd::lanes<T>());
  T mean = 0;
  if constexpr (simd::kStrict) {
    mean = ordered_dot(p, static_cast<const T*>(dp), Cols);
  } else {
    auto sum = simd::zero<T>();
    for (int j = 0; j < kCols; j += lanes) sum = simd::mul_add(simd::load(p + j), simd::load(dp + j), sum);
    mean = simd::sum(sum);
  }
  for (int j = 0; j < kCols; j += lanes)
    simd::store(
        simd::mul(simd::mul(simd::load(p + j), simd::set(scale)), simd::sub(simd::load(dp + j), simd::set(mean))),
        dp + j);
}
}  // namespace inner

// d: do, becomes dq on the way; work: attend_deltas_work scalars.
template <int Positions, int HeadSize, class T>
EMMY_INLINE void attend_deltas(T* q, T* k, T* v, const T* p, T* d, T* work) noexcept {
  constexpr int kCols = padded<T>(Positions), kStride = padded<T>(HeadSize);
  T* const ds = work + detail::attend_work<T>(Positions, HeadSize);
  const auto none = [](int, int) EMMY_LAMBDA { return simd::zero<T>(); };
  const auto ends = [](int, auto) EMMY_LAMBDA {};
  const auto put = [](T* to) EMMY_LAMBDA {
    return [to](int row, int m, int col, auto c) EMMY_LAMBDA { simd::store(c, to + (row + m) * kStride + col); };
  };
  transpose<Positions, HeadSize, kCols, kStride>(static_cast<const T*>(v), work);
  gemm<Positions, kCols, HeadSize>(static_cast<const T*>(d), kStride, 1, static_cast<const T*>(work), HeadSize, none,
                                   [&](int row, int col, auto c)
                                       EMMY_LAMBDA { simd::store(c, ds + row * kCols + col); });
  for_gradient_tiles<Positions, kStride, Positions>(p, kCols, static_cast<const T*>(d), put(v), ends);
  for (int i = 0; i < Positions; ++i)
    inner::softmax_delta<Positions>(T(detail::kInverseRoot<HeadSize>), p + i * kCols, ds + i * kCols);
  gemm<Positions, kStride, Positions>(static_cast<const T*>(ds), kCols, 1, static_cast<const T*>(k), Positions, none,
                                      [&](int row, int col, auto c)
                                          EMMY_LAMBDA { simd::store(c, d + row * kStride + col); });
  for_gradient_tiles<Positions, kStride, Positions>(static_cast<const T*>(ds), kCols, static_cast<const T*>(q), put(k),
                                                    ends);
  for (int at = 0; at < Positions * kStride; at += static_cast<int>(simd::lanes<T>()))
    simd::store(simd::load(d + at), q + at);
}

// Batch windows of rows, in place. One scalar before the first row and one behind the last one are read; they must be finite.
template <bool Backwards, int Batch, int Positions, int HeadSize, class Angles, class T>
EMMY_INLINE void turn(T* x) noexcept {
  constexpr const auto& table = detail::kTurns<T, Angles, Positions, HeadSize>;
  constexpr int kStride = padded<T>(HeadSize), kSize = Positions * kStride;
  const auto step = [](auto a, auto b, auto c) EMMY_LAMBDA {
    if constexpr (Backwards) return simd::neg_mul_add(a, b, c);
    else return simd::mul_add(a, b, c);
  };
  for (int b = 0; b < Batch; ++b, x += kSize) {
    if constexpr (one_lane<T>()) {
      for (int at = 0; at < kSize; at += 2) {
        const auto even = simd::load(x + at), odd = simd::load(x + at + 1), c = simd::load(table.cosine + at);
        simd::store(step(odd, simd::load(table.next + at), simd::mul(even, c)), x + at);
        simd::store(step(even, simd::load(table.last + at + 1), simd::mul(odd, c)), x + at + 1);
      }
    } else {  // a plane lies within a vector: what its neighbours have become is multiplied by 0
      for (int at = 0; at < kSize; at += static_cast<int>(simd::lanes<T>())) {
        const auto own = simd::mul(simd::load(x + at), simd::load(table.cosine + at));
        const auto with_next = step(simd::load(x + at + 1), simd::load(table.next + at), own);
        simd::store(step(simd::load(x + at - 1), simd::load(table.last + at), with_next), x + at);
      }
    }
  }
}

}  // namespace emmy::inline EMMY_TARGET
