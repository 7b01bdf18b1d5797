// SVE panels (see panel.hpp) where the length of a vector is a constant: four rows from one address, x by lane.
// g++ 12 counts an index for each load and store and takes a vector for each x: 10 instructions for two vectors of the update
// in 512 bits; here 7.5.
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = __ARM_FEATURE_SVE_BITS / 32, kWidestPanel = 4 * kPanelStep, kPanelRows = 4;
inline constexpr int kHeldGroup = 0;
void add_row_of_group() = delete;
void update_row_of_group() = delete;
void add_to_row_of_group() = delete;
void update_rectified_group() = delete;

// The vectors of a row where four rows are within reach of one address: those from -8 to 7.
consteval int panel_step(int, int stride) { return stride <= 4 * kPanelStep ? stride / kPanelStep : 0; }

// z0-z3 hold the sums or v, z4 four values of x, z16-z19 a row. What belongs to vector j is assembled where the panel has it.
// clang-format off
#define EMMY_VECTOR(j, text) ".if %c[vectors] > " #j "\n" text "\n.endif\n"
#define EMMY_VECTORS(f, row, x) f(0, 16, row, x) f(1, 17, row, x) f(2, 18, row, x) f(3, 19, row, x)
#define EMMY_LOAD(j, w, row, x)                                              \
  EMMY_VECTOR(j, "ld1w {z" #w ".s}, p0/z, [%[w], #(" #row "*%c[step]+" #j "), mul vl]")
#define EMMY_STORE(j, w, row, x)                                             \
  EMMY_VECTOR(j, "st1w {z" #w ".s}, p0, [%[w], #(" #row "*%c[step]+" #j "), mul vl]")
#define EMMY_LOAD_SUMS(j, w, row, p) EMMY_VECTOR(j, "ld1w {z" #j ".s}, p0/z, [%[" p "], #" #j ", mul vl]")
#define EMMY_STORE_SUMS(j, w, row, p) EMMY_VECTOR(j, "st1w {z" #j ".s}, p0, [%[" p "], #" #j ", mul vl]")
#define EMMY_LOAD_ROW(j, w, row, p) EMMY_VECTOR(j, "ld1w {z" #w ".s}, p0/z, [%[" p "], #" #j ", mul vl]")
#define EMMY_STORE_ROW(j, w, row, p) EMMY_VECTOR(j, "st1w {z" #w ".s}, p0, [%[" p "], #" #j ", mul vl]")
#define EMMY_ADD_PRODUCT(j, w, row, x) EMMY_VECTOR(j, "fmla z" #j ".s, z" #w ".s, z4.s[" #x "]")
#define EMMY_TAKE_PRODUCT(j, w, row, x) EMMY_VECTOR(j, "fmls z" #w ".s, z" #j ".s, z4.s[" #x "]")
#define EMMY_TAKE(j, w, row, x) EMMY_VECTOR(j, "fsub z" #w ".s, z" #w ".s, z" #j ".s")
#define EMMY_SCALE(j, w, row, x) EMMY_VECTOR(j, "fmul z" #j ".s, z" #j ".s, z4.s")
#define EMMY_NEXT ".if !%c[step]\nadd %[w], %[w], %[stride]\n.endif\n"
#define EMMY_FORWARD_ROW(row, x)                                             \
  EMMY_VECTORS(EMMY_LOAD, row, x)                                            \
  EMMY_VECTORS(EMMY_ADD_PRODUCT, row, x)                                     \
  EMMY_NEXT
#define EMMY_UPDATE_ROW(row, x)                                              \
  EMMY_VECTORS(EMMY_LOAD, row, x)                                            \
  EMMY_VECTORS(EMMY_TAKE_PRODUCT, row, x)                                    \
  EMMY_VECTORS(EMMY_STORE, row, x)                                           \
  EMMY_NEXT

// Rows by four, around the address of the third, then one by one.
#define EMMY_ROWS(row)                                                       \
  ".if %c[step]\nadd %[w], %[w], %[stride], lsl #1\n.endif\n"                \
  "subs %w[n], %w[n], #4\n"                                                  \
  "b.lt 2f\n"                                                                \
  "1:\n"                                                                     \
  "ld1rqw {z4.s}, p0/z, [%[x]]\n"                                            \
  "add %[x], %[x], #16\n"                                                    \
  row(-2, 0) row(-1, 1) row(0, 2) row(1, 3)                                  \
  ".if %c[step]\nadd %[w], %[w], %[stride], lsl #2\n.endif\n"                \
  "subs %w[n], %w[n], #4\n"                                                  \
  "b.ge 1b\n"                                                                \
  "2:\n"                                                                     \
  ".if %c[rest]\n"                                                           \
  "adds %w[n], %w[n], #4\n"                                                  \
  "b.eq 4f\n"                                                                \
  "3:\n"                                                                     \
  "ld1rw {z4.s}, p0/z, [%[x]]\n"                                             \
  "add %[x], %[x], #4\n"                                                     \
  row(-2, 0)                                                                 \
  ".if %c[step]\nadd %[w], %[w], %[stride]\n.endif\n"                        \
  "subs %w[n], %w[n], #1\n"                                                  \
  "b.ne 3b\n"                                                                \
  "4:\n"                                                                     \
  ".endif\n"
#define EMMY_CONSTANTS [vectors] "i"(Cols / kPanelStep), [step] "i"(Step), [rest] "i"(Rest ? 1 : 0)
#define EMMY_CLOBBERED "memory", "cc", "p0", "z0", "z1", "z2", "z3", "z4", "z16", "z17", "z18", "z19"

template <int Cols, bool Rest, int Step>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      "ptrue p0.s\n"
      EMMY_VECTORS(EMMY_LOAD_SUMS, 0, "start")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_VECTORS(EMMY_STORE_SUMS, 0, "y")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

template <int Cols, bool Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      "ptrue p0.s\n"
      "mov z4.s, %s[scale]\n"
      EMMY_VECTORS(EMMY_LOAD_SUMS, 0, "dy")
      EMMY_VECTORS(EMMY_SCALE, 0, 0)
      "cbz %[bias], 5f\n"
      EMMY_VECTORS(EMMY_LOAD_ROW, 0, "bias")
      EMMY_VECTORS(EMMY_TAKE, 0, 0)
      EMMY_VECTORS(EMMY_STORE_ROW, 0, "bias")
      "5:\n"
      EMMY_ROWS(EMMY_UPDATE_ROW)
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [dy] "r"(dy), [scale] "w"(scale), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4), [bias] "r"(bias),
        EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}
// clang-format on

#undef EMMY_VECTOR
#undef EMMY_VECTORS
#undef EMMY_LOAD
#undef EMMY_STORE
#undef EMMY_LOAD_SUMS
#undef EMMY_STORE_SUMS
#undef EMMY_LOAD_ROW
#undef EMMY_STORE_ROW
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_TAKE
#undef EMMY_SCALE
#undef EMMY_NEXT
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
