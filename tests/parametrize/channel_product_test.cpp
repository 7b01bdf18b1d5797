// emmy/parametrize/channel_product.hpp, and products of recurrent weights (on_states.hpp): what it folds to, its gradient against differences, its ledger, and channels that go.
#include <tests/train/random_net.hpp>

#include <emmy/net/init.hpp>
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/on_states.hpp>
#include <emmy/train/per_block.hpp>
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>
#include <tests/support/scalars.hpp>

#include <cmath>

namespace {

using namespace emmy;

template <class S>
using Windows = Net<Scalar<S>, Input<8, 3>, Parametrized<Conv1d<5, 3>, ProductByUnit>, Relu,
                    Parametrized<Conv1d<4, 2>, ProductByChannel>, Relu, MaxPool<2>, Flatten,
                    Parametrized<Dense<3>, ProductByChannel>>;
template <class S>
using States = Net<Scalar<S>, Input<5, 3>, Parametrized<Rnn<4, Relu>, ProductByUnit>,
                   Parametrized<Gru<5>, ProductByChannel>, Parametrized<Gru<3>, ProductByUnit>, Last, Dense<2>>;
using OfImages = Net<Scalar<double>, Input<5, 4, 2>, Parametrized<Conv2d<3, 2, 2>, ProductByUnit>, Relu,
                     Parametrized<Conv2d<2, 2, 2, NoBias>, ProductByChannel>, Flatten, Dense<2>>;
static_assert(std::is_same_v<symmetries_of<Windows<float>>,
                             Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<1>>, FactorBalance<Layer<2>>,
                                        Rescaling<Layer<5>>, FactorBalance<Layer<6>>>>);
static_assert(std::is_same_v<symmetries_of<States<float>>,
                             Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<0>>, FactorBalance<Layer<1>>,
                                        FactorBalance<Layer<2>>, Translation<Layer<4>>>>);

using Recurrent = Net<Scalar<double>, Input<4, 3>, Parametrized<Rnn<4, Relu>, OnStates<ProductByChannel>>,
                      Parametrized<Gru<4>, OnStates<ProductByBlock<3>>>,
                      Parametrized<Rnn<3, Relu>, OnStates<ProductOfDepth<3>>>, Last, Dense<2>>;
static_assert(std::is_same_v<symmetries_of<Recurrent>,
                             Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<0>>, FactorBalance<Layer<1>>,
                                        FactorBalance<Layer<2>>, Rescaling<Layer<3>>, Translation<Layer<4>>>>);

// By element: one charge an input.
using Elements = Net<Scalar<float>, Input<7>, Parametrized<Dense<9>, Product>, Relu,
                     Parametrized<Dense<4, NoBias>, Product>, Tanh, Parametrized<Dense<2>, Product>>;
static_assert(std::is_same_v<symmetries_of<Elements>, Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<1>>,
                                                                 FactorBalance<Layer<2>>, FactorBalance<Layer<4>>>>);

template <class N>
struct ChannelProduct : fixture::RandomNet<N> {};
using Nets = testing::Types<Windows<float>, States<double>, OfImages, Recurrent, Elements>;
TYPED_TEST_SUITE(ChannelProduct, Nets);

TYPED_TEST(ChannelProduct, FunctionIsThatOfTheFoldedNet) {
  using S = typename TestFixture::Real;
  using Plain = plain_of<TypeParam>;
  Params<Plain> plain{};
  fold(this->params, plain);
  Buffers<Plain> none{};
  Scratch<Plain, TestFixture::kBatch, Infer> folded{};
  Scratch<TypeParam, TestFixture::kBatch, Infer> own{};
  S y[TestFixture::kBatch * TypeParam::kOutputs], z[TestFixture::kBatch * TypeParam::kOutputs];
  ASSERT_EQ(infer(plain, none, folded, this->data.x, y), Status::ok);
  ASSERT_EQ(infer(this->params, this->buffers, own, this->data.x, z), Status::ok);
  for (int k = 0; k < TestFixture::kBatch * TypeParam::kOutputs; ++k) EXPECT_EQ(y[k], z[k]);
}

TYPED_TEST(ChannelProduct, GradientMatchesDifferences) { this->expect_slopes(); }
TYPED_TEST(ChannelProduct, ChargesKeepTheNoetherIdentity) { this->expect_charges(); }
TYPED_TEST(ChannelProduct, ItsBudgetsClose) { this->expect_budgets(); }

// The start of a product is what a plain net draws.
TYPED_TEST(ChannelProduct, IsDrawnAsThePlainNet) {
  Params<TypeParam> own{};
  Params<plain_of<TypeParam>> folded{}, plain{};
  Pcg32 first{7}, second{7};
  init(own, first);
  init(plain, second);
  fold(own, folded);
  for (int k = 0; k < kPlan<plain_of<TypeParam>>.params; ++k)
    EXPECT_NEAR(static_cast<double>(folded.data[k]), static_cast<double>(plain.data[k]), 1e-6);
}

// Decay on the factors is a decay of the length of a channel: one that only noise feeds collapses and is certified, one that the
// target needs stays.
TEST(ChannelProductTraining, RemovesTheChannelThatTellsNothing) {
  using N = Net<Scalar<double>, Input<6, 3>, Parametrized<Conv1d<4, 3>, ProductByChannel>, Flatten, Dense<2>>;
  using Site = Layer<0>;
  static_assert(Groups<N, Site>::kCount == 3);
  constexpr int kRows = 32;
  static Trainer<N, PerBlock<BasicMomentum<double>, N>, kRows> trainer{};
  Pcg32 rng{3};
  init(trainer.params, rng);
  double x[kRows * 18], y[kRows * 2];
  for (double& v : x) v = static_cast<double>(2 * rng.uniform() - 1);
  for (int s = 0; s < kRows; ++s)  // channels 0 and 2
    for (int o = 0; o < 2; ++o)
      y[s * 2 + o] = x[s * 18 + o * 3] - x[s * 18 + 9 + o * 3 + 2] + 0.5 * x[s * 18 + 6 + 2 * o];
  const double lam = 0.02;
  PerBlock<BasicMomentum<double>, N> rule{{0.05, 0.9, 0}, {}};
  rule.fill();
  rule.template constrain<Site>(lam);
  for (int k = 0; k < 6000; ++k) ASSERT_EQ(trainer.step(x, y, SquaredError{}, rule).status, Status::ok);
  double size[3], margin[3];
  group_sizes<Site>(trainer.params, size);
  EXPECT_LT(size[1], 1e-6 * size[0]);
  EXPECT_GT(size[2], 0.1);
  snap<Site>(trainer.params, trainer.state, 1);
  using Plain = plain_of<N>;
  Params<Plain> plain{};
  fold(trainer.params, plain);
  for (int r = 1; r < 9; r += 3)
    for (int o = 0; o < 4; ++o) EXPECT_EQ(plain.data[r * padded<double>(4) + o], 0);
  Gradient<Plain> full{};
  Buffers<Plain> none{};
  static Scratch<Plain, kRows, Train<BasicSgd<double>>> scratch{};
  ASSERT_EQ(gradient<false>(plain, none, scratch, x, y, SquaredError{}, kRows, 1.0 / kRows, full).status, Status::ok);
  ASSERT_EQ((margins<Site, N>(plain, full, lam, margin)), Status::ok);
  EXPECT_TRUE(verdict(margin[1], lam).certified);
  EXPECT_NEAR(margin[0], 0, 0.02 * lam) << "what stays balances the decay";
  // A healthy channel that was deleted by hand is not certified.
  snap<Site>(trainer.params, trainer.state, 0);
  fold(trainer.params, plain);
  ASSERT_EQ(gradient<false>(plain, none, scratch, x, y, SquaredError{}, kRows, 1.0 / kRows, full).status, Status::ok);
  ASSERT_EQ((margins<Site, N>(plain, full, lam, margin)), Status::ok);
  EXPECT_LT(margin[0], 0);
  ASSERT_EQ(trainer.step(x, y, SquaredError{}, rule).status, Status::ok);
  group_sizes<Site>(trainer.params, size);
  EXPECT_EQ(size[0], 0) << "zeros stay";
}

// The filter that two tasks do not need collapses, and is certified where it is smooth; behind a Relu nothing can be said. Filters
// that are left balance the decay; one that was deleted by hand is not certified.
TEST(ChannelProductTraining, RemovesTheFilterThatIsNotNeeded) {
  constexpr int kRows = 32;
  double x[kRows * 12], y[kRows * 2];
  const auto run = [&]<class Activation>(Activation) {
    using N =
        Net<Scalar<double>, Input<4, 3>, Parametrized<Conv1d<4, 3>, ProductByUnit>, Activation, Flatten, Dense<2>>;
    using Plain = plain_of<N>;
    using Site = Layer<0>;
    constexpr bool kSmooth = std::is_same_v<Activation, Tanh>;
    static_assert(Groups<N, Site>::kCount == 4);
    static Trainer<N, PerBlock<BasicMomentum<double>, N>, kRows> trainer{};
    static Scratch<Plain, kRows, Train<BasicSgd<double>>> scratch{};
    Pcg32 rng{3};
    init(trainer.params, rng);
    for (double& v : x) v = fixture::draw(rng);
    for (int s = 0; s < kRows; ++s)
      for (int o = 0; o < 2; ++o) {
        const double* const from = x + s * 12 + 3 * o;
        y[s * 2 + o] = std::tanh(from[0] - from[4] + from[8]);
      }
    PerBlock<BasicMomentum<double>, N> rule{{0.05, 0.9, 1e-3}, {}};
    rule.fill();
    rule.template constrain<Site>(0.02);
    rule.rates[kPlan<N>.first_block[3]].weight_decay = 1e-3;
    for (int k = 0; k < 6000; ++k) ASSERT_EQ(trainer.step(x, y, SquaredError{}, rule).status, Status::ok);
    double size[4], margin[4];
    const auto certify = [&] {
      Params<Plain> plain{};
      Gradient<Plain> full{};
      Buffers<Plain> none{};
      fold(trainer.params, plain);
      EXPECT_EQ(gradient<false>(plain, none, scratch, x, y, SquaredError{}, kRows, 1.0 / kRows, full).status,
                Status::ok);
      return margins<Site, N>(plain, full, 0.02, margin);
    };
    group_sizes<Site>(trainer.params, size);
    int healthy = 0, gone = 0;
    for (int g = 0; g < 4; ++g) {
      if (size[g] < 1e-6) snap<Site>(trainer.params, trainer.state, g), ++gone;
      else healthy = g;
    }
    ASSERT_GT(gone, 0);
    ASSERT_LT(gone, 4);
    EXPECT_EQ(certify(), kSmooth ? Status::ok : Status::not_differentiable);
    for (int g = 0; g < 4; ++g) {
      if (size[g] > 1e-6) EXPECT_NEAR(margin[g], 0, 0.02 * 0.02);
      else if (kSmooth) EXPECT_TRUE(verdict(margin[g], 0.02).certified);
      else EXPECT_EQ(margin[g], -std::numeric_limits<double>::infinity());
    }
    snap<Site>(trainer.params, trainer.state, healthy);
    if (kSmooth) {
      EXPECT_EQ(certify(), Status::ok);
      EXPECT_LT(margin[healthy], 0);
      EXPECT_GT(verdict(margin[healthy], 0.02).suggested_decay, 0.02);
    }
    ASSERT_EQ(trainer.step(x, y, SquaredError{}, rule).status, Status::ok);
    group_sizes<Site>(trainer.params, size);
    EXPECT_EQ(size[healthy], 0) << "zeros stay";
  };
  run(Tanh{});
  run(Relu{});
}

// Blocks of three of the recurrent weights of a Gru: sizes, zeros that stay, slopes.
TEST(ProductOnStates, GroupsAreOfTheRecurrentWeights) {
  using N = Net<Scalar<double>, Input<4, 3>, Parametrized<Gru<4>, OnStates<ProductByBlock<3>>>, Last, Dense<2>>;
  using Site = Layer<0>;
  using Plain = plain_of<N>;
  static_assert(Groups<N, Site>::kCount == 3 * 4 * 2);
  static Trainer<N, BasicMomentum<double>, 4> trainer{};
  Pcg32 rng{9};
  init(trainer.params, rng);
  fixture::Data<N, 4> data{};
  data.refill(rng, false);
  snap<Site>(trainer.params, trainer.state, 3);  // row 1, output 3
  for (int t = 0; t < 20; ++t)
    ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, BasicMomentum<double>{0.02, 0.5, 0.01}).status,
              Status::ok);
  Params<Plain> plain{};
  Gradient<Plain> full{};
  fold(trainer.params, plain);
  for (double& v : full.data) v = fixture::draw(rng);
  double size[24], margin[24];
  group_sizes<Site>(trainer.params, size);
  ASSERT_EQ((margins<Site, N>(plain, full, 0.25, margin)), Status::ok);
  const auto block = kPlan<Plain>.block[1];
  for (int g = 0; g < 24; ++g) {
    double w = 0, slope = 0;
    for (int o = g % 2 * 3; o < (g % 2 == 0 ? 3 : 4); ++o) {
      const int at = block.offset + g / 2 * block.stride + o;
      w += plain.data[at] * plain.data[at];
      slope += full.data[at] * full.data[at];
    }
    EXPECT_NEAR(size[g], std::sqrt(w), 1e-15);
    EXPECT_EQ(size[g] == 0, g == 3);
    EXPECT_NEAR(margin[g], 0.25 - std::sqrt(slope), 1e-15);
  }
}

}  // namespace
