// Blocks of four weights of Cortex-M with a floating-point unit (see kernels/block_sparse.hpp). The pattern is in the text: a load for
// each input, of two neighbours at once where it can be. The multiply-adds of twelve blocks are one function for all, since four
// of them take as much flash as their weights: with a copy each, 64-32-10 of 43 % takes 4 % fewer instructions, and 2 KB more.
// An index that is loaded, and then the input, takes three instructions a block: more than the rest of the budget.
#pragma once

#include <emmy/simd/simd.hpp>

#define EMMY_HAS_BLOCK_PANELS

namespace emmy::inline EMMY_TARGET {

namespace inner {

// clang-format off
#define EMMY_BLOCK(x, a, b, c, d)                                            \
  "vfma.f32 s0, s" #a ", s" #x "\nvfma.f32 s1, s" #b ", s" #x "\n"           \
  "vfma.f32 s2, s" #c ", s" #x "\nvfma.f32 s3, s" #d ", s" #x "\n"
#define EMMY_FOUR_BLOCKS(x0, x1, x2, x3)                                     \
  "vldmia r4!, {s4-s19}\n"                                                   \
  EMMY_BLOCK(x0, 4, 5, 6, 7) EMMY_BLOCK(x1, 8, 9, 10, 11)                    \
  EMMY_BLOCK(x2, 12, 13, 14, 15) EMMY_BLOCK(x3, 16, 17, 18, 19)
inline constexpr int kFourBlocksBytes = 17 * 4;

// s0-s3 += the blocks from r4 on times s20-s31; of eight or four blocks times the last ones, entered further down.
[[gnu::naked, gnu::noinline]] inline void add_twelve_blocks() noexcept {
  __asm__(EMMY_FOUR_BLOCKS(20, 21, 22, 23) EMMY_FOUR_BLOCKS(24, 25, 26, 27) EMMY_FOUR_BLOCKS(28, 29, 30, 31) "bx lr\n");
}
// clang-format on

// Up to twelve blocks: what s20-s31 hold of x. The blocks that are left over from fours come last and have s20-s22.
struct BlockGroup {
  unsigned input[3] = {};  // bytes, from s20 on
  unsigned moves = 0;      // 2 bits a register: 1 is loaded, 2 with the next one; then fours, left
};
// Up to four groups of one row of blocks, whose inputs are near enough for a load's offset.
inline constexpr int kCallGroups = 4, kCallInputs = 256;
struct BlockCall {
  int row, base;
  bool begins;
  BlockGroup group[kCallGroups];
};

template <class Pattern>
constexpr BlockGroup block_group(int first, int count, int base) {
  BlockGroup g{};
  const int fours = count / 4;
  for (int k = 0; k < count; ++k) {
    const int reg = k < 4 * fours ? 12 - 4 * fours + k : k - 4 * fours,
              input = static_cast<int>(Pattern::kInput[first + k]);
    const bool pair = k % 2 == 0 && k + 1 < count && static_cast<int>(Pattern::kInput[first + k + 1]) == input + 1;
    g.input[reg / 4] |= static_cast<unsigned>(input - base) << (8 * (reg % 4));
    g.moves |= (pair ? 2u : 1u) << (2 * reg);
    if (pair) ++k;
  }
  g.moves |= static_cast<unsigned>(fours) << 24 | static_cast<unsigned>(count % 4) << 26;
  return g;
}

// f(row, first block, number, base, does the row begin) for each call.
template <class Pattern, class F>
constexpr void for_block_calls(F f) {
  for (int row = 0, k = 0; row < BlockTable<Pattern>::kRows; ++row) {
    const int end = k + static_cast<int>(Pattern::kCount[row]);
    bool begins = true;
    do {
      const int base = k < end ? static_cast<int>(Pattern::kInput[k]) / kCallInputs * kCallInputs : 0;
      int count = 0;
      while (k + count < end && count < 12 * kCallGroups &&
             static_cast<int>(Pattern::kInput[k + count]) < base + kCallInputs)
        ++count;
      f(row, k, count, base, begins);
      begins = false;
      k += count;
    } while (k < end);
  }
}
template <class Pattern>
inline constexpr int kBlockCalls = [] {
  int calls = 0;
  for_block_calls<Pattern>([&](int, int, int, int, bool) { ++calls; });
  return calls;
}();
template <class Pattern>
struct BlockCalls {
  BlockCall call[kBlockCalls<Pattern>];
};
template <class Pattern>
inline constexpr auto kCallsOf = [] {
  BlockCalls<Pattern> all{};
  int at = 0;
  for_block_calls<Pattern>([&](int row, int first, int count, int base, bool begins) {
    BlockCall& call = all.call[at++];
    call.row = row;
    call.base = base;
    call.begins = begins;
    for (int g = 0; 12 * g < count; ++g)
      call.group[g] = block_group<Pattern>(first + 12 * g, count - 12 * g < 12 ? count - 12 * g : 12, base);
  });
  return all;
}();

}  // namespace inner

// clang-format off
#define EMMY_MOVES(g, reg) "((%c[moves" #g "] >> (2*(" #reg "-20))) & 3)"
#define EMMY_FOURS(g) "((%c[moves" #g "] >> 24) & 3)"
#define EMMY_LEFT(g) "((%c[moves" #g "] >> 26) & 3)"
#define EMMY_AT(g, word, shift) "[%[x], #(4*((%c[" #word #g "] >> " #shift ") & 255))]\n"
// Registers reg and next, which are one register `both` of 64 bits.
#define EMMY_TWO_INPUTS(g, both, reg, next, word, shift, next_shift)         \
  ".if " EMMY_MOVES(g, reg) " == 2\nvldr.64 d" #both ", " EMMY_AT(g, word, shift) \
  ".elseif " EMMY_MOVES(g, reg) " == 1\nvldr.32 s" #reg ", " EMMY_AT(g, word, shift) ".endif\n" \
  ".if " EMMY_MOVES(g, next) "\nvldr.32 s" #next ", " EMMY_AT(g, word, next_shift) ".endif\n"
#define EMMY_GROUP(g)                                                        \
  EMMY_TWO_INPUTS(g, 10, 20, 21, a, 0, 8) EMMY_TWO_INPUTS(g, 11, 22, 23, a, 16, 24) \
  EMMY_TWO_INPUTS(g, 12, 24, 25, b, 0, 8) EMMY_TWO_INPUTS(g, 13, 26, 27, b, 16, 24) \
  EMMY_TWO_INPUTS(g, 14, 28, 29, c, 0, 8) EMMY_TWO_INPUTS(g, 15, 30, 31, c, 16, 24) \
  ".if " EMMY_FOURS(g) "\nbl %c[twelve]+(3-" EMMY_FOURS(g) ")*%c[four_bytes]\n.endif\n" \
  ".if " EMMY_LEFT(g) " == 1\nvldmia r4!, {s4-s7}\n"                         \
  ".elseif " EMMY_LEFT(g) " == 2\nvldmia r4!, {s4-s11}\n"                    \
  ".elseif " EMMY_LEFT(g) " == 3\nvldmia r4!, {s4-s15}\n.endif\n"            \
  ".if " EMMY_LEFT(g) " > 0\n" EMMY_BLOCK(20, 4, 5, 6, 7) ".endif\n"         \
  ".if " EMMY_LEFT(g) " > 1\n" EMMY_BLOCK(21, 8, 9, 10, 11) ".endif\n"       \
  ".if " EMMY_LEFT(g) " > 2\n" EMMY_BLOCK(22, 12, 13, 14, 15) ".endif\n"
#define EMMY_MOVE_OUTPUTS(op, p)                                             \
  ".if %c[outputs] > 1\n" op " " p ", {s0-s%c[last]}\n.else\n" op " " p ", {s0}\n.endif\n"
#define EMMY_GROUP_OPERANDS(g)                                               \
  [a##g] "i"(kCall.group[g].input[0]), [b##g] "i"(kCall.group[g].input[1]),  \
  [c##g] "i"(kCall.group[g].input[2]), [moves##g] "i"(kCall.group[g].moves)

// y = start + x W of one row of x; start without `step` is four zeros.
template <class Pattern, int In, int Out>
EMMY_OUTLINE void multiply_blocks(const float* x, const float* w, const float* start, int step, float* y) noexcept {
  const auto call = [&]<int C>(std::integral_constant<int, C>) EMMY_LAMBDA {
    static constexpr inner::BlockCall kCall = inner::kCallsOf<Pattern>.call[C];
    constexpr int kFirst = kBlockOutputs * kCall.row, kOutputs = Out - kFirst < kBlockOutputs ? Out - kFirst : kBlockOutputs;
    register const float* at __asm__("r4") = w;
    __asm__ volatile(
        EMMY_MOVE_OUTPUTS("vldmia", "%[start]")
        EMMY_GROUP(0) EMMY_GROUP(1) EMMY_GROUP(2) EMMY_GROUP(3)
        EMMY_MOVE_OUTPUTS("vstmia", "%[y]")
        : "+&r"(at)
        : [x] "r"(x + kCall.base), [start] "r"(kCall.begins ? start + step * kFirst : y + kFirst), [y] "r"(y + kFirst),
          [twelve] "i"(&inner::add_twelve_blocks), [four_bytes] "i"(inner::kFourBlocksBytes), [outputs] "i"(kOutputs),
          [last] "i"(kOutputs - 1), EMMY_GROUP_OPERANDS(0), EMMY_GROUP_OPERANDS(1), EMMY_GROUP_OPERANDS(2),
          EMMY_GROUP_OPERANDS(3)
        : "memory", "cc", "ip", "lr", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
          "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28",
          "s29", "s30", "s31");
    w = at;
  };
  [&]<int... C>(std::integer_sequence<int, C...>) EMMY_LAMBDA { (call(std::integral_constant<int, C>{}), ...); }
  (std::make_integer_sequence<int, inner::kBlockCalls<Pattern>>{});
}
// clang-format on

#undef EMMY_BLOCK
#undef EMMY_FOUR_BLOCKS
#undef EMMY_MOVES
#undef EMMY_FOURS
#undef EMMY_LEFT
#undef EMMY_AT
#undef EMMY_TWO_INPUTS
#undef EMMY_GROUP
#undef EMMY_MOVE_OUTPUTS
#undef EMMY_GROUP_OPERANDS

}  // namespace emmy::inline EMMY_TARGET
