// Scalar backend: one lane. It runs everywhere and is the definition of each word (see simd.hpp).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <emmy/core/macros.hpp>

namespace emmy::inline EMMY_TARGET::simd {

inline constexpr int kRegisters = 16;  // what a register tile may count on

template <class T>
using Vec = T;
template <class V>
using Scalar = V;  // the lane type of a vector
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T>
EMMY_INLINE constexpr std::size_t lanes() noexcept {
  return 1;
}

template <class T>
EMMY_INLINE T load(const T* p) noexcept {
  return *p;
}
template <class T>
EMMY_INLINE void store(T v, T* p) noexcept {
  *p = v;
}
template <class T>
EMMY_INLINE T load_first(const T* p, std::size_t n) noexcept {
  return n == 0 ? T(0) : *p;
}
template <class T>
EMMY_INLINE void store_first(T v, T* p, std::size_t n) noexcept {
  if (n != 0) *p = v;
}
template <class T>
EMMY_INLINE T set(T x) noexcept {
  return x;
}
template <class T>
EMMY_INLINE T zero() noexcept {
  return T(0);
}

template <class T>
EMMY_INLINE T add(T a, T b) noexcept {
  return a + b;
}
template <class T>
EMMY_INLINE T sub(T a, T b) noexcept {
  return a - b;
}
template <class T>
EMMY_INLINE T mul(T a, T b) noexcept {
  return a * b;
}
template <class T>
EMMY_INLINE T div(T a, T b) noexcept {
  return a / b;
}
template <class T>
EMMY_INLINE T neg(T a) noexcept {
  return -a;
}
template <class T>
EMMY_INLINE T abs(T a) noexcept {
  if constexpr (sizeof(T) == 4) return __builtin_fabsf(a);
  else return __builtin_fabs(a);
}
// Fused only where it is one instruction: elsewhere the builtin would call libm.
template <class T>
EMMY_INLINE T mul_add(T a, T b, T c) noexcept {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  if constexpr (sizeof(T) == 4) return __builtin_fmaf(a, b, c);
#if !defined(__ARM_FP) || (__ARM_FP & 8)
  else return __builtin_fma(a, b, c);
#endif
#endif
  return a * b + c;
}
template <class T>
EMMY_INLINE T neg_mul_add(T a, T b, T c) noexcept {
  return mul_add(-a, b, c);
}
template <class T>
EMMY_INLINE T min(T a, T b) noexcept {
  return a < b ? a : b;
}
template <class T>
EMMY_INLINE T max(T a, T b) noexcept {
  return a > b ? a : b;
}

template <class T>
EMMY_INLINE bool less(T a, T b) noexcept {
  return a < b;
}
template <class T>
EMMY_INLINE bool less_equal(T a, T b) noexcept {
  return a <= b;
}
template <class T>
EMMY_INLINE bool equal(T a, T b) noexcept {
  return a == b;
}
template <class T>
EMMY_INLINE T select(bool mask, T a, T b) noexcept {
  return mask ? a : b;
}

template <class T>
EMMY_INLINE T bit_and(T a, T b) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) & std::bit_cast<Bits<T>>(b));
}
template <class T>
EMMY_INLINE T bit_or(T a, T b) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) | std::bit_cast<Bits<T>>(b));
}
template <class T>
EMMY_INLINE T bit_xor(T a, T b) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) ^ std::bit_cast<Bits<T>>(b));
}
template <int Count, class T>
EMMY_INLINE T shift_left(T a) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) << Count);
}
template <int Count, class T>
EMMY_INLINE T shift_right(T a) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(a) >> Count);
}

// __builtin_sqrt calls libm for the errno of a negative argument unless -fno-math-errno, so the hardware's own is named.
template <class T>
EMMY_INLINE T sqrt(T a) noexcept {
#if defined(__SSE2__)
  if constexpr (sizeof(T) == 4) {
    using V = float __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtss(V{a})[0];
  } else {
    using V = double __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtsd(V{a})[0];
  }
#else
  // Newton's iteration on the integer square root of the mantissa would be needed on cores without an FPU.
  if constexpr (sizeof(T) == 4) return __builtin_sqrtf(a);
  else return __builtin_sqrt(a);
#endif
}

template <class T>
EMMY_INLINE T sum(T v) noexcept {
  return v;
}
template <class T>
EMMY_INLINE T max_lane(T v) noexcept {
  return v;
}

}  // namespace emmy::inline EMMY_TARGET::simd
