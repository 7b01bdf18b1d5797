// emmy/parametrize/channel_product.hpp: what it folds to, its gradient against differences, its ledger, and channels that go.
#include <tests/train/random_net.hpp>

#include <emmy/net/init.hpp>
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/channel_product.hpp>
#include <emmy/train/per_block.hpp>
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>
#include <tests/support/scalars.hpp>

#include <cmath>

namespace {

using namespace emmy;

template <class S>
using Windows = Net<Scalar<S>, Input<8, 3>, Conv1d<5, 3>, Relu, Parametrized<Conv1d<4, 2>, ProductByChannel>, Relu,
                    MaxPool<2>, Flatten, Parametrized<Dense<3>, ProductByChannel>>;
template <class S>
using States = Net<Scalar<S>, Input<5, 3>, Rnn<4, Relu>, Parametrized<Gru<5>, ProductByChannel>, Last, Dense<2>>;
using OfImages = Net<Scalar<double>, Input<5, 4, 2>, Conv2d<3, 2, 2>, Relu,
                     Parametrized<Conv2d<2, 2, 2, NoBias>, ProductByChannel>, Flatten, Dense<2>>;

template <class N>
struct ChannelProduct : fixture::RandomNet<N> {};
using Nets = testing::Types<Windows<float>, Windows<double>, States<double>, OfImages>;
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

TYPED_TEST(ChannelProduct, GradientMatchesDifferences) {
  using S = typename TestFixture::Real;
  const double step = sizeof(S) == 4 ? 0x1p-9 : 0x1p-20, tolerance = sizeof(S) == 4 ? 3e-3 : 1e-7;
  this->loss();
  const auto expected = this->g;
  int kinks = 0, checked = 0;
  for (const auto& block : kPlan<TypeParam>.block) {
    for (int row = 0; row < block.rows; ++row) {
      for (int col = 0; col < block.cols; ++col) {
        S& weight = this->params.data[block.offset + row * block.stride + col];
        const S kept = weight;
        weight = kept + S(step);
        const double up = static_cast<double>(this->loss());
        weight = kept - S(step);
        const double down = static_cast<double>(this->loss());
        weight = kept;
        const double at = static_cast<double>(this->loss()),
                     own = static_cast<double>(expected.data[block.offset + row * block.stride + col]);
        ++checked;
        // A kink between the two shows in the second difference.
        if (std::fabs(up - 2 * at + down) > 40 * step * step) ++kinks;
        else EXPECT_NEAR((up - down) / (2 * step), own, tolerance * (1 + std::fabs(own))) << block.node;
      }
    }
  }
  EXPECT_LE(kinks * 10, checked);
}

TYPED_TEST(ChannelProduct, ItsBudgetsClose) {
  using S = typename TestFixture::Real;
  Trainer<TypeParam, BasicMomentum<S>, TestFixture::kBatch> trainer{};
  trainer.params = this->params;
  Ledger<TypeParam> ledger{};
  for (int k = 0; k < 100; ++k) {
    this->data.refill(this->rng, false);
    ASSERT_EQ(
        trainer.step(this->data.x, this->data.values, SquaredError{}, BasicMomentum<S>{S(.01), S(.9), S(1e-3)}, ledger)
            .status,
        Status::ok);
    ASSERT_LE(ledger.health(), 1) << k;
  }
  EXPECT_GT(ledger.worst_health(), 0);
}

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

}  // namespace
