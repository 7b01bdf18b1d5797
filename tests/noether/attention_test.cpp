// The charges of attention: matrices of queries with keys and of values with outputs, head by head, complex numbers by plane with
// rotary positions, the key bias, and units before and behind it.
#include <tests/noether/machine.hpp>
#include <tests/noether/rates.hpp>

#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets
using noether_test::kBatch;
using noether_test::Machine;

template <class S>
using Heads = Net<Scalar<S>, Input<5, 3>, Dense<6>, Relu, Attention<2, 4, OutputChannels<5>>, Relu, Dense<3>>;
template <class S>
using Turning = Net<Scalar<S>, Input<4, 3>, Attention<2, 6, Rope<>, Causal>, Tanh, Dense<3>>;

template <class N, class... Symmetry>
inline constexpr bool kBalances = __is_same(balances_of<N>, Symmetries<Balance<Symmetry>...>);
static_assert(kBalances<Heads<double>, QueryKey<Layer<2>, 0>, ValueOutput<Layer<2>, 0>, QueryKey<Layer<2>, 1>,
                        ValueOutput<Layer<2>, 1>>);
static_assert(kBalances<Net<Input<4, 3>, Frozen<Attention<2, 4>>, Dense<2>>>, "what is frozen has no gradient");
template <class N, class... Symmetry>
inline constexpr bool kCharges = __is_same(symmetries_of<N>, Symmetries<Symmetry...>);
static_assert(
    kCharges<Heads<double>, Rescaling<Layer<1>>, KeyBias<Layer<2>>, Rescaling<Layer<3>>, Translation<Layer<4>>>);
static_assert(kCharges<Turning<double>, Translation<Layer<2>>>, "with Rope softmax sees the key bias");
static_assert(kCharges<Net<Input<4, 3>, Attention<1, 4, NoBias>>>);

// ---- plain double

using Lines = std::vector<double>;
// Line `unit` of a part, from logical blocks.
template <class N>
Lines line_of(const ChargePart& part, const reference::Blocks& all, int unit) {
  const PlannedBlock& block = kPlan<N>.block[part.block];
  const auto& values = all[static_cast<std::size_t>(part.block)];
  Lines line;
  if (block.role == Role::bias) line.push_back(values[static_cast<std::size_t>(part.first + unit)]);
  else if (part.axis == Axis::column)
    for (int r = part.first; r < part.first + part.count; ++r)
      line.push_back(values[static_cast<std::size_t>(r * block.cols + unit)]);
  else
    for (int c = 0; c < block.cols; ++c)
      line.push_back(values[static_cast<std::size_t>((part.first + unit) * block.cols + c)]);
  return line;
}
double dot(const Lines& a, const Lines& b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}
// sum over parts of sign (a_i b_j + a_j b_i) / 2
template <class N>
double entry(const Charge& matrix, const reference::Blocks& a, const reference::Blocks& b, int i, int j) {
  double sum = 0;
  for (int p = 0; p < matrix.parts; ++p) {
    const ChargePart& part = matrix.part[p];
    sum += part.weight.numerator *
           (dot(line_of<N>(part, a, i), line_of<N>(part, b, j)) + dot(line_of<N>(part, a, j), line_of<N>(part, b, i)));
  }
  return sum / 2;
}
template <class N>
double form(const Charge& matrix, const reference::Blocks& a, const reference::Blocks& b, int i, int j) {
  if (!matrix.by_plane) return entry<N>(matrix, a, b, i, j);
  const int even = i / 2 * 2;
  return i != j ? 0 : entry<N>(matrix, a, b, even, even) + entry<N>(matrix, a, b, even + 1, even + 1);
}
// The whole identity, sum over parts of g_i w_j (sign 1) or -g_j w_i; of a plane its two numbers.
template <class N>
double identity(const Charge& matrix, const reference::Blocks& g, const reference::Blocks& theta, int i, int j) {
  const auto plain = [&](int k, int l) {
    double sum = 0;
    for (int p = 0; p < matrix.parts; ++p) {
      const ChargePart& part = matrix.part[p];
      const bool first = part.weight.numerator > 0;
      sum += part.weight.numerator * dot(line_of<N>(part, g, first ? k : l), line_of<N>(part, theta, first ? l : k));
    }
    return sum;
  };
  if (!matrix.by_plane) return plain(i, j);
  if (i / 2 != j / 2) return 0;
  const int even = i / 2 * 2;
  if (i == j) return plain(even, even) + plain(even + 1, even + 1);
  return (i < j ? 1 : -1) * (plain(even, even + 1) - plain(even + 1, even));
}

// ---- the identity

template <class S>
struct AttentionIdentity : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(AttentionIdentity, Scalars);

// Symmetric and antisymmetric part, over 1,000 random states, against the largest |g_i| |w_j|.
template <class N, class Pair>
void expect_identity() {
  using S = typename N::scalar;
  Machine<N, BasicSgd<S>> m(0.8);
  static BalanceLedger<N, Pair> matrix{};
  constexpr Charge kMatrix = matrix_of<N>(Balance<Pair>{});
  const BasicSgd<S> rule{S(0.01), S(0)};
  double worst = 0, apart = 0;
  for (int k = 0; k < 1000; ++k) {
    fixture::randomise(m.params, m.rng, 0.9);
    m.make_gradient();
    begin_balance(matrix, m.params, m.state, m.g, rule);
    const auto theta = reference::read_blocks<N>(m.params.data), g = reference::read_blocks<N>(m.g.data);
    double largest = 0, scale = 0;
    for (int i = 0; i < kMatrix.units; ++i)
      for (int j = 0; j < kMatrix.units; ++j) {
        const auto got = static_cast<double>(matrix.noether(i, j));
        largest = std::fmax(largest, std::fabs(got));
        apart = std::fmax(apart, std::fabs(got - identity<N>(kMatrix, g, theta, i, j)));
        double of_g = 0, of_w = 0;
        for (int p = 0; p < kMatrix.parts; ++p) {
          const auto gi = line_of<N>(kMatrix.part[p], g, i), wj = line_of<N>(kMatrix.part[p], theta, j);
          of_g += dot(gi, gi), of_w += dot(wj, wj);
        }
        scale = std::fmax(scale, std::sqrt(of_g * of_w));
      }
    worst = std::fmax(worst, largest / scale);
  }
  std::printf("|N| over the largest |g theta|: %.2g\n", worst);
  EXPECT_LT(worst, sizeof(S) == 4 ? 5e-7 : 1e-14);
  EXPECT_GT(worst, 0.0);
  EXPECT_LT(apart, sizeof(S) == 4 ? 1e-5 : 1e-13) << "what is booked is the identity";
}
TYPED_TEST(AttentionIdentity, OfQueriesWithKeys) { expect_identity<Heads<TypeParam>, QueryKey<Layer<2>, 1>>(); }
TYPED_TEST(AttentionIdentity, OfValuesWithOutputs) { expect_identity<Heads<TypeParam>, ValueOutput<Layer<2>, 1>>(); }
TYPED_TEST(AttentionIdentity, OfPlanes) { expect_identity<Turning<TypeParam>, QueryKey<Layer<0>, 1>>(); }
TYPED_TEST(AttentionIdentity, OfValuesBehindPlanes) { expect_identity<Turning<TypeParam>, ValueOutput<Layer<0>, 0>>(); }

// The rest of the matrix is no symmetry where planes turn, nor is the key bias.
TEST(AttentionIdentity, IsThatOfPlanesAloneWithRope) {
  using N = Turning<double>;
  Machine<N, BasicSgd<double>> m(0.8);
  m.make_gradient();
  const auto theta = reference::read_blocks<N>(m.params.data), g = reference::read_blocks<N>(m.g.data);
  Charge whole = matrix_of<N>(Balance<QueryKey<Layer<0>, 0>>{});
  whole.by_plane = false;
  double largest = 0;
  for (int i = 0; i < whole.units; ++i)
    for (int j = 0; j < whole.units; ++j) largest = std::fmax(largest, std::fabs(identity<N>(whole, g, theta, i, j)));
  EXPECT_GT(largest, 1e-3);
  double bias = 0;
  for (const double v : g[5]) bias = std::fmax(bias, std::fabs(v));
  EXPECT_GT(bias, 1e-4);
}
TYPED_TEST(AttentionIdentity, OfTheKeyBias) {
  using S = TypeParam;
  using N = Heads<S>;
  Machine<N, BasicSgd<S>> m(0.8);
  const auto first = static_cast<std::size_t>(kPlan<N>.first_block[2]);
  double worst = 0;
  for (int k = 0; k < 1000; ++k) {
    fixture::randomise(m.params, m.rng, 0.9);
    m.make_gradient();
    const auto g = reference::read_blocks<N>(m.g.data);
    double key = 0, largest = 0;
    for (const double v : g[first + 5]) key = std::fmax(key, std::fabs(v));
    for (std::size_t b = first; b < first + 8; ++b)
      for (const double v : g[b]) largest = std::fmax(largest, std::fabs(v));
    worst = std::fmax(worst, key / largest);
  }
  std::printf("|dbk| over the largest gradient of the layer: %.2g\n", worst);
  EXPECT_LT(worst, sizeof(S) == 4 ? 5e-7 : 1e-14);
  EXPECT_GT(worst, 0.0);
}

// ---- budgets

using noether_test::set;
template <class R, class N>
void set(PerBlock<R, N>& r, int k) {
  set(r.rule, k);
  r.fill();
  r.bias_decay(0);
  r.rates[static_cast<std::size_t>(kPlan<N>.kBlocks - 1)] = {0.03, 0.5};
  r.rates[1] = {0.05, 0.2};
}

template <class N, class Pair>
void expect_causes() {
  using R = PerBlock<BasicMomentum<double>, N>;
  constexpr Charge kMatrix = matrix_of<N>(Balance<Pair>{});
  Machine<N, R> m(0.6);
  static BalanceLedger<N, Pair> ledger;
  ledger = {};
  double largest[5] = {};
  for (int k = 0; k < 12; ++k) {
    R rule{};
    set(rule, k);
    const auto theta = reference::read_blocks<N>(m.params.data), buf = reference::read_blocks<N>(m.state.buf);
    m.step(rule, ledger);
    const auto after = reference::read_blocks<N>(m.params.data), g = reference::read_blocks<N>(m.g.data);
    for (int i = 0; i < kMatrix.units; ++i)
      for (int j = 0; j < kMatrix.units; ++j) {
        const auto want =
            noether_test::budget_of([&](const auto& a, const auto& b) { return form<N>(kMatrix, a, b, i, j); },
                                    reference::rule_of<N>(rule), theta, buf, g);
        const Budget<double> got = ledger.step(i, j);
        for (std::size_t c = 0; c < 5; ++c) {
          ASSERT_NEAR(got.amount[c], want[c], 2e-14) << "cause " << c << " of " << i << ' ' << j;
          largest[c] = std::fmax(largest[c], std::fabs(want[c]));
        }
        ASSERT_NEAR(ledger.charge(i, j), form<N>(kMatrix, after, after, i, j), 2e-14);
      }
    ASSERT_GT(ledger.health(), 0);
    ASSERT_LE(ledger.health(), 1);
  }
  EXPECT_GT(largest[0], 1e-3) << "decay";
  EXPECT_GT(largest[1], 1e-5) << "momentum";
  EXPECT_GT(largest[3], 1e-7) << "discretisation";
}
TEST(AttentionBudget, EachCauseIsThatOfTheUpdateDifferences) {
  expect_causes<Heads<double>, QueryKey<Layer<2>, 1>>();
  expect_causes<Heads<double>, ValueOutput<Layer<2>, 0>>();
  expect_causes<Turning<double>, QueryKey<Layer<0>, 1>>();
}

TYPED_TEST(AttentionIdentity, BudgetsCloseWithinTheirBounds) {
  using S = TypeParam;
  using R = ClipByNorm<BasicMomentum<S>>;
  const auto run = [](auto& m, auto& qk, auto& vo) {
    for (int k = 0; k < 500; ++k) {
      m.step({{S(0.02), S(0.9), S(1e-3), S(0)}, S(0.5)}, qk, vo);
      ASSERT_LE(qk.health(), S(1));
      ASSERT_LE(vo.health(), S(1));
    }
    std::printf("residual over its bound: %.2g, %.2g\n", double(qk.worst_health()), double(vo.worst_health()));
    EXPECT_LT(qk.extremes.relative, sizeof(S) == 4 ? S(2e-6) : S(1e-14));
    EXPECT_LT(vo.extremes.relative, sizeof(S) == 4 ? S(2e-6) : S(1e-14));
  };
  static Machine<Heads<S>, R> heads(0.6);
  static BalanceLedger<Heads<S>, QueryKey<Layer<2>, 0>> qk{};
  static BalanceLedger<Heads<S>, ValueOutput<Layer<2>, 1>> vo{};
  run(heads, qk, vo);
  static Machine<Turning<S>, R> turning(0.6);
  static BalanceLedger<Turning<S>, QueryKey<Layer<0>, 0>> planes{};
  static BalanceLedger<Turning<S>, ValueOutput<Layer<0>, 1>> behind{};
  run(turning, planes, behind);
}

// Values much larger than what is made of them; or the same at every position, so that the gradients of scores are rounding alone.
template <class N, class Site>
void unbalance(Params<N>& params, bool alike) {
  auto blocks = reference::read_blocks<N>(params.data);
  const auto first = static_cast<std::size_t>(kPlan<N>.first_block[kNodeOf<N, Site>]);
  for (double& v : blocks[first + 2]) v *= alike ? 0 : 0x1p12;
  for (double& v : blocks[first + 6]) v *= alike ? 0x1p17 : 0x1p12;
  for (double& v : blocks[first + 3]) v *= alike ? 1 : 0x1p-12;
  reference::write_blocks<N>(blocks, params.data);
}

// Every step: units before and behind the heads, the key bias, all of them within the ledger's bounds.
template <class N, class Site>
void expect_health(bool unbalanced) {
  using S = typename N::scalar;
  using R = BasicMomentum<S>;
  static Trainer<N, R, kBatch> trainer;
  static Ledger<N> ledger;
  trainer = {}, ledger = {};
  Pcg32 rng{17};
  fixture::Data<N, kBatch> data;
  fixture::randomise(trainer.params, rng, 0.7);
  const R rule{unbalanced ? S(1e-9) : S(0.02), S(0.9), S(1e-3), S(0)};
  for (int k = 0; k < 1000; ++k) {
    data.refill(rng, false);
    if (unbalanced || k % 4 == 3) {
      fixture::randomise(trainer.params, rng, 0.8);
      if (unbalanced) unbalance<N, Site>(trainer.params, k % 2 == 1);
      trainer.state = {};
      ledger.resync();
    }
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_LE(ledger.health(), S(1)) << k;
  }
  std::printf("worst health %.2g\n", double(ledger.worst_health()));
  EXPECT_GT(ledger.worst_health(), S(0));
}
TYPED_TEST(AttentionIdentity, LedgersStayWithinTheirBounds) {
  expect_health<Heads<TypeParam>, Layer<2>>(false);
  expect_health<Turning<TypeParam>, Layer<0>>(false);
}
TYPED_TEST(AttentionIdentity, LedgersOfUnbalancedHeadsDoToo) { expect_health<Heads<TypeParam>, Layer<2>>(true); }

// Without decay it never moves but for rounding; with decay, by its factor.
TEST(KeyBias, MovesByDecayAlone) {
  using N = Heads<double>;
  using R = BasicMomentum<double>;
  static Trainer<N, R, kBatch> trainer;
  static Ledger<N, Watch<KeyBias<Layer<2>>>> ledger;
  Pcg32 rng{23};
  fixture::Data<N, kBatch> data;
  fixture::randomise(trainer.params, rng, 0.7);
  const auto before = trainer.params;
  const auto run = [&](const R& rule) {
    for (int k = 0; k < 50; ++k) {
      data.refill(rng, false);
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
    }
  };
  run({0.05, 0.9, 0, 0});
  static_assert(Ledger<N, Watch<KeyBias<Layer<2>>>>::kUnitsOf<KeyBias<Layer<2>>> == 8);
  for (int head = 0; head < 2; ++head)
    for (int c = 0; c < 4; ++c) {
      const double start = before.head_bias<Layer<2>>(HeadRole::key, c, head);
      EXPECT_NEAR(trainer.params.head_bias<Layer<2>>(HeadRole::key, c, head), start, 1e-14);
      EXPECT_NE(trainer.params.head_bias<Layer<2>>(HeadRole::query, c, head),
                before.head_bias<Layer<2>>(HeadRole::query, c, head));
      EXPECT_NEAR(ledger.charge<KeyBias<Layer<2>>>(head * 4 + c), start, 1e-14);
    }
  run({0.05, 0, 0.5, 0});
  for (int u = 0; u < 8; ++u)
    EXPECT_NEAR(ledger.charge<KeyBias<Layer<2>>>(u),
                before.head_bias<Layer<2>>(HeadRole::key, u % 4, u / 4) * std::pow(1 - 0.05 * 0.5, 50), 1e-13);
}
// A gradient where there must be none.
TEST(KeyBias, OfAWrongKernelIsFound) {
  using N = Heads<float>;
  static Trainer<N, BasicSgd<float>, kBatch> trainer;
  static Ledger<N, Watch<KeyBias<Layer<2>>>> ledger;
  Pcg32 rng{29};
  fixture::Data<N, kBatch> data;
  fixture::randomise(trainer.params, rng, 0.7);
  data.refill(rng, false);
  const BasicSgd<float> rule{0.05f, 0};
  ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
  EXPECT_LE(ledger.health(), 1);
  trainer.params.head_bias<Layer<2>>(HeadRole::key, 1, 1) += 1e-3f;
  ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
  EXPECT_GT(ledger.health(), 1);
}

// ---- angular momentum

// J' = beta J of every plane, and of the whole matrix of values, from any buffer.
template <class N, class Pair>
void expect_angular_law() {
  using R = BasicMomentum<double>;
  Machine<N, R> m(0.6);
  for (const auto& block : kPlan<N>.block)
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) m.state.buf[block.at(i, o)] = 0.25 * fixture::draw(m.rng);
  static BalanceLedger<N, Pair> matrix;
  matrix = {};
  constexpr Charge kMatrix = matrix_of<N>(Balance<Pair>{});
  const R rule{0.05, 0.9, 0.0625, 0.125};
  double largest = 0;
  for (int k = 0; k < 30; ++k) {
    m.make_gradient();
    begin_balance(matrix, m.params, m.state, m.g, rule);
    const auto before = matrix.turning;
    if (k == 0) {
      const auto theta = reference::read_blocks<N>(m.params.data), buf = reference::read_blocks<N>(m.state.buf);
      double j = 0;
      for (int p = 0; p < kMatrix.parts; ++p)
        j += dot(line_of<N>(kMatrix.part[p], buf, 0), line_of<N>(kMatrix.part[p], theta, 1)) -
             dot(line_of<N>(kMatrix.part[p], buf, 1), line_of<N>(kMatrix.part[p], theta, 0));
      EXPECT_NEAR(before(0, 1), j, 1e-15);
    }
    ASSERT_EQ(apply(m.params, m.state, m.g, rule, m.none), Status::ok);
    end_balance(matrix, m.params, m.state);
    for (int i = 0; i < kMatrix.units; ++i)
      for (int j = 0; j < kMatrix.units; ++j) {
        ASSERT_NEAR(matrix.angular(i, j), 0.9 * before(i, j), 1e-15);
        ASSERT_TRUE(before(i, j) == 0 || !kMatrix.by_plane || i / 2 == j / 2);
        largest = std::fmax(largest, std::fabs(before(i, j)));
      }
  }
  EXPECT_GT(largest, 0.05);
}
TEST(AttentionAngularMomentum, DecaysByTheMomentumAlone) {
  expect_angular_law<Heads<double>, QueryKey<Layer<2>, 0>>();
  expect_angular_law<Heads<double>, ValueOutput<Layer<2>, 1>>();
  expect_angular_law<Turning<double>, QueryKey<Layer<0>, 1>>();
}

}  // namespace
