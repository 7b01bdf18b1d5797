// The words of Highway that take several vectors across their lanes: sums of each, transposes.
#pragma once

#include <emmy/simd/highway.hpp>

namespace emmy::inline EMMY_TARGET::simd {

#if HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define EMMY_FOUR_SUMS
// Neighbours are added for all four at once: 3 instructions where four sums take 12 (SSE4), 5 for 20 (AVX2).
EMMY_INLINE __m128 join_sums(__m128 a, __m128 b, __m128 c, __m128 d) noexcept {
  return _mm_hadd_ps(_mm_hadd_ps(a, b), _mm_hadd_ps(c, d));
}
#if HWY_TARGET != HWY_SSE4
EMMY_INLINE __m128 join_sums(__m256 a, __m256 b, __m256 c, __m256 d) noexcept {
  const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}
#endif
#if HWY_TARGET == HWY_AVX3
EMMY_INLINE __m256 halves(__m512 v) noexcept {
  return _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
}
EMMY_INLINE __m128 join_sums(__m512 a, __m512 b, __m512 c, __m512 d) noexcept {
  return join_sums(halves(a), halves(b), halves(c), halves(d));
}
#endif
EMMY_INLINE void store_joined(__m128 sums, float* p) noexcept { _mm_storeu_ps(p, sums); }
#elif HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64
#define EMMY_FOUR_SUMS
EMMY_INLINE float32x4_t join_sums(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) noexcept {
  return vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d));
}
EMMY_INLINE void store_joined(float32x4_t sums, float* p) noexcept { vst1q_f32(p, sums); }
#endif
template <class V>
EMMY_INLINE void store_sums(V a, V b, V c, V d, Scalar<V>* p) noexcept {
#if defined(EMMY_FOUR_SUMS)
  if constexpr (sizeof(Scalar<V>) == 4) {
    store_joined(join_sums(a.raw, b.raw, c.raw, d.raw), p);
    return;
  }
#endif
  p[0] = sum(a), p[1] = sum(b), p[2] = sum(c), p[3] = sum(d);
}
#undef EMMY_FOUR_SUMS

// As many vectors as lanes are folded into one, halves first: each lane in the order of `sum`. On AVX-512 15 operations and
// 30 shuffles where 16 sums take 64 of either.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define EMMY_FOLDS_LANES
#if HWY_TARGET == HWY_AVX2
EMMY_INLINE __m256 fold_lanes(__m256 a, __m256 b, __m256 c, __m256 d, __m256 e, __m256 f, __m256 g, __m256 h) noexcept {
  const auto halves = [](__m256 low, __m256 high) EMMY_LAMBDA {
    return _mm256_permute2f128_ps(low, high, 0x20) + _mm256_permute2f128_ps(low, high, 0x31);
  };
  const auto pairs = [](__m256 low, __m256 high) EMMY_LAMBDA {
    const __m256d x = _mm256_castps_pd(low), y = _mm256_castps_pd(high);
    return _mm256_castpd_ps(_mm256_unpacklo_pd(x, y)) + _mm256_castpd_ps(_mm256_unpackhi_pd(x, y));
  };
  const __m256 low = pairs(halves(a, e), halves(b, f)), high = pairs(halves(c, g), halves(d, h));
  return _mm256_shuffle_ps(low, high, 0x88) + _mm256_shuffle_ps(low, high, 0xdd);
}
#else
// Lanes k, k + 4, k + 8 and k + 12 of the result are those of four vectors.
EMMY_INLINE __m512 fold_four(__m512 a, __m512 b, __m512 c, __m512 d) noexcept {
  const auto halves = [](__m512 low, __m512 high) EMMY_LAMBDA {
    return _mm512_shuffle_f32x4(low, high, 0x44) + _mm512_shuffle_f32x4(low, high, 0xee);
  };
  const __m512 low = halves(a, b), high = halves(c, d);
  return _mm512_shuffle_f32x4(low, high, 0x88) + _mm512_shuffle_f32x4(low, high, 0xdd);
}
EMMY_INLINE __m512 fold_lanes(__m512 a, __m512 b, __m512 c, __m512 d, __m512 e, __m512 f, __m512 g, __m512 h, __m512 i,
                              __m512 j, __m512 k, __m512 l, __m512 m, __m512 n, __m512 o, __m512 p) noexcept {
  const auto pairs = [](__m512 low, __m512 high) EMMY_LAMBDA {
    const __m512d x = _mm512_castps_pd(low), y = _mm512_castps_pd(high);
    return _mm512_castpd_ps(_mm512_unpacklo_pd(x, y)) + _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
  };
  const __m512 low = pairs(fold_four(a, e, i, m), fold_four(b, f, j, n)),
               high = pairs(fold_four(c, g, k, o), fold_four(d, h, l, p));
  return _mm512_shuffle_ps(low, high, 0x88) + _mm512_shuffle_ps(low, high, 0xdd);
}
#endif
template <class V, class... R>
EMMY_INLINE V lane_sums(V first, R... rest) noexcept {
  return V{fold_lanes(first.raw, rest.raw...)};
}
#elif HWY_TARGET == HWY_SSE4 || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64)
#define EMMY_FOLDS_LANES
template <class V>
EMMY_INLINE V lane_sums(V a, V b, V c, V d) noexcept {
  return V{join_sums(a.raw, b.raw, c.raw, d.raw)};
}
#else
template <class V, class... R>
V lane_sums(V, R...) = delete;
#endif
#if defined(EMMY_FOLDS_LANES)
template <class T>
inline constexpr bool kFoldsSums = sizeof(T) == 4;
#undef EMMY_FOLDS_LANES
#else
template <class T>
inline constexpr bool kFoldsSums = false;
#endif

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
template <class T>
inline constexpr bool kTransposes = sizeof(T) == 4;
template <class V, class... R>
EMMY_INLINE void transpose(V& first, R&... rest) noexcept {
  constexpr int kLanes = 1 + static_cast<int>(sizeof...(R));
  const hn::DFromV<V> f32;
  const hn::Repartition<double, hn::DFromV<V>> pairs;
  V v[] = {first, rest...}, w[kLanes];
  // Each block of four lanes becomes a part of a column: of four rows.
  const auto four = [&](int r) EMMY_LAMBDA {
    const auto low = hn::BitCast(pairs, hn::InterleaveLower(f32, v[r], v[r + 1])),
               high = hn::BitCast(pairs, hn::InterleaveUpper(f32, v[r], v[r + 1])),
               low2 = hn::BitCast(pairs, hn::InterleaveLower(f32, v[r + 2], v[r + 3])),
               high2 = hn::BitCast(pairs, hn::InterleaveUpper(f32, v[r + 2], v[r + 3]));
    w[r] = hn::BitCast(f32, hn::InterleaveLower(pairs, low, low2));
    w[r + 1] = hn::BitCast(f32, hn::InterleaveUpper(pairs, low, low2));
    w[r + 2] = hn::BitCast(f32, hn::InterleaveLower(pairs, high, high2));
    w[r + 3] = hn::BitCast(f32, hn::InterleaveUpper(pairs, high, high2));
  };
  // ... and the blocks are a matrix of their own.
  const auto blocks = [&](int c) EMMY_LAMBDA {
#if HWY_TARGET == HWY_AVX2
    v[c] = hn::ConcatLowerLower(f32, w[c + 4], w[c]);
    v[c + 4] = hn::ConcatUpperUpper(f32, w[c + 4], w[c]);
#else
    const __m512 low = _mm512_shuffle_f32x4(w[c].raw, w[c + 4].raw, 0x44),
                 high = _mm512_shuffle_f32x4(w[c].raw, w[c + 4].raw, 0xee),
                 low2 = _mm512_shuffle_f32x4(w[c + 8].raw, w[c + 12].raw, 0x44),
                 high2 = _mm512_shuffle_f32x4(w[c + 8].raw, w[c + 12].raw, 0xee);
    v[c] = V{_mm512_shuffle_f32x4(low, low2, 0x88)};
    v[c + 4] = V{_mm512_shuffle_f32x4(low, low2, 0xdd)};
    v[c + 8] = V{_mm512_shuffle_f32x4(high, high2, 0x88)};
    v[c + 12] = V{_mm512_shuffle_f32x4(high, high2, 0xdd)};
#endif
  };
  [&]<int... R4>(std::integer_sequence<int, R4...>) EMMY_LAMBDA { (four(4 * R4), ...); }
  (std::make_integer_sequence<int, kLanes / 4>{});
  blocks(0), blocks(1), blocks(2), blocks(3);
  int r = 0;
  first = v[0];
  ((rest = v[++r]), ...);
}
#else
template <class T>
inline constexpr bool kTransposes = false;
template <class V, class... R>
void transpose(V&, R&...) = delete;
#endif

#if HWY_HAVE_SCALABLE
template <class T>
inline constexpr bool kHasColumns = false;
template <int Count, class V, class T>
void store_columns(V, V, V, V, T*, std::size_t) = delete;
#else
template <class T>
inline constexpr bool kHasColumns = sizeof(T) == 4;
// Lane First + 4 b of the columns is block b of v, whose first element belongs at p.
template <int First, int Count, class V>
EMMY_INLINE void store_blocks(V v, float* p, std::size_t stride) noexcept {
  using D = hn::DFromV<V>;
  if constexpr (First >= Count) {
    return;
  } else if constexpr (hn::MaxLanes(D()) == 4) {
    hn::StoreU(v, D(), p + First * stride);
  } else {
    const hn::Half<D> half;
    store_blocks<First, Count>(hn::LowerHalf(half, v), p, stride);
    store_blocks<First + static_cast<int>(hn::MaxLanes(D())) / 2, Count>(hn::UpperHalf(half, v), p, stride);
  }
}
// Two interleavings within blocks of four give each block of the results one column of four rows.
template <int Count, class V>
EMMY_INLINE void store_columns(V a, V b, V c, V d, float* p, std::size_t stride) noexcept {
  using D = hn::DFromV<V>;
  const D f32;
  const hn::Repartition<std::uint64_t, D> pairs;
  const auto low = hn::BitCast(pairs, hn::InterleaveLower(f32, a, b)),
             high = hn::BitCast(pairs, hn::InterleaveUpper(f32, a, b));
  const auto low2 = hn::BitCast(pairs, hn::InterleaveLower(f32, c, d)),
             high2 = hn::BitCast(pairs, hn::InterleaveUpper(f32, c, d));
  store_blocks<0, Count>(hn::BitCast(f32, hn::InterleaveLower(pairs, low, low2)), p, stride);
  store_blocks<1, Count>(hn::BitCast(f32, hn::InterleaveUpper(pairs, low, low2)), p, stride);
  store_blocks<2, Count>(hn::BitCast(f32, hn::InterleaveLower(pairs, high, high2)), p, stride);
  store_blocks<3, Count>(hn::BitCast(f32, hn::InterleaveUpper(pairs, high, high2)), p, stride);
}
#endif

}  // namespace emmy::inline EMMY_TARGET::simd
