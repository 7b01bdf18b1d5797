// Panels of Cortex-M with a floating-point unit (see panel.hpp): a part of a row by one or two vldm.
// g++ 12 and clang 19 load and store float by float: 2.3 instructions a weight forward and 3.3 in the update; here 1.2
// and 1.4 (64-32-10).
#pragma once

#include <emmy/kernels/cortex_m/row.hpp>
#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 1, kWidestPanel = 16, kPanelRows = 4, kWidestDots = 16;

// A row as wide as the panel ends where the next one starts.
consteval int panel_step(int cols, int stride) { return cols == stride ? stride : 0; }
consteval int panel_rest(int n) { return n == 0 || n % kPanelRows != 0; }

// s0-s15 hold the sums or v, s16-s27 a row, or eight columns of it and then the others, s28-s31 four values of x. What
// belongs to column j is assembled where j < Cols.
// clang-format off
#define EMMY_IF(condition, text) ".if " condition "\n" text ".endif\n"
#define EMMY_COLUMN(j, text) EMMY_IF("%c[cols] > " #j, text "\n")
#define EMMY_FIRST_COLUMNS(f, x)                                             \
  f(0, 16, x) f(1, 17, x) f(2, 18, x) f(3, 19, x) f(4, 20, x) f(5, 21, x)    \
  f(6, 22, x) f(7, 23, x)
#define EMMY_LAST_COLUMNS(f, x)                                              \
  f(8, 24, x) f(9, 25, x) f(10, 26, x) f(11, 27, x)
#define EMMY_SECOND_COLUMNS(f, x)                                            \
  f(8, 16, x) f(9, 17, x) f(10, 18, x) f(11, 19, x) f(12, 20, x)             \
  f(13, 21, x) f(14, 22, x) f(15, 23, x)
#define EMMY_ALL_COLUMNS(f, x)                                               \
  EMMY_FIRST_COLUMNS(f, x) f(8, 24, x) f(9, 25, x) f(10, 26, x)              \
  f(11, 27, x) f(12, 28, x) f(13, 29, x) f(14, 30, x) f(15, 31, x)
#define EMMY_ADD_PRODUCT(j, w, x) EMMY_COLUMN(j, "vfma.f32 s" #j ", s" #w ", s" #x)
#define EMMY_TAKE_PRODUCT(j, w, x) EMMY_COLUMN(j, "vfms.f32 s" #w ", s" #j ", s" #x)
#define EMMY_ADD_TO_DOT(j, w, x)                                             \
  EMMY_COLUMN(j, ".if " #j "\nvfma.f32 s" #x ", s" #j ", s" #w                \
                 "\n.else\nvmul.f32 s" #x ", s" #j ", s" #w "\n.endif")
#define EMMY_TAKE(j, w, x) EMMY_COLUMN(j, "vsub.f32 s" #w ", s" #w ", s" #j)
#define EMMY_SCALE(j, w, x) EMMY_COLUMN(j, "vmul.f32 s" #j ", s" #j ", s31")

// A list of one register is no range.
#define EMMY_MOVE(op, p, first, last)                                        \
  ".if %c[" last "] > %c[" last "_is_first]\n"                               \
  op " " p ", {" first "-s%c[" last "]}\n"                                   \
  ".else\n" op " " p ", {" first "}\n"                                       \
  ".endif\n"
#define EMMY_MOVE_ROW(op, p) EMMY_MOVE(op, p, "s16", "last")
#define EMMY_MOVE_SUMS(op, p) EMMY_MOVE(op, p, "s0", "sum")

// One row: to(columns) between its vldm and, in an update, its vstm. Two moves where it is wider than twelve; the last
// one steps to the next row where rows are as wide as the panel.
#define EMMY_STEP EMMY_IF("!%c[whole]", "add %[w], %[w], %[stride]\n")
#define EMMY_LOAD_LAST                                                       \
  ".if %c[whole]\n" EMMY_MOVE_ROW("vldmia", "%[w]!")                         \
  ".else\n" EMMY_MOVE_ROW("vldmia", "%[w]") ".endif\n"
#define EMMY_READ_ROW(column, x)                                             \
  ".if %c[cols] > 12\n"                                                      \
  "vldmia %[w]!, {s16-s23}\n"                                                \
  EMMY_FIRST_COLUMNS(column, x)                                              \
  EMMY_LOAD_LAST                                                             \
  EMMY_SECOND_COLUMNS(column, x)                                             \
  ".else\n"                                                                  \
  EMMY_LOAD_LAST                                                             \
  EMMY_FIRST_COLUMNS(column, x)                                              \
  EMMY_LAST_COLUMNS(column, x)                                               \
  ".endif\n"                                                                 \
  EMMY_STEP
#define EMMY_FORWARD_ROW(x) EMMY_READ_ROW(EMMY_ADD_PRODUCT, x)
#define EMMY_DOT_ROW(x) EMMY_READ_ROW(EMMY_ADD_TO_DOT, x)
#define EMMY_UPDATE_ROW(x)                                                   \
  ".if %c[cols] > 12\n"                                                      \
  "vldmia %[w], {s16-s23}\n"                                                 \
  EMMY_FIRST_COLUMNS(EMMY_TAKE_PRODUCT, x)                                   \
  "vstmia %[w]!, {s16-s23}\n"                                                \
  EMMY_MOVE_ROW("vldmia", "%[w]")                                            \
  EMMY_SECOND_COLUMNS(EMMY_TAKE_PRODUCT, x)                                  \
  ".else\n"                                                                  \
  EMMY_MOVE_ROW("vldmia", "%[w]")                                            \
  EMMY_FIRST_COLUMNS(EMMY_TAKE_PRODUCT, x)                                   \
  EMMY_LAST_COLUMNS(EMMY_TAKE_PRODUCT, x)                                    \
  ".endif\n"                                                                 \
  ".if %c[whole]\n" EMMY_MOVE_ROW("vstmia", "%[w]!")                         \
  ".else\n" EMMY_MOVE_ROW("vstmia", "%[w]") ".endif\n"                       \
  EMMY_STEP

// Rows by four, then one by one where their number may be none of fours; what is done before and after some of them.
#define EMMY_ROWS(before_four, before_one, row, after_four, after_one)       \
  EMMY_IF("%c[rest]", "cmp %[n], #4\nblt 2f\n")                              \
  "1:\n" before_four                                                         \
  "subs %[n], %[n], #4\n"                                                    \
  row(28) row(29) row(30) row(31) after_four                                 \
  ".if %c[rest]\n"                                                           \
  "cmp %[n], #4\n"                                                           \
  "bge 1b\n"                                                                 \
  "2:\n"                                                                     \
  "cbz %[n], 4f\n"                                                           \
  "3:\n" before_one                                                          \
  row(28) after_one                                                          \
  "subs %[n], %[n], #1\n"                                                    \
  "bne 3b\n"                                                                 \
  "4:\n"                                                                     \
  ".else\n"                                                                  \
  "bne 1b\n"                                                                 \
  ".endif\n"
#define EMMY_ROWS_OF_X(row)                                                  \
  EMMY_ROWS("vldmia %[x]!, {s28-s31}\n", "vldmia %[x]!, {s28}\n", row, "", "")

#define EMMY_CONSTANTS                                                       \
  [cols] "i"(Cols), [last] "i"(Cols > 12 ? 7 + Cols : 15 + Cols),            \
  [last_is_first] "i"(16), [sum] "i"(Cols - 1), [sum_is_first] "i"(0),       \
  [rest] "i"(Rest), [whole] "i"(Step > 0 ? 1 : 0)
#define EMMY_CLOBBERED_BUT_S30                                               \
  "memory", "cc", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8",      \
  "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18",       \
  "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28",      \
  "s29", "s31"
#define EMMY_CLOBBERED EMMY_CLOBBERED_BUT_S30, "s30"

namespace inner {
// Bytes to the next row from where the moves of a panel end.
template <int Cols>
EMMY_INLINE int bytes_to_next(int stride) noexcept {
  return stride * 4 - (Cols > 12 ? 32 : 0);
}
}  // namespace inner

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_MOVE_SUMS("vldmia", "%[start]")
      EMMY_ROWS_OF_X(EMMY_FORWARD_ROW)
      EMMY_MOVE_SUMS("vstmia", "%[y]")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&l"(n)
      : [start] "r"(start), [y] "r"(y), [stride] "r"(inner::bytes_to_next<Cols>(stride)), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// Rows of 17 to 20: s20-s27 hold eight, eight and what is left of a row. 64-18-10: 9 % less than two panels.
#define EMMY_HAS_WIDE_ROWS
inline constexpr int kWidestRow = 20;
#define EMMY_WIDE_ROW(x)                                                     \
  "vldmia %[w]!, {s20-s27}\n"                                                \
  EMMY_ADD_PRODUCT(0, 20, x) EMMY_ADD_PRODUCT(1, 21, x) EMMY_ADD_PRODUCT(2, 22, x) EMMY_ADD_PRODUCT(3, 23, x) \
  EMMY_ADD_PRODUCT(4, 24, x) EMMY_ADD_PRODUCT(5, 25, x) EMMY_ADD_PRODUCT(6, 26, x) EMMY_ADD_PRODUCT(7, 27, x) \
  "vldmia %[w]!, {s20-s27}\n"                                                \
  EMMY_ADD_PRODUCT(8, 20, x) EMMY_ADD_PRODUCT(9, 21, x) EMMY_ADD_PRODUCT(10, 22, x) EMMY_ADD_PRODUCT(11, 23, x) \
  EMMY_ADD_PRODUCT(12, 24, x) EMMY_ADD_PRODUCT(13, 25, x) EMMY_ADD_PRODUCT(14, 26, x) EMMY_ADD_PRODUCT(15, 27, x) \
  EMMY_MOVE("vldmia", "%[w]!", "s20", "last")                                \
  EMMY_ADD_PRODUCT(16, 20, x) EMMY_ADD_PRODUCT(17, 21, x) EMMY_ADD_PRODUCT(18, 22, x) EMMY_ADD_PRODUCT(19, 23, x)
template <int Cols, int Rest>
EMMY_OUTLINE void multiply_wide_rows(const float* start, const float* x, const float* w, int n, float* y) noexcept {
  __asm__ volatile(
      EMMY_MOVE_SUMS("vldmia", "%[start]")
      EMMY_ROWS_OF_X(EMMY_WIDE_ROW)
      EMMY_MOVE_SUMS("vstmia", "%[y]")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&l"(n)
      : [start] "r"(start), [y] "r"(y), [cols] "i"(Cols), [last] "i"(3 + Cols), [last_is_first] "i"(20),
        [sum] "i"(Cols - 1), [sum_is_first] "i"(0), [rest] "i"(Rest)
      : EMMY_CLOBBERED);
}

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      "vmov s31, %[scale]\n"
      EMMY_MOVE_SUMS("vldmia", "%[dy]")
      EMMY_ALL_COLUMNS(EMMY_SCALE, 0)
      "cbz %[bias], 5f\n"
      EMMY_MOVE("vldmia", "%[bias]", "s16", "bias_last")
      EMMY_ALL_COLUMNS(EMMY_TAKE, 0)
      EMMY_MOVE("vstmia", "%[bias]", "s16", "bias_last")
      "5:\n"
      EMMY_ROWS_OF_X(EMMY_UPDATE_ROW)
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&l"(n)
      : [dy] "r"(dy), [scale] "r"(scale), [stride] "r"(inner::bytes_to_next<Cols>(stride)), [bias] "l"(bias),
        [bias_last] "i"(15 + Cols), [bias_last_is_first] "i"(16), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// dots[i] = sum_{o < Cols} w[i stride + o] v[o], i < n, in the order of o.
#define EMMY_HAS_DOTS
template <int Cols, int Rest, int Step>
EMMY_OUTLINE void dot_panel(const float* w, const float* v, int n, int stride, float* dots) noexcept {
  __asm__ volatile(
      EMMY_MOVE_SUMS("vldmia", "%[v]")
      EMMY_ROWS("", "", EMMY_DOT_ROW, "vstmia %[dots]!, {s28-s31}\n", "vstmia %[dots]!, {s28}\n")
      : [dots] "+&r"(dots), [w] "+&r"(w), [n] "+&l"(n)
      : [v] "r"(v), [stride] "r"(inner::bytes_to_next<Cols>(stride)), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// Few rectified units (panel.hpp), held doubled: h + |h| is two instructions and exact, a comparison is four.
#define EMMY_HAS_RECTIFIED_UNITS
inline constexpr int kMostUnits = 16, kMostUnitInputs = 6;
inline constexpr float kUnitsScale = 0.5f;
#define EMMY_RECTIFY(j, w, x)                                                \
  EMMY_COLUMN(j, "vabs.f32 s" #w ", s" #j "\nvadd.f32 s" #j ", s" #j ", s" #w)
// A dot in two chains: s28 and s29.
#define EMMY_ADD_TO_DOTS(j, w, x)                                            \
  EMMY_COLUMN(j, ".if " #j " == 0\nvmul.f32 s28, s" #j ", s" #w              \
                 "\n.elseif " #j " == 1\nvmul.f32 s29, s" #j ", s" #w        \
                 "\n.elseif " #j " & 1\nvfma.f32 s29, s" #j ", s" #w         \
                 "\n.else\nvfma.f32 s28, s" #j ", s" #w "\n.endif")
// A unit that is 0 stays 0, another one becomes its weight, from memory. Looked at in core registers, two at once.
#define EMMY_LOAD_UNLESS_0(reg, j, w) "cbz %[" reg "], 1f\nvldr.f32 s" #j ", [%[u], #4*(" #w "-16)]\n1:\n"
#define EMMY_TWO_UNITS(j, w, j2, w2)                                         \
  ".if %c[cols] > " #j2 "\n"                                                 \
  "vmov %[at], %[at2], s" #j ", s" #j2 "\n"                                  \
  EMMY_LOAD_UNLESS_0("at", j, w)                                             \
  EMMY_LOAD_UNLESS_0("at2", j2, w2)                                          \
  ".elseif %c[cols] > " #j "\n"                                              \
  "vmov %[at], s" #j "\n"                                                    \
  EMMY_LOAD_UNLESS_0("at", j, w)                                             \
  ".endif\n"
#define EMMY_FIRST_UNITS                                                     \
  EMMY_TWO_UNITS(0, 16, 1, 17) EMMY_TWO_UNITS(2, 18, 3, 19)                  \
  EMMY_TWO_UNITS(4, 20, 5, 21) EMMY_TWO_UNITS(6, 22, 7, 23)
#define EMMY_LAST_UNITS EMMY_TWO_UNITS(8, 24, 9, 25) EMMY_TWO_UNITS(10, 26, 11, 27)
#define EMMY_SECOND_UNITS                                                    \
  EMMY_TWO_UNITS(8, 16, 9, 17) EMMY_TWO_UNITS(10, 18, 11, 19)                \
  EMMY_TWO_UNITS(12, 20, 13, 21) EMMY_TWO_UNITS(14, 22, 15, 23)
// Three of x, what is done with each, and a row for each, as far as there are inputs.
#define EMMY_THREE_ROWS(scale, row, a, b, c)                                 \
  ".if %c[inputs] > " #c "\nvldmia %[x]!, {s28-s30}\n"                       \
  ".elseif %c[inputs] > " #b "\nvldmia %[x]!, {s28-s29}\n"                   \
  ".elseif %c[inputs] > " #a "\nvldmia %[x]!, {s28}\n"                       \
  ".endif\n"                                                                 \
  EMMY_IF("%c[inputs] > " #a, scale(28) row(28))                             \
  EMMY_IF("%c[inputs] > " #b, scale(29) row(29))                             \
  EMMY_IF("%c[inputs] > " #c, scale(30) row(30))
#define EMMY_ROWS_OF_INPUTS(scale, row) EMMY_THREE_ROWS(scale, row, 0, 1, 2) EMMY_THREE_ROWS(scale, row, 3, 4, 5)
#define EMMY_AS_IT_IS(x)
#define EMMY_TIMES_STEP(x) "vmul.f32 s" #x ", s" #x ", s31\n"

template <int Cols, int Inputs>
EMMY_INLINE float rectified_units(const float* w, const float* x, float* units) noexcept {
  constexpr int Rest = 0;
  constexpr int Step = Cols;
  const float* at;
  float dot;
  __asm__ volatile(
      "add %[at], %[w], %[weights]\n"
      EMMY_MOVE_SUMS("vldmia", "%[at]")
      EMMY_ROWS_OF_INPUTS(EMMY_AS_IT_IS, EMMY_FORWARD_ROW)
      EMMY_ALL_COLUMNS(EMMY_RECTIFY, 0)
      EMMY_MOVE_SUMS("vstmia", "%[units]")
      "adds %[w], %[row]\n"
      EMMY_READ_ROW(EMMY_ADD_TO_DOTS, 0)
      "vadd.f32 %[dot], s28, s29\n"
      : [x] "+&r"(x), [w] "+&l"(w), [at] "=&l"(at), [dot] "=&t"(dot)  // s30: no other register is left
      : [units] "r"(units), [inputs] "i"(Inputs), [weights] "i"(4 * Inputs * Cols), [row] "i"(4 * Cols),
        [stride] "i"(0), EMMY_CONSTANTS
      : EMMY_CLOBBERED_BUT_S30);
  return dot;
}

template <int Cols, int Inputs>
EMMY_INLINE void update_rectified_units(float* w, float* u, const float* x, float step, const float* units) noexcept {
  constexpr int Rest = 0;
  constexpr int Step = Cols;
  int at, at2;
  __asm__ volatile(
      "vneg.f32 s31, %[step]\n"
      EMMY_MOVE_SUMS("vldmia", "%[units]")
      "vmov.f32 s28, #0.5\nvmul.f32 s28, s28, s31\n"
      ".if %c[cols] > 12\n"
      "vldmia %[u], {s16-s23}\n"
      EMMY_FIRST_COLUMNS(EMMY_TAKE_PRODUCT, 28)
      EMMY_FIRST_UNITS
      "vstmia %[u]!, {s16-s23}\n"
      EMMY_MOVE_ROW("vldmia", "%[u]")
      EMMY_SECOND_COLUMNS(EMMY_TAKE_PRODUCT, 28)
      EMMY_SECOND_UNITS
      ".else\n"
      EMMY_MOVE_ROW("vldmia", "%[u]")
      EMMY_FIRST_COLUMNS(EMMY_TAKE_PRODUCT, 28)
      EMMY_LAST_COLUMNS(EMMY_TAKE_PRODUCT, 28)
      EMMY_FIRST_UNITS
      EMMY_LAST_UNITS
      ".endif\n"
      EMMY_MOVE_ROW("vstmia", "%[u]")
      EMMY_ROWS_OF_INPUTS(EMMY_TIMES_STEP, EMMY_UPDATE_ROW)
      EMMY_UPDATE_ROW(31)
      : [x] "+&r"(x), [w] "+&r"(w), [u] "+&r"(u), [at] "=&l"(at), [at2] "=&l"(at2), [step] "+&t"(step)  // s30
      : [units] "r"(units), [inputs] "i"(Inputs), [stride] "i"(0), EMMY_CONSTANTS
      : EMMY_CLOBBERED_BUT_S30);
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
EMMY_INLINE void update_rectified_group(float* p, float x, float& a, float& b, float& c, float& d, float& e, float& f,
                                        float& g, float& h) noexcept {
  float product;
  int bits;
// Where a unit is not positive it is 0 already. Compared in a core register: the flags of the floating-point unit belong to
// the compiler.
#define EMMY_UNIT(unit, row)                                                                                     \
  "vmul.f32 %[product], " row ", %[x]\nvfma.f32 " row ", %[" unit "], %[x]\n"                                    \
  "vmov %[bits], %[" unit "]\ncmp %[bits], #0\nit gt\nvmovgt.f32 %[" unit "], %[product]\n"
  __asm__(
      "vldmia %[p], {s24-s31}\n"
      EMMY_UNIT("a", "s24") EMMY_UNIT("b", "s25") EMMY_UNIT("c", "s26") EMMY_UNIT("d", "s27")
      EMMY_UNIT("e", "s28") EMMY_UNIT("f", "s29") EMMY_UNIT("g", "s30") EMMY_UNIT("h", "s31")
      "vstmia %[p], {s24-s31}\n"
      : [product] "=&t"(product), [bits] "=&r"(bits), [a] "+&t"(a), [b] "+&t"(b), [c] "+&t"(c), [d] "+&t"(d),
        [e] "+&t"(e), [f] "+&t"(f), [g] "+&t"(g), [h] "+&t"(h), "+m"(*reinterpret_cast<float(*)[8]>(p))
      : [p] "r"(p), [x] "t"(x)
      : "cc", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
#undef EMMY_UNIT
}
// clang-format on

#undef EMMY_IF
#undef EMMY_COLUMN
#undef EMMY_FIRST_COLUMNS
#undef EMMY_LAST_COLUMNS
#undef EMMY_SECOND_COLUMNS
#undef EMMY_ALL_COLUMNS
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_TAKE
#undef EMMY_SCALE
#undef EMMY_MOVE
#undef EMMY_MOVE_ROW
#undef EMMY_MOVE_SUMS
#undef EMMY_STEP
#undef EMMY_LOAD_LAST
#undef EMMY_READ_ROW
#undef EMMY_DOT_ROW
#undef EMMY_ADD_TO_DOT
#undef EMMY_RECTIFY
#undef EMMY_ADD_TO_DOTS
#undef EMMY_LOAD_UNLESS_0
#undef EMMY_TWO_UNITS
#undef EMMY_FIRST_UNITS
#undef EMMY_LAST_UNITS
#undef EMMY_SECOND_UNITS
#undef EMMY_THREE_ROWS
#undef EMMY_ROWS_OF_INPUTS
#undef EMMY_AS_IT_IS
#undef EMMY_TIMES_STEP
#undef EMMY_ROWS_OF_X
#undef EMMY_FORWARD_ROW
#undef EMMY_WIDE_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED
#undef EMMY_CLOBBERED_BUT_S30

}  // namespace emmy::inline EMMY_TARGET
