// NEON panels (see panel.hpp): four registers of a row by one ld1 that also steps to the next row, x by lane.
// g++ 12 pairs loads at best and takes a register for each x: 0.54 instructions a weight forward and 0.71 in the update;
// here 0.36 and 0.43 (64-32-10).
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_PANELS

namespace emmy::inline EMMY_TARGET {

inline constexpr int kPanelStep = 16, kWidestPanel = 16;

// v0-v3 hold the sums or v, v4 four values of x, v16-v19 a row.
// clang-format off
#define EMMY_FORWARD_ROW(x)                                                  \
  "ld1 {v16.4s-v19.4s}, [%[w]], %[stride]\n"                                 \
  "fmla v0.4s, v16.4s, v4.s[" #x "]\nfmla v1.4s, v17.4s, v4.s[" #x "]\n"     \
  "fmla v2.4s, v18.4s, v4.s[" #x "]\nfmla v3.4s, v19.4s, v4.s[" #x "]\n"
#define EMMY_UPDATE_ROW(x)                                                   \
  "ld1 {v16.4s-v19.4s}, [%[w]]\n"                                            \
  "fmls v16.4s, v0.4s, v4.s[" #x "]\nfmls v17.4s, v1.4s, v4.s[" #x "]\n"     \
  "fmls v18.4s, v2.4s, v4.s[" #x "]\nfmls v19.4s, v3.4s, v4.s[" #x "]\n"     \
  "st1 {v16.4s-v19.4s}, [%[w]], %[stride]\n"

// Rows by four, then one by one.
#define EMMY_ROWS(row)                                                       \
  "subs %w[n], %w[n], #4\n"                                                  \
  "b.lt 2f\n"                                                                \
  "1:\n"                                                                     \
  "ld1 {v4.4s}, [%[x]], #16\n"                                               \
  row(0) row(1) row(2) row(3)                                                \
  "subs %w[n], %w[n], #4\n"                                                  \
  "b.ge 1b\n"                                                                \
  "2:\n"                                                                     \
  "adds %w[n], %w[n], #4\n"                                                  \
  "b.eq 4f\n"                                                                \
  "3:\n"                                                                     \
  "ldr s4, [%[x]], #4\n"                                                     \
  row(0)                                                                     \
  "subs %w[n], %w[n], #1\n"                                                  \
  "b.ne 3b\n"                                                                \
  "4:\n"
#define EMMY_CLOBBERED "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v16", "v17", "v18", "v19"

template <int Cols>
EMMY_OUTLINE void multiply_panel(const float* start, const float* x, const float* w, int n, int stride,
                                 float* y) noexcept {
  __asm__ volatile(
      "ld1 {v0.4s-v3.4s}, [%[start]]\n"
      EMMY_ROWS(EMMY_FORWARD_ROW)
      "st1 {v0.4s-v3.4s}, [%[y]]\n"
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [start] "r"(start), [y] "r"(y), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4)
      : EMMY_CLOBBERED);
}

template <int Cols>
EMMY_OUTLINE void update_panel(float* w, const float* x, const float* dy, float scale, int n, int stride,
                               float* bias) noexcept {
  __asm__ volatile(
      "ld1 {v0.4s-v3.4s}, [%[dy]]\n"
      "fmul v0.4s, v0.4s, %[scale].s[0]\nfmul v1.4s, v1.4s, %[scale].s[0]\n"
      "fmul v2.4s, v2.4s, %[scale].s[0]\nfmul v3.4s, v3.4s, %[scale].s[0]\n"
      EMMY_ROWS(EMMY_UPDATE_ROW)
      "cbz %[bias], 5f\n"
      "ld1 {v16.4s-v19.4s}, [%[bias]]\n"
      "fsub v16.4s, v16.4s, v0.4s\nfsub v17.4s, v17.4s, v1.4s\n"
      "fsub v18.4s, v18.4s, v2.4s\nfsub v19.4s, v19.4s, v3.4s\n"
      "st1 {v16.4s-v19.4s}, [%[bias]]\n"
      "5:\n"
      : [x] "+&r"(x), [w] "+&r"(w), [n] "+&r"(n)
      : [dy] "r"(dy), [scale] "w"(scale), [stride] "r"(static_cast<std::ptrdiff_t>(stride) * 4), [bias] "r"(bias)
      : EMMY_CLOBBERED);
}
// clang-format on

#undef EMMY_FORWARD_ROW
#undef EMMY_UPDATE_ROW
#undef EMMY_ROWS
#undef EMMY_CLOBBERED

}  // namespace emmy::inline EMMY_TARGET
