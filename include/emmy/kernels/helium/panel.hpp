// Helium panels (see panel.hpp): x straight from core registers into vfma, loops without a counter to test.
// g++ 12 copies each x into a vector and makes an address for every load: 0.95 instructions a weight forward and 1.26 in
// the update; here 0.55 and 0.82 (64-32-10; clang 19 without this: 0.67 and 0.90).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 4, kWidestPanel = 16, kPanelRows = 4, kWidestDots = 16, kHeldGroup = 4;

// A load or store steps to the next row by itself where that is near enough.
consteval int panel_step(int, int stride) { return stride < 128 ? stride : 0; }
consteval int panel_rest(int n) { return n == 0 || n % kPanelRows != 0; }

// q0-q3 hold the sums or -v, q4-q7 a row, r4-r6 and r8 four values of x. What belongs to vector j is assembled where the
// panel has it.
// clang-format off
#define EMMY_VECTOR(j, text) ".if %c[vectors] > " #j "\n" text "\n.endif\n"
#define EMMY_VECTORS(f, x) f(0, 4, 0, x) f(1, 5, 16, x) f(2, 6, 32, x) f(3, 7, 48, x)
#define EMMY_LOAD(j, w, at, p) EMMY_VECTOR(j, "vldrw.u32 q" #w ", [" p ", #" #at "]")
#define EMMY_STORE(j, w, at, p) EMMY_VECTOR(j, "vstrw.32 q" #w ", [" p ", #" #at "]")
#define EMMY_LOAD_SUMS(j, w, at, p) EMMY_VECTOR(j, "vldrw.u32 q" #j ", [" p ", #" #at "]")
#define EMMY_STORE_SUMS(j, w, at, p) EMMY_VECTOR(j, "vstrw.32 q" #j ", [" p ", #" #at "]")
#define EMMY_ADD_PRODUCT(j, w, at, x) EMMY_VECTOR(j, "vfma.f32 q" #j ", q" #w ", " x)
#define EMMY_TO_ROW(j, w, at, x) EMMY_VECTOR(j, "vfma.f32 q" #w ", q" #j ", " x)
#define EMMY_TO_BIAS(j, w, at, x) EMMY_VECTOR(j, "vadd.f32 q" #w ", q" #w ", q" #j)
#define EMMY_SCALE(j, w, at, x) EMMY_VECTOR(j, "vmul.f32 q" #j ", q" #j ", " x)

// The first vector steps to the next row, the others are behind it.
#define EMMY_LOAD_AND_STEP(j, w, at, p)                                      \
  EMMY_VECTOR(j, ".if " #j "\nvldrw.u32 q" #w ", [" p ", #(" #at "-%c[step])]\n.else\n" \
                 "vldrw.u32 q" #w ", [" p "], #%c[step]\n.endif")
#define EMMY_STORE_AND_STEP(j, w, at, p)                                     \
  EMMY_VECTOR(j, ".if " #j "\nvstrw.32 q" #w ", [" p ", #(" #at "-%c[step])]\n.else\n" \
                 "vstrw.32 q" #w ", [" p "], #%c[step]\n.endif")
#define EMMY_FORWARD_ROW(x)                                                  \
  ".if %c[step]\n"                                                           \
  EMMY_VECTORS(EMMY_LOAD_AND_STEP, "%[w]")                                   \
  ".else\n"                                                                  \
  EMMY_VECTORS(EMMY_LOAD, "%[w]")                                            \
  "add %[w], %[w], %[stride]\n"                                              \
  ".endif\n"                                                                 \
  EMMY_VECTORS(EMMY_ADD_PRODUCT, x)
#define EMMY_UPDATE_ROW(x)                                                   \
  EMMY_VECTORS(EMMY_LOAD, "%[w]")                                            \
  EMMY_VECTORS(EMMY_TO_ROW, x)                                               \
  ".if %c[step]\n"                                                           \
  EMMY_VECTORS(EMMY_STORE_AND_STEP, "%[w]")                                  \
  ".else\n"                                                                  \
  EMMY_VECTORS(EMMY_STORE, "%[w]")                                           \
  "add %[w], %[w], %[stride]\n"                                              \
  ".endif\n"

// Rows by four, then one by one.
#define EMMY_ROWS(row)                                                       \
  "lsr r4, %[n], #2\n"                                                       \
  "wls lr, r4, 2f\n"                                                         \
  "1:\n"                                                                     \
  "ldm %[x]!, {r4, r5, r6, r8}\n"                                            \
  row("r4") row("r5") row("r6") row("r8")                                    \
  "le lr, 1b\n"                                                              \
  "2:\n"                                                                     \
  ".if %c[rest]\n"                                                           \
  "and r4, %[n], #3\n"                                                       \
  "wls lr, r4, 4f\n"                                                         \
  "3:\n"                                                                     \
  "ldr r4, [%[x]], #4\n"                                                     \
  row("r4")                                                                  \
  "le lr, 3b\n"                                                              \
  "4:\n"                                                                     \
  ".endif\n"
#define EMMY_RECTIFY(j, w, at, p) EMMY_VECTOR(j, "vmax.s32 q" #j ", q" #j ", q4")  // see positive_part
#define EMMY_CLOBBERED                                                       \
  "memory", "cc", "lr", "r4", "r5", "r6", "r8",                              \
  "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"

#define EMMY_HAS_RECTIFIED_PANELS
template <int Cols, int Rest, int Step, bool Rectified = false>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_VECTORS(EMMY_LOAD_SUMS, "%[start]")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      ".if %c[rectified]\n"
      "vmov.i32 q4, #0\n"
      EMMY_VECTORS(EMMY_RECTIFY, "")
      ".endif\n"
      EMMY_VECTORS(EMMY_STORE_SUMS, "%[y]")
      : [x] "+&r"(x), [w] "+&r"(w)
      : [n] "r"(n), [start] "r"(start), [y] "r"(y), [stride] "ir"(stride_operand<Step>(stride * 4)), [vectors] "i"(Cols / 4),
        [step] "i"(4 * Step), [rest] "i"(Rest), [rectified] "i"(Rectified)
      : EMMY_CLOBBERED);
}

// Rows of five vectors, whose sums are q0-q4. 64-18-10: 6 % less than two panels.
#define EMMY_HAS_WIDE_ROWS
inline constexpr int kWidestRow = 20;
#define EMMY_WIDE_ROW(x)                                                     \
  "vldrw.u32 q5, [%[w]], #16\nvldrw.u32 q6, [%[w]], #16\n"                   \
  "vfma.f32 q0, q5, " x "\nvldrw.u32 q7, [%[w]], #16\n"                      \
  "vfma.f32 q1, q6, " x "\nvldrw.u32 q5, [%[w]], #16\n"                      \
  "vfma.f32 q2, q7, " x "\nvldrw.u32 q6, [%[w]], #16\n"                      \
  "vfma.f32 q3, q5, " x "\nvfma.f32 q4, q6, " x "\n"
template <int Cols, int Rest>
EMMY_OUTLINE void multiply_wide_rows(const float* start, const float* x, const float* w, int n, float* y) noexcept {
  static_assert(Cols == kWidestRow);
  __asm__ volatile(
      "vldrw.u32 q4, [%[start], #64]\n"
      EMMY_VECTORS(EMMY_LOAD_SUMS, "%[start]")
      EMMY_ROWS(EMMY_WIDE_ROW)
      EMMY_VECTORS(EMMY_STORE_SUMS, "%[y]")
      "vstrw.32 q4, [%[y], #64]\n"
      : [x] "+&r"(x), [w] "+&r"(w)
      : [n] "r"(n), [start] "r"(start), [y] "r"(y), [vectors] "i"(4), [rest] "i"(Rest)
      : EMMY_CLOBBERED);
}

template <int Cols, int Rest, int Step>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      EMMY_VECTORS(EMMY_LOAD_SUMS, "%[dy]")
      EMMY_VECTORS(EMMY_SCALE, "%[scale]")
      EMMY_ROWS(EMMY_UPDATE_ROW)
      "cbz %[bias], 5f\n"
      EMMY_VECTORS(EMMY_LOAD, "%[bias]")
      EMMY_VECTORS(EMMY_TO_BIAS, "")
      EMMY_VECTORS(EMMY_STORE, "%[bias]")
      "5:\n"
      : [x] "+&r"(x), [w] "+&r"(w)
      : [n] "r"(n), [dy] "r"(dy), [scale] "r"(-scale), [stride] "ir"(stride_operand<Step>(stride * 4)), [bias] "l"(bias),
        [vectors] "i"(Cols / 4), [step] "i"(4 * Step), [rest] "i"(Rest)
      : EMMY_CLOBBERED);
}

// dots[i] = sum_{o < Cols} w[i stride + o] v[o], i < n, a multiple of four, in the order of o: column by column of four rows,
// without a sum over lanes. v has padded length. Rectified: 0 where not y[i] > 0. As much of v as there are registers stays there.
#define EMMY_HAS_DOTS
#define EMMY_DOT_FIRST "vldrw.u32 q4, [%q[at], #%c[four_rows]]!\nvmul.f32 q0, q4, r4\n"
#define EMMY_DOT_COLUMN(j, v)                                                \
  ".if %c[cols] > " #j "\nvldrw.u32 q4, [%q[at], #(4*" #j ")]\nvfma.f32 q0, q4, " v "\n.endif\n"
#define EMMY_DOT_SPREAD(j, q)                                                \
  ".if %c[cols] > " #j "\nldr r12, [%[v], #(4*" #j ")]\nvdup.32 " q ", r12\n.endif\n"
#define EMMY_DOT_READ(j)                                                     \
  ".if %c[cols] > " #j "\nldr r12, [%[v], #(4*" #j ")]\n.endif\n" EMMY_DOT_COLUMN(j, "r12")
template <int Cols, int Rest, int Step, bool Rectified = false>
EMMY_OUTLINE void dot_panel(const float* w, const float* v, int n, int stride, float* dots,
                            const float* y = nullptr) noexcept {
  static_assert(Step > 0 && Step < 32, "rows of dots are near");
  uint32x4_t at = vdupq_n_u32(static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(w)) - std::uint32_t{Step * 16});
  at = vmlaq_n_u32(at, vidupq_n_u32(0, 1), static_cast<std::uint32_t>(stride * 4));
  __asm__ volatile(
      ".if %c[cols] > 4\nldm %[v], {r4, r5, r6, r8, r10, r11}\n.else\nldm %[v], {r4, r5, r6, r8}\n.endif\n"
      EMMY_DOT_SPREAD(6, "q2") EMMY_DOT_SPREAD(7, "q3") EMMY_DOT_SPREAD(8, "q5") EMMY_DOT_SPREAD(9, "q6")
      "wls lr, %[n], 2f\n"
      "1:\n"
      EMMY_DOT_FIRST
      EMMY_DOT_COLUMN(1, "r5") EMMY_DOT_COLUMN(2, "r6") EMMY_DOT_COLUMN(3, "r8") EMMY_DOT_COLUMN(4, "r10")
      EMMY_DOT_COLUMN(5, "r11")
      EMMY_DOT_COLUMN(6, "q2") EMMY_DOT_COLUMN(7, "q3") EMMY_DOT_COLUMN(8, "q5") EMMY_DOT_COLUMN(9, "q6")
      EMMY_DOT_READ(10) EMMY_DOT_READ(11) EMMY_DOT_READ(12) EMMY_DOT_READ(13) EMMY_DOT_READ(14) EMMY_DOT_READ(15)
      ".if %c[rectified]\n"
      "vldrw.u32 q4, [%[y]], #16\n"
      "vpt.f32 le, q4, zr\n"
      "vmovt.i32 q0, #0\n"
      ".endif\n"
      "vstrw.32 q0, [%[dots]], #16\n"
      "le lr, 1b\n"
      "2:\n"
      : [dots] "+&r"(dots), [y] "+&r"(y), [at] "+&w"(at)
      : [v] "r"(v), [n] "r"(static_cast<unsigned>(n) / 4), [cols] "i"(Cols), [rectified] "i"(Rectified),
        [four_rows] "i"(Step * 16)
      : "memory", "cc", "lr", "r4", "r5", "r6", "r8", "r10", "r11", "r12", "q0", "q2", "q3", "q4", "q5", "q6");
}

// y = max(y, 0), where NaN stays, and dx = y > 0 ? dx : 0 of n values, a multiple of four.
#define EMMY_HAS_RECTIFIED_ROWS
EMMY_OUTLINE void rectify_row(float* y, int n) noexcept {
  __asm__ volatile(
      "vmov.i32 q1, #0\n"  // of lt and le NaN is a part, of gt not
      "wls lr, %[n], 2f\n"
      "1:\n"
      "vldrw.u32 q0, [%[y]]\n"
      "vpt.f32 gt, q1, q0\n"
      "vmovt.i32 q0, #0\n"
      "vstrw.32 q0, [%[y]], #16\n"
      "le lr, 1b\n"
      "2:\n"
      : [y] "+&r"(y)
      : [n] "r"(n / 4)
      : "memory", "cc", "lr", "q0", "q1");
}
EMMY_OUTLINE void rectify_delta(float* dx, const float* y, int n) noexcept {
  __asm__ volatile(
      "wls lr, %[n], 2f\n"
      "1:\n"
      "vldrw.u32 q0, [%[y]], #16\n"
      "vldrw.u32 q1, [%[dx]]\n"
      "vpt.f32 le, q0, zr\n"
      "vmovt.i32 q1, #0\n"
      "vstrw.32 q1, [%[dx]], #16\n"
      "le lr, 1b\n"
      "2:\n"
      : [dx] "+&r"(dx), [y] "+&r"(y)
      : [n] "r"(n / 4)
      : "memory", "cc", "lr", "q0", "q1");
}

// The sum of n squares: four vectors at a time, then one; the loop leaves out what is beyond the last one.
#define EMMY_HAS_ROW_SQUARES
#define EMMY_SQUARE "vldrw.u32 q1, [%[p]], #16\nvfma.f32 %q[sums], q1, q1\n"
EMMY_INLINE float row_squares(const float* p, int n) noexcept {
  float32x4_t sums = vdupq_n_f32(0.0f);
  __asm__ volatile(
      "wls lr, %[sixteens], 2f\n"
      "1:\n"
      EMMY_SQUARE EMMY_SQUARE EMMY_SQUARE EMMY_SQUARE
      "le lr, 1b\n"
      "2:\n"
      "wlstp.32 lr, %[rest], 4f\n"
      "3:\n"
      EMMY_SQUARE
      "letp lr, 3b\n"
      "4:\n"
      : [p] "+&r"(p), [sums] "+&w"(sums)
      : [sixteens] "r"(static_cast<unsigned>(n) / 16), [rest] "r"(n & 15)
      : "memory", "cc", "lr", "q1");
  return simd::sum(sums);
}
#undef EMMY_SQUARE

// Four vectors of a row against four that are held (held_row.hpp).
EMMY_INLINE void add_row_of_group(float x, const float* p, float32x4_t& a, float32x4_t& b, float32x4_t& c,
                                  float32x4_t& d) noexcept {
  float32x4_t r, s;
  __asm__(
      "vldrw.u32 %q[r], [%[p]]\nvldrw.u32 %q[s], [%[p], #16]\n"
      "vfma.f32 %q[a], %q[r], %[x]\nvldrw.u32 %q[r], [%[p], #32]\n"
      "vfma.f32 %q[b], %q[s], %[x]\nvldrw.u32 %q[s], [%[p], #48]\n"
      "vfma.f32 %q[c], %q[r], %[x]\nvfma.f32 %q[d], %q[s], %[x]\n"
      : [r] "=&w"(r), [s] "=&w"(s), [a] "+&w"(a), [b] "+&w"(b), [c] "+&w"(c), [d] "+&w"(d)
      : [p] "r"(p), [x] "r"(x), "m"(*reinterpret_cast<const float(*)[16]>(p)));
}
EMMY_INLINE void update_row_of_group(float* p, float x, const float32x4_t& a, const float32x4_t& b,
                                     const float32x4_t& c, const float32x4_t& d) noexcept {
  float32x4_t r, s;
  __asm__(
      "vldrw.u32 %q[r], [%[p]]\nvldrw.u32 %q[s], [%[p], #16]\n"
      "vfma.f32 %q[r], %q[a], %[x]\nvfma.f32 %q[s], %q[b], %[x]\n"
      "vstrw.32 %q[r], [%[p]]\nvldrw.u32 %q[r], [%[p], #32]\n"
      "vstrw.32 %q[s], [%[p], #16]\nvldrw.u32 %q[s], [%[p], #48]\n"
      "vfma.f32 %q[r], %q[c], %[x]\nvfma.f32 %q[s], %q[d], %[x]\n"
      "vstrw.32 %q[r], [%[p], #32]\nvstrw.32 %q[s], [%[p], #48]\n"
      : [r] "=&w"(r), [s] "=&w"(s), "+m"(*reinterpret_cast<float(*)[16]>(p))
      : [p] "r"(p), [x] "r"(x), [a] "w"(a), [b] "w"(b), [c] "w"(c), [d] "w"(d));
}
EMMY_INLINE void add_to_row_of_group(float* p, const float32x4_t& a, const float32x4_t& b, const float32x4_t& c,
                                     const float32x4_t& d) noexcept {
  float32x4_t r, s;
  __asm__(
      "vldrw.u32 %q[r], [%[p]]\nvldrw.u32 %q[s], [%[p], #16]\n"
      "vadd.f32 %q[r], %q[r], %q[a]\nvadd.f32 %q[s], %q[s], %q[b]\n"
      "vstrw.32 %q[r], [%[p]]\nvldrw.u32 %q[r], [%[p], #32]\n"
      "vstrw.32 %q[s], [%[p], #16]\nvldrw.u32 %q[s], [%[p], #48]\n"
      "vadd.f32 %q[r], %q[r], %q[c]\nvadd.f32 %q[s], %q[s], %q[d]\n"
      "vstrw.32 %q[r], [%[p], #32]\nvstrw.32 %q[s], [%[p], #48]\n"
      : [r] "=&w"(r), [s] "=&w"(s), "+m"(*reinterpret_cast<float(*)[16]>(p))
      : [p] "r"(p), [a] "w"(a), [b] "w"(b), [c] "w"(c), [d] "w"(d));
}
EMMY_INLINE void update_rectified_group(float* p, float x, float32x4_t& a, float32x4_t& b, float32x4_t& c,
                                        float32x4_t& d) noexcept {
  float32x4_t old, product;
#define EMMY_UNIT(unit, at)  /* where a unit is not positive it is 0 already */                  \
  "vldrw.u32 %q[old], [%[p], #" at "]\nvmul.f32 %q[product], %q[old], %[x]\n"                    \
  "vfma.f32 %q[old], %q[" unit "], %[x]\nvpt.f32 gt, %q[" unit "], zr\n"                         \
  "vorrt %q[" unit "], %q[product], %q[product]\nvstrw.32 %q[old], [%[p], #" at "]\n"
  __asm__(EMMY_UNIT("a", "0") EMMY_UNIT("b", "16") EMMY_UNIT("c", "32") EMMY_UNIT("d", "48")
          : [old] "=&w"(old), [product] "=&w"(product), [a] "+&w"(a), [b] "+&w"(b), [c] "+&w"(c), [d] "+&w"(d),
            "+m"(*reinterpret_cast<float(*)[16]>(p))
          : [p] "r"(p), [x] "r"(x));
#undef EMMY_UNIT
}
// clang-format on

#undef EMMY_VECTOR
#undef EMMY_VECTORS
#undef EMMY_LOAD
#undef EMMY_STORE
#undef EMMY_LOAD_SUMS
#undef EMMY_STORE_SUMS
#undef EMMY_ADD_PRODUCT
#undef EMMY_TO_ROW
#undef EMMY_TO_BIAS
#undef EMMY_SCALE
#undef EMMY_LOAD_AND_STEP
#undef EMMY_STORE_AND_STEP
#undef EMMY_RECTIFY
#undef EMMY_DOT_FIRST
#undef EMMY_DOT_COLUMN
#undef EMMY_DOT_SPREAD
#undef EMMY_DOT_READ
#undef EMMY_FORWARD_ROW
#undef EMMY_WIDE_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
