// Helium panels (see panel.hpp): x straight from core registers into vfma, loops without a counter to test.
// g++ 12 copies each x into a vector and makes an address for every load: 0.95 instructions a weight forward and 1.26 in
// the update; here 0.60 and 0.86 (64-32-10; clang 19 without this: 0.67 and 0.90).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 4, kWidestPanel = 16;

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

#define EMMY_FORWARD_ROW(x)                                                  \
  EMMY_VECTORS(EMMY_LOAD, "%[w]")                                            \
  EMMY_VECTORS(EMMY_ADD_PRODUCT, x)                                          \
  "add %[w], %[w], %[stride]\n"
#define EMMY_UPDATE_ROW(x)                                                   \
  EMMY_VECTORS(EMMY_LOAD, "%[w]")                                            \
  EMMY_VECTORS(EMMY_TO_ROW, x)                                               \
  EMMY_VECTORS(EMMY_STORE, "%[w]")                                           \
  "add %[w], %[w], %[stride]\n"

// Rows by four, then one by one.
#define EMMY_ROWS(row)                                                       \
  "lsr r4, %[n], #2\n"                                                       \
  "wls lr, r4, 2f\n"                                                         \
  "1:\n"                                                                     \
  "ldm %[x]!, {r4, r5, r6, r8}\n"                                            \
  row("r4") row("r5") row("r6") row("r8")                                    \
  "le lr, 1b\n"                                                              \
  "2:\n"                                                                     \
  "and r4, %[n], #3\n"                                                       \
  "wls lr, r4, 4f\n"                                                         \
  "3:\n"                                                                     \
  "ldr r4, [%[x]], #4\n"                                                     \
  row("r4")                                                                  \
  "le lr, 3b\n"                                                              \
  "4:\n"
#define EMMY_CLOBBERED                                                       \
  "memory", "cc", "lr", "r4", "r5", "r6", "r8",                              \
  "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7"

template <int Cols>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      EMMY_VECTORS(EMMY_LOAD_SUMS, "%[start]")
      EMMY_ROWS(EMMY_FORWARD_ROW)
      EMMY_VECTORS(EMMY_STORE_SUMS, "%[y]")
      : [x] "+&r"(x), [w] "+&r"(w)
      : [n] "r"(n), [start] "r"(start), [y] "r"(y), [stride] "r"(stride * 4), [vectors] "i"(Cols / 4)
      : EMMY_CLOBBERED);
}

template <int Cols>
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
      : [n] "r"(n), [dy] "r"(dy), [scale] "r"(-scale), [stride] "r"(stride * 4), [bias] "l"(bias),
        [vectors] "i"(Cols / 4)
      : EMMY_CLOBBERED);
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
#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
