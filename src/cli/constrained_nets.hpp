// More constrained nets on the digits, for `emmy reproduce --digits` and, of blocks and of a rank, `emmy train`: 64-32-10 with the first layer held to blocks, to a rank or to a mirror.
#pragma once

#include <emmy/layers/mirrored.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/low_rank.hpp>
#include <emmy/parametrize/tied.hpp>

#include "cli/nets.hpp"

namespace emmy::app {

inline constexpr int kBlock = 4, kMostRank = 16;

// What mirroring an image from left to right does to its 8x8 pixels, and to hidden units that come in pairs.
struct LeftRight {
  static constexpr Signed of(int i) { return {i / 8 * 8 + 7 - i % 8, 1}; }
};
struct SwapPairs {
  static constexpr Signed of(int j) { return {kHidden - 1 - j, 1}; }
};

// A head that does not see the swap: with it the net says the same of an image and of its mirror.
struct EvenHead {
  static constexpr int kGenerators = 1;
  static constexpr Signed in(int, int i) { return SwapPairs::of(i); }
  static constexpr Signed out(int, int o) { return {o, 1}; }
};

using BlocksNet = Net<Input<kInputs>, Parametrized<Dense<kHidden>, ProductByBlock<kBlock>>, Relu, Dense<kClasses>>;
using LowRankNet = Net<Input<kInputs>, LowRank<Dense<kHidden>, kMostRank>, Relu, Dense<kClasses>>;
using MirrorNet = Net<Input<kInputs>, Mirrored<kHidden, LeftRight, SwapPairs>, Relu, Dense<kClasses>>;
using InvariantNet = Net<Input<kInputs>, Mirrored<kHidden, LeftRight, SwapPairs>, Relu,
                         Parametrized<Dense<kClasses>, Equivariant<EvenHead>>>;

// Without a ledger: the nets of `emmy train` have theirs.
template <class NetType>
struct Bookless : Trained<NetType, 16, Source::digits, CrossEntropy, int, NoLedger> {};
struct Blocks16 : Bookless<BlocksNet> {
  static constexpr const char* kName = "digits";
  static constexpr const char* kText = "64-32-10, ReLU, softmax cross-entropy; no ledger";
};
struct LowRank16 : Bookless<LowRankNet> {
  static constexpr const char* kName = "digits";
  static constexpr const char* kText =
      "64-16-32-10, no activation behind the 16, ReLU, softmax cross-entropy; no ledger";
};
struct Mirror16 : Bookless<MirrorNet> {};
struct Invariant16 : Bookless<InvariantNet> {};

struct ConstrainedNets {};

}  // namespace emmy::app

namespace emmy {

// All of them in one row of a dispatch table: they are compiled together.
template <>
struct Table<app::ConstrainedNets> {
  const char* target;
  Table<app::Blocks16> blocks;
  Table<app::LowRank16> low_rank;
  Table<app::Mirror16> mirror;
  Table<app::Invariant16> invariant;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, app::ConstrainedNets) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME, make_table<app::Blocks16>(), make_table<app::LowRank16>(), make_table<app::Mirror16>(),
          make_table<app::Invariant16>()};
}

}  // namespace emmy::inline EMMY_TARGET
