// Rows of values of Cortex-M with a floating-point unit (see panel.hpp), by several registers at once. What looks at signs
// does so in core registers: a comparison of floats takes four instructions to come back from the floating-point unit.
#pragma once

#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {

// clang-format off
// The sum of n squares. Of a long row: 1.2 instructions a value, where g++ 12 takes 2.5.
#define EMMY_HAS_ROW_SQUARES
EMMY_OUTLINE float row_squares(const float* p, int n) noexcept {
  float sum = 0;
  __asm__ volatile(
      "vmov s16, %[sum]\nvmov s17, %[sum]\n"
      "subs %[n], %[n], #8\n"
      "blt 2f\n"
      "1:\n"
      "vldmia %[p]!, {s24-s31}\n"
      "vfma.f32 s16, s24, s24\nvfma.f32 s17, s25, s25\nvfma.f32 s16, s26, s26\nvfma.f32 s17, s27, s27\n"
      "vfma.f32 s16, s28, s28\nvfma.f32 s17, s29, s29\nvfma.f32 s16, s30, s30\nvfma.f32 s17, s31, s31\n"
      "subs %[n], %[n], #8\n"
      "bge 1b\n"
      "2:\n"
      "adds %[n], %[n], #8\n"
      "beq 4f\n"
      "3:\n"
      "vldmia %[p]!, {s24}\n"
      "subs %[n], %[n], #1\n"
      "vfma.f32 s16, s24, s24\n"
      "bne 3b\n"
      "4:\n"
      "vadd.f32 s16, s16, s17\n"
      "vmov %[sum], s16\n"
      : [p] "+&r"(p), [n] "+&r"(n), [sum] "+&r"(sum)
      :
      : "memory", "cc", "s16", "s17", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
  return sum;
}

#if defined(__ARM_FEATURE_DSP)
#define EMMY_HAS_RECTIFIED_ROWS
// y = max(y, 0) of n values, a multiple of four; NaN stays NaN: of all that have the sign set, the saturating sum is not
// negative only for NaN.
EMMY_OUTLINE void rectify_row(float* y, int n) noexcept {
  int t;
  __asm__ volatile(
      "1:\n"
      "ldm %[y], {r4, r5, r6, r8}\n"
      "subs %[n], %[n], #4\n"
      "qadd %[t], r4, %[below_infinity]\nbic r4, r4, %[t], asr #31\n"
      "qadd %[t], r5, %[below_infinity]\nbic r5, r5, %[t], asr #31\n"
      "qadd %[t], r6, %[below_infinity]\nbic r6, r6, %[t], asr #31\n"
      "qadd %[t], r8, %[below_infinity]\nbic r8, r8, %[t], asr #31\n"
      "stm %[y]!, {r4, r5, r6, r8}\n"
      "bne 1b\n"
      : [y] "+&r"(y), [n] "+&r"(n), [t] "=&r"(t)
      : [below_infinity] "r"(0x007f'ffff)
      : "memory", "cc", "r4", "r5", "r6", "r8");
}
// dx = y > 0 ? dx : 0 of n values, a multiple of four; y is no NaN.
EMMY_OUTLINE void rectify_delta(float* dx, const float* y, int n) noexcept {
  __asm__ volatile(
      "1:\n"
      "ldm %[y]!, {r4, r5, r6, r8}\n"
      "ldm %[dx], {r9, r10, r11, r12}\n"
      "subs %[n], %[n], #4\n"
      "qsub r4, r4, %[one]\nbic r9, r9, r4, asr #31\n"
      "qsub r5, r5, %[one]\nbic r10, r10, r5, asr #31\n"
      "qsub r6, r6, %[one]\nbic r11, r11, r6, asr #31\n"
      "qsub r8, r8, %[one]\nbic r12, r12, r8, asr #31\n"
      "stm %[dx]!, {r9, r10, r11, r12}\n"
      "bne 1b\n"
      : [dx] "+&r"(dx), [y] "+&r"(y), [n] "+&r"(n)
      : [one] "r"(1)
      : "memory", "cc", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12");
}
#endif
// clang-format on

}  // namespace emmy::inline EMMY_TARGET
