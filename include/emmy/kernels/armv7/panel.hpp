// NEON panels of Armv7 (see panel.hpp): up to eight registers of a row by one vldm, x by lane.
// g++ 12 loads register by register, makes an address for each and a vector of each x: 64-32-10 takes 7,716 instructions a
// step with portable text, 2,894 with this. vmla rounds twice, as mul_add does here; where that is fused (clang) portable text
// serves, since no instruction fuses by lane.
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 4, kWidestPanel = 32, kPanelRows = 8, kWidestDots = 16;

// A row as wide as the panel ends where the next one starts.
consteval int panel_step(int cols, int stride) { return cols == stride ? stride : 0; }
consteval int panel_rest(int n) { return n == 0 || n % kPanelRows != 0; }

// q8-q15 hold the sums or v, d0-d3 eight values of x, q2-q5 sixteen columns of a row, then those beyond. What belongs to
// vector j is assembled where the panel has it.
// clang-format off
#define EMMY_VECTOR(j, text) ".if %c[cols] > 4 * " #j "\n" text "\n.endif\n"
#define EMMY_FIRST(f, x) f(0, 8, 2, x) f(1, 9, 3, x) f(2, 10, 4, x) f(3, 11, 5, x)
#define EMMY_BEYOND(f, x) f(4, 12, 2, x) f(5, 13, 3, x) f(6, 14, 4, x) f(7, 15, 5, x)
#define EMMY_SUMS(op, p) op " %[" p "], {d16-d%c[last_sum]}\n"
#define EMMY_LAST(op, p) op " " p ", {d4-d%c[last_of_row]}\n"
#define EMMY_ADD_PRODUCT(j, v, w, x) EMMY_VECTOR(j, "vmla.f32 q" #v ", q" #w ", " x)
#define EMMY_TAKE_PRODUCT(j, v, w, x) EMMY_VECTOR(j, "vmls.f32 q" #w ", q" #v ", " x)
#define EMMY_TAKE(j, v, w, x) EMMY_VECTOR(j, "vsub.f32 q" #w ", q" #w ", q" #v)
#define EMMY_SCALE(j, v, w, x) EMMY_VECTOR(j, "vmul.f32 q" #v ", q" #v ", d0[0]")
// The last move steps to the next row, or an addition after it.
#define EMMY_STEP(op)                                                        \
  ".if %c[whole]\n" EMMY_LAST(op, "%[w]!")                                   \
  ".else\n" EMMY_LAST(op, "%[w]") "add %[w], %[w], %[stride]\n.endif\n"
#define EMMY_FORWARD_ROW(x)                                                  \
  ".if %c[cols] > 16\n"                                                      \
  "vldmia %[w]!, {d4-d11}\n"                                                 \
  EMMY_FIRST(EMMY_ADD_PRODUCT, x)                                            \
  EMMY_STEP("vldmia")                                                        \
  EMMY_BEYOND(EMMY_ADD_PRODUCT, x)                                           \
  ".else\n"                                                                  \
  EMMY_STEP("vldmia")                                                        \
  EMMY_FIRST(EMMY_ADD_PRODUCT, x)                                            \
  ".endif\n"
// p[j] += or -= something, in one or two parts.
#define EMMY_CHANGE(p, column, x, end)                                       \
  ".if %c[cols] > 16\n"                                                      \
  "vldmia %[" p "], {d4-d11}\n"                                              \
  EMMY_FIRST(column, x)                                                      \
  "vstmia %[" p "]!, {d4-d11}\n"                                             \
  EMMY_LAST("vldmia", "%[" p "]")                                            \
  EMMY_BEYOND(column, x)                                                     \
  ".else\n"                                                                  \
  EMMY_LAST("vldmia", "%[" p "]")                                            \
  EMMY_FIRST(column, x)                                                      \
  ".endif\n" end
#define EMMY_UPDATE_ROW(x) EMMY_CHANGE("w", EMMY_TAKE_PRODUCT, x, EMMY_STEP("vstmia"))

// Rows by eight, then one by one.
#define EMMY_ROWS(row)                                                       \
  "subs %[n], %[n], #8\n"                                                    \
  "blt 2f\n"                                                                 \
  "1:\n"                                                                     \
  "vld1.32 {d0-d3}, [%[x]]!\n"                                               \
  row("d0[0]") row("d0[1]") row("d1[0]") row("d1[1]")                        \
  row("d2[0]") row("d2[1]") row("d3[0]") row("d3[1]")                        \
  "subs %[n], %[n], #8\n"                                                    \
  "bge 1b\n"                                                                 \
  "2:\n"                                                                     \
  ".if %c[rest]\n"                                                           \
  "adds %[n], %[n], #8\n"                                                    \
  "beq 4f\n"                                                                 \
  "3:\n"                                                                     \
  "vld1.32 {d0[0]}, [%[x]]!\n"                                               \
  row("d0[0]")                                                               \
  "subs %[n], %[n], #1\n"                                                    \
  "bne 3b\n"                                                                 \
  "4:\n"                                                                     \
  ".endif\n"
#define EMMY_CONSTANTS                                                       \
  [stride] "r"(stride * 4 - (Cols > 16 ? 64 : 0)), [cols] "i"(Cols), [last_sum] "i"(15 + Cols / 2), \
  [last_of_row] "i"(3 + (Cols > 16 ? Cols - 16 : Cols) / 2), [rest] "i"(Rest), [whole] "i"(Step > 0 ? 1 : 0)
#define EMMY_CLOBBERED                                                       \
  "memory", "cc", "d0", "d1", "d2", "d3", "q2", "q3", "q4", "q5", "q8", "q9", "q10", "q11", "q12", "q13", "q14", "q15"

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_SUMS("vldmia", "start")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_SUMS("vstmia", "y")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      EMMY_SUMS("vldmia", "dy")
      "vmov.32 d0[0], %[scale]\n"
      EMMY_FIRST(EMMY_SCALE, "") EMMY_BEYOND(EMMY_SCALE, "")
      "cmp %[bias], #0\n"
      "beq 5f\n"
      EMMY_CHANGE("bias", EMMY_TAKE, "", EMMY_LAST("vstmia", "%[bias]"))
      "5:\n"
      EMMY_ROWS(EMMY_UPDATE_ROW)
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n), [bias] "+&r"(bias)
      : [dy] "r"(dy), [scale] "r"(scale), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// dots[i] = sum_{o < Cols} w[i stride + o] v[o], i < n, a multiple of four; v has padded length.
#define EMMY_HAS_DOTS
#define EMMY_DOT(j, v, w, sum)                                               \
  EMMY_VECTOR(j, ".if " #j "\nvmla.f32 " sum ", q" #w ", q" #v               \
                 "\n.else\nvmul.f32 " sum ", q" #w ", q" #v "\n.endif")
#define EMMY_DOT_ROW(sum) EMMY_STEP("vldmia") EMMY_FIRST(EMMY_DOT, sum)
template <int Cols, int Rest, int Step>
EMMY_OUTLINE void dot_panel(const float* w, const float* v, int n, int stride, float* dots) noexcept {
  __asm__ volatile(
      EMMY_SUMS("vldmia", "v")
      "1:\n"
      EMMY_DOT_ROW("q12") EMMY_DOT_ROW("q13") EMMY_DOT_ROW("q14") EMMY_DOT_ROW("q15")
      "subs %[n], %[n], #4\n"
      "vadd.f32 d24, d24, d25\nvadd.f32 d26, d26, d27\nvadd.f32 d28, d28, d29\nvadd.f32 d30, d30, d31\n"
      "vpadd.f32 d0, d24, d26\nvpadd.f32 d1, d28, d30\n"
      "vst1.32 {d0-d1}, [%[dots]]!\n"
      "bgt 1b\n"
      : [dots] "+&r"(dots), [w] "+&r"(w), [n] "+&r"(n)
      : [v] "r"(v), [stride] "r"(stride * 4), [cols] "i"(Cols), [last_of_row] "i"(3 + (Cols + 3) / 4 * 2),
        [last_sum] "i"(15 + (Cols + 3) / 4 * 2), [whole] "i"(0)
      : EMMY_CLOBBERED);
}

// The sum of n squares, by sixteen and one by one.
#define EMMY_HAS_ROW_SQUARES
EMMY_OUTLINE float row_squares(const float* p, int n) noexcept {
  float sum;
  __asm__ volatile(
      "vmov.i32 q0, #0\nvmov.i32 q1, #0\n"
      "subs %[n], %[n], #16\n"
      "blt 2f\n"
      "1:\n"
      "vldmia %[p]!, {d16-d23}\n"
      "subs %[n], %[n], #16\n"
      "vmla.f32 q0, q8, q8\nvmla.f32 q1, q9, q9\nvmla.f32 q0, q10, q10\nvmla.f32 q1, q11, q11\n"
      "bge 1b\n"
      "2:\n"
      "adds %[n], %[n], #16\n"
      "beq 4f\n"
      "vmov.i32 q8, #0\n"
      "3:\n"
      "vld1.32 {d16[0]}, [%[p]]!\n"
      "subs %[n], %[n], #1\n"
      "vmla.f32 q0, q8, q8\n"
      "bne 3b\n"
      "4:\n"
      "vadd.f32 q0, q0, q1\nvadd.f32 d0, d0, d1\nvpadd.f32 d0, d0, d0\n"
      "vmov.32 %[sum], d0[0]\n"
      : [p] "+&r"(p), [n] "+&r"(n), [sum] "=&r"(sum)
      :
      : "memory", "cc", "q0", "q1", "q8", "q9", "q10", "q11");
  return sum;
}
// clang-format on

inline constexpr int kHeldGroup = 0;
void add_row_of_group() = delete;
void update_row_of_group() = delete;
void add_to_row_of_group() = delete;
void update_rectified_group() = delete;

#undef EMMY_VECTOR
#undef EMMY_FIRST
#undef EMMY_BEYOND
#undef EMMY_SUMS
#undef EMMY_LAST
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_TAKE
#undef EMMY_SCALE
#undef EMMY_STEP
#undef EMMY_FORWARD_ROW
#undef EMMY_CHANGE
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_DOT
#undef EMMY_DOT_ROW
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
