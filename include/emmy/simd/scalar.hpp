// Scalar backend: one lane. It runs everywhere and is the definition of each word (see simd.hpp).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <emmy/core/macros.hpp>

namespace emmy::inline EMMY_TARGET::simd {

// What a register tile may count on.
#if defined(__aarch64__) || defined(__ARM_FP)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif

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
EMMY_INLINE T positive_part(T a) noexcept {
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && defined(__ARM_FP)
  if constexpr (sizeof(T) == 4) {  // three instructions where a comparison takes five
    const auto bits = std::bit_cast<std::int32_t>(a);
    return std::bit_cast<T>(bits & ~(bits >> 31));
  }
#endif
  return a > T(0) || a != a ? a : T(0);
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
#if !defined(EMMY_STRICT)
  if constexpr (EMMY_FUSES_F32 && sizeof(T) == 4) return __builtin_fmaf(a, b, c);
  if constexpr (EMMY_FUSES_F64 && sizeof(T) == 8) return __builtin_fma(a, b, c);
#endif
  return a * b + c;
}
template <class T>
EMMY_INLINE T neg_mul_add(T a, T b, T c) noexcept {
  return mul_add(-a, b, c);
}
template <class T>
EMMY_INLINE T settled(T v) noexcept {
  return v;
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
EMMY_INLINE T without_tiny(T a) noexcept {
  return select(less(abs(a), kTiny<T>), T(0), a);
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

// Where no instruction gives it: digit by digit on the significand, rounded to nearest.
template <class T>
EMMY_INLINE T sqrt_by_digits(T a) noexcept {
  constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52, kBias = sizeof(T) == 4 ? 127 : 1023;
  using U = Bits<T>;
  if (!(a > T(0)) || a - a != T(0))
    return a < T(0) ? (a - a) / (a - a) : a;  // NaN below 0; 0, infinity, NaN as they are
  U bits = std::bit_cast<U>(a), significand = bits & ((U(1) << kMantissa) - 1);
  int exponent = static_cast<int>(bits >> kMantissa);
  if (exponent == 0) {
    exponent = 1;
    while ((significand >> kMantissa) == 0) {
      significand <<= 1;
      --exponent;
    }
  } else {
    significand |= U(1) << kMantissa;
  }
  exponent -= kBias;
  if ((exponent & 1) != 0) {
    significand <<= 1;
    --exponent;
  }
  // root^2 <= significand 2^mantissa + ..., one digit at a time and one more to round by.
  U root = 0, rest = significand << 1, sum = 0, digit = U(1) << (kMantissa + 1);
  for (; digit != 0; digit >>= 1) {
    const U trial = sum + digit;
    if (trial <= rest) {
      sum = trial + digit;
      rest -= trial;
      root += digit;
    }
    rest <<= 1;
  }
  if (rest != 0) root += root & 1;  // never a tie
  return std::bit_cast<T>((root >> 1) + (static_cast<U>(exponent / 2 + kBias - 1) << kMantissa));
}

// __builtin_sqrt calls libm for the errno of a negative argument unless -fno-math-errno, so the hardware's own is named.
template <class T>
EMMY_INLINE T sqrt(T a) noexcept {
#if defined(__aarch64__)
  T root;
  if constexpr (sizeof(T) == 4) __asm__("fsqrt %s0, %s1" : "=w"(root) : "w"(a));
  else __asm__("fsqrt %d0, %d1" : "=w"(root) : "w"(a));
  return root;
#elif defined(__ARM_FP)
  if constexpr (sizeof(T) == 4) {
    T root;
    __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(a));
    return root;
  } else {
#if (__ARM_FP & 8)
    T root;
    __asm__("vsqrt.f64 %P0, %P1" : "=w"(root) : "w"(a));
    return root;
#else
    return sqrt_by_digits(a);
#endif
  }
#elif defined(__SSE2__)
  if constexpr (sizeof(T) == 4) {
    using V = float __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtss(V{a})[0];
  } else {
    using V = double __attribute__((vector_size(16)));
    return __builtin_ia32_sqrtsd(V{a})[0];
  }
#else
  return sqrt_by_digits(a);
#endif
}

template <class T>
EMMY_INLINE T sum(T v) noexcept {
  return v;
}
template <class T>
inline constexpr bool kFoldsSums = false;
template <class T>
inline constexpr bool kTransposes = false;
template <class V, class... R>
V lane_sums(V, R...) = delete;
template <class V, class... R>
void transpose(V&, R&...) = delete;
template <class T>
EMMY_INLINE void store_sums(T a, T b, T c, T d, T* p) noexcept {
  p[0] = a, p[1] = b, p[2] = c, p[3] = d;
}
template <class T>
inline constexpr bool kHasColumns = false;
template <int Count, class V, class T>
void store_columns(V, V, V, V, T*, std::size_t) = delete;
template <class V>
EMMY_INLINE bool all(bool mask) noexcept {
  return mask;
}
template <class T>
EMMY_INLINE T first_of(T v) noexcept {
  return v;
}
template <class T>
EMMY_INLINE T max_lane(T v) noexcept {
  return v;
}

}  // namespace emmy::inline EMMY_TARGET::simd
