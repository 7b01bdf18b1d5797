// Weight normalisation: against double loops and differences, its charges, its limits.
#include <emmy/parametrize/weight_norm.hpp>

#include <emmy/net/init.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/noether/charges.hpp>
#include <tests/support/net_check.hpp>
#include <tests/train/fixture.hpp>

#include <cstdio>
#include <limits>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules
using reference::UnitCharge;

// A width of whole vectors, one that is none, a column; behind each other and beside plain layers.
TEST(WeightNorm, ForwardAndGradientAreThoseOfThePlainLoops) {
  support::check_net<4, Input<7>, Parametrized<Dense<16>, WeightNorm>, Tanh, Parametrized<Dense<5, NoBias>, WeightNorm>,
                     Residual<Parametrized<Dense<5>, WeightNorm>>, Parametrized<Dense<1>, WeightNorm>>(5);
}

template <class S>
using Chain = Net<Scalar<S>, Input<7>, Parametrized<Dense<9>, WeightNorm>, Relu, Dense<5>, LeakyRelu<1, 8>,
                  Parametrized<Dense<3, NoBias>, WeightNorm>>;
static_assert(std::is_same_v<symmetries_of<Chain<float>>,
                             Symmetries<FactorBalance<Layer<0>>, Rescaling<Layer<1>>, FactorBalance<Layer<4>>>>,
              "the units that a weight norm reads have no rescaling, its outputs no translation");

// Blocks: g V b, W b, g V.
const UnitCharge kLengths{2, {{1, false, 1}}}, kGains{2, {{0, false, 1}, {2, false, 1}, {3, true, -1}}},
    kLast{2, {{6, false, 1}}};

template <class S>
struct Normalised : testing::Test {
  using N = Chain<S>;
  using Rule = BasicMomentum<S>;
  static constexpr int kBatch = 5;
  static constexpr double kIdentity = sizeof(S) == 4 ? 5e-7 : 1e-14;
  Trainer<N, Rule, kBatch> trainer{};
  Gradient<N> g{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{23};
  const std::vector<int> cols = reference::columns_of<N>();

  void draw() {
    fixture::randomise(trainer.params, rng, 0.9);
    data.refill(rng, false);
  }
  void make_gradient() {
    ASSERT_EQ(gradient<false>(trainer.params, trainer.buffers, trainer.scratch, data.x, data.label, CrossEntropy{},
                              kBatch, S(1) / S(kBatch), g)
                  .status,
              Status::ok);
  }
  // Largest |N| of the units of a charge over the largest sum of |g theta|.
  double identity(const UnitCharge& c, int units) const {
    const auto theta = reference::read_blocks<N>(trainer.params.data), grad = reference::read_blocks<N>(g.data);
    double largest = 0, scale = 0;
    for (int u = 0; u < units; ++u) {
      largest = std::fmax(largest, std::fabs(reference::noether(c, theta, grad, cols, u)));
      scale = std::fmax(scale, reference::noether_scale(c, theta, grad, cols, u));
    }
    return largest / scale;
  }
  S& length(int i, int o) { return trainer.params.data[kPlan<N>.block[1].at(i, o)]; }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Normalised, Scalars);

TYPED_TEST(Normalised, IdentitiesHoldAtEveryWeightAndBatch) {
  double worst = 0;
  for (int k = 0; k < 1000; ++k) {
    this->draw();
    this->make_gradient();
    for (const auto& [c, units] : {std::pair{&kLengths, 9}, std::pair{&kGains, 9}, std::pair{&kLast, 3}})
      worst = std::fmax(worst, this->identity(*c, units));
  }
  std::printf("|N| over the largest sum of |g theta|: %.2g\n", worst);
  EXPECT_LT(worst, this->kIdentity);
  EXPECT_GT(worst, 0.0);
}

// Under momentum and decay every cause is that of the update differences, and the ledger is content.
TYPED_TEST(Normalised, BudgetsClose) {
  using Chain = typename TestFixture::N;
  constexpr double kTolerance = sizeof(TypeParam) == 4 ? 3e-6 : 1e-13;
  Ledger<Chain> ledger{};
  this->draw();
  double largest[4] = {}, of_identity = 0;
  for (int k = 0; k < 300; ++k) {
    const typename TestFixture::Rule rule{TypeParam(0.08 / (1 + k % 3)), TypeParam(0.85), TypeParam(0.05)};
    this->data.refill(this->rng, false);
    const auto theta = reference::read_blocks<Chain>(this->trainer.params.data),
               buf = reference::read_blocks<Chain>(this->trainer.state.buf);
    this->make_gradient();
    const auto grad = reference::read_blocks<Chain>(this->g.data);
    ledger.reset();
    ASSERT_EQ(this->trainer.step(this->data.x, this->data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_LE(ledger.health(), TypeParam(1)) << "step " << k;
    const auto compare = [&]<class Symmetry>(Symmetry, const UnitCharge& c, int units) {
      for (int u = 0; u < units; ++u) {
        const auto want = reference::budget(c, reference::rule_of<Chain>(rule), theta, buf, grad, this->cols, u);
        const auto got = ledger.template total<Symmetry>(u);
        for (std::size_t cause = 0; cause < 4; ++cause) {
          ASSERT_NEAR(static_cast<double>(got.amount[cause]), want[cause], kTolerance) << cause << ", unit " << u;
          largest[cause] = std::fmax(largest[cause], std::fabs(want[cause]));
        }
        ASSERT_NEAR(static_cast<double>(got[Cause::noether]), 0.0, kTolerance);
        ASSERT_NEAR(static_cast<double>(got[Cause::rounding]), 0.0, kTolerance);
      }
    };
    compare(FactorBalance<Layer<0>>{}, kLengths, 9);
    compare(Rescaling<Layer<1>>{}, kGains, 9);
    compare(FactorBalance<Layer<4>>{}, kLast, 3);
    of_identity = std::fmax(of_identity, ledger.template extremes<FactorBalance<Layer<0>>>().noether_ratio);
  }
  std::printf("<v, dv> over its rounding bound: at most %.2g\n", of_identity);
  EXPECT_GT(of_identity, 1e-3) << "a bound that sees nothing";
  EXPECT_GT(largest[0], 1e-3) << "decay";
  EXPECT_GT(largest[1], 1e-3) << "momentum";
  EXPECT_GT(largest[3], 1e-6) << "discretisation";
}

// G along v: all of dv is rounding, and so is its product with v.
TYPED_TEST(Normalised, TheBoundHoldsWhereLittleIsLeftOfTheGradient) {
  Ledger<typename TestFixture::N> ledger{};
  double most = 0;
  for (int k = 0; k < 50; ++k) {
    this->draw();
    for (int i = 0; i < 7; ++i) {
      for (int row = 1; row < TestFixture::kBatch; ++row) this->data.x[row * 7 + i] = this->data.x[i];
      for (int o = 0; o < 9; ++o) this->length(i, o) = TypeParam(o + 1) * this->data.x[i];
    }
    refresh(this->trainer.state);
    ledger.resync();
    ASSERT_EQ(this->trainer
                  .step(this->data.x, this->data.label, CrossEntropy{},
                        typename TestFixture::Rule{TypeParam(0.05), TypeParam(0)}, ledger)
                  .status,
              Status::ok);
    ASSERT_LE(ledger.health(), TypeParam(1));
    most = std::fmax(most, ledger.template extremes<FactorBalance<Layer<0>>>().noether_ratio);
  }
  std::printf("<v, dv> over its rounding bound: at most %.2g\n", most);
  EXPECT_GT(most, 1e-3);
}

// A plain step lets every length grow, by eta^2 |dv|^2.
TYPED_TEST(Normalised, LengthsGrowWithoutDecay) {
  this->draw();
  const TypeParam eta = TypeParam(0.5);
  for (int k = 0; k < 20; ++k) {
    const auto before = reference::read_blocks<typename TestFixture::N>(this->trainer.params.data);
    this->data.refill(this->rng, false);
    this->make_gradient();
    const auto grad = reference::read_blocks<typename TestFixture::N>(this->g.data);
    ASSERT_EQ(this->trainer
                  .step(this->data.x, this->data.label, CrossEntropy{},
                        typename TestFixture::Rule{eta, TypeParam(0), TypeParam(0)})
                  .status,
              Status::ok);
    const auto after = reference::read_blocks<typename TestFixture::N>(this->trainer.params.data);
    for (int u = 0; u < 9; ++u) {
      const double grown =
          reference::charge(kLengths, after, this->cols, u) - reference::charge(kLengths, before, this->cols, u);
      ASSERT_NEAR(grown, static_cast<double>(eta * eta) * reference::charge(kLengths, grad, this->cols, u),
                  sizeof(TypeParam) == 4 ? 3e-6 : 1e-14);
    }
  }
}

TYPED_TEST(Normalised, AVectorOfZerosStaysAndMakesNoNumberThatIsNone) {
  Ledger<typename TestFixture::N> ledger{};
  this->draw();
  const TypeParam gain = this->trainer.params.data[4];
  for (int i = 0; i < 7; ++i) this->length(i, 4) = 0;
  this->make_gradient();
  const auto grad = reference::read_blocks<typename TestFixture::N>(this->g.data);
  for (const double dv : grad[1]) ASSERT_TRUE(std::isfinite(dv));
  EXPECT_EQ(this->g.data[4], TypeParam(0));
  for (int k = 0; k < 20; ++k) {
    this->data.refill(this->rng, false);
    ASSERT_EQ(this->trainer
                  .step(this->data.x, this->data.label, CrossEntropy{},
                        typename TestFixture::Rule{TypeParam(0.1), TypeParam(0.5), TypeParam(0.01)}, ledger)
                  .status,
              Status::ok);
    ASSERT_LE(ledger.health(), TypeParam(1));
  }
  for (int i = 0; i < 7; ++i) EXPECT_EQ(this->length(i, 4), TypeParam(0));
  EXPECT_LT(std::fabs(this->trainer.params.data[4]), std::fabs(gain)) << "decay alone";
  for (const TypeParam w : this->trainer.params.data) ASSERT_TRUE(std::isfinite(w));
}

// Short vectors make steep gradients: up to 2^20 g, and a step either takes them or leaves everything as it was.
TYPED_TEST(Normalised, ShortVectorsAreBounded) {
  using Chain = typename TestFixture::N;
  int taken = 0, refused = 0;
  for (int power = 0; power < (sizeof(TypeParam) == 4 ? 60 : 500); ++power) {
    Ledger<Chain> ledger{};
    this->draw();
    refresh(this->trainer.state);
    for (auto& m : this->trainer.state.buf) m = 0;
    for (int i = 0; i < 7; ++i)
      for (int o = 0; o < 9; ++o) this->length(i, o) *= TypeParam(0x1p-24);
    this->make_gradient();
    for (const UnitCharge* c : {&kLengths, &kGains}) EXPECT_LT(this->identity(*c, 9), this->kIdentity);
    for (TypeParam& x : this->data.x) x = std::ldexp(x, power);
    for (TypeParam& y : this->data.values) y = std::ldexp(y, power / 2);
    const auto kept = this->trainer.params;
    const auto result = this->trainer.step(this->data.x, this->data.values, SquaredError{},
                                           typename TestFixture::Rule{TypeParam(1), TypeParam(0.9)}, ledger);
    if (result.status == Status::ok) {
      ++taken;
      for (const TypeParam w : this->trainer.params.data) ASSERT_TRUE(std::isfinite(w)) << power;
      for (int u = 0; u < 9; ++u)
        for (const TypeParam amount : ledger.template total<FactorBalance<Layer<0>>>(u).amount)
          ASSERT_TRUE(std::isfinite(amount)) << power;
    } else {
      ++refused;
      EXPECT_EQ(std::memcmp(&kept, &this->trainer.params, sizeof kept), 0);
    }
  }
  EXPECT_GT(taken, 5);
  EXPECT_GT(refused, 5);
}

// init draws the plain weights; fold gives them back, bit for bit those that forward uses.
TYPED_TEST(Normalised, SplitsAndFolds) {
  using Chain = typename TestFixture::N;
  using Plain = plain_of<Chain>;
  Params<Plain> drawn{}, folded{};
  Pcg32 first{61}, second{61};
  init(this->trainer.params, first);
  init(drawn, second);
  EXPECT_EQ(first.state, second.state) << "the same number of draws";
  fold(this->trainer.params, folded);
  for (std::size_t k = 0; k < std::size(drawn.data); ++k)
    ASSERT_NEAR(folded.data[k], drawn.data[k], 4 * std::numeric_limits<TypeParam>::epsilon());
  this->draw();
  fold(this->trainer.params, folded);
  ASSERT_TRUE(fixture::pads_are_zero<Plain>(folded.data));
  Buffers<Plain> buffers{};
  Scratch<Chain, 5, Infer> scratch{};
  Scratch<Plain, 5, Infer> plain_scratch{};
  TypeParam y[15], plain[15];
  ASSERT_EQ(infer(this->trainer.params, this->trainer.buffers, scratch, this->data.x, y), Status::ok);
  ASSERT_EQ(infer(folded, buffers, plain_scratch, this->data.x, plain), Status::ok);
  EXPECT_EQ(std::memcmp(y, plain, sizeof y), 0);
}

}  // namespace
