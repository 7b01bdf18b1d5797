// Lora: a frozen Dense and its adapter against double loops, what trains and what does not, there and back.
#include <emmy/layers/lora.hpp>

#include <emmy/net/init.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/train/trainer.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>
#include <tests/train/fixture.hpp>

#include <type_traits>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::Layer;
using emmy::Lora;
using emmy::NoBias;
using emmy::Relu;
using support::check_net;

TEST(Lora, AmongOtherLayers) { check_net<4, Input<7>, Dense<9>, Relu, Lora<Dense<11>, 3>, Relu, Dense<3>>(101); }
TEST(Lora, FirstAndLast) { check_net<3, Input<7>, Lora<Dense<9>, 2>, emmy::Tanh, Lora<Dense<3, NoBias>, 1>>(102); }
TEST(Lora, OnPositionsOfOneOutput) { check_net<2, Input<4, 5>, Dense<6>, Relu, Lora<Dense<1>, 2>>(103); }

template <class S>
using Adapted = emmy::Net<emmy::Scalar<S>, Input<7>, Lora<Dense<9>, 2>, Relu, Dense<6>, Relu, Lora<Dense<1>, 3>>;
template <class S>
using Plain = emmy::Net<emmy::Scalar<S>, Input<7>, Dense<9>, Relu, Dense<6>, Relu, Dense<1>>;
static_assert(std::is_same_v<emmy::plain_of<Adapted<float>>, Plain<float>>);
static_assert(emmy::kPlan<Adapted<float>>.weights - emmy::kPlan<Plain<float>>.weights == 2 * (7 + 9) + 3 * (6 + 1));

template <class S>
struct Adapting : testing::Test {};
TYPED_TEST_SUITE(Adapting, support::Scalars);

template <class N>
std::vector<double> outputs(const emmy::Params<N>& params, const typename N::scalar* x) {
  emmy::Buffers<N> buffers{};
  emmy::Scratch<N, 4, emmy::Infer> scratch;
  typename N::scalar y[4 * N::kOutputs];
  EXPECT_EQ(emmy::infer(params, buffers, scratch, x, y), emmy::Status::ok);
  return {y, y + 4 * N::kOutputs};
}

// From a plain net into adapters, a while of training, and back: the same function at first and at last, frozen weights
// that keep their bits, adapters that moved.
TYPED_TEST(Adapting, StartsAsThePlainNetAndFoldsBackIntoOne) {
  using S = TypeParam;
  using N = Adapted<S>;
  emmy::Pcg32 rng{5};
  emmy::Params<Plain<S>> plain{}, folded{};
  fixture::randomise(plain, rng, 0.7);
  static emmy::Trainer<N, emmy::BasicMomentum<S>, 4> trainer;
  trainer = {};
  emmy::init(trainer.params, rng);
  emmy::adapt(plain, trainer.params);
  fixture::Data<N, 4> data{};
  data.refill(rng, false);
  EXPECT_EQ(outputs(trainer.params, data.x), outputs(plain, data.x));
  const auto before = reference::read_blocks<N>(trainer.params.data);
  for (int k = 0; k < 20; ++k)
    ASSERT_EQ(
        trainer.step(data.x, data.values, emmy::SquaredError{}, emmy::BasicMomentum<S>{S(0.05), S(0.8), S(1e-3), S(0)})
            .status,
        emmy::Status::ok);
  const auto after = reference::read_blocks<N>(trainer.params.data);
  for (std::size_t b = 0; b < before.size(); ++b)
    EXPECT_EQ(before[b] != after[b], emmy::kPlan<N>.block[b].trained) << b;
  emmy::fold(trainer.params, folded);
  const auto adapted = outputs(trainer.params, data.x), once = outputs(folded, data.x);
  for (std::size_t k = 0; k < adapted.size(); ++k) EXPECT_NEAR(once[k], adapted[k], sizeof(S) == 4 ? 2e-6 : 1e-14);
  EXPECT_NE(adapted, outputs(plain, data.x));
  EXPECT_TRUE(fixture::pads_are_zero<Plain<S>>(folded.data));
}

// Its way back is zero after init, whatever the distribution, and nothing else is.
TEST(Lora, StartsAtZero) {
  using N = emmy::Net<Input<5>, Lora<Dense<6>, 2>>;
  emmy::Params<N> params{};
  emmy::Pcg32 rng{7};
  emmy::init(params, rng, emmy::Uniform<float>{0.5f});
  for (int r = 0; r < 2; ++r) {
    for (int o = 0; o < 6; ++o) EXPECT_EQ((params.weight<Layer<0, 1, 1>>(o, r)), 0.0f);
    for (int i = 0; i < 5; ++i) EXPECT_NE((params.weight<Layer<0, 1, 0>>(r, i)), 0.0f);
  }
  EXPECT_NE((params.weight<Layer<0, 0, 0>>(1, 1)), 0.0f);
  EXPECT_NE((params.bias<Layer<0, 0, 0>>(1)), 0.0f);
}

}  // namespace
