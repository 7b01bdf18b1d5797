// Collapse, snap, certificate: on a problem with more hidden units than it needs, decay on the factors of the outgoing
// weights removes some; their margins are positive, that of a healthy unit deleted by hand is not, on either side of a ReLU.
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/low_rank.hpp>

#include <emmy/layers/batch_norm.hpp>
#include <emmy/layers/conv1d.hpp>
#include <emmy/layers/flatten.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/parametrize/deleted_unit.hpp>
#include <tests/train/fixture.hpp>

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

constexpr int kSamples = 24;

template <class S>
struct Pruned : testing::Test {
  using N = Net<Scalar<S>, Input<3>, Dense<8>, Relu, Parametrized<Dense<2>, ProductByInput>>;
  using Plain = plain_of<N>;
  using Site = Layer<2>;
  using R = PerBlock<BasicSgd<S>, N>;
  static constexpr S kLambda = S(1) / 16;
  Trainer<N, R, kSamples> trainer{};
  Params<Plain> plain{};
  fixture::Data<N, kSamples> data{};
  Pcg32 rng{61};

  // Two ReLU units that one cannot replace make the targets; the net has eight.
  void SetUp() override {
    data.refill(rng, false);
    double in[2][3], out[2][2];
    for (auto& row : in)
      for (double& v : row) v = 2 * fixture::draw(rng);
    for (auto& row : out)
      for (double& v : row) v = 2 * fixture::draw(rng);
    for (int r = 0; r < kSamples; ++r) {
      data.values[2 * r] = data.values[2 * r + 1] = 0;
      for (int j = 0; j < 2; ++j) {
        double a = 0;
        for (int i = 0; i < 3; ++i) a += in[j][i] * static_cast<double>(data.x[3 * r + i]);
        for (int o = 0; o < 2; ++o) data.values[2 * r + o] += static_cast<S>(out[j][o] * std::fmax(a, 0.0));
      }
    }
    fixture::randomise(trainer.params, rng, 1.0);
    for (int j = 0; j < 8; ++j) trainer.params.data[kPlan<N>.block[2].offset + j] = S(0.5);
    train(6000);
  }
  void train(int steps) {
    R rule{{S(1) / 16, S(0)}, {}};
    rule.fill();
    rule.template layer<Layer<0>>({S(1) / 16, S(0x1p-10)});  // the rescaling partner is decayed too
    rule.template layer<Site>({S(1) / 16, kLambda});
    rule.bias_decay(0);
    for (int k = 0; k < steps; ++k)
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  }
  std::array<S, 8> sizes() const {
    std::array<S, 8> size{};
    group_sizes<Site>(trainer.params, size.data());
    return size;
  }
  // The margins on the full data, and the gradient that they come from by plain loops.
  std::array<S, 8> margins_now() {
    fold(trainer.params, plain);
    Buffers<Plain> buffers{};
    Scratch<Plain, kSamples, Train<BasicSgd<S>>> scratch{};
    Gradient<Plain> full{};
    EXPECT_EQ(gradient<false>(plain, buffers, scratch, data.x, data.values, SquaredError{}, kSamples,
                              S(1) / S(kSamples), full)
                  .status,
              Status::ok);
    std::array<S, 8> margin{};
    EXPECT_EQ((margins<Site, N>(plain, full, kLambda, margin.data())), Status::ok);
    const auto want = plain_margins();
    for (std::size_t j = 0; j < 8; ++j)
      EXPECT_NEAR(static_cast<double>(margin[j]), want[j], sizeof(S) == 4 ? 1e-5 : 1e-13) << j;
    return margin;
  }
  std::array<double, 8> plain_margins() const {
    const auto pass = reference::run(reference::model_of<Plain>(), reference::read_blocks<Plain>(plain.data),
                                     data.inputs(), kSamples, data.template reference_targets<SquaredError, S>());
    std::array<double, 8> margin{};
    for (std::size_t j = 0; j < 8; ++j)
      margin[j] = static_cast<double>(kLambda) - std::hypot(pass.gradient[2][2 * j], pass.gradient[2][2 * j + 1]);
    return margin;
  }
  // Root mean square of a hidden unit's activation on the data.
  double activity(int unit) const {
    double square = 0;
    for (int r = 0; r < kSamples; ++r) {
      double a = static_cast<double>(trainer.params.template bias<Layer<0>>(unit));
      for (int i = 0; i < 3; ++i)
        a += static_cast<double>(trainer.params.template weight<Layer<0>>(unit, i)) *
             static_cast<double>(data.x[3 * r + i]);
      square += a > 0 ? a * a : 0;
    }
    return std::sqrt(square / kSamples);
  }
  // Snaps what has collapsed; true for those.
  std::array<bool, 8> snap_collapsed() {
    const auto size = sizes();
    std::array<bool, 8> collapsed{};
    for (int j = 0; j < 8; ++j) {
      collapsed[static_cast<std::size_t>(j)] = size[static_cast<std::size_t>(j)] < S(1e-5);
      if (collapsed[static_cast<std::size_t>(j)]) snap<Site>(trainer.params, trainer.state, j);
    }
    return collapsed;
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Pruned, Scalars);

TYPED_TEST(Pruned, CollapsedUnitsAreCertifiedAndHealthyOnesAreNot) {
  const auto size = this->sizes();
  const auto collapsed = this->snap_collapsed();
  const auto margin = this->margins_now();
  int removed = 0, firing = 0, kept = 0;
  for (std::size_t j = 0; j < 8; ++j) {
    if (!collapsed[j]) {
      EXPECT_GT(size[j], TypeParam(0.05)) << "nothing lies between collapsed and healthy";
      continue;
    }
    ++removed;
    EXPECT_GT(margin[j], TypeParam(0)) << j;
    firing += this->activity(static_cast<int>(j)) > 0.05 && margin[j] < TestFixture::kLambda;
    EXPECT_EQ(this->sizes()[j], TypeParam(0));
    EXPECT_EQ(this->plain.template weight<Layer<2>>(0, static_cast<int>(j)), TypeParam(0));
  }
  EXPECT_GE(removed, 2);
  EXPECT_GE(firing, 2) << "a certificate that means something needs a unit that still fires";
  const auto trained = this->trainer;
  for (int j = 0; j < 8; ++j) {
    if (collapsed[static_cast<std::size_t>(j)]) continue;
    ++kept;
    this->trainer = trained;
    snap<typename TestFixture::Site>(this->trainer.params, this->trainer.state, j);
    EXPECT_LT(this->margins_now()[static_cast<std::size_t>(j)], TypeParam(-2e-3)) << "healthy unit " << j;
  }
  EXPECT_GE(kept, 2);
}

TYPED_TEST(Pruned, AUnitThatNeverFiresHasTheTrivialMargin) {
  for (int i = 0; i < 3; ++i) this->trainer.params.template weight<Layer<0>>(5, i) = 0;
  this->trainer.params.template bias<Layer<0>>(5) = TypeParam(-1);
  snap<typename TestFixture::Site>(this->trainer.params, this->trainer.state, 5);
  EXPECT_EQ(this->margins_now()[5], TestFixture::kLambda);
  EXPECT_EQ(this->activity(5), 0.0);
}

TYPED_TEST(Pruned, SnappedUnitsStayExactlyZero) {
  const auto collapsed = this->snap_collapsed();
  this->train(200);
  const auto size = this->sizes();
  for (std::size_t j = 0; j < 8; ++j) {
    if (!collapsed[j]) {
      EXPECT_GT(size[j], TypeParam(0.05));
      continue;
    }
    EXPECT_EQ(size[j], TypeParam(0));
    for (int o = 0; o < 2; ++o)
      EXPECT_EQ(this->trainer.params.data[kPlan<typename TestFixture::N>.block[3].at(static_cast<int>(j), o)],
                TypeParam(0));
  }
}

// Element by element, in a net with two hidden layers and a rule with memory.
using ByElement =
    Net<Input<7>, Parametrized<Dense<9>, Product>, Relu, Parametrized<Dense<5>, Product>, LeakyRelu<1, 8>, Dense<3>>;

TEST(ByElementTest, SnappedWeightsAndTheirMomentumStayZero) {
  Trainer<ByElement, Momentum, 4> trainer{};
  fixture::Data<ByElement, 4> data{};
  Pcg32 rng{71};
  fixture::randomise(trainer.params, rng, 0.9);
  const Momentum rule{0.05f, 0.9f, 1e-3f, 0.0f};
  const auto train = [&](int steps) {
    for (int k = 0; k < steps; ++k) {
      data.refill(rng, false);
      ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule).status, Status::ok);
    }
  };
  train(20);
  for (int g = 0; g < 7 * 9; g += 5) snap<Layer<0>>(trainer.params, trainer.state, g);
  for (int g = 1; g < 9 * 5; g += 4) snap<Layer<2>>(trainer.params, trainer.state, g);
  train(200);
  float first[7 * 9], second[9 * 5];
  group_sizes<Layer<0>>(trainer.params, first);
  group_sizes<Layer<2>>(trainer.params, second);
  for (int g = 0; g < 7 * 9; ++g) EXPECT_EQ(first[g] == 0.0f, g % 5 == 0) << g;
  for (int g = 0; g < 9 * 5; ++g) EXPECT_EQ(second[g] == 0.0f, g % 4 == 1) << g;
}

TEST(ByElementTest, MarginsAreThoseOfEachWeight) {
  using Plain = plain_of<ByElement>;
  Gradient<Plain> g{};
  Pcg32 rng{73};
  auto blocks = reference::read_blocks<Plain>(g.data);
  for (auto& block : blocks)
    for (double& v : block) v = static_cast<double>(static_cast<float>(fixture::draw(rng)));
  reference::write_blocks<Plain>(blocks, g.data);
  Params<Plain> plain{};
  fixture::randomise(plain, rng, 0.9);
  float margin[9 * 5];
  EXPECT_EQ((margins<Layer<2>, ByElement>(plain, g, 0.5f, margin)), Status::ok);
  for (std::size_t k = 0; k < 9 * 5; ++k)
    EXPECT_FLOAT_EQ(margin[k], 0.5f - std::fabs(static_cast<float>(blocks[2][k]))) << k;
}

// ---- groups on the incoming side of a ReLU

template <class P, int In, int Out>
using Into = Net<Scalar<double>, Input<In>, Parametrized<Dense<Out>, P>, Relu, Dense<1>>;

TEST(DeletedUnit, IsNotCertifiedAtTheKink) {
  check_deleted_unit<Into<Product, 2, 3>>({0, 3});
  check_deleted_unit<Into<ProductByBlock<4>, 2, 8>>({0, 2});
}

// All weights into unit 0 of a ReLU, and not its bias, in columns that leave rounding errors where they take the weights to 0.
struct IntoUnit {
  static constexpr int kCount = 2;
  static constexpr double at(int column, int row, int out) {
    return out > 0 || row > 1 ? 0 : row == column ? 1 : column == 0 ? 3 : -3;
  }
};
struct IntoUnitEntries {
  static constexpr int kCount = 2;
  static constexpr ConstraintEntry entries[] = {{0, 0, 0, 1}, {0, 1, 0, 3}, {1, 0, 0, -3}, {1, 1, 0, 1}};
};
TEST(DeletedUnit, OfAConstraintIsNotCertifiedAtTheKink) {
  check_deleted_unit<Into<Constrained<IntoUnit>, 2, 3>>({0});
  check_deleted_unit<Into<Constrained<IntoUnit, Elementwise>, 2, 3>>({0, 1});
  check_deleted_unit<Into<Constrained<IntoUnitEntries>, 2, 3>>({0});
}

// The margins of layer 0 where the gradient is 0: how many are -infinity once output 1 has no weights, and this bias?
template <class N>
int never(double bias, Status want) {
  using S = typename N::scalar;
  constexpr int kCount = Groups<N, Layer<0>>::kCount;
  constexpr auto& plan = kPlan<plain_of<N>>;
  Params<plain_of<N>> plain{};
  Pcg32 rng{9};
  fixture::randomise(plain, rng, 0.9);
  for (int b = 0; b < plan.first_block[1]; ++b)
    for (int i = 0; i < plan.block[b].rows; ++i)
      plain.data[plan.block[b].at(i, 1)] = plan.block[b].role == Role::bias ? static_cast<S>(bias) : S(0);
  if constexpr (std::is_same_v<typename node_at<N, 1>::layer, BatchNorm<>>)  // the bias that counts
    plain.data[plan.block[plan.first_block[1] + 1].offset + 1] = static_cast<S>(bias);
  S margin[kCount];
  EXPECT_EQ((margins<Layer<0>, N>(plain, Gradient<plain_of<N>>{}, S(1), margin)), want);
  int count = 0;
  for (const S m : margin) {
    EXPECT_EQ(verdict(m, S(1)).certified, m == S(1));
    count += m != S(1);
  }
  return count;
}

TEST(DeletedUnit, IsAtAKinkOfWhatFollows) {
  const auto is = Status::not_differentiable, no = Status::ok;
  using Free = Parametrized<Dense<3>, Product>;  // two groups a unit
  const auto behind = []<class... L>(double bias, Status want, L...) {
    return never<Net<Input<2>, Free, L...>>(bias, want);
  };
  for (const double b : {0.0, -0.0}) {
    EXPECT_EQ(behind(b, is, Relu{}, Dense<1>{}), 2);
    EXPECT_EQ(behind(b, is, LeakyRelu<>{}, Dense<1>{}), 2);
    EXPECT_EQ(behind(b, is, PowerRelu<1>{}), 2);
    EXPECT_EQ(behind(b, is, Tanh{}, Relu{}, Dense<1>{}), 2);
    EXPECT_EQ(behind(b, is, BatchNorm<>{}, Relu{}, Dense<1>{}), 2);
    EXPECT_EQ(behind(b, no, Tanh{}, Dense<1>{}), 0);
    EXPECT_EQ(behind(b, no, PowerRelu<2>{}, Relu{}, Dense<1>{}), 0);  // flat at 0
    EXPECT_EQ(behind(b, no, Dense<2>{}, Relu{}), 0);
    EXPECT_EQ(behind(b, no, Residual<Tanh>{}, Dense<1>{}), 0);
    EXPECT_EQ(behind(b, is, Residual<Relu, Dense<3>>{}, Dense<1>{}), 2);
  }
  for (const double b : {-1e-9, 1e-9, -1.0}) {
    EXPECT_EQ(behind(b, no, Relu{}, Dense<1>{}), 0);
    EXPECT_EQ(behind(b, no, LeakyRelu<>{}, Relu{}), 0);
    EXPECT_EQ(behind(b, no, BatchNorm<>{}, Relu{}, Dense<1>{}), 0);
  }
  using NoBiases = Net<Input<2>, Parametrized<Dense<3, NoBias>, ProductByInput>, Relu, Dense<1>>;
  EXPECT_EQ(never<NoBiases>(0, is), 2) << "every input has a weight into it";
  // All values of a pool are equal; not behind a ReLU below 0.
  using Blocks = Parametrized<Conv1d<6, 3>, ProductByBlock<4>>;
  using Pool = Net<Input<8, 2>, Blocks, Relu, MaxPool<2>, Flatten, Dense<1>>;
  EXPECT_EQ(never<Pool>(0, is), 6);
  EXPECT_EQ(never<Pool>(0.5, is), 6);
  EXPECT_EQ(never<Pool>(-0.5, no), 0);
  // The sums of a recurrent layer are its own activation's.
  using Ticks = Net<Input<4, 2>, Parametrized<Rnn<5, Relu>, ProductByBlock<4>>, Last, Dense<1>>;
  EXPECT_EQ(never<Ticks>(0, is), 2);
  EXPECT_EQ(never<Ticks>(-0.5, no), 0);
}

// Behind a LowRank the plain net counts one layer less.
TEST(Margins, AreOfTheLayerThatSiteNames) {
  using N = Net<Input<3>, LowRank<Dense<3>, 2>, Tanh, Parametrized<Dense<4>, Product>, Tanh, Dense<2>>;
  Gradient<plain_of<N>> full{};
  constexpr auto kBlock = kPlan<plain_of<N>>.block[kPlan<plain_of<N>>.first_block[2]];
  full.data[kBlock.at(2, 1)] = 3;
  float margin[12];
  EXPECT_EQ((margins<Layer<3>, N>(Params<plain_of<N>>{}, full, 1.0f, margin)), Status::ok);
  for (int g = 0; g < 12; ++g) EXPECT_EQ(margin[g], g == 9 ? -2.0f : 1.0f) << g;
}

// Known at run time only: one column, all of it `value`.
struct Given {
  static constexpr int kCount = 1;
  static constexpr bool kAtRunTime = true;
  template <class C>
  static inline C columns{};
  static inline double value;
  static double at(int, int, int) { return value; }
};

TEST(Margins, OfColumnsThatWereNeverMadeOrRefused) {
  using N = Net<Scalar<double>, Input<4>, Parametrized<Dense<1, NoBias>, Constrained<Given>>>;
  Gradient<plain_of<N>> full{};
  full.data[0] = 100;
  const auto look = [&](Status want, double margin) {
    double m = 0;
    EXPECT_EQ((margins<Layer<0>, N>(Params<plain_of<N>>{}, full, 0.5, &m)), want);
    EXPECT_EQ(m, margin);
    EXPECT_FALSE(verdict(m, 0.5).certified);
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double condition;
  look(Status::rank_deficient, -kInfinity);
  Given::value = 3;
  ASSERT_EQ((make_columns<N, Layer<0>>(condition)), Status::ok);
  look(Status::ok, 0.5 - 50);  // 100 / sqrt(4)
  Given::value = 0;
  ASSERT_EQ((make_columns<N, Layer<0>>(condition)), Status::rank_deficient);
  look(Status::rank_deficient, -kInfinity);
}

}  // namespace
