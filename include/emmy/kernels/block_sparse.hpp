// y = activation(x W + b) where most of W is zero: only blocks of four neighbouring outputs of one input are stored (the BSR format
// with blocks of 1 x 4, output block by output block), and which ones is a type, so that it costs no RAM and no text looks for them.
//
//   struct Pattern {
//     static constexpr std::uint8_t kCount[] = {2, 0, 1};   // blocks of outputs 0-3, 4-7, 8-11
//     static constexpr std::uint8_t kInput[] = {3, 5, 0};   // the input of each, in ascending order
//   };
//
// Any unsigned integers do; without blocks kInput is one number that is not looked at. w holds four weights a block, in the
// order of block_place; where Out is no multiple of four the last ones belong to no output and are not stored. Portable text
// loops over the tables, which then lie in flash; text for Cortex-M (cortex_m/, helium/) is made of them.
// Test: tests/kernels/block_sparse_test.cpp, tests/device/kernels_test.cpp.
#pragma once

#include <cstdint>
#include <utility>

#include <emmy/kernels/elementwise.hpp>
#include <emmy/kernels/panel.hpp>

namespace emmy {

struct Identity;
struct Relu;

inline constexpr int kBlockOutputs = 4;

// Blocks of a pattern before those of row `row` of them: of outputs 4 row, ...
template <class Pattern>
consteval int blocks_before(int row) {
  int sum = 0;
  for (int r = 0; r < row; ++r) sum += static_cast<int>(Pattern::kCount[r]);
  return sum;
}
// What a pattern says, as numbers.
template <class Pattern>
struct BlockTable {
  static constexpr int kRows = static_cast<int>(sizeof(Pattern::kCount) / sizeof(Pattern::kCount[0]));
  static constexpr int kInputs = static_cast<int>(sizeof(Pattern::kInput) / sizeof(Pattern::kInput[0]));
  static constexpr int kBlocks = blocks_before<Pattern>(kRows);
  static constexpr int kStored = kBlocks > 0 ? kBlocks : 1;  // there is no array without elements
};

template <class Pattern>
consteval bool fits(int in, int out) {
  using Table = BlockTable<Pattern>;
  if (Table::kRows != (out + kBlockOutputs - 1) / kBlockOutputs || Table::kInputs != Table::kStored) return false;
  for (int row = 0, k = 0; row < Table::kRows; ++row)
    for (int n = 0; n < static_cast<int>(Pattern::kCount[row]); ++n, ++k) {
      const int input = static_cast<int>(Pattern::kInput[k]);
      if (input >= in || (n > 0 && input <= static_cast<int>(Pattern::kInput[k - 1]))) return false;
    }
  return true;
}

// Where in w block k of the pattern is: where the pattern has it, but with Helium four rows of blocks are one panel, input by
// input. It belongs to the class of platform, never to the target, as pads do.
#if defined(__ARM_FEATURE_MVE)
inline constexpr int kBlockPanel = 4;
#else
inline constexpr int kBlockPanel = 1;
#endif
template <class Pattern>
struct BlockPlaces {
  std::uint16_t at[BlockTable<Pattern>::kStored];
};
template <class Pattern>
consteval BlockPlaces<Pattern> block_places() {
  using Table = BlockTable<Pattern>;
  static_assert(Table::kStored <= 65535);
  BlockPlaces<Pattern> places{};
  int next = 0;
  for (int panel = 0; panel < Table::kRows; panel += kBlockPanel) {
    const int rows = Table::kRows - panel < kBlockPanel ? Table::kRows - panel : kBlockPanel;
    int at[kBlockPanel] = {}, end[kBlockPanel] = {}, left = 0;
    for (int r = 0, k = 0; r < panel + rows; k += static_cast<int>(Pattern::kCount[r++]))
      if (r >= panel) {
        at[r - panel] = k;
        end[r - panel] = k + static_cast<int>(Pattern::kCount[r]);
        left += static_cast<int>(Pattern::kCount[r]);
      }
    for (; left > 0; --left) {  // the smallest input, of those the first row
      int best = -1;
      for (int r = 0; r < rows; ++r)
        if (at[r] < end[r] && (best < 0 || Pattern::kInput[at[r]] < Pattern::kInput[at[best]])) best = r;
      places.at[at[best]++] = static_cast<std::uint16_t>(next++);
    }
  }
  return places;
}
template <class Pattern>
inline constexpr BlockPlaces<Pattern> kBlockPlaces = block_places<Pattern>();
template <class Pattern>
EMMY_INLINE constexpr int block_place(int block) noexcept {
  if constexpr (kBlockPanel == 1) return block;
  else return static_cast<int>(kBlockPlaces<Pattern>.at[block]);
}

}  // namespace emmy

#if defined(EMMY_HAS_PANELS) && defined(EMMY_BACKEND_HELIUM)
#include <emmy/kernels/helium/block_sparse.hpp>
#elif defined(EMMY_HAS_PANELS) && defined(EMMY_BACKEND_SCALAR) && !defined(__ARM_FEATURE_MVE)
#include <emmy/kernels/cortex_m/block_sparse.hpp>
#endif

namespace emmy::inline EMMY_TARGET {

#if defined(EMMY_HAS_BLOCK_PANELS)
template <class T>
inline constexpr bool kHasBlockPanels = kHasPanels<T>;
#else
template <class T>
inline constexpr bool kHasBlockPanels = false;
template <class Pattern, int In, int Out, class T>
void multiply_blocks(const T* x, const T* w, const T* start, int step, T* y) noexcept;
#endif

namespace inner {

// One row of x by the tables. Of several lanes at most four are used.
template <class Pattern, bool Bias, int Out, class T, class Activation>
EMMY_OUTLINE void multiply_blocks_by_tables(const T* x, const T* w, const T* b, T* y) noexcept {
  const auto* input = Pattern::kInput;
  int k = 0;
  for (int o = 0, row = 0; o < Out; o += kBlockOutputs, ++row) {
    const int end = k + static_cast<int>(Pattern::kCount[row]);
    if constexpr (one_lane<T>()) {
      const int columns = Out - o < kBlockOutputs ? Out - o : kBlockOutputs;
      T sum[kBlockOutputs] = {};
      for (int c = 0; Bias && c < columns; ++c) sum[c] = b[o + c];
      for (; k < end; ++k) {
        const T* const block = w + kBlockOutputs * block_place<Pattern>(k);
        const T value = x[input[k]];
        for (int c = 0; c < kBlockOutputs; ++c) sum[c] = simd::mul_add(value, block[c], sum[c]);
      }
      for (int c = 0; c < columns; ++c) y[o + c] = activate(Activation{}, sum[c]);
    } else {
      const int start = k, lanes = static_cast<int>(simd::lanes<T>()),
                part = lanes < kBlockOutputs ? lanes : kBlockOutputs;
      const auto count = static_cast<std::size_t>(part);
      for (int c = 0; c < kBlockOutputs; c += part) {
        auto sum = simd::zero<T>();
        if constexpr (Bias) sum = simd::load_first(b + o + c, count);
        for (k = start; k < end; ++k)
          sum = simd::mul_add(simd::set(x[input[k]]),
                              simd::load_first(w + kBlockOutputs * block_place<Pattern>(k) + c, count), sum);
        simd::store_first(activate(Activation{}, sum), y + o + c, count);
      }
    }
  }
}

}  // namespace inner

// y[r, o] = activation(b[o] + sum of x[r, i] w over the blocks of o, in the order of i); x rows of InStride, y rows of padded(Out)
// whose pad lanes become zero. Without Bias b is not looked at. Error: (blocks of o + 1) w_r (|b| + sum |x w|), and the activation's.
template <class Pattern, bool Bias, int Rows, int In, int InStride, int Out, class T, class Activation>
EMMY_INLINE void block_sparse_forward(const T* x, const T* w, const T* b, T* y, Activation) noexcept {
  constexpr int kStride = padded<T>(Out);
  for (int r = 0; r < Rows; ++r, x += InStride, y += kStride) {
    if constexpr (kHasBlockPanels<T>) {
      alignas(kAlign<T>) static constexpr T kNone[kBlockOutputs * kBlockPanel] = {};
      multiply_blocks<Pattern, In, Out>(x, w, Bias ? b : kNone, Bias ? 1 : 0, y);
      int o = 0;
      if constexpr (__is_same(Activation, Relu) && kHasRectifiedRows<T> && Out >= 4) o = Out / 4 * 4, rectify_row(y, o);
      if constexpr (!__is_same(Activation, Identity))
        for (; o < covered<T, Out>(); o += static_cast<int>(simd::lanes<T>()))
          simd::store(activate(Activation{}, simd::load(static_cast<const T*>(y) + o)), y + o);
    } else {
      inner::multiply_blocks_by_tables<Pattern, Bias, Out, T, Activation>(x, w, b, y);
    }
    for (int o = Out; o < kStride; ++o) y[o] = T(0);
  }
}

}  // namespace emmy::inline EMMY_TARGET
