// Panels of Cortex-M with a floating-point unit (see panel.hpp): a part of a row by one vldm.
// g++ 12 and clang 19 load and store float by float: 2.3 instructions a weight forward and 3.3 in the update; here 1.3
// and 1.4 (64-32-10).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 1, kWidestPanel = 12;

// s0-s11 hold the sums or v, s12-s15 four values of x, s16-s27 a row. What belongs to column j is assembled where j < Cols.
// clang-format off
#define EMMY_COLUMN(j, text) ".if %c[cols] > " #j "\n" text "\n.endif\n"
#define EMMY_COLUMNS(f, x)                                                   \
  f(0, 16, x) f(1, 17, x) f(2, 18, x) f(3, 19, x) f(4, 20, x) f(5, 21, x)    \
  f(6, 22, x) f(7, 23, x) f(8, 24, x) f(9, 25, x) f(10, 26, x) f(11, 27, x)
#define EMMY_ADD_PRODUCT(j, w, x) EMMY_COLUMN(j, "vfma.f32 s" #j ", s" #w ", s" #x)
#define EMMY_TAKE_PRODUCT(j, w, x) EMMY_COLUMN(j, "vfms.f32 s" #w ", s" #j ", s" #x)
#define EMMY_TAKE(j, w, x) EMMY_COLUMN(j, "vsub.f32 s" #w ", s" #w ", s" #j)
#define EMMY_SCALE(j, w, x) EMMY_COLUMN(j, "vmul.f32 s" #j ", s" #j ", %[scale]")

// A list of one register is no range.
#define EMMY_MOVE(op, p, first, last)                                        \
  ".if %c[cols] > 1\n" op " %[" p "], {" first "-s%c[" last "]}\n"           \
  ".else\n" op " %[" p "], {" first "}\n"                                    \
  ".endif\n"
#define EMMY_MOVE_ROW(op, p) EMMY_MOVE(op, p, "s16", "last_of_row")
#define EMMY_MOVE_SUMS(op, p) EMMY_MOVE(op, p, "s0", "last_sum")

#define EMMY_FORWARD_ROW(x)                                                  \
  EMMY_MOVE_ROW("vldmia", "w")                                               \
  EMMY_COLUMNS(EMMY_ADD_PRODUCT, x)                                          \
  "add %[w], %[w], %[stride]\n"
#define EMMY_UPDATE_ROW(x)                                                   \
  EMMY_MOVE_ROW("vldmia", "w")                                               \
  EMMY_COLUMNS(EMMY_TAKE_PRODUCT, x)                                         \
  EMMY_MOVE_ROW("vstmia", "w")                                               \
  "add %[w], %[w], %[stride]\n"

// Rows by four, then one by one.
#define EMMY_ROWS(row)                                                       \
  "subs %[n], %[n], #4\n"                                                    \
  "blt 2f\n"                                                                 \
  "1:\n"                                                                     \
  "vldmia %[x]!, {s12-s15}\n"                                                \
  row(12) row(13) row(14) row(15)                                            \
  "subs %[n], %[n], #4\n"                                                    \
  "bge 1b\n"                                                                 \
  "2:\n"                                                                     \
  "adds %[n], %[n], #4\n"                                                    \
  "beq 4f\n"                                                                 \
  "3:\n"                                                                     \
  "vldmia %[x]!, {s12}\n"                                                    \
  row(12)                                                                    \
  "subs %[n], %[n], #1\n"                                                    \
  "bne 3b\n"                                                                 \
  "4:\n"

#define EMMY_CONSTANTS [cols] "i"(Cols), [last_of_row] "i"(15 + Cols), [last_sum] "i"(Cols - 1)
#define EMMY_CLOBBERED                                                       \
  "memory", "cc", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8",      \
  "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18",       \
  "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27"

template <int Cols>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_MOVE_SUMS("vldmia", "start")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_MOVE_SUMS("vstmia", "y")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), [stride] "r"(stride * 4), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

template <int Cols>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      EMMY_MOVE_SUMS("vldmia", "dy")
      EMMY_COLUMNS(EMMY_SCALE, 0)
      EMMY_ROWS(EMMY_UPDATE_ROW)
      "cmp %[bias], #0\n"
      "beq 5f\n"
      EMMY_MOVE_ROW("vldmia", "bias")
      EMMY_COLUMNS(EMMY_TAKE, 0)
      EMMY_MOVE_ROW("vstmia", "bias")
      "5:\n"
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [dy] "r"(dy), [scale] "t"(scale), [stride] "r"(stride * 4), [bias] "r"(bias), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// Eight values of a row against eight that are held (held_row.hpp).
inline constexpr int kHeldGroup = 8;
EMMY_INLINE void add_row_of_group(float x, const float* p, float& a, float& b, float& c, float& d, float& e, float& f,
                                  float& g, float& h) noexcept {
  __asm__(
      "vldmia %[p], {s24-s31}\n"
      "vfma.f32 %[a], s24, %[x]\nvfma.f32 %[b], s25, %[x]\nvfma.f32 %[c], s26, %[x]\nvfma.f32 %[d], s27, %[x]\n"
      "vfma.f32 %[e], s28, %[x]\nvfma.f32 %[f], s29, %[x]\nvfma.f32 %[g], s30, %[x]\nvfma.f32 %[h], s31, %[x]\n"
      : [a] "+&t"(a), [b] "+&t"(b), [c] "+&t"(c), [d] "+&t"(d), [e] "+&t"(e), [f] "+&t"(f), [g] "+&t"(g), [h] "+&t"(h)
      : [p] "r"(p), [x] "t"(x), "m"(*reinterpret_cast<const float(*)[8]>(p))
      : "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
}
EMMY_INLINE void update_row_of_group(float* p, float x, const float& a, const float& b, const float& c, const float& d,
                                     const float& e, const float& f, const float& g, const float& h) noexcept {
  __asm__(
      "vldmia %[p], {s24-s31}\n"
      "vfma.f32 s24, %[a], %[x]\nvfma.f32 s25, %[b], %[x]\nvfma.f32 s26, %[c], %[x]\nvfma.f32 s27, %[d], %[x]\n"
      "vfma.f32 s28, %[e], %[x]\nvfma.f32 s29, %[f], %[x]\nvfma.f32 s30, %[g], %[x]\nvfma.f32 s31, %[h], %[x]\n"
      "vstmia %[p], {s24-s31}\n"
      : "+m"(*reinterpret_cast<float(*)[8]>(p))
      : [p] "r"(p), [x] "t"(x), [a] "t"(a), [b] "t"(b), [c] "t"(c), [d] "t"(d), [e] "t"(e), [f] "t"(f), [g] "t"(g),
        [h] "t"(h)
      : "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
}
EMMY_INLINE void add_to_row_of_group(float* p, const float& a, const float& b, const float& c, const float& d,
                                     const float& e, const float& f, const float& g, const float& h) noexcept {
  __asm__(
      "vldmia %[p], {s24-s31}\n"
      "vadd.f32 s24, s24, %[a]\nvadd.f32 s25, s25, %[b]\nvadd.f32 s26, s26, %[c]\nvadd.f32 s27, s27, %[d]\n"
      "vadd.f32 s28, s28, %[e]\nvadd.f32 s29, s29, %[f]\nvadd.f32 s30, s30, %[g]\nvadd.f32 s31, s31, %[h]\n"
      "vstmia %[p], {s24-s31}\n"
      : "+m"(*reinterpret_cast<float(*)[8]>(p))
      : [p] "r"(p), [a] "t"(a), [b] "t"(b), [c] "t"(c), [d] "t"(d), [e] "t"(e), [f] "t"(f), [g] "t"(g), [h] "t"(h)
      : "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
}
// clang-format on

#undef EMMY_COLUMN
#undef EMMY_COLUMNS
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_TAKE
#undef EMMY_SCALE
#undef EMMY_MOVE
#undef EMMY_MOVE_ROW
#undef EMMY_MOVE_SUMS
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
