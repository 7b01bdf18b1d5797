// From a folded net with zero blocks to one whose BlockSparse layers store the others alone (layers/block_sparse.hpp).
#pragma once

#include <type_traits>
#include <utility>

#include <emmy/core/status.hpp>
#include <emmy/layers/block_sparse.hpp>
#include <emmy/net/memory.hpp>

namespace emmy {

namespace detail {
template <class L>
inline constexpr bool kIsBlockSparse = false;
template <int Out, class Pattern, class Bias>
inline constexpr bool kIsBlockSparse<BlockSparse<Out, Pattern, Bias>> = true;
// The Dense that a BlockSparse deploys.
template <class L>
struct DenseOf {
  using type = L;
};
template <int Out, class Pattern, class Bias>
struct DenseOf<BlockSparse<Out, Pattern, Bias>> {
  using type = Dense<Out, Bias>;
};
template <class Net, class Target, int... I>
consteval bool deploys(std::integer_sequence<int, I...>) {
  return (true && ... &&
          std::is_same_v<typename node_at<Net, I>::layer, typename DenseOf<typename node_at<Target, I>::layer>::type>);
}
}  // namespace detail

// Weights of blocks in the order of the pattern, four a block, as this platform's BlockSparse has them: what packed<Net> takes.
template <class S, int Size>
struct BlockWeights {
  S at[Size];
};
template <class Pattern, class S, int Size>
constexpr BlockWeights<S, Size> in_order(const S (&blocks)[Size]) noexcept {
  static_assert(Size == kBlockOutputs * BlockTable<Pattern>::kStored,
                "emmy: in_order takes four weights for each block of the pattern");
  BlockWeights<S, Size> w{};
  for (int k = 0; k < Size; ++k)
    w.at[kBlockOutputs * block_place<Pattern>(k / kBlockOutputs) + k % kBlockOutputs] = blocks[k];
  return w;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Has input `input` a weight other than zero to outputs 4 row, ... of the Dense at Site?
template <class Site, class Net>
EMMY_INLINE bool block_is_live(const Params<Net>& params, int row, int input) noexcept {
  constexpr int kOut = node_at<Net, kNodeOf<Net, Site>>::out::kChannels;
  for (int o = kBlockOutputs * row; o < kBlockOutputs * (row + 1) && o < kOut; ++o)
    if (params.template weight<Site>(o, input) != typename Net::scalar(0)) return true;
  return false;
}
}  // namespace inner

// The pattern of the Dense that Site names: counts [outputs / 4, rounded up] and inputs [as many as it returns]; inputs may be null.
// Test: tests/layers/block_sparse_test.cpp.
template <class Site, class Net, class Count, class Input>
int block_pattern(const Params<Net>& params, Count* counts, Input* inputs) noexcept {
  using N = node_at<Net, kNodeOf<Net, Site>>;
  int blocks = 0;
  for (int row = 0; kBlockOutputs * row < N::out::kChannels; ++row) {
    const int first = blocks;
    for (int i = 0; i < N::in::kChannels; ++i)
      if (inner::block_is_live<Site>(params, row, i)) {
        if (inputs != nullptr) inputs[blocks] = static_cast<Input>(i);
        ++blocks;
      }
    counts[row] = static_cast<Count>(blocks - first);
  }
  return blocks;
}

// The weights of Net, a plain net with Dense layers, as those of Target, the same net with a BlockSparse for some of them: the same
// function up to the order of its sums. Status::does_not_fit where a weight outside a pattern is not zero: `to` is
// untouched. Test: tests/layers/block_sparse_test.cpp.
template <class Net, class Target>
Status pack_blocks(const Params<Net>& from, Params<Target>& to) noexcept {
  using S = typename Net::scalar;
  constexpr bool kSame = [] {
    if constexpr (Net::kNodes != Target::kNodes) return false;
    else return detail::deploys<Net, Target>(std::make_integer_sequence<int, Net::kNodes>{});
  }();
  static_assert(kSame, "emmy: pack_blocks needs the same net twice, with a BlockSparse for some of its Dense layers");
  if constexpr (kSame) {
    const auto for_nodes = [](auto&& f) EMMY_LAMBDA {
      [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA { (f(std::integral_constant<int, I>{}), ...); }
      (std::make_integer_sequence<int, Net::kNodes>{});
    };
    bool fits = true;
    // f(block of the pattern, output block, input) for those that are stored, -1 for the others.
    const auto for_blocks = []<class Pattern>(Pattern, int inputs, auto&& f) EMMY_LAMBDA {
      for (int row = 0, k = 0; row < BlockTable<Pattern>::kRows; ++row) {
        const int end = k + static_cast<int>(Pattern::kCount[row]);
        for (int i = 0; i < inputs; ++i)
          if (k < end && static_cast<int>(Pattern::kInput[k]) == i) f(k++, row, i);
          else f(-1, row, i);
      }
    };
    for_nodes([&]<int I>(std::integral_constant<int, I>) EMMY_LAMBDA {
      using N = node_at<Target, I>;
      if constexpr (detail::kIsBlockSparse<typename N::layer>)
        for_blocks(typename N::layer::pattern{}, N::in::kChannels, [&](int k, int row, int i) EMMY_LAMBDA {
          fits = fits && (k >= 0 || !inner::block_is_live<typename N::site>(from, row, i));
        });
    });
    if (!fits) return Status::does_not_fit;
    for_nodes([&]<int I>(std::integral_constant<int, I>) EMMY_LAMBDA {
      using N = node_at<Target, I>;
      constexpr int kFirst = kPlan<Net>.first_block[I], kEnd = kPlan<Net>.first_block[I + 1],
                    kTarget = kPlan<Target>.first_block[I];
      const auto copy = [&](int b) EMMY_LAMBDA {
        const auto &source = kPlan<Net>.block[kFirst + b], &target = kPlan<Target>.block[kTarget + b];
        for (int i = 0; i < source.size(); ++i) to.data[target.offset + i] = from.data[source.offset + i];
      };
      if constexpr (detail::kIsBlockSparse<typename N::layer>) {
        S* const w = to.data + kPlan<Target>.block[kTarget].offset;
        for (int i = 0; i < kPlan<Target>.block[kTarget].size(); ++i) w[i] = S(0);
        for_blocks(typename N::layer::pattern{}, N::in::kChannels, [&](int k, int row, int i) EMMY_LAMBDA {
          if (k < 0) return;
          S* const block = w + kBlockOutputs * block_place<typename N::layer::pattern>(k);
          for (int c = 0; c < kBlockOutputs && kBlockOutputs * row + c < N::out::kChannels; ++c)
            block[c] = from.template weight<typename N::site>(kBlockOutputs * row + c, i);
        });
        if constexpr (N::layer::kHasBias) copy(1);
      } else {
        for (int b = 0; b < kEnd - kFirst; ++b) copy(b);
      }
    });
  }
  return Status::ok;
}

}  // namespace emmy::inline EMMY_TARGET
