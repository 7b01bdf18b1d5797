// NEON panels (see panel.hpp): up to four registers of a row by one ld1 that also steps to the next row, x by lane.
// g++ 12 pairs loads at best and takes a register for each x: 0.54 instructions a weight forward and 0.71 in the update;
// here 0.34 and 0.41 (64-32-10).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 4, kWidestPanel = 16;

// v0-v3 hold the sums or v, v4 and v5 eight values of x, v16-v19 a row.
// clang-format off
#define EMMY_MOVE(op, v0, v1, v2, v3, at)                                    \
  ".if %c[cols] == 16\n" op " {" v0 ".4s-" v3 ".4s}, " at "\n"               \
  ".elseif %c[cols] == 12\n" op " {" v0 ".4s-" v2 ".4s}, " at "\n"           \
  ".elseif %c[cols] == 8\n" op " {" v0 ".4s-" v1 ".4s}, " at "\n"            \
  ".else\n" op " {" v0 ".4s}, " at "\n.endif\n"
#define EMMY_ROW(op, at) EMMY_MOVE(op, "v16", "v17", "v18", "v19", at)
#define EMMY_SUMS(op, at) EMMY_MOVE(op, "v0", "v1", "v2", "v3", at)
#define EMMY_EACH(op)                                                        \
  op("0", "16")                                                              \
  ".if %c[cols] > 4\n" op("1", "17") ".endif\n"                              \
  ".if %c[cols] > 8\n" op("2", "18") ".endif\n"                              \
  ".if %c[cols] > 12\n" op("3", "19") ".endif\n"
#define EMMY_FORWARD_ROW(x)                                                  \
  EMMY_ROW("ld1", "[%[w]], %[stride]")                                       \
  "fmla v0.4s, v16.4s, " x "\n"                                              \
  ".if %c[cols] > 4\nfmla v1.4s, v17.4s, " x "\n.endif\n"                    \
  ".if %c[cols] > 8\nfmla v2.4s, v18.4s, " x "\n.endif\n"                    \
  ".if %c[cols] > 12\nfmla v3.4s, v19.4s, " x "\n.endif\n"
#define EMMY_UPDATE_ROW(x)                                                   \
  EMMY_ROW("ld1", "[%[w]]")                                                  \
  "fmls v16.4s, v0.4s, " x "\n"                                              \
  ".if %c[cols] > 4\nfmls v17.4s, v1.4s, " x "\n.endif\n"                    \
  ".if %c[cols] > 8\nfmls v18.4s, v2.4s, " x "\n.endif\n"                    \
  ".if %c[cols] > 12\nfmls v19.4s, v3.4s, " x "\n.endif\n"                   \
  EMMY_ROW("st1", "[%[w]], %[stride]")
#define EMMY_SCALE(v, row) "fmul v" v ".4s, v" v ".4s, %[scale].s[0]\n"
#define EMMY_SUBTRACT(v, row) "fsub v" row ".4s, v" row ".4s, v" v ".4s\n"

// Rows by eight, then one by one.
#define EMMY_ROWS(row)                                                       \
  "subs %w[n], %w[n], #8\n"                                                  \
  "b.lt 2f\n"                                                                \
  "1:\n"                                                                     \
  "ld1 {v4.4s-v5.4s}, [%[x]], #32\n"                                         \
  row("v4.s[0]") row("v4.s[1]") row("v4.s[2]") row("v4.s[3]")                \
  row("v5.s[0]") row("v5.s[1]") row("v5.s[2]") row("v5.s[3]")                \
  "subs %w[n], %w[n], #8\n"                                                  \
  "b.ge 1b\n"                                                                \
  "2:\n"                                                                     \
  "adds %w[n], %w[n], #8\n"                                                  \
  "b.eq 4f\n"                                                                \
  "3:\n"                                                                     \
  "ldr s4, [%[x]], #4\n"                                                     \
  row("v4.s[0]")                                                             \
  "subs %w[n], %w[n], #1\n"                                                  \
  "b.ne 3b\n"                                                                \
  "4:\n"
#define EMMY_CLOBBERED "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v16", "v17", "v18", "v19"

template <int Cols>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_SUMS("ld1", "[%[start]]")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_SUMS("st1", "[%[y]]")
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4), [cols] "i"(Cols)
      : EMMY_CLOBBERED);
}

template <int Cols>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      EMMY_SUMS("ld1", "[%[dy]]")
      EMMY_EACH(EMMY_SCALE)
      EMMY_ROWS(EMMY_UPDATE_ROW)
      "cbz %[bias], 5f\n"
      EMMY_ROW("ld1", "[%[bias]]")
      EMMY_EACH(EMMY_SUBTRACT)
      EMMY_ROW("st1", "[%[bias]]")
      "5:\n"
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [dy] "r"(dy), [scale] "w"(scale), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4), [bias] "r"(bias),
        [cols] "i"(Cols)
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

#undef EMMY_MOVE
#undef EMMY_ROW
#undef EMMY_SUMS
#undef EMMY_EACH
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_SCALE
#undef EMMY_SUBTRACT
#undef EMMY_ROWS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
