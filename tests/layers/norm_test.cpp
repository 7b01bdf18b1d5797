// emmy/layers/norm.hpp: blocks, first values, and nets with norms at every place against double loops and differences.
#include <emmy/layers/norm.hpp>
#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Conv1d;
using emmy::Dense;
using emmy::Input;
using emmy::LayerNorm;
using emmy::NoBias;
using emmy::Relu;
using emmy::RmsNorm;
using emmy::WithBias;
using support::check_net;

TEST(Norm, StatesItsBlocks) {
  constexpr auto kBoth = emmy::blocks_of<LayerNorm<>, emmy::Shape<7, 5>>();
  static_assert(kBoth.kCount == 2 && kBoth.block[0].rows == 1 && kBoth.block[0].cols == 5);
  static_assert(kBoth.block[0].role == emmy::Role::gain && kBoth.block[1].role == emmy::Role::bias);
  static_assert(emmy::blocks_of<RmsNorm<>, emmy::Shape<5>>().kCount == 1);
  static_assert(std::is_same_v<emmy::output_shape<RmsNorm<>, emmy::Shape<7, 5>>, emmy::Shape<7, 5>>);
  static_assert(std::is_empty_v<LayerNorm<>> && std::is_empty_v<RmsNorm<WithBias, 1, 64>>);
  static_assert(LayerNorm<>::kEpsilon<double> == 1e-5 && RmsNorm<NoBias, 0, 1>::kEpsilon<float> == 0);
  SUCCEED();  // the compiler has checked it
}

TEST(LayerNorm, OfTheInput) { check_net<3, Input<7>, LayerNorm<>, Dense<5>, Relu, Dense<2>>(81); }
TEST(LayerNorm, BehindDenseBeforeRelu) { check_net<4, Input<5>, Dense<17>, LayerNorm<>, Relu, Dense<3>>(82); }
TEST(LayerNorm, WithoutBiasBehindAnActivation) {
  check_net<2, Input<5>, Dense<9, NoBias>, emmy::Tanh, LayerNorm<NoBias>, Dense<3>>(83);
}
TEST(LayerNorm, OfEveryPosition) { check_net<2, Input<9, 3>, Conv1d<6, 2>, LayerNorm<>, Relu, Conv1d<4, 3>>(84); }
// Its gradient is added to that of the skip; what it reads has two readers.
TEST(LayerNorm, InsideAResidual) {
  check_net<3, Input<4>, Dense<6>, Relu, emmy::Residual<LayerNorm<>, Dense<6>>, LayerNorm<>, Dense<2>>(85);
}
TEST(LayerNorm, LastAndFrozen) {
  check_net<3, Input<4>, Dense<6>, emmy::Frozen<LayerNorm<>>, emmy::Tanh, Dense<5>, LayerNorm<WithBias, 1, 64>>(86);
}
TEST(RmsNorm, OfTheInput) { check_net<3, Input<7>, RmsNorm<>, Dense<5>, Relu, Dense<2>>(87); }
TEST(RmsNorm, BehindDenseBeforeRelu) { check_net<4, Input<5>, Dense<17>, RmsNorm<WithBias>, Relu, Dense<3>>(88); }
TEST(RmsNorm, TwiceAndOfFewChannels) {
  check_net<2, Input<6, 4>, Dense<5>, RmsNorm<NoBias, 1, 4>, Relu, Dense<2>, RmsNorm<NoBias, 1, 2>>(89);
}

// kNorm: what the gains meet has squares that add up to at most the channels.
TEST(Norm, BoundsWhatItsGainsMeet) {
  using Net = emmy::Net<emmy::Scalar<double>, Input<3, 6>, LayerNorm<NoBias>, RmsNorm<>>;
  static_assert(emmy::kIsNorm<LayerNorm<>> && emmy::kIsNorm<RmsNorm<>> && !emmy::kIsNorm<Dense<3>>);
  emmy::Params<Net> params;
  emmy::Buffers<Net> buffers;
  emmy::Scratch<Net, 1, emmy::Infer> scratch;
  emmy::Pcg32 rng{5};
  emmy::init(params, rng);
  for (int turn = 0; turn < 100; ++turn) {
    double x[18], y[18], squares[3] = {};
    for (double& v : x) v = (turn % 7) * (rng.uniform() - 0.4);
    ASSERT_EQ(emmy::infer(params, buffers, scratch, x, y), emmy::Status::ok);
    for (int k = 0; k < 18; ++k) squares[k / 6] += y[k] * y[k];
    for (const double square : squares) ASSERT_LE(square, 6 * (1 + 1e-14));
  }
}

// Gains start at 1 whatever the initialisation, biases as those of any layer.
TEST(Norm, StartsAsTheIdentity) {
  using Net = emmy::Net<Input<4>, Dense<5>, LayerNorm<>, Relu, Dense<2>>;
  emmy::Params<Net> params;
  emmy::Pcg32 rng{3};
  emmy::init(params, rng);
  for (int c = 0; c < 5; ++c) {
    EXPECT_EQ(params.gain<emmy::Layer<1>>(c), 1.0f);
    EXPECT_EQ(params.bias<emmy::Layer<1>>(c), 0.0f);
  }
  emmy::init(params, rng, emmy::Uniform<float>{0.5f});
  for (int c = 0; c < 5; ++c) {
    EXPECT_EQ(params.gain<emmy::Layer<1>>(c), 1.0f);
    EXPECT_NE(params.bias<emmy::Layer<1>>(c), 0.0f);
  }
  for (int c = 5; c < emmy::padded<float>(5); ++c) EXPECT_EQ(params.gain<emmy::Layer<1>>(c), 0.0f);
}

}  // namespace
