// Blocks of four weights of Helium (see kernels/block_sparse.hpp): a load and a vfma each, of four rows of blocks at once, for all that
// is left of the budget is a quarter of an instruction: inputs come four by one ldm, and which blocks there are is in the text.
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_BLOCK_PANELS

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Of a panel of four rows of blocks and 64 inputs: 4 bits an input, which rows have it.
inline constexpr int kPanelInputs = 64;
struct BlockMasks {
  unsigned word[kPanelInputs / 8];
};
template <class Pattern>
consteval BlockMasks block_masks(int panel, int first) {
  BlockMasks masks{};
  for (int row = 0, k = 0; row < BlockTable<Pattern>::kRows; ++row)
    for (int n = 0; n < static_cast<int>(Pattern::kCount[row]); ++n, ++k) {
      const int i = static_cast<int>(Pattern::kInput[k]) - first;
      if (row / kBlockPanel == panel && i >= 0 && i < kPanelInputs)
        masks.word[i / 8] |= 1u << (4 * (i % 8) + row % kBlockPanel);
    }
  return masks;
}

}  // namespace inner

// clang-format off
#define EMMY_VECTOR(j, text) ".if %c[vectors] > " #j "\n" text "\n.endif\n"
#define EMMY_BLOCK(word, bit, j, w, x)                                       \
  ".if (%c[" #word "] >> (" #bit ")) & 1\nvldrw.u32 q" #w ", [%[w]], #16\nvfma.f32 q" #j ", q" #w ", " x "\n.endif\n"
#define EMMY_BLOCKS(word, bit, x)                                            \
  EMMY_BLOCK(word, bit, 0, 4, x) EMMY_BLOCK(word, bit+1, 1, 5, x)            \
  EMMY_BLOCK(word, bit+2, 2, 6, x) EMMY_BLOCK(word, bit+3, 3, 7, x)
// Four inputs, or as many as there are, from number `first` on.
#define EMMY_FOUR_INPUTS(word, bit, first)                                   \
  ".if %c[inputs] > " #first "+3\nldmia %[x]!, {r4, r5, r6, r8}\n"           \
  ".elseif %c[inputs] > " #first "+2\nldmia %[x]!, {r4, r5, r6}\n"           \
  ".elseif %c[inputs] > " #first "+1\nldmia %[x]!, {r4, r5}\n"               \
  ".elseif %c[inputs] > " #first "\nldr r4, [%[x]], #4\n.endif\n"            \
  EMMY_BLOCKS(word, bit, "r4") EMMY_BLOCKS(word, bit+4, "r5")                \
  EMMY_BLOCKS(word, bit+8, "r6") EMMY_BLOCKS(word, bit+12, "r8")
#define EMMY_EIGHT_INPUTS(word, first) EMMY_FOUR_INPUTS(word, 0, first) EMMY_FOUR_INPUTS(word, 16, first+4)

// y = start + x W of one row of x; start without `step` is zeros.
template <class Pattern, int In, int Out>
EMMY_OUTLINE void multiply_blocks(const float* x, const float* w, const float* start, int step, float* y) noexcept {
  constexpr int kChunks = (In + inner::kPanelInputs - 1) / inner::kPanelInputs, kRows = BlockTable<Pattern>::kRows,
                kPanels = (kRows + kBlockPanel - 1) / kBlockPanel;
  const auto call = [&]<int C>(std::integral_constant<int, C>) EMMY_LAMBDA {
    constexpr int kPanel = C / kChunks, kFirst = C % kChunks * inner::kPanelInputs, kOutput = 4 * kBlockPanel * kPanel;
    static constexpr inner::BlockMasks kMasks = inner::block_masks<Pattern>(kPanel, kFirst);
    const float *from = x + kFirst, *at = w;
    __asm__ volatile(
        EMMY_VECTOR(0, "vldrw.u32 q0, [%[start]]") EMMY_VECTOR(1, "vldrw.u32 q1, [%[start], #16]")
        EMMY_VECTOR(2, "vldrw.u32 q2, [%[start], #32]") EMMY_VECTOR(3, "vldrw.u32 q3, [%[start], #48]")
        EMMY_EIGHT_INPUTS(m0, 0) EMMY_EIGHT_INPUTS(m1, 8) EMMY_EIGHT_INPUTS(m2, 16) EMMY_EIGHT_INPUTS(m3, 24)
        EMMY_EIGHT_INPUTS(m4, 32) EMMY_EIGHT_INPUTS(m5, 40) EMMY_EIGHT_INPUTS(m6, 48) EMMY_EIGHT_INPUTS(m7, 56)
        EMMY_VECTOR(0, "vstrw.32 q0, [%[y]]") EMMY_VECTOR(1, "vstrw.32 q1, [%[y], #16]")
        EMMY_VECTOR(2, "vstrw.32 q2, [%[y], #32]") EMMY_VECTOR(3, "vstrw.32 q3, [%[y], #48]")
        : [x] "+&r"(from), [w] "+&r"(at)
        : [start] "r"(kFirst == 0 ? start + step * kOutput : y + kOutput), [y] "r"(y + kOutput),
          [vectors] "i"(kRows - kBlockPanel * kPanel), [inputs] "i"(In - kFirst), [m0] "i"(kMasks.word[0]),
          [m1] "i"(kMasks.word[1]), [m2] "i"(kMasks.word[2]), [m3] "i"(kMasks.word[3]), [m4] "i"(kMasks.word[4]),
          [m5] "i"(kMasks.word[5]), [m6] "i"(kMasks.word[6]), [m7] "i"(kMasks.word[7])
        : "memory", "r4", "r5", "r6", "r8", "q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7");
    w = at;
  };
  [&]<int... C>(std::integer_sequence<int, C...>) EMMY_LAMBDA { (call(std::integral_constant<int, C>{}), ...); }
  (std::make_integer_sequence<int, kPanels * kChunks>{});
}
// clang-format on

#undef EMMY_VECTOR
#undef EMMY_BLOCK
#undef EMMY_BLOCKS
#undef EMMY_FOUR_INPUTS
#undef EMMY_EIGHT_INPUTS

}  // namespace emmy::inline EMMY_TARGET
