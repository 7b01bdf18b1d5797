// emmy/layers/conv1d.hpp: shapes and blocks, and whole nets against double loops and finite differences.
#include <emmy/layers/conv1d.hpp>

#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Conv1d;
using emmy::Dense;
using emmy::Flatten;
using emmy::Input;
using emmy::Layer;
using emmy::MaxPool;
using emmy::NoBias;
using emmy::Relu;
using support::check_net;

TEST(Conv1d, StatesItsShapeAndBlocks) {
  static_assert(std::is_same_v<emmy::output_shape<Conv1d<16, 5>, emmy::Shape<128, 6>>, emmy::Shape<124, 16>>);
  constexpr auto kBoth = emmy::blocks_of<Conv1d<16, 5>, emmy::Shape<128, 6>>();
  static_assert(kBoth.kCount == 2 && kBoth.block[0].rows == 30 && kBoth.block[0].cols == 16 &&
                kBoth.block[0].role == emmy::Role::weight);
  static_assert(kBoth.block[1].rows == 1 && kBoth.block[1].cols == 16 && kBoth.block[1].role == emmy::Role::bias);
  static_assert(emmy::blocks_of<Conv1d<4, 2, NoBias>, emmy::Shape<7, 3>>().kCount == 1);
  static_assert(sizeof(Conv1d<16, 5>) == 1 && std::is_empty_v<Conv1d<16, 5>>);
  SUCCEED();  // the compiler has checked it
}

// 128 steps of 6 sensors: what the compiler plans. Rows of 16 and 32 channels are whole pads on every platform.
using Net =
    emmy::Net<Input<128, 6>, Conv1d<16, 5>, Relu, MaxPool<2>, Conv1d<32, 5>, Relu, MaxPool<2>, Flatten, Dense<6>>;
TEST(Conv1d, IsPlannedByTheCompiler) {
  constexpr auto& plan = emmy::kPlan<Net>;
  static_assert(plan.tensor[1].positions == 124 && plan.tensor[3].positions == 62 && plan.tensor[4].positions == 58 &&
                plan.tensor[6].positions == 29 && plan.tensor[7].channels == 29 * 32);
  static_assert(plan.tensor[2].root == 1 && plan.tensor[5].root == 4 && plan.tensor[7].root == 6,
                "activations work in place, a Flatten without pads is no copy");
  static_assert(plan.weights == 30 * 16 + 16 + 80 * 32 + 32 + 29 * 32 * 6 + 6);
  // Two tensors at a time: the widest pair is what the first pooling reads and makes.
  static_assert(emmy::kArena<Net, 1, false>.scalars == (124 + 62) * 16);
  SUCCEED();
}

TEST(Conv1d, WeightsAreNamedByOutputInputAndPosition) {
  static emmy::Params<Net> params{};
  float value = 0;
  for (int k = 0; k < 5; ++k) {
    for (int i = 0; i < 16; ++i) {
      for (int o = 0; o < 32; ++o) params.weight<Layer<3>>(o, i, k) = ++value;
    }
  }
  const auto blocks = reference::read_blocks<Net>(params.data);
  for (std::size_t at = 0; at < blocks[2].size(); ++at) ASSERT_EQ(blocks[2][at], static_cast<double>(at + 1));
}

// He: variance 2 / (kernel * in); Glorot counts the window on both sides.
TEST(Conv1d, InitialWeightsCountTheWindow) {
  static emmy::Params<Net> params{};
  const auto largest = [](auto how) {
    emmy::Pcg32 rng{7};
    emmy::init(params, rng, how);
    double most = 0;
    const auto blocks = reference::read_blocks<Net>(params.data);
    for (const double w : blocks[2]) most = std::fmax(most, std::fabs(w));
    return most;
  };
  const double he = std::sqrt(6.0 / 80), glorot = std::sqrt(6.0 / (80 + 5 * 32));
  EXPECT_LE(largest(emmy::He{}), he * 1.000001);
  EXPECT_GT(largest(emmy::He{}), he * 0.99);
  EXPECT_LE(largest(emmy::Glorot{}), glorot * 1.000001);
  EXPECT_GT(largest(emmy::Glorot{}), glorot * 0.99);
}

TEST(Conv1d, TwoOfThem) { check_net<3, Input<9, 3>, Conv1d<5, 3>, Relu, Conv1d<4, 2>, Relu, Dense<3>>(41); }
TEST(Conv1d, BetweenPooling) {
  check_net<2, Input<12, 2>, Conv1d<3, 3>, Relu, MaxPool<2>, Conv1d<4, 2>, Relu, MaxPool<2>, Flatten, Dense<2>>(42);
}
// Channels that fill their rows.
template <class S>
using Sensors = emmy::Net<emmy::Scalar<S>, Input<18, 6>, Conv1d<16, 5>, Relu, MaxPool<2>, Conv1d<32, 3>, Relu,
                          MaxPool<2>, Flatten, Dense<6>>;
TEST(Conv1d, OfWholeRows) {
  support::check_against_reference(support::NetObjects<Sensors<float>, 1>::get(), 47);
  support::check_against_reference(support::NetObjects<Sensors<float>, 16>::get(), 48);
  if constexpr (support::kHasDouble)
    support::check_against_reference(support::NetObjects<Sensors<double>, 3>::get(), 49);
}
// One position is left; no bias; the activation needs its input.
TEST(Conv1d, AsLongAsItsInput) { check_net<4, Input<5, 4>, Conv1d<7, 5, NoBias>, emmy::PowerRelu<3, 2>, Dense<3>>(43); }
TEST(Conv1d, WidthsOfOne) { check_net<3, Input<6, 1>, Conv1d<1, 2>, emmy::Tanh, Conv1d<1, 1>, Conv1d<1, 4>>(44); }
TEST(Conv1d, OfManyChannels) { check_net<2, Input<4, 17>, Conv1d<33, 2>, Relu, Conv1d<17, 3>>(45); }
TEST(Conv1d, FrozenAndInsideAResidual) {
  check_net<2, Input<6, 4>, Conv1d<5, 2>, emmy::Residual<emmy::Frozen<Conv1d<5, 1>>, Relu>, Conv1d<3, 2>>(46);
}

}  // namespace
