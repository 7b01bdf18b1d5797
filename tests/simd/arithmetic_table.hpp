// How the words of each target treat what IEEE 754 leaves no choice in: docs/arm.md shows this table, and
// tests/simd/arithmetic_test.cpp and tests/device hold every target to its row.
#pragma once

#include <emmy/simd/simd.hpp>

namespace arithmetic {

// Subnormal operands and results.
enum class Subnormals : unsigned char { kept, flushed };
// mul_add(a, b, c): rounded once, or after the product too.
enum class MulAdd : unsigned char { fused, separate };
// div and sqrt: rounded correctly, or Newton iterations that are off by some units in the last place.
enum class Roots : unsigned char { exact, newton };

struct Row {
  const char* target;
  Subnormals subnormals;
  MulAdd mul_add;
  Roots roots;
};

// clang-format off
inline constexpr Row kTable[] = {
    {"x86 scalar", Subnormals::kept, MulAdd::separate, Roots::exact},
    {"x86 xsimd sse2", Subnormals::kept, MulAdd::separate, Roots::exact},
    {"x86 sse4", Subnormals::kept, MulAdd::separate, Roots::exact},
    {"x86 avx2", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"x86 avx3", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"AArch64 scalar", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"AArch64 neon", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"AArch64 sve", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"Armv7 scalar", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"Armv7 neon", Subnormals::flushed, MulAdd::separate, Roots::newton},  // Highway 1.0.3 with g++: vmla
    {"M0+ scalar", Subnormals::kept, MulAdd::separate, Roots::exact},
    {"M4F, M7, M33, M55 scalar", Subnormals::kept, MulAdd::fused, Roots::exact},
    {"M55 helium", Subnormals::flushed, MulAdd::fused, Roots::exact},
};
// clang-format on

// The row of this build.
constexpr const char* target_of_this_build() {
#if defined(__x86_64__)
#if defined(EMMY_BACKEND_SCALAR)
  return "x86 scalar";  // without flags for FMA: cmake/EmmyTargets.cmake
#elif defined(__AVX512F__)
  return "x86 avx3";
#elif defined(__AVX2__)
  return "x86 avx2";
#elif defined(__SSE4_2__)
  return "x86 sse4";
#else
  return "x86 xsimd sse2";
#endif
#elif defined(__aarch64__)
#if defined(EMMY_BACKEND_SCALAR)
  return "AArch64 scalar";
#elif defined(__ARM_FEATURE_SVE)
  return "AArch64 sve";
#else
  return "AArch64 neon";
#endif
#elif defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#if defined(EMMY_BACKEND_HELIUM)
  return "M55 helium";
#elif defined(__ARM_FEATURE_FMA)
  return "M4F, M7, M33, M55 scalar";
#else
  return "M0+ scalar";
#endif
#elif defined(__arm__)
#if defined(EMMY_BACKEND_SCALAR)
  return "Armv7 scalar";
#else
  return "Armv7 neon";
#endif
#endif
}

constexpr bool same_text(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
}
constexpr const Row& row_of_this_build() {
  for (const Row& row : kTable) {
    if (same_text(row.target, target_of_this_build())) return row;
  }
  __builtin_unreachable();  // not a constant expression: a target without a row does not compile
}
inline constexpr const Row& kRow = row_of_this_build();
inline constexpr bool kFused = kRow.mul_add == MulAdd::fused;
inline constexpr bool kFlushes = kRow.subnormals == Subnormals::flushed;
inline constexpr bool kNewton = kRow.roots == Roots::newton;

// What arithmetic takes x for: where the target flushes, a subnormal operand or result is a zero of its sign.
template <class T>
T seen(T x) {
  constexpr T kSmallest = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);
  if (!kFlushes || x >= kSmallest || x <= -kSmallest || x != x) return x;
  return sizeof(T) == 4 ? T(__builtin_copysignf(0.0f, float(x))) : T(__builtin_copysign(0.0, double(x)));
}

}  // namespace arithmetic
