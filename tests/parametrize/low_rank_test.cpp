// emmy/parametrize/low_rank.hpp and low_rank_states.hpp: pairs for every layer with weights, recurrent weights as a product, and what
// decay leaves of a rank.
#include <emmy/parametrize/low_rank_states.hpp>
#include <tests/train/random_net.hpp>

#include <emmy/net/init.hpp>
#include <emmy/project/balance.hpp>
#include <emmy/train/balance.hpp>

#include <algorithm>
#include <vector>

namespace {

using namespace emmy;  // the names of nets and rules

using Thin = Net<Scalar<double>, Input<7>, Tanh, LowRank<Dense<6>, 5>, Tanh, Dense<3>>;

struct LowRankTest : testing::Test {
  static constexpr int kBatch = 4;
  Params<Thin> params{};
  fixture::Data<Thin, kBatch> data{};
  Pcg32 rng{21};
  void SetUp() override {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
  }
  template <class N>
  std::vector<double> outputs(const Params<N>& p) const {
    Buffers<N> buffers{};
    Scratch<N, kBatch, Infer> scratch{};
    std::vector<double> y(kBatch * 3);
    EXPECT_EQ(infer(p, buffers, scratch, data.x, y.data()), Status::ok);
    return y;
  }
  static void expect_same(const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-13);
  }
};

static_assert(std::is_same_v<balances_of<Thin>, Symmetries<Balance<Layer<1>>>>, "U and V have a balance matrix");

TEST_F(LowRankTest, FoldsToOneLayer) {
  static_assert(std::is_same_v<plain_of<Thin>, Net<Scalar<double>, Input<7>, Tanh, Dense<6>, Tanh, Dense<3>>>);
  Params<plain_of<Thin>> plain{};
  for (double& v : plain.data) v = 7;
  fold(params, plain);
  EXPECT_TRUE(fixture::pads_are_zero<plain_of<Thin>>(plain.data));
  expect_same(outputs(params), outputs(plain));
}

TEST_F(LowRankTest, SingularBasisKeepsTheFunctionAndBalances) {
  const auto before = outputs(params);
  double value[5];
  singular_basis<Layer<1>>(params, value);
  expect_same(before, outputs(params));
  for (int p = 0; p < 5; ++p)
    for (int q = 0; q < 5; ++q) {
      double in = 0, out = 0;
      for (int i = 0; i < 7; ++i) in += params.weight<Layer<1>>(p, i) * params.weight<Layer<1>>(q, i);
      for (int o = 0; o < 6; ++o) out += params.weight<Layer<2>>(o, p) * params.weight<Layer<2>>(o, q);
      EXPECT_NEAR(in, p == q ? value[p] : 0, 1e-13);
      EXPECT_NEAR(out, p == q ? value[p] : 0, 1e-13);
    }
  for (int p = 1; p < 5; ++p) EXPECT_LE(value[p], value[p - 1]);
  EXPECT_GT(value[4], 1e-3);
}

TEST_F(LowRankTest, FoldsToThinnerLayersOfItsRank) {
  for (int o = 0; o < 6; ++o)
    params.weight<Layer<2>>(o, 4) = params.weight<Layer<2>>(o, 1) - params.weight<Layer<2>>(o, 0);
  const auto before = outputs(params);
  double value[5];
  singular_basis<Layer<1>>(params, value);
  ASSERT_EQ(drop_rank<Layer<1>>(params, value, 1e-12), 4);
  Params<unpaired_of<Thin>> two{};
  unpair(params, two);
  expect_same(before, outputs(two));
  using Target = Net<Scalar<double>, Input<7>, Tanh, Dense<4, NoBias>, Dense<6>, Tanh, Dense<3>>;
  Params<Target> thin{};
  int live = 0;
  ASSERT_EQ(fold_units(two, thin, live), Status::ok);
  expect_same(before, outputs(thin));
}

TEST_F(LowRankTest, WhatIsDroppedStaysDropped) {
  State<Thin, BasicMomentum<double>> state{};
  Params<Thin> momentum{};
  Gradient<Thin> zero{};
  NoLedger none;
  double value[5];
  fixture::randomise(momentum, rng, 1);
  for (int run = 0; run < 2; ++run) {  // with momentum of another basis, of this one
    std::copy(std::begin(momentum.data), std::end(momentum.data), state.buf);
    if (run == 0) singular_basis<Layer<1>>(params, state, value);
    ASSERT_EQ(drop_rank<Layer<1>>(params, state, value, value[2]), 2);
    ASSERT_EQ(apply(params, state, zero, BasicMomentum<double>{0.1, 0.9}, none), Status::ok);
    for (int k = 0; k < 21; ++k) EXPECT_EQ((params.weight<Layer<1>>(2 + k % 3, k / 3)), 0.0);
    for (int k = 0; k < 18; ++k) EXPECT_EQ((params.weight<Layer<2>>(k / 3, 2 + k % 3)), 0.0);
    EXPECT_EQ(state.buf[kPlan<Thin>.block[0].offset] != 0, run == 1);
    EXPECT_NE(state.buf[kPlan<Thin>.block[3].offset], 0.0) << "of another layer";
  }
}

// Decay takes every singular value of the target by its strength, or to 0.
TEST(LowRankDecay, ThresholdsSingularValues) {
  using N = Net<Scalar<double>, Input<4>, LowRank<Dense<4, NoBias>, 4>>;
  static Trainer<N, BasicSgd<double>, 4> trainer{};
  Pcg32 rng{2};
  init(trainer.params, rng);
  double x[16] = {}, target[16], want[4], value[4];
  for (int i = 0; i < 4; ++i) x[5 * i] = 1;
  for (double& v : target) v = fixture::draw(rng);
  Params<N> exact{};  // I M
  for (int i = 0; i < 4; ++i) {
    exact.weight<Layer<0>>(i, i) = 1;
    for (int o = 0; o < 4; ++o) exact.weight<Layer<1>>(o, i) = target[4 * i + o];
  }
  singular_basis<Layer<0>>(exact, want);
  // The loss of a batch of four is a quarter of |U V - M|^2 / 2, and so is the strength.
  const double strength = 0.5;
  for (int t = 0; t < 30000; ++t)
    ASSERT_EQ(trainer.step(x, target, SquaredError{}, BasicSgd<double>{0.25, strength / 4}).status, Status::ok);
  singular_basis<Layer<0>>(trainer.params, value);
  int zeros = 0;
  for (int r = 0; r < 4; ++r) {
    EXPECT_NEAR(value[r], std::max(want[r] - strength, 0.0), 1e-9);
    zeros += want[r] < strength;
  }
  EXPECT_GT(zeros, 0);
  EXPECT_LT(zeros, 4);
  // What was dropped is certified, by what its singular value was short of the strength.
  ASSERT_EQ(drop_rank<Layer<0>>(trainer.params, value, 1e-6), 4 - zeros);
  using Plain = plain_of<N>;
  Params<Plain> plain{};
  Gradient<Plain> full{};
  Buffers<Plain> none{};
  Scratch<Plain, 4, Train<BasicSgd<double>>> scratch{};
  double margin[4];
  const auto certify = [&] {
    fold(trainer.params, plain);
    EXPECT_EQ(gradient<false>(plain, none, scratch, x, target, SquaredError{}, 4, 0.25, full).status, Status::ok);
    EXPECT_EQ((rank_margins<Layer<0>>(trainer.params, plain, full, strength / 4, margin)), Status::ok);
  };
  certify();
  for (int r = 0; r < zeros; ++r) EXPECT_NEAR(margin[r], (strength - want[4 - zeros + r]) / 4, 1e-9);
  for (int r = zeros; r < 4; ++r) EXPECT_NEAR(margin[r], strength / 4, 1e-9) << "there are no more directions";
  // One that the data want, dropped by hand, is not.
  drop_rank<Layer<0>>(trainer.params, value, value[0]);
  certify();
  EXPECT_NEAR(margin[0], (strength - want[0]) / 4, 1e-9);
  EXPECT_LT(margin[0], 0);
}

// ---- of every layer with weights

using Convolutions = Net<Scalar<float>, Input<6, 3>, LowRank<Conv1d<5, 3, Same>, 2>, Relu,
                         LowRank<Conv1d<4, 2, Stride<2>, NoBias>, 3>, Tanh, Flatten, Dense<2>>;
using OfImages = Net<Scalar<double>, Input<5, 4, 2>, LowRank<Conv2d<4, 2, 3>, 2>, Relu, Flatten, Dense<2>>;
using States = Net<Scalar<double>, Input<4, 3>, LowRank<Rnn<5, Relu>, 2>, Parametrized<Rnn<6, Relu>, LowRankStates<2>>,
                   LowRank<Gru<5>, 3>, Parametrized<Gru<4>, LowRankStates<2>>, Last, Dense<2>>;
static_assert(std::is_same_v<plain_of<Convolutions>, Net<Scalar<float>, Input<6, 3>, Conv1d<5, 3, Same>, Relu,
                                                         Conv1d<4, 2, Stride<2>, NoBias>, Tanh, Flatten, Dense<2>>>);
static_assert(
    std::is_same_v<plain_of<States>,
                   Net<Scalar<double>, Input<4, 3>, Rnn<5, Relu>, Rnn<6, Relu>, Gru<5>, Gru<4>, Last, Dense<2>>>);
static_assert(std::is_same_v<balances_of<Convolutions>, Symmetries<Balance<Layer<0>>, Balance<Layer<3>>>>);
static_assert(
    std::is_same_v<symmetries_of<States>,
                   Symmetries<Rescaling<Layer<0>>, Rescaling<Layer<1>>, FactorBalance<Layer<2>>, Rescaling<Layer<2>>,
                              Rescaling<Layer<3>>, FactorBalance<Layer<5>>, Translation<Layer<7>>>>);

static_assert(std::is_same_v<balances_of<States>, Symmetries<Balance<Layer<0>>, Balance<Layer<3>>>>);

template <class N>
struct LowRankOf : fixture::RandomNet<N> {
  using S = typename N::scalar;
  static constexpr int kBatch = 4;
  static constexpr double kTolerance = sizeof(S) == 4 ? 2e-6 : 1e-13;

  template <class Own>
  std::vector<S> outputs(const Params<Own>& p) const {
    Buffers<Own> none{};
    Scratch<Own, kBatch, Infer> own{};
    std::vector<S> y(kBatch * N::kOutputs);
    EXPECT_EQ(infer(p, none, own, this->data.x, y.data()), Status::ok);
    return y;
  }
  void expect_same(const std::vector<S>& a, const std::vector<S>& b) const {
    for (std::size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], kTolerance * (1 + std::fabs(a[k])));
  }
  // f(Site{}) of each pair and each product.
  template <class F>
  static void for_sites(F f) {
    const auto one = [&]<int I>(std::integral_constant<int, I>) {
      using L = typename node_at<N, I>::layer;
      if constexpr (detail::kIsFirstFactor<L> || kIsComposed<L>) f(typename node_at<N, I>::site{});
    };
    [&]<int... I>(std::integer_sequence<int, I...>) { (one(std::integral_constant<int, I>{}), ...); }
    (std::make_integer_sequence<int, N::kNodes>{});
  }
};
using Nets = testing::Types<Convolutions, OfImages, States>;
TYPED_TEST_SUITE(LowRankOf, Nets);

TYPED_TEST(LowRankOf, GradientMatchesDifferences) { this->expect_slopes(); }
TYPED_TEST(LowRankOf, ChargesKeepTheNoetherIdentity) { this->expect_charges(); }
TYPED_TEST(LowRankOf, ItsBudgetsClose) {  // pairs of a convolution are two layers as others
  if constexpr (std::is_same_v<TypeParam, States>) this->expect_budgets();
}

// The balance matrix of each pair: its identity, its budget, and put to q I.
TYPED_TEST(LowRankOf, BalanceMatricesAreCharges) {
  using T = typename TestFixture::Real;
  using Rule = BasicMomentum<T>;
  const auto start = this->params;
  TestFixture::for_sites([&]<class Site>(Site) {
    if constexpr (detail::balanced_with<TypeParam, kNodeOf<TypeParam, Site>>() >= 0) {
      const Rule rule{T(0.05), T(0.5), T(0.01)};
      State<TypeParam, Rule> state{};
      BalanceLedger<TypeParam, Site> matrix{};
      NoLedger none;
      this->params = start;
      double largest = 0, moved = 0;
      for (int t = 0; t < 20; ++t) {
        this->data.refill(this->rng, false);
        this->loss();
        begin_balance(matrix, this->params, state, this->g, rule);
        for (int i = 0; i < matrix.kUnits; ++i)
          for (int j = 0; j < matrix.kUnits; ++j)
            largest = std::fmax(largest, std::fabs(static_cast<double>(matrix.noether(i, j))));
        ASSERT_EQ(apply(this->params, state, this->g, rule, none), Status::ok);
        end_balance(matrix, this->params, state);
        ASSERT_LE(matrix.health(), 1) << t;
        moved = std::fmax(moved, std::fabs(static_cast<double>(matrix.step(0, 1).drift())));
      }
      EXPECT_LT(largest, 10 * this->kTolerance);
      EXPECT_GT(moved, 1e-6);
      const auto before = this->outputs(this->params);
      ASSERT_EQ(rebalance(this->params, state, T(-0.25), Balance<Site>{}), Status::ok);
      this->expect_same(before, this->outputs(this->params));
      using P = inner::LinearPair<TypeParam, Site>;
      const auto u = P::lines_of_u(this->params.data), v = P::lines_of_v(this->params.data);
      for (int p = 0; p < P::kRank; ++p)
        for (int q = 0; q < P::kRank; ++q)
          EXPECT_NEAR(inner::lines_dot(v, p, q) - inner::lines_dot(u, p, q), p == q ? T(-0.25) : T(0),
                      4 * this->kTolerance);
    }
  });
}

TYPED_TEST(LowRankOf, FunctionIsThatOfTheFoldedNet) {
  using Plain = plain_of<TypeParam>;
  Params<Plain> plain{};
  for (auto& v : plain.data) v = 7;
  fold(this->params, plain);
  EXPECT_TRUE(fixture::pads_are_zero<Plain>(plain.data));
  this->expect_same(this->outputs(this->params), this->outputs(plain));
}

TYPED_TEST(LowRankOf, IsDrawn) {
  init(this->params, this->rng);
  EXPECT_TRUE(fixture::pads_are_zero<TypeParam>(this->params.data));
  for (const auto& block : kPlan<TypeParam>.block) {
    double largest = 0;
    for (int i = 0; i < block.size(); ++i)
      largest = std::fmax(largest, std::fabs(static_cast<double>(this->params.data[block.offset + i])));
    EXPECT_EQ(largest > 0, block.role != Role::bias);
  }
}

// U' U = V V' = diag(value) at the same function; a margin is what a power iteration finds outside of what is left.
TYPED_TEST(LowRankOf, SingularBasisAndMargins) {
  using T = typename TestFixture::Real;
  using Plain = plain_of<TypeParam>;
  const auto before = this->outputs(this->params);
  TestFixture::for_sites([&]<class Site>(Site) {
    using P = inner::LinearPair<TypeParam, Site>;
    constexpr int kRank = P::kRank;
    T value[kRank], margin[kRank];
    singular_basis<Site>(this->params, value);
    this->expect_same(before, this->outputs(this->params));
    EXPECT_TRUE(fixture::pads_are_zero<TypeParam>(this->params.data));
    const auto u = P::lines_of_u(this->params.data), v = P::lines_of_v(this->params.data);
    for (int p = 0; p < kRank; ++p)
      for (int q = 0; q < kRank; ++q) {
        EXPECT_NEAR(inner::lines_dot(u, p, q), p == q ? value[p] : T(0), this->kTolerance);
        EXPECT_NEAR(inner::lines_dot(v, p, q), p == q ? value[p] : T(0), this->kTolerance);
      }
    ASSERT_GT(value[kRank - 1], T(1e-3));
    const auto kept = this->params;
    ASSERT_EQ(drop_rank<Site>(this->params, value, value[1]), 1);
    for (int r = 1; r < kRank; ++r) EXPECT_EQ(inner::lines_dot(u, r, r) + inner::lines_dot(v, r, r), T(0));

    Params<Plain> plain{};
    fold(this->params, plain);
    Gradient<Plain> full{};
    for (const auto& block : kPlan<Plain>.block)
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) full.data[block.at(i, o)] = static_cast<T>(fixture::draw(this->rng));
    constexpr auto kBlock = kPlan<Plain>.block[kPlan<Plain>.first_block[detail::plain_node<TypeParam, P::kNode>()] +
                                               kIsComposed<typename node_at<TypeParam, P::kNode>::layer>];
    constexpr int kIn = P::u.rows, kOut = P::v.cols * P::kGates;
    static_assert(kBlock.rows == kIn * P::kGates);
    // The gradient less what lies along the direction that is left, on either side.
    double outside[kIn][kOut];
    for (int i = 0; i < kIn; ++i)
      for (int o = 0; o < kOut; ++o)
        outside[i][o] = static_cast<double>(full.data[kBlock.at(o / kBlock.cols * kIn + i, o % kBlock.cols)]);
    for (int o = 0; o < kOut; ++o) {
      double along = 0;
      for (int i = 0; i < kIn; ++i)
        along += static_cast<double>(u(0, i)) * outside[i][o] / static_cast<double>(value[0]);
      for (int i = 0; i < kIn; ++i) outside[i][o] -= along * static_cast<double>(u(0, i));
    }
    for (auto& row : outside) {
      double along = 0;
      for (int o = 0; o < kOut; ++o) along += static_cast<double>(v(0, o)) * row[o] / static_cast<double>(value[0]);
      for (int o = 0; o < kOut; ++o) row[o] -= along * static_cast<double>(v(0, o));
    }
    std::vector<double> x(kOut, 1.0), y(kIn);
    x[0] = 1.5;
    double largest = 0;
    for (int t = 0; t < 3000; ++t) {
      double xx = 0, yy = 0;
      for (const double a : x) xx += a * a;
      for (double& a : x) a /= std::sqrt(xx);
      for (int i = 0; i < kIn; ++i) {
        y[static_cast<std::size_t>(i)] = 0;
        for (int o = 0; o < kOut; ++o) y[static_cast<std::size_t>(i)] += outside[i][o] * x[static_cast<std::size_t>(o)];
        yy += y[static_cast<std::size_t>(i)] * y[static_cast<std::size_t>(i)];
      }
      largest = std::sqrt(yy);
      for (int o = 0; o < kOut; ++o) {
        x[static_cast<std::size_t>(o)] = 0;
        for (int i = 0; i < kIn; ++i) x[static_cast<std::size_t>(o)] += outside[i][o] * y[static_cast<std::size_t>(i)];
      }
    }
    EXPECT_EQ((rank_margins<Site>(this->params, plain, full, T(0.25), margin)), Status::ok);
    EXPECT_NEAR(static_cast<double>(margin[0]), 0.25 - largest, sizeof(T) == 4 ? 1e-5 : 1e-8);
    for (int r = 1; r < kRank; ++r) EXPECT_GE(margin[r], margin[r - 1]);
    this->params = kept;
  });
}

// Units without weights and bias before a Relu are at its kink.
TEST(LowRankDecay, SaysNothingAtAKink) {
  using N = Net<Input<4>, LowRank<Dense<3>, 2>, Relu, Dense<2>>;
  Params<N> params{};
  Params<plain_of<N>> plain{};
  Gradient<plain_of<N>> full{};
  float margin[2];
  EXPECT_EQ((rank_margins<Layer<0>>(params, plain, full, 0.5f, margin)), Status::not_differentiable);
  for (const float m : margin) EXPECT_EQ(m, -std::numeric_limits<float>::infinity());
  for (int o = 0; o < 3; ++o) plain.bias<Layer<0>>(o) = 1.0f;
  EXPECT_EQ((rank_margins<Layer<0>>(params, plain, full, 0.5f, margin)), Status::ok);
  for (const float m : margin) EXPECT_EQ(m, 0.5f);
}

}  // namespace
