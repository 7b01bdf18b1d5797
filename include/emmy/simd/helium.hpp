// Helium backend: MVE of Cortex-M55, four lanes of f32. The words are defined in simd.hpp; MVE flushes subnormals, so
// strict text does not use it (simd.hpp chooses scalar).
//
// GCC 12.2 describes the memory of the load and store intrinsics (vld1q, vldrwq, vst1q, vstrwq and their predicated
// forms) as a single element: neighbouring scalar accesses are then deleted or moved across them, silently
// (tests/device/mve_alias_test.cpp shows it). So this file, and any MVE text of a user's, loads and stores through a
// may_alias vector lvalue only, and has no predicated store: part vectors go through an array.
#pragma once

#include <arm_mve.h>

#include <cstddef>
#include <cstdint>

#include <emmy/core/macros.hpp>

namespace emmy::inline EMMY_TARGET::simd {

inline constexpr int kRegisters = 8;  // what a register tile may count on

using Memory = float32x4_t __attribute__((may_alias, aligned(4)));

template <class T>
struct Lane {
  static_assert(sizeof(T) == 4, "emmy: Helium has no double; use Net<...> in f32 or EMMY_BACKEND_SCALAR");
  using vector = float32x4_t;
};
template <class T>
using Vec = typename Lane<T>::vector;
template <class V>
using Scalar = float;

template <class T>
EMMY_INLINE constexpr std::size_t lanes() noexcept {
  return 4;
}

template <class T>
EMMY_INLINE Vec<T> load(const T* p) noexcept {
  return *reinterpret_cast<const Memory*>(p);
}
EMMY_INLINE void store(float32x4_t v, float* p) noexcept { *reinterpret_cast<Memory*>(p) = v; }
template <class T>
EMMY_INLINE Vec<T> load_first(const T* p, std::size_t n) noexcept {
  alignas(16) T part[4];
  for (std::size_t i = 0; i < 4; ++i) part[i] = i < n ? p[i] : T(0);
  return load(static_cast<const T*>(part));
}
EMMY_INLINE void store_first(float32x4_t v, float* p, std::size_t n) noexcept {
  alignas(16) float part[4];
  store(v, part);
  for (std::size_t i = 0; i < 4; ++i) {
    if (i < n) p[i] = part[i];
  }
}
EMMY_INLINE float32x4_t set(float x) noexcept { return vdupq_n_f32(x); }
template <class T>
EMMY_INLINE Vec<T> zero() noexcept {
  return vdupq_n_f32(0.0f);
}

EMMY_INLINE float32x4_t add(float32x4_t a, float32x4_t b) noexcept { return vaddq_f32(a, b); }
EMMY_INLINE float32x4_t sub(float32x4_t a, float32x4_t b) noexcept { return vsubq_f32(a, b); }
EMMY_INLINE float32x4_t mul(float32x4_t a, float32x4_t b) noexcept { return vmulq_f32(a, b); }
EMMY_INLINE float32x4_t neg(float32x4_t a) noexcept { return vnegq_f32(a); }
EMMY_INLINE float32x4_t abs(float32x4_t a) noexcept { return vabsq_f32(a); }
EMMY_INLINE float32x4_t mul_add(float32x4_t a, float32x4_t b, float32x4_t c) noexcept { return vfmaq_f32(c, a, b); }
// Of a constant: in a core register it needs no vector of its own.
EMMY_INLINE float32x4_t mul_add(float32x4_t a, float32x4_t b, float c) noexcept { return vfmasq_n_f32(a, b, c); }
EMMY_INLINE float32x4_t neg_mul_add(float32x4_t a, float32x4_t b, float32x4_t c) noexcept { return vfmsq_f32(c, a, b); }
EMMY_INLINE float32x4_t settled(float32x4_t v) noexcept { return v; }

// MVE neither divides nor takes roots: lane by lane in the scalar unit.
EMMY_INLINE float32x4_t div(float32x4_t a, float32x4_t b) noexcept {
  float32x4_t q = vdupq_n_f32(vgetq_lane_f32(a, 0) / vgetq_lane_f32(b, 0));
  q = vsetq_lane_f32(vgetq_lane_f32(a, 1) / vgetq_lane_f32(b, 1), q, 1);
  q = vsetq_lane_f32(vgetq_lane_f32(a, 2) / vgetq_lane_f32(b, 2), q, 2);
  return vsetq_lane_f32(vgetq_lane_f32(a, 3) / vgetq_lane_f32(b, 3), q, 3);
}
EMMY_INLINE float root_of(float a) noexcept {
  float root;
  __asm__("vsqrt.f32 %0, %1" : "=t"(root) : "t"(a));
  return root;
}
EMMY_INLINE float32x4_t sqrt(float32x4_t a) noexcept {
  float32x4_t r = vdupq_n_f32(root_of(vgetq_lane_f32(a, 0)));
  r = vsetq_lane_f32(root_of(vgetq_lane_f32(a, 1)), r, 1);
  r = vsetq_lane_f32(root_of(vgetq_lane_f32(a, 2)), r, 2);
  return vsetq_lane_f32(root_of(vgetq_lane_f32(a, 3)), r, 3);
}

// LT and LE of MVE hold for NaN too; GT and GE do not.
// clang 19 turns GT with a broadcast on its left back into LT with a scalar; the barrier hides that it is one.
EMMY_INLINE mve_pred16_t less(float32x4_t a, float32x4_t b) noexcept {
  __asm__("" : "+w"(b));
  return vcmpgtq_f32(b, a);
}
EMMY_INLINE mve_pred16_t less_equal(float32x4_t a, float32x4_t b) noexcept {
  __asm__("" : "+w"(b));
  return vcmpgeq_f32(b, a);
}
EMMY_INLINE mve_pred16_t equal(float32x4_t a, float32x4_t b) noexcept { return vcmpeqq_f32(a, b); }
EMMY_INLINE float32x4_t select(mve_pred16_t mask, float32x4_t a, float32x4_t b) noexcept {
  return vpselq_f32(a, b, mask);
}
EMMY_INLINE float32x4_t without_tiny(float32x4_t a) noexcept {
  return select(less(abs(a), set(kTiny<float>)), zero<float>(), a);
}

// Not vminnm and vmaxnm, which prefer a number to NaN.
EMMY_INLINE float32x4_t min(float32x4_t a, float32x4_t b) noexcept { return select(less(a, b), a, b); }
EMMY_INLINE float32x4_t max(float32x4_t a, float32x4_t b) noexcept { return select(less(b, a), a, b); }

// As integers, negative numbers are below 0 and NaN, which results of MVE have with a clear sign, above.
EMMY_INLINE float32x4_t positive_part(float32x4_t a) noexcept {
  return vreinterpretq_f32_s32(vmaxq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(0)));
}
EMMY_INLINE uint32x4_t bits(float32x4_t a) noexcept { return vreinterpretq_u32_f32(a); }
EMMY_INLINE float32x4_t from_bits(uint32x4_t a) noexcept { return vreinterpretq_f32_u32(a); }
EMMY_INLINE float32x4_t bit_and(float32x4_t a, float32x4_t b) noexcept {
  return from_bits(vandq_u32(bits(a), bits(b)));
}
EMMY_INLINE float32x4_t bit_or(float32x4_t a, float32x4_t b) noexcept { return from_bits(vorrq_u32(bits(a), bits(b))); }
EMMY_INLINE float32x4_t bit_xor(float32x4_t a, float32x4_t b) noexcept {
  return from_bits(veorq_u32(bits(a), bits(b)));
}
template <int Count>
EMMY_INLINE float32x4_t shift_left(float32x4_t a) noexcept {
  return from_bits(vshlq_n_u32(bits(a), Count));
}
template <int Count>
EMMY_INLINE float32x4_t shift_right(float32x4_t a) noexcept {
  return from_bits(vshrq_n_u32(bits(a), Count));
}

// Halves are added until one lane is left, as everywhere.
EMMY_INLINE float sum(float32x4_t v) noexcept {
#if defined(__OPTIMIZE__) && !defined(__clang__)  // g++ takes two moves for each lane
  register float32x4_t lanes __asm__("q0") = v;
  __asm__("vadd.f32 s0, s0, s2\nvadd.f32 s1, s1, s3\nvadd.f32 s0, s0, s1" : "+w"(lanes));
  return vgetq_lane_f32(lanes, 0);
#endif
  return (vgetq_lane_f32(v, 0) + vgetq_lane_f32(v, 2)) + (vgetq_lane_f32(v, 1) + vgetq_lane_f32(v, 3));
}
// MVE has no sum of float lanes: a de-interleaving load turns four vectors into the four vectors of their lanes.
template <class T>
inline constexpr bool kFoldsSums = true;
template <class T>
inline constexpr bool kTransposes = false;
EMMY_INLINE float32x4_t lane_sums(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d) noexcept {
  alignas(16) float all[16];
  store(a, all), store(b, all + 4), store(c, all + 8), store(d, all + 12);
  float32x4_t s;
  __asm__(
      "vld40.32 {q0, q1, q2, q3}, [%1]\nvld41.32 {q0, q1, q2, q3}, [%1]\n"
      "vld42.32 {q0, q1, q2, q3}, [%1]\nvld43.32 {q0, q1, q2, q3}, [%1]\n"
      "vadd.f32 q0, q0, q2\nvadd.f32 q1, q1, q3\nvadd.f32 %q0, q0, q1"
      : "=w"(s)
      : "r"(all), "m"(all)
      : "q0", "q1", "q2", "q3");
  return s;
}
EMMY_INLINE void store_sums(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d, float* p) noexcept {
  store(lane_sums(a, b, c, d), p);
}
template <class T>
inline constexpr bool kHasColumns = false;
template <int Count, class V, class T>
void store_columns(V, V, V, V, T*, std::size_t) = delete;
template <class V, class... R>
void transpose(V&, R&...) = delete;
template <class V>
EMMY_INLINE bool all(mve_pred16_t mask) noexcept {
  return mask == 0xffff;
}
EMMY_INLINE float first_of(float32x4_t v) noexcept { return vgetq_lane_f32(v, 0); }
EMMY_INLINE float max_lane(float32x4_t v) noexcept { return vmaxnmvq_f32(vgetq_lane_f32(v, 0), v); }

}  // namespace emmy::inline EMMY_TARGET::simd
