// xsimd backend (8.1): x86 from plain SSE2 on, NEON of AArch64. The words are defined in simd.hpp.
#pragma once

// g++ 12 reports its own AVX-512 intrinsics as uninitialised wherever they are inlined, judged by where they were first
// read; and xsimd passes run-time shift counts to intrinsics that are macros at -O0, unless told to use the others.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#if defined(__AVX512F__) && !defined(XSIMD_AVX512_SHIFT_INTRINSICS_IMM_ONLY)
#define XSIMD_AVX512_SHIFT_INTRINSICS_IMM_ONLY 1
#endif
#include <xsimd/xsimd.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <emmy/core/macros.hpp>

namespace emmy::inline EMMY_TARGET::simd {

// The architecture is named, not left to xsimd's default, which also knows steps between ours (SSSE3, AVX without 2).
namespace xsimd_arch {
#if defined(__aarch64__)
using neon = xsimd::neon64;
#else
using neon = xsimd::unavailable;
#endif
using portable = xsimd::unavailable;
using sse2 = xsimd::sse2;
using sse4 = xsimd::sse4_2;
using avx2 = xsimd::fma3<xsimd::avx2>;
using avx3 = xsimd::avx512bw;
using sve = xsimd::unavailable;
}  // namespace xsimd_arch
using Arch = xsimd_arch::EMMY_ISA;
static_assert(
    Arch::supported(),
    "emmy: xsimd does not offer the instruction set of these compiler flags: it has SSE2, SSE4.2, AVX2 with "
    "FMA, AVX-512 and NEON (AArch64), unless an XSIMD_WITH_... macro turns it off; SVE needs EMMY_BACKEND_HIGHWAY");

#if defined(__aarch64__) || defined(__AVX512F__)
inline constexpr int kRegisters = 32;  // what a register tile may count on
#else
inline constexpr int kRegisters = 16;
#endif

template <class T>
using Vec = xsimd::batch<T, Arch>;
template <class V>
using Scalar = typename V::value_type;  // the lane type of a vector
template <class T>
using Bits = xsimd::batch<std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>, Arch>;

template <class T>
EMMY_INLINE constexpr std::size_t lanes() noexcept {
  return Vec<T>::size;
}

template <class T>
EMMY_INLINE Vec<T> set(T x) noexcept {
  return Vec<T>(x);
}
template <class T>
EMMY_INLINE Vec<T> zero() noexcept {
  return Vec<T>(T(0));
}
template <class T>
EMMY_INLINE Vec<T> load(const T* p) noexcept {
  return Vec<T>::load_unaligned(p);
}
template <class T>
EMMY_INLINE void store(xsimd::batch<T, Arch> v, T* p) noexcept {
  v.store_unaligned(p);
}

// xsimd 8.1 has no masked access.
template <class T>
EMMY_INLINE Vec<T> load_first(const T* p, std::size_t n) noexcept {
  alignas(Vec<T>) T part[lanes<T>()];
  for (std::size_t i = 0; i < lanes<T>(); ++i) part[i] = i < n ? p[i] : T(0);
  return Vec<T>::load_aligned(part);
}
template <class T>
EMMY_INLINE void store_first(xsimd::batch<T, Arch> v, T* p, std::size_t n) noexcept {
  alignas(Vec<T>) T part[lanes<T>()];
  v.store_aligned(part);
  for (std::size_t i = 0; i < lanes<T>(); ++i) {
    if (i < n) p[i] = part[i];
  }
}

template <class V>
EMMY_INLINE V add(V a, V b) noexcept {
  return a + b;
}
template <class V>
EMMY_INLINE V sub(V a, V b) noexcept {
  return a - b;
}
template <class V>
EMMY_INLINE V mul(V a, V b) noexcept {
  return a * b;
}
// Not xsimd's on NEON: in f32 it is a reciprocal estimate with two corrections, wrong by some ulp, and so is its sqrt.
template <class V>
EMMY_INLINE V div(V a, V b) noexcept {
#if defined(__aarch64__)
  if constexpr (sizeof(Scalar<V>) == 4) return vdivq_f32(a, b);
#endif
  return a / b;
}
// Not xsimd's: its AVX-512 negation is 0 - a, which loses the sign of a zero.
template <class V>
EMMY_INLINE V neg(V a) noexcept {
  return a ^ V(Scalar<V>(-0.0));
}
template <class V>
EMMY_INLINE V abs(V a) noexcept {
  return xsimd::abs(a);
}
// xsimd 8.1 multiplies, then adds, on AVX-512.
template <class V>
EMMY_INLINE V mul_add(V a, V b, V c) noexcept {
#if defined(EMMY_STRICT)
  return add(mul(a, b), c);
#elif defined(__AVX512F__)
  if constexpr (sizeof(Scalar<V>) == 4) return _mm512_fmadd_ps(a, b, c);
  else return _mm512_fmadd_pd(a, b, c);
#else
  return xsimd::fma(a, b, c);
#endif
}
template <class V>
EMMY_INLINE V neg_mul_add(V a, V b, V c) noexcept {
#if defined(EMMY_STRICT)
  return sub(c, mul(a, b));
#elif defined(__AVX512F__)
  if constexpr (sizeof(Scalar<V>) == 4) return _mm512_fnmadd_ps(a, b, c);
  else return _mm512_fnmadd_pd(a, b, c);
#elif defined(__FMA__)
  return xsimd::fnma(a, b, c);
#else
  return mul_add(neg(a), b, c);
#endif
}
template <class V>
EMMY_INLINE V settled(V v) noexcept {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v.data));
#elif defined(__SSE2__)
  __asm__("" : "+x"(v.data));
#endif
  return v;
}
template <class V>
EMMY_INLINE V min(V a, V b) noexcept {
  return xsimd::min(a, b);
}
template <class V>
EMMY_INLINE V max(V a, V b) noexcept {
  return xsimd::max(a, b);
}
template <class V>
EMMY_INLINE V sqrt(V a) noexcept {
#if defined(__aarch64__)
  if constexpr (sizeof(Scalar<V>) == 4) return vsqrtq_f32(a);
#endif
  return xsimd::sqrt(a);
}

template <class V>
EMMY_INLINE auto less(V a, V b) noexcept {
  return a < b;
}
template <class V>
EMMY_INLINE auto less_equal(V a, V b) noexcept {
  return a <= b;
}
template <class V>
EMMY_INLINE auto equal(V a, V b) noexcept {
  return a == b;
}
template <class M, class V>
EMMY_INLINE V select(M mask, V a, V b) noexcept {
  return xsimd::select(mask, a, b);
}
template <class V>
EMMY_INLINE V without_tiny(V a) noexcept {
  return select(less(abs(a), set(kTiny<Scalar<V>>)), zero<Scalar<V>>(), a);
}

template <class V>
EMMY_INLINE V positive_part(V a) noexcept {
  return max(zero<Scalar<V>>(), a);
}

template <class V>
EMMY_INLINE V bit_and(V a, V b) noexcept {
  return a & b;
}
template <class V>
EMMY_INLINE V bit_or(V a, V b) noexcept {
  return a | b;
}
template <class V>
EMMY_INLINE V bit_xor(V a, V b) noexcept {
  return a ^ b;
}
template <int Count, class V>
EMMY_INLINE V shift_left(V a) noexcept {
  return xsimd::bitwise_cast<V>(xsimd::bitwise_cast<Bits<Scalar<V>>>(a) << Count);
}
template <int Count, class V>
EMMY_INLINE V shift_right(V a) noexcept {
  return xsimd::bitwise_cast<V>(xsimd::bitwise_cast<Bits<Scalar<V>>>(a) >> Count);
}

// Halves are added until one lane is left: v[i] + v[i + lanes / 2], the order of the Highway backend.
template <class V>
EMMY_INLINE Scalar<V> sum(V v) noexcept {
  alignas(V) Scalar<V> part[V::size];
  v.store_aligned(part);
  for (std::size_t half = V::size / 2; half != 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) part[i] = part[i] + part[i + half];
  }
  return part[0];
}
template <class T>
inline constexpr bool kFoldsSums = false;
template <class T>
inline constexpr bool kTransposes = false;
template <class V, class... R>
V lane_sums(V, R...) = delete;
template <class V, class... R>
void transpose(V&, R&...) = delete;
template <class V>
EMMY_INLINE void store_sums(V a, V b, V c, V d, Scalar<V>* p) noexcept {
  p[0] = sum(a), p[1] = sum(b), p[2] = sum(c), p[3] = sum(d);
}
template <class T>
inline constexpr bool kHasColumns = false;
template <int Count, class V, class T>
void store_columns(V, V, V, V, T*, std::size_t) = delete;
template <class V, class M>
EMMY_INLINE bool all(M mask) noexcept {
  return xsimd::all(mask);
}
template <class V>
EMMY_INLINE Scalar<V> first_of(V v) noexcept {
  Scalar<V> part[V::size];
  v.store_unaligned(part);
  return part[0];
}
template <class V>
EMMY_INLINE Scalar<V> max_lane(V v) noexcept {
  alignas(V) Scalar<V> part[V::size];
  v.store_aligned(part);
  Scalar<V> largest = part[0];
  for (std::size_t i = 1; i < V::size; ++i) largest = part[i] > largest ? part[i] : largest;
  return largest;
}

}  // namespace emmy::inline EMMY_TARGET::simd
