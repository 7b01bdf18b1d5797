// Highway backend (1.0.3, static dispatch): x86 from SSE4.2 on, NEON, SVE. The words are defined in simd.hpp; only on
// Armv7 NEON they are not IEEE: it flushes subnormals, and div and sqrt are Newton iterations from an estimate.
#pragma once

#ifndef HWY_COMPILE_ONLY_STATIC
#define HWY_COMPILE_ONLY_STATIC
#endif
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include <emmy/core/macros.hpp>

namespace emmy::inline EMMY_TARGET::simd {

namespace hn = hwy::HWY_NAMESPACE;

// Highway picks its target from more flags than the instruction set itself and says nothing when one is missing.
namespace highway_target {
inline constexpr long long portable = 0, sse2 = 0, sse4 = HWY_SSE4, avx2 = HWY_AVX2, avx3 = HWY_AVX3 | HWY_AVX3_DL;
inline constexpr long long neon = HWY_NEON, sve = HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128;
}  // namespace highway_target
inline constexpr bool kTargetIsIsa = (HWY_STATIC_TARGET & highway_target::EMMY_ISA) != 0;
static_assert(kTargetIsIsa,
              "emmy: Highway's static target is not the instruction set of these compiler flags. SSE4 needs -msse4.2 "
              "-maes -mpclmul; AVX2 needs -mavx2 -mfma -mbmi -mbmi2 -mf16c too; AVX-512 needs -mavx512f -mavx512cd "
              "-mavx512bw -mavx512dq -mavx512vl too (-march=x86-64-v3 and -v4 lack -maes -mpclmul). Below SSE4.2 "
              "use EMMY_BACKEND_XSIMD or EMMY_BACKEND_SCALAR");
#if HWY_ARCH_X86 && HWY_STATIC_TARGET <= HWY_AVX2 && !defined(__BMI__)
static_assert(false, "emmy: Highway's AVX2 needs BMI: add -mbmi");
#endif
#if HWY_ARCH_ARM_A64 && HWY_STATIC_TARGET == HWY_NEON && defined(HWY_TARGET_STR) && !defined(__ARM_FEATURE_CRYPTO)
static_assert(false, "emmy: Highway's NEON needs the crypto extension: add +crypto to -march");
#endif

#if HWY_HAVE_SCALABLE || HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_STATIC_TARGET <= HWY_AVX3)
inline constexpr int kRegisters = 32;  // what a register tile may count on
#else
inline constexpr int kRegisters = 16;
#endif

// Where a masked access touches only the lanes of its mask; elsewhere Highway reads whole vectors and blends.
inline constexpr bool kMaskedAccess = HWY_HAVE_SCALABLE || (HWY_ARCH_X86 && HWY_STATIC_TARGET <= HWY_AVX2);

template <class T>
using Vec = hn::Vec<hn::ScalableTag<T>>;
template <class V>
using Scalar = hn::TFromV<V>;  // the lane type of a vector

#if HWY_HAVE_SCALABLE && defined(__ARM_FEATURE_SVE_BITS) && __ARM_FEATURE_SVE_BITS > 0
template <class T>
EMMY_INLINE constexpr std::size_t lanes() noexcept {
  return __ARM_FEATURE_SVE_BITS / 8 / sizeof(T);  // -msve-vector-bits
}
#elif HWY_HAVE_SCALABLE
template <class T>
EMMY_INLINE std::size_t lanes() noexcept {
  return hn::Lanes(hn::ScalableTag<T>());
}
#else
template <class T>
EMMY_INLINE constexpr std::size_t lanes() noexcept {
  return hn::MaxLanes(hn::ScalableTag<T>());
}
#endif

template <class T>
EMMY_INLINE Vec<T> set(T x) noexcept {
  return hn::Set(hn::ScalableTag<T>(), x);
}
template <class T>
EMMY_INLINE Vec<T> zero() noexcept {
  return hn::Zero(hn::ScalableTag<T>());
}
template <class T>
EMMY_INLINE Vec<T> load(const T* p) noexcept {
  return hn::LoadU(hn::ScalableTag<T>(), p);
}
template <class V, class T>
EMMY_INLINE void store(V v, T* p) noexcept {
  hn::StoreU(v, hn::ScalableTag<T>(), p);
}

template <class T>
EMMY_INLINE Vec<T> load_first(const T* p, std::size_t n) noexcept {
  const hn::ScalableTag<T> d;
  if constexpr (kMaskedAccess) {
    return hn::MaskedLoad(hn::FirstN(d, n), d, p);
  } else {
    alignas(16) T part[lanes<T>()];
    for (std::size_t i = 0; i < lanes<T>(); ++i) part[i] = i < n ? p[i] : T(0);
    return hn::Load(d, part);
  }
}
template <class V, class T>
EMMY_INLINE void store_first(V v, T* p, std::size_t n) noexcept {
  const hn::ScalableTag<T> d;
  if constexpr (kMaskedAccess) {
    hn::BlendedStore(v, hn::FirstN(d, n), d, p);
  } else {
    alignas(16) T part[lanes<T>()];
    hn::Store(v, d, part);
    for (std::size_t i = 0; i < lanes<T>(); ++i) {
      if (i < n) p[i] = part[i];
    }
  }
}

template <class V>
EMMY_INLINE V add(V a, V b) noexcept {
  return hn::Add(a, b);
}
template <class V>
EMMY_INLINE V sub(V a, V b) noexcept {
  return hn::Sub(a, b);
}
template <class V>
EMMY_INLINE V mul(V a, V b) noexcept {
  return hn::Mul(a, b);
}
template <class V>
EMMY_INLINE V div(V a, V b) noexcept {
  return hn::Div(a, b);
}
template <class V>
EMMY_INLINE V neg(V a) noexcept {
  return hn::Neg(a);
}
template <class V>
EMMY_INLINE V abs(V a) noexcept {
  return hn::Abs(a);
}
template <class V>
EMMY_INLINE V mul_add(V a, V b, V c) noexcept {
#if defined(EMMY_STRICT)
  return hn::Add(hn::Mul(a, b), c);
#else
  return hn::MulAdd(a, b, c);
#endif
}
template <class V>
EMMY_INLINE V neg_mul_add(V a, V b, V c) noexcept {
#if defined(EMMY_STRICT)
  return hn::Sub(c, hn::Mul(a, b));
#else
  return hn::NegMulAdd(a, b, c);
#endif
}
// A fused product waits for a store beside it on Zen 5, a product and a sum do not: a 512-bit vector that is read, moved,
// written and squared takes 0.33 ns against 0.45. The barriers keep GCC from fusing them, and from putting sums off until no
// register is left for the products.
template <class V>
EMMY_INLINE V add_square(V sum, V v) noexcept {
#if defined(__FMA__) && !defined(EMMY_STRICT)
#if defined(__AVX512F__)
#define EMMY_IN_VECTOR "+v"
#else
#define EMMY_IN_VECTOR "+x"
#endif
  V square = hn::Mul(v, v);
  __asm__("" : EMMY_IN_VECTOR(square.raw));
  sum = hn::Add(sum, square);
  __asm__("" : EMMY_IN_VECTOR(sum.raw));
  return sum;
#undef EMMY_IN_VECTOR
#else
  return mul_add(v, v, sum);
#endif
}
// Highway takes FMAXNM on AArch64, which prefers a number to NaN; FMAX keeps the NaN and costs the same.
template <class V>
EMMY_INLINE V min(V a, V b) noexcept {
#if HWY_HAVE_SCALABLE
  if constexpr (sizeof(Scalar<V>) == 4) return svmin_x(svptrue_b32(), a, b);
  else return svmin_x(svptrue_b64(), a, b);
#elif HWY_ARCH_ARM_A64
  if constexpr (sizeof(Scalar<V>) == 4) return V(vminq_f32(a.raw, b.raw));
  else return V(vminq_f64(a.raw, b.raw));
#else
  return hn::Min(a, b);
#endif
}
template <class V>
EMMY_INLINE V max(V a, V b) noexcept {
#if HWY_HAVE_SCALABLE
  if constexpr (sizeof(Scalar<V>) == 4) return svmax_x(svptrue_b32(), a, b);
  else return svmax_x(svptrue_b64(), a, b);
#elif HWY_ARCH_ARM_A64
  if constexpr (sizeof(Scalar<V>) == 4) return V(vmaxq_f32(a.raw, b.raw));
  else return V(vmaxq_f64(a.raw, b.raw));
#else
  return hn::Max(a, b);
#endif
}
template <class V>
EMMY_INLINE V sqrt(V a) noexcept {
  return hn::Sqrt(a);
}

// On Armv7 g++ 12 makes four scalar comparisons of the intrinsic, since NEON's own flushes subnormals.
template <class V>
EMMY_INLINE auto less(V a, V b) noexcept {
#if defined(__arm__) && !defined(__clang__)
  uint32x4_t mask;
  __asm__("vcgt.f32 %q0, %q1, %q2" : "=w"(mask) : "w"(b.raw), "w"(a.raw));
  return hn::MaskFromVec(V(vreinterpretq_f32_u32(mask)));
#else
  return hn::Lt(a, b);
#endif
}
template <class V>
EMMY_INLINE auto less_equal(V a, V b) noexcept {
#if defined(__arm__) && !defined(__clang__)
  uint32x4_t mask;
  __asm__("vcge.f32 %q0, %q1, %q2" : "=w"(mask) : "w"(b.raw), "w"(a.raw));
  return hn::MaskFromVec(V(vreinterpretq_f32_u32(mask)));
#else
  return hn::Le(a, b);
#endif
}
template <class V>
EMMY_INLINE auto equal(V a, V b) noexcept {
  return hn::Eq(a, b);
}
template <class M, class V>
EMMY_INLINE V select(M mask, V a, V b) noexcept {
  return hn::IfThenElse(mask, a, b);
}

template <class V>
EMMY_INLINE V positive_part(V a) noexcept {
#if HWY_HAVE_SCALABLE  // with the 0 in the instruction
  if constexpr (sizeof(Scalar<V>) == 4) return svmax_n_f32_x(svptrue_b32(), a, 0.0f);
  else return svmax_n_f64_x(svptrue_b64(), a, 0.0);
#else
  return max(zero<Scalar<V>>(), a);
#endif
}

template <class V>
EMMY_INLINE V bit_and(V a, V b) noexcept {
  return hn::And(a, b);
}
template <class V>
EMMY_INLINE V bit_or(V a, V b) noexcept {
  return hn::Or(a, b);
}
template <class V>
EMMY_INLINE V bit_xor(V a, V b) noexcept {
  return hn::Xor(a, b);
}
template <int Count, class V>
EMMY_INLINE V shift_left(V a) noexcept {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<hn::DFromV<V>> bits;
  return hn::BitCast(d, hn::ShiftLeft<Count>(hn::BitCast(bits, a)));
}
template <int Count, class V>
EMMY_INLINE V shift_right(V a) noexcept {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<hn::DFromV<V>> bits;
  return hn::BitCast(d, hn::ShiftRight<Count>(hn::BitCast(bits, a)));
}

// Halves are added until one lane is left: v[i] + v[i + lanes / 2]. Highway's own SumOfLanes leaves the order to the
// compiler on AVX-512. SVE, where the halves have no static type, and NEON have instructions with a fixed tree.
template <class V>
EMMY_INLINE Scalar<V> sum(V v) noexcept {
#if HWY_HAVE_SCALABLE
  if constexpr (sizeof(Scalar<V>) == 4) return svaddv_f32(svptrue_b32(), v);
  else return svaddv_f64(svptrue_b64(), v);
#elif HWY_ARCH_ARM_A64
  if constexpr (sizeof(Scalar<V>) == 4) return vaddvq_f32(v.raw);  // (v0 + v1) + (v2 + v3)
  else return vaddvq_f64(v.raw);
#else
  using D = hn::DFromV<V>;
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return sum(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
#endif
}
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
template <class V, class M>
EMMY_INLINE bool all(M mask) noexcept {
  return hn::AllTrue(hn::DFromV<V>(), mask);
}
template <class V>
EMMY_INLINE Scalar<V> first_of(V v) noexcept {
  return hn::GetLane(v);
}
template <class V>
EMMY_INLINE Scalar<V> max_lane(V v) noexcept {
  return hn::GetLane(hn::MaxOfLanes(hn::DFromV<V>(), v));
}

}  // namespace emmy::inline EMMY_TARGET::simd
