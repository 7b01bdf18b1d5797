// Balance matrices: where they are, their budget by cause against update differences in plain double, the whole Noether
// identity, angular momentum, steps in between, and a fault.
#include <emmy/layers/lora.hpp>

#include <tests/noether/machine.hpp>
#include <tests/noether/rates.hpp>

#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets
using noether_test::kBatch;
using noether_test::Machine;

// A pair with biases on both sides, one behind a ReLU without, whose second layer is a column.
template <class S>
using Linear = Net<Scalar<S>, Input<5>, Dense<9>, Dense<6>, Relu, Dense<4, NoBias>, Dense<1>>;
template <class S>
using Positions = Net<Scalar<S>, Input<6, 3>, Conv1d<5, 2>, Dense<4, NoBias>, Tanh, Dense<3>>;
template <class S>
using Adapted = Net<Scalar<S>, Input<6>, Lora<Dense<5>, 3>, Tanh, Dense<3>>;

template <class N, class... Site>
inline constexpr bool kBalances = __is_same(balances_of<N>, Symmetries<Balance<Site>...>);
static_assert(kBalances<Linear<double>, Layer<0>, Layer<3>>);
static_assert(kBalances<Positions<double>, Layer<0>>);
static_assert(kBalances<Adapted<double>, Layer<0, 1, 0>>);
static_assert(kBalances<Net<Input<5>, Dense<4>, Dense<3>, Dense<2>>, Layer<0>, Layer<1>>, "a layer in two pairs");
static_assert(kBalances<Net<Input<5>, Dense<4>, Frozen<Dense<3>>, Dense<2>>>, "what is frozen has no gradient");
static_assert(kBalances<Net<Input<5>, Dense<4>, Residual<Dense<4>, Dense<4>>, Dense<2>>, Layer<1, 0>>,
              "not across a skip");
static_assert(kBalances<Net<Input<5>, Parametrized<Dense<4>, Product>, Dense<3>>>, "factors are no plain weights");
static_assert(kBalances<Net<Input<9, 2>, Dense<4>, Conv1d<3, 2>>>, "a window meets several rows");
static_assert(kBalances<Net<Input<9>, Dense<4>, Parallel<Add, Branch<Dense<3>, Dense<2>>, Branch<Dense<2>>>, Dense<2>>,
                        Layer<1, 0, 0>>);

// ---- plain double

// Blocks of a pair: the second layer's weights, the first one's, its bias (-1: none).
struct Pair {
  int second, first, bias, units;
};
// The bilinear form of entry i, j: sum of s a_i b_j, symmetrised.
double form(const Pair& p, const reference::Blocks& a, const reference::Blocks& b, int i, int j) {
  const auto units = static_cast<std::size_t>(p.units), u = static_cast<std::size_t>(i),
             v = static_cast<std::size_t>(j);
  double sum = 0;
  const auto second = static_cast<std::size_t>(p.second);
  const std::size_t outs = a[second].size() / units;
  for (std::size_t o = 0; o < outs; ++o)
    sum += a[second][u * outs + o] * b[second][v * outs + o] + a[second][v * outs + o] * b[second][u * outs + o];
  for (const int block : {p.first, p.bias}) {
    if (block < 0) continue;
    const auto& x = a[static_cast<std::size_t>(block)];
    const auto& y = b[static_cast<std::size_t>(block)];
    for (std::size_t r = 0; r < x.size(); r += units) sum -= x[r + u] * y[r + v] + x[r + v] * y[r + u];
  }
  return sum / 2;
}

reference::Causes budget(const Pair& p, const reference::Rule& rule, const reference::Blocks& theta,
                         const reference::Blocks& buf, const reference::Blocks& g, int i, int j) {
  return noether_test::budget_of([&](const auto& a, const auto& b) { return form(p, a, b, i, j); }, rule, theta, buf,
                                 g);
}

// ---- steps

using noether_test::set;
template <class R, class N>
void set(PerBlock<R, N>& r, int k) {
  set(r.rule, k);
  r.fill();
  r.bias_decay(0);
  r.template layer<Layer<3>>({0.03, 0.5});
}

template <class R>
struct BudgetOfMatrix : testing::Test {};
using Rules = testing::Types<BasicSgd<double>, ClipByNorm<BasicMomentum<double>>,
                             PerBlock<BasicMomentum<double, Decay::decoupled>, Linear<double>>, BasicNesterov<double>>;
TYPED_TEST_SUITE(BudgetOfMatrix, Rules);

TYPED_TEST(BudgetOfMatrix, EachCauseIsThatOfTheUpdateDifferences) {
  using R = TypeParam;
  using N = Linear<double>;
  constexpr Pair kFirst{2, 0, 1, 9}, kSecond{5, 4, -1, 4};
  Machine<N, R> m(0.6);
  BalanceLedger<N, Layer<0>> first{};
  BalanceLedger<N, Layer<3>> second{};
  double largest[5] = {};
  for (int k = 0; k < 20; ++k) {
    R rule{};
    set(rule, k);
    const auto theta = reference::read_blocks<N>(m.params.data);
    auto buf = reference::zeros_like(theta);
    if constexpr (R::kHasMemory) buf = reference::read_blocks<N>(m.state.buf);
    m.step(rule, first, second);
    const auto after = reference::read_blocks<N>(m.params.data), g = reference::read_blocks<N>(m.g.data);
    const auto compare = [&](const Pair& p, const auto& ledger) {
      for (int i = 0; i < p.units; ++i)
        for (int j = 0; j < p.units; ++j) {
          const auto want = budget(p, reference::rule_of<N>(rule), theta, buf, g, i, j);
          const Budget<double> got = ledger.step(i, j);
          for (std::size_t c = 0; c < 5; ++c) {
            ASSERT_NEAR(got.amount[c], want[c], 1e-14) << "cause " << c << " of " << i << ' ' << j;
            largest[c] = std::fmax(largest[c], std::fabs(want[c]));
          }
          ASSERT_NEAR(ledger.charge(i, j), form(p, after, after, i, j), 1e-14);
          ASSERT_NEAR(got.drift(), form(p, after, after, i, j) - form(p, theta, theta, i, j), 1e-14);
        }
      ASSERT_GT(ledger.health(), 0);
      ASSERT_LE(ledger.health(), 1);
    };
    compare(kFirst, first);
    compare(kSecond, second);
  }
  EXPECT_LT(first.extremes.relative, 1e-14);
  EXPECT_GT(largest[0], 1e-3) << "decay";
  EXPECT_EQ(largest[1] > 1e-3, R::kHasMemory) << "momentum";
  EXPECT_EQ(largest[2] > 1e-5, (std::is_same_v<R, PerBlock<BasicMomentum<double, Decay::decoupled>, N>>)) << "breaking";
  EXPECT_GT(largest[3], 1e-6) << "discretisation";
}

// The diagonal is the charge of the units with the other sign, the total what the steps add up to.
TEST(BalanceMatrix, HasTheRescalingChargesOnItsDiagonal) {
  using N = Positions<double>;
  Machine<N, BasicMomentum<double>> m(0.6);
  Ledger<N, Watch<Rescaling<Layer<0>>>> units{};
  BalanceLedger<N, Layer<0>> matrix{};
  const BasicMomentum<double> rule{0.05, 0.9, 0.01, 0};
  double start[5][5], moved = 0;
  for (int k = 0; k < 30; ++k) {
    m.make_gradient();
    begin_balance(matrix, m.params, m.state, m.g, rule);
    ASSERT_EQ(apply(m.params, m.state, m.g, rule, units), Status::ok);
    end_balance(matrix, m.params, m.state);
    for (int j = 0; j < 5; ++j) {
      if (k == 0)
        for (int i = 0; i < 5; ++i) start[i][j] = matrix.charge(i, j) - matrix.step(i, j).drift();
      EXPECT_NEAR(matrix.charge(j, j), -units.charge<Rescaling<Layer<0>>>(j), 1e-13);
      for (int c = 0; c < 5; ++c)
        ASSERT_NEAR(matrix.total(j, j).amount[c], -units.total<Rescaling<Layer<0>>>(j).amount[c], 1e-12) << c;
    }
  }
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 5; ++j) {
      ASSERT_EQ(matrix.charge(i, j), matrix.charge(j, i));
      ASSERT_NEAR(matrix.total(i, j).drift(), matrix.charge(i, j) - start[i][j], 1e-13);
      moved = std::fmax(moved, i == j ? 0 : std::fabs(matrix.total(i, j).drift()));
    }
  EXPECT_GT(moved, 1e-3);
  matrix.reset();
  EXPECT_EQ(matrix.total(1, 2).drift(), 0);
  EXPECT_EQ(matrix.measured, 0);
}

// ---- the identity

template <class S>
struct Identity : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Identity, Scalars);

// Symmetric and antisymmetric part, over 1,000 random states, against the largest |g_i| |theta_j| of the second layer's rows.
template <class N, class Site, int Second, int Units>
void expect_identity() {
  using S = typename N::scalar;
  constexpr auto kOuts = static_cast<std::size_t>(kPlan<N>.block[Second].cols);
  Machine<N, BasicSgd<S>> m(0.8);
  BalanceLedger<N, Site> matrix{};
  const BasicSgd<S> rule{S(0.01), S(0)};
  double worst = 0;
  for (int k = 0; k < 1000; ++k) {
    fixture::randomise(m.params, m.rng, 0.9);
    m.make_gradient();
    const auto theta = reference::read_blocks<N>(m.params.data), g = reference::read_blocks<N>(m.g.data);
    begin_balance(matrix, m.params, m.state, m.g, rule);
    const auto length = [](const reference::Values& of, int u) {
      double square = 0;
      for (std::size_t o = 0; o < kOuts; ++o) {
        const double v = of[static_cast<std::size_t>(u) * kOuts + o];
        square += v * v;
      }
      return std::sqrt(square);
    };
    double largest = 0, scale = 0;
    for (int i = 0; i < Units; ++i)
      for (int j = 0; j < Units; ++j) {
        largest = std::fmax(largest, std::fabs(static_cast<double>(matrix.noether(i, j))));
        scale = std::fmax(scale, length(g[Second], i) * length(theta[Second], j));
      }
    worst = std::fmax(worst, largest / scale);
  }
  std::printf("|N| over the largest |g theta|: %.2g\n", worst);
  EXPECT_LT(worst, sizeof(S) == 4 ? 5e-7 : 1e-14);
  EXPECT_GT(worst, 0.0);
}
TYPED_TEST(Identity, HoldsForTheWholeMatrix) { expect_identity<Positions<TypeParam>, Layer<0>, 2, 5>(); }
TYPED_TEST(Identity, HoldsForThatOfAnAdapter) { expect_identity<Adapted<TypeParam>, Layer<0, 1, 0>, 3, 3>(); }

TYPED_TEST(Identity, BudgetsCloseWithinTheirBounds) {
  using S = TypeParam;
  using N = Linear<S>;
  Machine<N, ClipByNorm<BasicMomentum<S>>> m(0.6);
  BalanceLedger<N, Layer<0>> first{};
  BalanceLedger<N, Layer<3>> second{};
  for (int k = 0; k < 500; ++k) {
    m.step({{S(0.02), S(0.9), S(1e-3), S(0)}, S(0.5)}, first, second);
    ASSERT_LE(first.health(), S(1));
    ASSERT_LE(second.health(), S(1));
  }
  std::printf("residual over its bound: %.2g, %.2g\n", double(first.worst_health()), double(second.worst_health()));
  EXPECT_GT(first.worst_health(), S(0));
  EXPECT_LT(first.extremes.relative, sizeof(S) == 4 ? S(2e-6) : S(1e-14));
}

// ---- angular momentum

// J' = beta J with coupled decay, beta (1 - eta lam) J with decoupled decay, at any rate and batch, from any buffer.
template <Decay kind>
void expect_angular_law(double factor) {
  using N = Positions<double>;
  using R = BasicMomentum<double, kind>;
  Machine<N, R> m(0.6);
  for (const auto& block : kPlan<N>.block)
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) m.state.buf[block.at(i, o)] = 0.25 * fixture::draw(m.rng);
  BalanceLedger<N, Layer<0>> matrix{};
  const R rule{0.05, 0.9, 0.0625, 0.125};
  ASSERT_NEAR(angular_factor(rule), factor, 1e-15);
  double largest = 0;
  for (int k = 0; k < 30; ++k) {
    m.make_gradient();
    begin_balance(matrix, m.params, m.state, m.g, rule);
    const auto before = matrix.turning;
    ASSERT_EQ(apply(m.params, m.state, m.g, rule, m.none), Status::ok);
    end_balance(matrix, m.params, m.state);
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < 5; ++j) {
        ASSERT_NEAR(matrix.angular(i, j), factor * before(i, j), 1e-15);
        largest = std::fmax(largest, std::fabs(before(i, j)));
      }
  }
  EXPECT_GT(largest, 0.1);
}
TEST(AngularMomentum, DecaysByTheMomentumAlone) { expect_angular_law<Decay::coupled>(0.9); }
TEST(AngularMomentum, DecaysWithDecoupledDecayToo) { expect_angular_law<Decay::decoupled>(0.9 * (1 - 0.05 * 0.0625)); }

// ---- now and then, and faults

TEST(BalanceMatrix, BooksWhatItDidNotSee) {
  using N = Linear<double>;
  using R = BasicSgd<double>;
  Machine<N, R> m(0.6);
  BalanceLedger<N, Layer<0>> matrix{};
  const R rule{0.05, 0.01};
  m.step(rule, matrix);
  const double start = matrix.charge(1, 2) - matrix.step(1, 2).drift();
  for (int k = 0; k < 4; ++k) {
    m.step(rule);
    m.step(rule);
    m.step(rule, matrix);
    EXPECT_NE(matrix.step(1, 2)[Cause::unmeasured], 0);
    EXPECT_LE(matrix.health(), 1);
  }
  EXPECT_EQ(matrix.measured, 5);
  EXPECT_NEAR(matrix.total(1, 2).drift(), matrix.charge(1, 2) - start, 1e-14);
  fixture::randomise(m.params, m.rng, 0.6);
  matrix.resync();
  m.step(rule, matrix);
  EXPECT_EQ(matrix.step(1, 2)[Cause::unmeasured], 0);
}

TEST(BalanceMatrix, FindsAChangeThatNoRuleMade) {
  using N = Linear<float>;
  using R = BasicSgd<float>;
  Machine<N, R> m(0.6);
  BalanceLedger<N, Layer<0>> matrix{};
  const R rule{0.05f, 0.01f};
  m.step(rule, matrix);
  EXPECT_LE(matrix.health(), 1);
  m.make_gradient();
  begin_balance(matrix, m.params, m.state, m.g, rule);
  ASSERT_EQ(apply(m.params, m.state, m.g, rule, m.none), Status::ok);
  m.params.weight<Layer<0>>(3, 2) += 0.01f;
  end_balance(matrix, m.params, m.state);
  EXPECT_GT(matrix.health(), 1);
}

}  // namespace
