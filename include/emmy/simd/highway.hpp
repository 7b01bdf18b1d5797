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
template <class V>
EMMY_INLINE V settled(V v) noexcept {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v.raw));
#elif defined(__SSE2__)
  __asm__("" : "+x"(v.raw));
#endif
  return v;
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
EMMY_INLINE V without_tiny(V a) noexcept {
  using T = Scalar<V>;
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return V{
        _mm512_maskz_mov_ps(_mm512_test_epi32_mask(_mm512_castps_si512(a.raw), _mm512_set1_epi32(0x70000000)), a.raw)};
  else
    return V{_mm512_maskz_mov_pd(
        _mm512_test_epi64_mask(_mm512_castpd_si512(a.raw), _mm512_set1_epi64(0x7800000000000000)), a.raw)};
#else
  return hn::IfThenZeroElse(hn::Lt(abs(a), set(kTiny<T>)), a);
#endif
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
template <class V, class M>
EMMY_INLINE bool all(M mask) noexcept {
  return hn::AllTrue(hn::DFromV<V>(), mask);
}
template <class V>
EMMY_INLINE Scalar<V> first_of(V v) noexcept {
#if HWY_HAVE_SCALABLE  // Highway asks for the lane behind none
  Scalar<V> first;
  if constexpr (sizeof first == 4) __asm__("fmov %s0, %s1" : "=w"(first) : "w"(v));
  else __asm__("fmov %d0, %d1" : "=w"(first) : "w"(v));
  return first;
#else
  return hn::GetLane(v);
#endif
}
template <class V>
EMMY_INLINE Scalar<V> max_lane(V v) noexcept {
#if HWY_HAVE_SCALABLE
  if constexpr (sizeof(Scalar<V>) == 4) return svmaxnmv_f32(svptrue_b32(), v);
  else return svmaxnmv_f64(svptrue_b64(), v);
#else
  return hn::GetLane(hn::MaxOfLanes(hn::DFromV<V>(), v));
#endif
}

}  // namespace emmy::inline EMMY_TARGET::simd
