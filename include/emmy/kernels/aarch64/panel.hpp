// NEON panels (see panel.hpp): up to four registers of a row by one ld1 that also steps to the next part of a row, x by lane.
// g++ 12 pairs loads at best and takes a register for each x: 0.54 instructions a weight forward and 0.71 in the update;
// here 0.33 and 0.40 (64-32-10).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 4, kWidestPanel = 32, kPanelRows = 8;
consteval int panel_step(int, int) { return 0; }
consteval int panel_rest(int n) { return n == 0 || n % kPanelRows != 0; }

// v0-v7 hold the sums or v, v24 and v25 eight values of x, v16-v19 sixteen columns of a row, v20-v23 those beyond. What
// belongs to vector j is assembled where the panel has it.
// clang-format off
#define EMMY_IF(condition, text) ".if " condition "\n" text "\n.endif\n"
#define EMMY_MOVE(op, cols, v0, v1, v2, v3, at)                              \
  ".if %c[" cols "] >= 16\n" op " {" v0 ".4s-" v3 ".4s}, " at "\n"           \
  ".elseif %c[" cols "] == 12\n" op " {" v0 ".4s-" v2 ".4s}, " at "\n"       \
  ".elseif %c[" cols "] == 8\n" op " {" v0 ".4s-" v1 ".4s}, " at "\n"        \
  ".else\n" op " {" v0 ".4s}, " at "\n.endif\n"
#define EMMY_ROW(op, at) EMMY_MOVE(op, "cols", "v16", "v17", "v18", "v19", at)
#define EMMY_REST_OF_ROW(op, at) EMMY_MOVE(op, "cols_beyond", "v20", "v21", "v22", "v23", at)
// All of a row, or of the sums, from p on.
#define EMMY_WHOLE(op, p, v0, v1, v2, v3, v4, v5, v6, v7)                    \
  ".if %c[cols] > 16\n" op " {" v0 ".4s-" v3 ".4s}, [%[" p "]], #64\n"       \
  EMMY_MOVE(op, "cols_beyond", v4, v5, v6, v7, "[%[" p "]]")                 \
  "sub %[" p "], %[" p "], #64\n"                                            \
  ".else\n" EMMY_MOVE(op, "cols", v0, v1, v2, v3, "[%[" p "]]") ".endif\n"
#define EMMY_SUMS(op, p) EMMY_WHOLE(op, p, "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7")
#define EMMY_BIAS(op) EMMY_WHOLE(op, "bias", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23")
#define EMMY_FIRST(f, x)                                                     \
  f("0", "16", x)                                                            \
  EMMY_IF("%c[cols] > 4", f("1", "17", x))                                   \
  EMMY_IF("%c[cols] > 8", f("2", "18", x))                                   \
  EMMY_IF("%c[cols] > 12", f("3", "19", x))
#define EMMY_BEYOND(f, x)                                                    \
  f("4", "20", x)                                                            \
  EMMY_IF("%c[cols] > 20", f("5", "21", x))                                  \
  EMMY_IF("%c[cols] > 24", f("6", "22", x))                                  \
  EMMY_IF("%c[cols] > 28", f("7", "23", x))
#define EMMY_EACH(f, x) EMMY_FIRST(f, x) EMMY_IF("%c[cols] > 16", EMMY_BEYOND(f, x))
#define EMMY_ADD_PRODUCT(v, w, x) "fmla v" v ".4s, v" w ".4s, " x "\n"
#define EMMY_TAKE_PRODUCT(v, w, x) "fmls v" w ".4s, v" v ".4s, " x "\n"
#define EMMY_SCALE(v, w, x) "fmul v" v ".4s, v" v ".4s, v24.s[0]\n"
#define EMMY_TAKE(v, w, x) "fsub v" w ".4s, v" w ".4s, v" v ".4s\n"
// [stride] is what leads from the last part of a row to the next row.
#define EMMY_FORWARD_ROW(x)                                                  \
  ".if %c[cols] > 16\n"                                                      \
  EMMY_ROW("ld1", "[%[w]], #64")                                             \
  EMMY_REST_OF_ROW("ld1", "[%[w]], %[stride]")                               \
  EMMY_FIRST(EMMY_ADD_PRODUCT, x) EMMY_BEYOND(EMMY_ADD_PRODUCT, x)           \
  ".else\n"                                                                  \
  EMMY_ROW("ld1", "[%[w]], %[stride]")                                       \
  EMMY_FIRST(EMMY_ADD_PRODUCT, x)                                            \
  ".endif\n"
#define EMMY_UPDATE_ROW(x)                                                   \
  EMMY_ROW("ld1", "[%[w]]")                                                  \
  EMMY_FIRST(EMMY_TAKE_PRODUCT, x)                                           \
  ".if %c[cols] > 16\n"                                                      \
  EMMY_ROW("st1", "[%[w]], #64")                                             \
  EMMY_REST_OF_ROW("ld1", "[%[w]]")                                          \
  EMMY_BEYOND(EMMY_TAKE_PRODUCT, x)                                          \
  EMMY_REST_OF_ROW("st1", "[%[w]], %[stride]")                               \
  ".else\n"                                                                  \
  EMMY_ROW("st1", "[%[w]], %[stride]")                                       \
  ".endif\n"

// Rows by eight, then one by one.
#define EMMY_ROWS(row)                                                       \
  "subs %w[n], %w[n], #8\n"                                                  \
  "b.lt 2f\n"                                                                \
  "1:\n"                                                                     \
  "ld1 {v24.4s-v25.4s}, [%[x]], #32\n"                                       \
  row("v24.s[0]") row("v24.s[1]") row("v24.s[2]") row("v24.s[3]")            \
  row("v25.s[0]") row("v25.s[1]") row("v25.s[2]") row("v25.s[3]")            \
  "subs %w[n], %w[n], #8\n"                                                  \
  "b.ge 1b\n"                                                                \
  "2:\n"                                                                     \
  ".if %c[rest]\n"                                                           \
  "adds %w[n], %w[n], #8\n"                                                  \
  "b.eq 4f\n"                                                                \
  "3:\n"                                                                     \
  "ldr s24, [%[x]], #4\n"                                                    \
  row("v24.s[0]")                                                            \
  "subs %w[n], %w[n], #1\n"                                                  \
  "b.ne 3b\n"                                                                \
  "4:\n"                                                                     \
  ".endif\n"
#define EMMY_CONSTANTS                                                       \
  [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4 - (Cols > 16 ? 64 : 0)), [cols] "i"(Cols), \
  [cols_beyond] "i"(Cols - 16), [rest] "i"(Rest)
#define EMMY_CLOBBERED                                                       \
  "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16",     \
  "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25"

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_SUMS("ld1", "start")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_SUMS("st1", "y")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n), [start] "+&r"(start), [y] "+&r"(y)
      : EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      "fmov s24, %s[scale]\n"
      EMMY_SUMS("ld1", "dy")
      EMMY_EACH(EMMY_SCALE, "")
      "cbz %[bias], 5f\n"
      EMMY_BIAS("ld1")
      EMMY_EACH(EMMY_TAKE, "")
      EMMY_BIAS("st1")
      "5:\n"
      EMMY_ROWS(EMMY_UPDATE_ROW)
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n), [dy] "+&r"(dy), [bias] "+&r"(bias)
      : [scale] "w"(scale), EMMY_CONSTANTS
      : EMMY_CLOBBERED);
}

// Four vectors of a row against four that are held (held_row.hpp).
inline constexpr int kHeldGroup = 4;
template <class V>
EMMY_INLINE void add_row_of_group(float x, const float* p, V& a, V& b, V& c, V& d) noexcept {
  __asm__(
      "ld1 {v16.4s-v19.4s}, [%[p]]\n"
      "fmla %[a].4s, v16.4s, %[x].s[0]\nfmla %[b].4s, v17.4s, %[x].s[0]\n"
      "fmla %[c].4s, v18.4s, %[x].s[0]\nfmla %[d].4s, v19.4s, %[x].s[0]\n"
      : [a] "+&w"(a.raw), [b] "+&w"(b.raw), [c] "+&w"(c.raw), [d] "+&w"(d.raw)
      : [p] "r"(p), [x] "w"(x), "m"(*reinterpret_cast<const float(*)[16]>(p))
      : "v16", "v17", "v18", "v19");
}
template <class V>
EMMY_INLINE void update_row_of_group(float* p, float x, const V& a, const V& b, const V& c, const V& d) noexcept {
  __asm__(
      "ld1 {v16.4s-v19.4s}, [%[p]]\n"
      "fmla v16.4s, %[a].4s, %[x].s[0]\nfmla v17.4s, %[b].4s, %[x].s[0]\n"
      "fmla v18.4s, %[c].4s, %[x].s[0]\nfmla v19.4s, %[d].4s, %[x].s[0]\n"
      "st1 {v16.4s-v19.4s}, [%[p]]\n"
      : "+m"(*reinterpret_cast<float(*)[16]>(p))
      : [p] "r"(p), [x] "w"(x), [a] "w"(a.raw), [b] "w"(b.raw), [c] "w"(c.raw), [d] "w"(d.raw)
      : "v16", "v17", "v18", "v19");
}
template <class V>
EMMY_INLINE void add_to_row_of_group(float* p, const V& a, const V& b, const V& c, const V& d) noexcept {
  __asm__(
      "ld1 {v16.4s-v19.4s}, [%[p]]\n"
      "fadd v16.4s, v16.4s, %[a].4s\nfadd v17.4s, v17.4s, %[b].4s\n"
      "fadd v18.4s, v18.4s, %[c].4s\nfadd v19.4s, v19.4s, %[d].4s\n"
      "st1 {v16.4s-v19.4s}, [%[p]]\n"
      : "+m"(*reinterpret_cast<float(*)[16]>(p))
      : [p] "r"(p), [a] "w"(a.raw), [b] "w"(b.raw), [c] "w"(c.raw), [d] "w"(d.raw)
      : "v16", "v17", "v18", "v19");
}
template <class V>
EMMY_INLINE void update_rectified_group(float* p, float x, V& a, V& b, V& c, V& d) noexcept {
#define EMMY_UNIT(unit, row)                                                                                 \
  "fmul v20.4s, v" row ".4s, %[x].s[0]\nfmla v" row ".4s, %[" unit "].4s, %[x].s[0]\n"                       \
  "fcmgt %[" unit "].4s, %[" unit "].4s, #0.0\nand %[" unit "].16b, %[" unit "].16b, v20.16b\n"
  __asm__(
      "ld1 {v16.4s-v19.4s}, [%[p]]\n"
      EMMY_UNIT("a", "16") EMMY_UNIT("b", "17") EMMY_UNIT("c", "18") EMMY_UNIT("d", "19")
      "st1 {v16.4s-v19.4s}, [%[p]]\n"
      : [a] "+&w"(a.raw), [b] "+&w"(b.raw), [c] "+&w"(c.raw), [d] "+&w"(d.raw),
        "+m"(*reinterpret_cast<float(*)[16]>(p))
      : [p] "r"(p), [x] "w"(x)
      : "v16", "v17", "v18", "v19", "v20");
#undef EMMY_UNIT
}
// clang-format on

#undef EMMY_IF
#undef EMMY_MOVE
#undef EMMY_ROW
#undef EMMY_REST_OF_ROW
#undef EMMY_WHOLE
#undef EMMY_SUMS
#undef EMMY_BIAS
#undef EMMY_FIRST
#undef EMMY_BEYOND
#undef EMMY_EACH
#undef EMMY_ADD_PRODUCT
#undef EMMY_TAKE_PRODUCT
#undef EMMY_SCALE
#undef EMMY_TAKE
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CONSTANTS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
