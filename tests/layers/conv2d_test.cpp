// emmy/layers/conv2d.hpp, depthwise.hpp and the options of conv1d.hpp: shapes and blocks, and whole nets against double loops and
// finite differences.
#include <emmy/layers/conv2d.hpp>
#include <emmy/layers/depthwise.hpp>

#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::AvgPool;
using emmy::Conv1d;
using emmy::Conv2d;
using emmy::Dense;
using emmy::DepthwiseConv1d;
using emmy::DepthwiseConv2d;
using emmy::Flatten;
using emmy::GlobalAvgPool;
using emmy::Input;
using emmy::Layer;
using emmy::MaxPool;
using emmy::NoBias;
using emmy::Padding;
using emmy::Relu;
using emmy::Same;
using emmy::Shape;
using emmy::Stride;
using support::check_net;

template <class L, class In, class Out>
inline constexpr bool kMakes = std::is_same_v<emmy::output_shape<L, In>, Out>;

TEST(Conv2d, StatesItsShapeAndBlocks) {
  static_assert(kMakes<Conv2d<8, 3, 3>, Shape<8, 8, 1>, Shape<6, 6, 8>>);
  static_assert(kMakes<Conv2d<8, 3, 5, Same>, Shape<8, 7, 2>, Shape<8, 7, 8>>);
  static_assert(kMakes<Conv2d<8, 4, 4, Same, Stride<2>>, Shape<9, 8, 2>, Shape<5, 4, 8>>);
  static_assert(kMakes<Conv2d<8, 5, 3, NoBias, Padding<2, 1>, Stride<2, 3>>, Shape<9, 8, 2>, Shape<5, 3, 8>>);
  static_assert(kMakes<DepthwiseConv2d<3, 3, Padding<1>>, Shape<6, 5, 7>, Shape<6, 5, 7>>);
  static_assert(kMakes<DepthwiseConv1d<4, Stride<2>>, Shape<9, 5>, Shape<3, 5>>);
  static_assert(kMakes<Conv1d<16, 5, Stride<2>, Same>, Shape<128, 6>, Shape<64, 16>>);
  static_assert(kMakes<Conv1d<16, 5, Padding<2>>, Shape<128, 6>, Shape<128, 16>>);
  static_assert(kMakes<MaxPool<2>, Shape<6, 7, 8>, Shape<3, 3, 8>> && kMakes<MaxPool<2>, Shape<7, 8>, Shape<3, 8>>);
  static_assert(kMakes<AvgPool<1, 3>, Shape<6, 7, 8>, Shape<6, 2, 8>>);
  static_assert(kMakes<GlobalAvgPool, Shape<6, 7, 8>, Shape<8>> && kMakes<Flatten, Shape<6, 7, 8>, Shape<336>>);
  constexpr auto kBlocks = emmy::blocks_of<Conv2d<8, 3, 5>, Shape<9, 9, 2>>();
  static_assert(kBlocks.kCount == 2 && kBlocks.block[0].rows == 30 && kBlocks.block[0].cols == 8);
  constexpr auto kOwn = emmy::blocks_of<DepthwiseConv2d<3, 5, NoBias>, Shape<9, 9, 2>>();
  static_assert(kOwn.kCount == 1 && kOwn.block[0].rows == 15 && kOwn.block[0].cols == 2);
  static_assert(std::is_empty_v<Conv2d<8, 3, 3>> && std::is_empty_v<DepthwiseConv2d<3, 3>>);
  SUCCEED();  // the compiler has checked it
}

// Rows of 16 channels are whole pads on every platform: no copy is planned, padding takes no memory.
TEST(Conv2d, IsPlannedByTheCompiler) {
  using Net =
      emmy::Net<Input<8, 8, 1>, Conv2d<16, 3, 3, Same>, Relu, MaxPool<2>, Conv2d<16, 3, 3>, Relu, Flatten, Dense<10>>;
  constexpr auto& plan = emmy::kPlan<Net>;
  static_assert(plan.tensor[1].positions == 64 && plan.tensor[2].root == 1 && plan.tensor[3].positions == 16 &&
                plan.tensor[4].positions == 4 && plan.tensor[6].root == 4);
  static_assert(plan.weights == 9 * 16 + 16 + 144 * 16 + 16 + 64 * 10 + 10);
  static_assert(emmy::kArena<Net, 1, false>.scalars == (64 + 16) * 16);
  SUCCEED();  // the compiler has checked it
}

TEST(Conv2d, WeightsAreNamedByOutputInputAndPosition) {
  using Net = emmy::Net<Input<4, 5, 2>, Conv2d<3, 2, 3>, DepthwiseConv2d<2, 2>>;
  static emmy::Params<Net> params{};
  float value = 0, own = 0;
  for (int k = 0; k < 6; ++k) {
    for (int i = 0; i < 2; ++i) {
      for (int o = 0; o < 3; ++o) params.weight<Layer<0>>(o, i, k) = ++value;
    }
  }
  for (int k = 0; k < 4; ++k) {
    for (int c = 0; c < 3; ++c) params.weight<Layer<1>>(c, 0, k) = ++own;
  }
  const auto blocks = reference::read_blocks<Net>(params.data);
  for (std::size_t at = 0; at < blocks[0].size(); ++at) ASSERT_EQ(blocks[0][at], static_cast<double>(at + 1));
  for (std::size_t at = 0; at < blocks[2].size(); ++at) ASSERT_EQ(blocks[2][at], static_cast<double>(at + 1));
}

// He: variance 2 / the weights that meet in an output; Glorot counts those that an input meets too.
TEST(Conv2d, InitialWeightsCountTheKernel) {
  using Net = emmy::Net<Input<9, 9, 8>, Conv2d<16, 3, 3>, DepthwiseConv2d<5, 5>>;
  static emmy::Params<Net> params{};
  const auto largest = [](auto how, std::size_t block) {
    emmy::Pcg32 rng{7};
    emmy::init(params, rng, how);
    double most = 0;
    const auto blocks = reference::read_blocks<Net>(params.data);
    for (const double w : blocks[block]) most = std::fmax(most, std::fabs(w));
    return most;
  };
  const auto expect = [](double got, double fan) {
    EXPECT_LE(got, std::sqrt(6.0 / fan) * 1.000001);
    EXPECT_GT(got, std::sqrt(6.0 / fan) * 0.98);
  };
  expect(largest(emmy::He{}, 0), 72);
  expect(largest(emmy::Glorot{}, 0), 72 + 9 * 16);
  expect(largest(emmy::He{}, 2), 25);
  expect(largest(emmy::Glorot{}, 2), 25 + 25);
}

TEST(Conv2d, ThenFlatten) {
  check_net<3, Input<6, 5, 2>, Conv2d<5, 3, 2>, Relu, MaxPool<2>, Conv2d<4, 2, 1, Same>, Relu, Flatten, Dense<3>>(71);
}
TEST(Conv2d, WithStrideAndPadding) {
  check_net<2, Input<7, 6, 3>, Conv2d<5, 3, 3, Stride<2>, Padding<1>>, Relu, Conv2d<4, 3, 3, Same, Stride<1, 2>>, Relu,
            GlobalAvgPool, Dense<2>>(72);
}
TEST(Conv2d, DepthwiseAndPointwise) {
  check_net<2, Input<5, 6, 3>, DepthwiseConv2d<3, 3, Same>, Conv2d<7, 1, 1>, Relu, DepthwiseConv2d<2, 3, NoBias>, Relu,
            Conv2d<4, 1, 1, NoBias>, AvgPool<2>, Dense<2>>(73);
}
// Rows that fill their pads, and one output channel.
TEST(Conv2d, OfWholeRows) {
  check_net<2, Input<5, 5, 1>, Conv2d<16, 3, 3, Same>, Relu, DepthwiseConv2d<3, 3>, emmy::Tanh, Conv2d<1, 3, 3>>(74);
}
TEST(Conv2d, FrozenAndInsideAResidual) {
  check_net<2, Input<4, 4, 2>, Conv2d<3, 2, 2>,
            emmy::Residual<Conv2d<3, 3, 3, Same>, Relu, emmy::Frozen<DepthwiseConv2d<3, 3, Padding<1>>>>,
            Conv2d<2, 3, 3, Stride<2>>>(75);
}
TEST(Conv1d, WithStrideAndPadding) {
  check_net<3, Input<11, 3>, Conv1d<5, 4, Stride<2>, Padding<2>>, Relu, DepthwiseConv1d<3, Same>, Relu,
            Conv1d<4, 3, Same, Stride<3>>, Dense<2>>(76);
}

}  // namespace
