// The exponentials of a softmax (see ../softmax.hpp) on Helium: constants in core registers, what is behind a row left out by the
// loop. g++ 12 takes 44 instructions for a vector, most of them to bring constants; here 25.
#pragma once

#include <emmy/kernels/transcendental.hpp>

#define EMMY_HAS_EXP_ROW

namespace emmy::inline EMMY_TARGET {

struct ExpRow {
  float largest, sum;
};

// p[o] = exp(y[o] - largest), o < n, in the bits of exp_of_negative, and their sum; n > 0, p may be y.
EMMY_OUTLINE ExpRow exp_row(const float* y, float* p, int n) noexcept {
  static constexpr auto c = transcendental::kNumbers<float>;
  // clang-format off
  static constexpr float kConstants[] = {
      c.round + float(c.kBias), c.exp[0], c.exp_normal,
      c.inverse_ln2, -c.ln2_hi, -c.ln2_lo, c.exp[1], c.exp[2], c.exp[3], c.exp[4]};
  // clang-format on
  float top = *y;
  const float* next = y;
  __asm__ volatile(
      "dlstp.32 lr, %[n]\n"
      "1:\n"
      "vldrw.u32 q0, [%[next]], #16\n"
      "vmaxnmv.f32 %[top], q0\n"
      "letp lr, 1b\n"
      : [next] "+&r"(next), [top] "+&r"(top)
      : [n] "r"(n)
      : "memory", "cc", "lr", "q0");
  float32x4_t sums = vdupq_n_f32(0.0f);
  const float* constants = kConstants;
  // clang-format off
  __asm__ volatile(
      "ldm %[c]!, {r4, r5, r6}\n"
      "vdup.32 q5, r4\n"
      "vdup.32 q6, r5\n"
      "vdup.32 q7, r6\n"
      "ldm %[c], {r4, r5, r6, r8, r10, r11, r12}\n"
      "dlstp.32 lr, %[n]\n"
      "1:\n"
      "vldrw.u32 q0, [%[y]], #16\n"
      "vsub.f32 q0, q0, %[top]\n"
      "vcmp.f32 gt, q7, q0\n"  // below the normal numbers; not NaN
      "vorr q1, q5, q5\n"
      "vfma.f32 q1, q0, r4\n"
      "vsub.f32 q2, q1, q5\n"
      "vfma.f32 q0, q2, r5\n"
      "vfma.f32 q0, q2, r6\n"
      "vorr q3, q6, q6\n"
      "vfmas.f32 q3, q0, r8\n"
      "vfmas.f32 q3, q0, r10\n"
      "vfmas.f32 q3, q0, r11\n"
      "vfmas.f32 q3, q0, r12\n"
      "vmul.f32 q2, q0, q0\n"
      "vfma.f32 q0, q2, q3\n"
      "vmov.f32 q2, #1.0\n"
      "vshl.i32 q1, q1, #23\n"
      "vadd.f32 q0, q0, q2\n"
      "vmul.f32 q0, q0, q1\n"
      "vpst\n"
      "vmovt.i32 q0, #0\n"
      "vadd.f32 %q[sums], %q[sums], q0\n"
      "vstrw.32 q0, [%[p]], #16\n"
      "letp lr, 1b\n"
      : [y] "+&r"(y), [p] "+&r"(p), [c] "+&r"(constants), [sums] "+&w"(sums)
      : [n] "r"(n), [top] "r"(top)
      : "memory", "cc", "lr", "r4", "r5", "r6", "r8", "r10", "r11", "r12", "q0", "q1", "q2", "q3", "q5", "q6", "q7");
  // clang-format on
  return {top, simd::sum(sums)};
}

}  // namespace emmy::inline EMMY_TARGET
