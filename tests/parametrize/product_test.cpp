// Products of factors: function and gradients against plain double loops and differences; factors under decay.
#include <emmy/parametrize/product.hpp>

#include <emmy/net/init.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

// Each kind once with and once without a bias, each behind another one.
template <class S>
using OneOrder =
    Net<Scalar<S>, Input<7>, Parametrized<Dense<9>, Product>, Relu, Parametrized<Dense<5, NoBias>, ProductByOutput>,
        LeakyRelu<1, 8>, Parametrized<Dense<3>, ProductByInput>>;
template <class S>
using OtherOrder = Net<Scalar<S>, Input<7>, Parametrized<Dense<9, NoBias>, ProductByInput>, Tanh,
                       Parametrized<Dense<5>, ProductByOutput>, Relu, Parametrized<Dense<3, NoBias>, Product>>;

template <class N>
struct ProductTest : testing::Test {
  using S = typename N::scalar;
  static constexpr int kBatch = 4;
  const double bound = sizeof(S) == 4 ? 3e-6 : 1e-14;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, kBatch, Train<BasicSgd<S>>> scratch{};
  Gradient<N> g{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{47};
  const reference::Model model = reference::model_of<N>();

  void SetUp() override {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
  }
  reference::Pass reference_pass() const {
    return reference::run(model, reference::read_blocks<N>(params.data), data.inputs(), kBatch,
                          data.template reference_targets<CrossEntropy, int>());
  }
  S loss() {
    const auto r =
        gradient<false>(params, buffers, scratch, data.x, data.label, CrossEntropy{}, kBatch, S(1) / S(kBatch), g);
    EXPECT_EQ(r.status, Status::ok);
    return r.loss;
  }
};
using Nets = testing::Types<OneOrder<float>, OtherOrder<float>, OneOrder<double>, OtherOrder<double>>;
TYPED_TEST_SUITE(ProductTest, Nets);

TYPED_TEST(ProductTest, FunctionAndGradientAreThoseOfThePlainLoops) {
  for (int k = 0; k < 20; ++k) {
    this->SetUp();
    const auto pass = this->reference_pass();
    const auto loss = this->loss();
    ASSERT_NEAR(static_cast<double>(loss), pass.loss, this->bound * (1 + pass.loss));
    ASSERT_LT(fixture::relative_difference(reference::read_blocks<TypeParam>(this->g.data), pass.gradient),
              this->bound);
    ASSERT_TRUE(fixture::pads_are_zero<TypeParam>(this->g.data));
    typename TestFixture::S y[TestFixture::kBatch * 3];
    ASSERT_EQ(forward(this->params, this->buffers, this->scratch, this->data.x, y), Status::ok);
    for (std::size_t i = 0; i < pass.outputs.size(); ++i)
      ASSERT_NEAR(static_cast<double>(y[i]), pass.outputs[i], 10 * this->bound);
  }
}

TYPED_TEST(ProductTest, GradientIsTheSlopeOfTheLoss) {
  using Real = typename TestFixture::S;
  const Real h = sizeof(Real) == 4 ? Real(0x1p-7) : Real(1e-6);
  const double tolerance = sizeof(Real) == 4 ? 2e-3 : 1e-8;
  (void)this->loss();
  const auto slope = reference::read_blocks<TypeParam>(this->g.data);
  for (std::size_t b = 0; b < slope.size(); ++b) {
    const auto& block = kPlan<TypeParam>.block[b];
    Real& w = this->params.data[block.at(block.rows - 1, block.cols - 1)];
    const Real kept = w;
    w = kept + h;
    const double above = static_cast<double>(this->loss());
    w = kept - h;
    const double below = static_cast<double>(this->loss());
    w = kept;
    EXPECT_NEAR((above - below) / (2 * static_cast<double>(h)), slope[b].back(), tolerance) << "block " << b;
  }
}

// The factors of a net whose gradient is zero, under decay that halves them at each step.
template <class S>
struct Decayed : testing::Test {
  using N = OneOrder<S>;
  Params<N> params{};
  State<N, BasicSgd<S>> state{};
  Gradient<N> g{};
  NoLedger none;

  // f(value) for every factor, not for biases and pads.
  template <class F>
  void for_factors(F&& f) {
    for (const auto& block : kPlan<N>.block)
      for (int i = 0; i < block.rows && block.role == Role::factor; ++i)
        for (int o = 0; o < block.cols; ++o) f(params.data[block.at(i, o)]);
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Decayed, Scalars);

TYPED_TEST(Decayed, WeightsGoToZeroAndFactorsStayNormal) {
  Pcg32 rng{53};
  fixture::randomise(this->params, rng, 0.9);
  std::vector<bool> negative;
  this->for_factors([&](TypeParam v) { negative.push_back(std::signbit(v)); });
  for (int k = 0; k < 300; ++k) {
    ASSERT_EQ(apply(this->params, this->state, this->g, BasicSgd<TypeParam>{TypeParam(0.5), TypeParam(1)}, this->none),
              Status::ok);
    this->for_factors([](TypeParam v) {
      ASSERT_EQ(std::fpclassify(v), FP_NORMAL);
      ASSERT_GE(std::fabs(v), TypeParam(1e-18));
    });
  }
  std::size_t at = 0;
  this->for_factors([&](TypeParam v) {
    EXPECT_EQ(std::fabs(v), TypeParam(1e-18));
    EXPECT_EQ(std::signbit(v), negative[at++]) << "held on its side of zero";
  });
  EXPECT_TRUE((fixture::pads_are_zero<typename TestFixture::N>(this->params.data)));
}

// A factor that is held can grow again, with the gradient that its partner lets through.
TYPED_TEST(Decayed, AHeldFactorIsNotStuck) {
  using Chain = typename TestFixture::N;
  this->for_factors([](TypeParam& v) { v = TypeParam(1e-18); });
  const auto& u = kPlan<Chain>.block[0];
  const auto& z = kPlan<Chain>.block[1];
  TypeParam *first = this->params.data + u.offset, *second = this->params.data + z.offset;
  for (int k = 0; k < 100 && std::fabs(*first * *second) < TypeParam(0.25); ++k) {
    this->g.data[u.offset] = -*second;  // the loss falls with the weight u z at slope 1
    this->g.data[z.offset] = -*first;
    ASSERT_EQ(apply(this->params, this->state, this->g, BasicSgd<TypeParam>{TypeParam(1), TypeParam(0.01)}, this->none),
              Status::ok);
  }
  EXPECT_GE(*first * *second, TypeParam(0.25));
}

// In training: the unit that the data does not need dies, the floor holds, an exact zero stays one.
TYPED_TEST(Decayed, ZeroStaysZeroWhileOthersAreHeld) {
  using Chain = typename TestFixture::N;
  Trainer<Chain, BasicSgd<TypeParam>, 4> trainer{};
  fixture::Data<Chain, 4> data{};
  Pcg32 rng{59};
  fixture::randomise(trainer.params, rng, 0.9);
  TypeParam& zero = trainer.params.data[kPlan<Chain>.block[0].offset + 3];
  TypeParam& its_partner = trainer.params.data[kPlan<Chain>.block[1].offset + 3];
  zero = its_partner = 0;
  for (int k = 0; k < 400; ++k) {
    data.refill(rng, false);
    const BasicSgd<TypeParam> rule{TypeParam(0.5), TypeParam(0.9)};
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule).status, Status::ok);
    ASSERT_EQ(zero, TypeParam(0));
    ASSERT_EQ(its_partner, TypeParam(0));
  }
  this->params = trainer.params;
  int held = 0;
  this->for_factors([&](TypeParam v) {
    EXPECT_TRUE(v == TypeParam(0) || std::fabs(v) >= TypeParam(1e-18));
    held += std::fabs(v) <= TypeParam(1.0001e-18);
  });
  EXPECT_GT(held, 100);
}

template <class N>
struct Split : testing::Test {};
TYPED_TEST_SUITE(Split, Nets);

// What init draws for a plain net is what the factors multiply to.
TYPED_TEST(Split, InitialFactorsMultiplyToThePlainDraw) {
  using S = typename TypeParam::scalar;
  Params<TypeParam> factors{};
  Params<plain_of<TypeParam>> plain{};
  Pcg32 first{61}, second{61};
  init(factors, first);
  init(plain, second);
  EXPECT_EQ(first.state, second.state) << "the same number of draws";
  const auto theta = reference::read_blocks<TypeParam>(factors.data);
  const auto want = reference::read_blocks<plain_of<TypeParam>>(plain.data);
  std::size_t at = 0;
  for (const auto& stage : reference::model_of<TypeParam>()) {
    if (!stage.affine) continue;
    const auto e = reference::effective_of(stage, theta);
    for (std::size_t i = 0; i < e.w.size(); ++i) EXPECT_NEAR(e.w[i], want[at][i], sizeof(S) == 4 ? 1e-6 : 1e-15);
    at += stage.bias ? 2 : 1;
  }
  EXPECT_TRUE(fixture::pads_are_zero<TypeParam>(factors.data));
}

}  // namespace
