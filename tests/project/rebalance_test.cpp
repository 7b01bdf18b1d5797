// Rebalancing: charges by their definitions in double, the function by double loops, what moves along entry by entry, refusals that
// move nothing, and ten thousand conserved steps.
#include <emmy/project/rebalance.hpp>
#include <emmy/train/trainer.hpp>

#include <gtest/gtest.h>
#include <tests/noether/charges.hpp>
#include <tests/reference/net.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>
#include <tests/train/fixture.hpp>

namespace {

using namespace emmy;  // the names of nets
using reference::Blocks;
using reference::UnitCharge;

template <class S>
using Powers = Net<Scalar<S>, Input<6>, Dense<9>, PowerRelu<3, 2>, Dense<5>, PowerRelu<2>, Dense<3, NoBias>>;
template <class S>
using Exponentials = Net<Scalar<S>, Input<4>, Dense<7>, Exp, Dense<5>, Relu, Dense<1>>;
template <class S>
using Factors = Net<Scalar<S>, Input<6>, Parametrized<Dense<7>, ProductByOutput>, Relu, Dense<4>>;

// Charges of all units, one symmetry after the other, from the text of theory.md; blocks in the order of the net.
struct Expected {
  UnitCharge charge;
  int units;
};
const std::vector<Expected>& of(fixture::FewOutputs<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}}, 4},
                                         {{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}}, 16}};
  return all;
}
const std::vector<Expected>& of(fixture::TwoHidden<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}}, 9},
                                         {{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}}, 5}};
  return all;
}
const std::vector<Expected>& of(Powers<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, 1}, {2, true, -1.5}}}, 9},
                                         {{2, {{2, false, 1}, {3, false, 1}, {4, true, -2}}}, 5}};
  return all;
}
const std::vector<Expected>& of(Exponentials<double>) {
  static const std::vector<Expected> all{{{2, {{1, false, 2, 0, 1}, {2, true, -1}}}, 7},
                                         {{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}}, 5}};
  return all;
}
// u, z, zb, W2, b2
const std::vector<Expected>& of(Factors<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, -1}, {2, false, -1}}}, 7},
                                         {{2, {{1, false, 1}, {2, false, 1}, {3, true, -1}}}, 7}};
  return all;
}
const std::vector<Expected>& of(fixture::Windows<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, 1}, {2, true, -1, 5}}}, 5},
                                         {{2, {{2, false, 1}, {3, false, 1}, {4, true, -1, 4}}}, 4}};
  return all;
}
// Wx, Wh, b, Wx, Wh, b, Wo
const std::vector<Expected>& of(fixture::States<double>) {
  static const std::vector<Expected> all{
      {{2, {{0, false, 1}, {1, false, 1}, {2, false, 1}, {1, true, -1}, {3, true, -1}}}, 6},
      {{2, {{3, false, 1}, {4, false, 1}, {5, false, 1}, {4, true, -1}, {6, true, -1}}}, 5}};
  return all;
}

template <class N>
std::vector<double> charges_in_double(const std::vector<Expected>& expected, const Params<N>& params) {
  std::vector<double> all;
  const Blocks theta = reference::read_blocks<N>(params.data);
  for (const Expected& e : expected)
    for (int u = 0; u < e.units; ++u) all.push_back(reference::charge(e.charge, theta, reference::columns_of<N>(), u));
  return all;
}
template <class N>
std::vector<double> outputs_of(const Params<N>& params, const reference::Values& x, int samples) {
  return reference::forward(reference::model_of<N>(), reference::read_blocks<N>(params.data), x, samples).back();
}
template <class Object>
bool same_bits(const Object& a, const Object& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::fmax(most, std::fabs(a[k] - b[k]));
  return most;
}
template <class S>
inline constexpr double kNear = 200 * support::kRoundoff<S>;

template <class N>
struct Subject {
  using S = typename N::scalar;
  Params<N> params{}, buf{}, moment{};
  Pcg32 rng{5};
  Companions<S> companions;

  Subject() {
    fixture::randomise(params, rng, 0.7);
    fixture::randomise(buf, rng, 1);
    fixture::randomise(moment, rng, 1);
    for (S& v : moment.data) v *= v;
    companions.add(buf.data, -1);
    companions.add(moment.data, -2);
  }
};

template <template <class> class NetOf, class S>
void moves_charges_and_nothing_else() {
  using N = NetOf<S>;
  using List = rescalings_of<N>;
  const auto& expected = of(NetOf<double>{});
  Subject<N> s;
  Targets<N> targets{}, measured{};
  for (S& q : targets.charge) q = static_cast<S>(fixture::draw(s.rng));
  reference::Values x;
  for (int i = 0; i < 5 * N::kInputs; ++i) x.push_back(fixture::draw(s.rng));
  measure_charges(s.params, measured);
  EXPECT_LT(distance(charges_in_double(expected, s.params), {measured.charge, measured.charge + measured.kUnits}),
            kNear<S>);
  const Subject<N> before = s;
  const auto result = inner::rebalance_all<N>(List{}, s.params.data, targets.charge, s.companions, {});
  ASSERT_EQ(result.status, Status::ok);
  EXPECT_GT(result.sweeps, 0);
  EXPECT_LT(result.sweeps, 300);
  EXPECT_LT(static_cast<double>(result.error), kNear<S>);
  EXPECT_LT(distance(charges_in_double(expected, s.params), {targets.charge, targets.charge + targets.kUnits}),
            kNear<S>);
  const auto y = outputs_of(before.params, x, 5);
  EXPECT_LT(distance(outputs_of(s.params, x, 5), y), kNear<S> * (1 + *std::max_element(y.begin(), y.end())));
  EXPECT_GT(distance(charges_in_double(expected, before.params), {targets.charge, targets.charge + targets.kUnits}),
            0.1);
  // A gradient times its weight is the same before and after, a squared one times the weight's square; biases of exponential
  // units are shifted, and their gradients stay.
  for (int b = 0; b < kPlan<N>.kBlocks; ++b) {
    const auto& block = kPlan<N>.block[b];
    for (int at = block.offset; at < block.offset + block.size(); ++at) {
      const double theta = s.params.data[at], old = before.params.data[at];
      const bool shifted = std::is_same_v<N, Exponentials<S>> && b == 1;
      const double by = shifted ? 1 : theta, from = shifted ? 1 : old;
      ASSERT_NEAR(s.buf.data[at] * by, before.buf.data[at] * from, kNear<S>);
      ASSERT_NEAR(s.moment.data[at] * by * by, before.moment.data[at] * from * from, kNear<S>);
    }
  }
  const Subject<N> once = s;
  const auto again = inner::rebalance_all<N>(List{}, s.params.data, targets.charge, s.companions, {});
  EXPECT_EQ(again.sweeps, 0);
  EXPECT_TRUE(same_bits(s.params, once.params) && same_bits(s.buf, once.buf));
}

template <class S>
struct Rebalance : testing::Test {};
TYPED_TEST_SUITE(Rebalance, support::Scalars);

TYPED_TEST(Rebalance, TwoHiddenLayers) { moves_charges_and_nothing_else<fixture::TwoHidden, TypeParam>(); }
TYPED_TEST(Rebalance, UnitsOfColumns) { moves_charges_and_nothing_else<fixture::FewOutputs, TypeParam>(); }
TYPED_TEST(Rebalance, PowersOfUnits) { moves_charges_and_nothing_else<Powers, TypeParam>(); }
TYPED_TEST(Rebalance, ExponentialUnits) { moves_charges_and_nothing_else<Exponentials, TypeParam>(); }
TYPED_TEST(Rebalance, FactorsOfOneLayer) { moves_charges_and_nothing_else<Factors, TypeParam>(); }
TYPED_TEST(Rebalance, ChannelsThatMeetSeveralRows) { moves_charges_and_nothing_else<fixture::Windows, TypeParam>(); }
TYPED_TEST(Rebalance, UnitsOfAState) {
  moves_charges_and_nothing_else<fixture::States, TypeParam>();
  using N = fixture::States<TypeParam>;
  Subject<N> s;
  const Subject<N> before = s;
  Targets<N> targets{};
  ASSERT_GT((rebalance<Rescaling<Layer<0>>>(s.params, targets.charge, {}, s.companions).sweeps), 0);
  for (int j = 0; j < 6; ++j) {
    EXPECT_EQ((s.params.template recurrent_weight<Layer<0>>(j, j)),
              (before.params.template recurrent_weight<Layer<0>>(j, j)));
    EXPECT_EQ((s.buf.template recurrent_weight<Layer<0>>(j, j)),
              (before.buf.template recurrent_weight<Layer<0>>(j, j)));
  }
}

// Unit 2 without outgoing weights, unit 3 dead.
TYPED_TEST(Rebalance, RefusesAndMovesNothing) {
  using N = fixture::OneHidden<TypeParam>;
  using S = TypeParam;
  State<N, BasicMomentum<S>> state{};
  Subject<N> s;
  for (int o = 0; o < 4; ++o)
    s.params.template weight<Layer<2>>(o, 2) = s.params.template weight<Layer<2>>(o, 3) = S(0);
  for (int i = 0; i < 6; ++i) s.params.template weight<Layer<0>>(3, i) = S(0);
  s.params.template bias<Layer<0>>(3) = S(0);
  Targets<N> good{};
  measure_charges(s.params, good);
  const auto refuses = [&](int unit, double target, Status status) {
    Targets<N> targets = good;
    targets.charge[unit] = static_cast<S>(target);
    const Params<N> before = s.params;
    EXPECT_EQ(conserve(s.params, state, targets).status, status) << unit << ' ' << target;
    EXPECT_TRUE(same_bits(before, s.params));
  };
  refuses(2, -0.5, Status::infeasible);
  refuses(2, 0, Status::infeasible);
  refuses(3, 0.5, Status::infeasible);
  refuses(0, std::nan(""), Status::not_finite);
  refuses(0, INFINITY, Status::not_finite);
  Targets<N> targets = good;
  targets.charge[2] = S(0.5), targets.charge[0] = S(-2);
  EXPECT_EQ(conserve(s.params, state, targets).status, Status::ok);
  const int at = kPlan<N>.block[0].at(1, 1);
  state.buf[at] = static_cast<S>(INFINITY);
  refuses(0, 0.5, Status::not_finite);
  Gradient<N> g{};
  g.data[at] = static_cast<S>(std::nan(""));
  const Gradient<N> before = g;
  EXPECT_EQ((tangent<Rescaling<Layer<1>>>(s.params, g.data).status), Status::not_finite);
  EXPECT_EQ(std::memcmp(&before, &g, sizeof g), 0);
  state.buf[at] = 0, g.data[at] = 1;
  s.params.template weight<Layer<0>>(1, 1) = static_cast<S>(std::nan(""));
  refuses(0, 0.5, Status::not_finite);
  EXPECT_EQ((tangent<Rescaling<Layer<1>>>(s.params, g.data).status), Status::not_finite);
}

// In one sweep the error falls by about 3; `most` and `tolerance` end it.
TYPED_TEST(Rebalance, CountsSweeps) {
  using N = fixture::TwoHidden<TypeParam>;
  using S = TypeParam;
  Targets<N> targets{};
  double before = 1e9;
  for (const int most : {1, 2, 4, 8}) {
    Subject<N> s;
    const auto r = rebalance<Rescaling<Layer<1>>, Rescaling<Layer<3>>>(s.params, targets.charge, {most, S(-1)});
    EXPECT_EQ(r.status, Status::ok);
    EXPECT_EQ(r.sweeps, most);
    EXPECT_LT(static_cast<double>(r.error), 0.7 * before);
    before = static_cast<double>(r.error);
  }
  Subject<N> s;
  const auto r = rebalance<Rescaling<Layer<1>>, Rescaling<Layer<3>>>(s.params, targets.charge, {64, S(1e-2)});
  EXPECT_LE(static_cast<double>(r.error), 1e-2);
  EXPECT_LT(r.sweeps, 12);
  EXPECT_GT(r.sweeps, 0);
}

// g - B(g, theta) / |T theta|^2 T theta in double, one symmetry; of two that overlap nothing of either is left.
TYPED_TEST(Rebalance, TangentTakesOutTheNormal) {
  using S = TypeParam;
  const auto check = [](auto net, auto net_of_double, auto symmetry, std::size_t index, int apart) {
    using N = decltype(net);
    const Expected& e = of(net_of_double)[index];
    Subject<N> s;
    const auto cols = reference::columns_of<N>();
    Blocks g = reference::read_blocks<N>(s.buf.data);
    const Blocks theta = reference::read_blocks<N>(s.params.data);
    for (int u = 0; u < e.units; ++u) {
      Blocks normal = reference::zeros_like(theta);  // T theta
      for (std::size_t b = 0; b < g.size(); ++b)
        for (std::size_t i = 0; i < g[b].size(); ++i) {
          Blocks one = reference::zeros_like(theta);
          one[b][i] = 1;
          normal[b][i] = reference::noether(e.charge, theta, one, cols, u);
        }
      double along = 0, square = 0;
      for (std::size_t b = 0; b < g.size(); ++b)
        for (std::size_t i = 0; i < g[b].size(); ++i)
          along += g[b][i] * normal[b][i], square += normal[b][i] * normal[b][i];
      for (std::size_t b = 0; b < g.size(); ++b)
        for (std::size_t i = 0; i < g[b].size(); ++i) g[b][i] -= along / square * normal[b][i];
    }
    EXPECT_EQ((tangent<decltype(symmetry)>(s.params, s.buf.data).sweeps), 1);
    const Blocks got = reference::read_blocks<N>(s.buf.data);
    for (std::size_t b = 0; b < g.size(); ++b)
      EXPECT_LT(distance(got[b], g[b]), kNear<S>) << "block " << b << " of " << apart;
  };
  check(fixture::TwoHidden<S>{}, fixture::TwoHidden<double>{}, Rescaling<Layer<1>>{}, 0, 1);
  check(Powers<S>{}, Powers<double>{}, Rescaling<Layer<3>>{}, 1, 2);
  check(Exponentials<S>{}, Exponentials<double>{}, ExpUnit<Layer<1>>{}, 0, 3);
  // The units of a state have a normal in common; left out here: what they share, Wh.
  using N = fixture::TwoHidden<S>;
  Subject<N> s;
  const auto r = tangent<Rescaling<Layer<1>>, Rescaling<Layer<3>>>(s.params, s.buf.data, {200, S(kNear<S>)});
  EXPECT_LT(r.sweeps, 100);
  for (const Expected& e : of(fixture::TwoHidden<double>{}))
    for (int u = 0; u < e.units; ++u)
      EXPECT_LT(std::fabs(reference::noether(e.charge, reference::read_blocks<N>(s.params.data),
                                             reference::read_blocks<N>(s.buf.data), reference::columns_of<N>(), u)),
                2 * kNear<S>);
}

// ---- ten thousand steps

constexpr int kSamples = 96, kBatch = 8, kSteps = 10'000;

// Samples of a teacher of the same shape, under noise, by mini-batches; returns the mean loss of the last thousand steps. The worst
// distance of a charge, in double, from its start.
template <class N>
double train(bool conserves, double& worst, const std::vector<Expected>& expected) {
  using S = typename N::scalar;
  static Trainer<N, BasicSgd<S>, kBatch> t;
  t = {};
  Pcg32 rng{3};
  Params<N> teacher{};
  fixture::randomise(teacher, rng, 0.8);
  fixture::randomise(t.params, rng, 0.5);
  static S x[kSamples * N::kInputs], y[kSamples * N::kOutputs];
  reference::Values inputs;
  for (S& v : x) inputs.push_back(v = static_cast<S>(fixture::draw(rng)));
  const auto made = outputs_of(teacher, inputs, kSamples);
  for (std::size_t k = 0; k < made.size(); ++k) y[k] = static_cast<S>(made[k] + 0.3 * fixture::draw(rng));
  Targets<N> targets{};
  measure_charges(t.params, targets);
  const auto start = charges_in_double(expected, t.params);
  double loss = 0;
  worst = 0;
  for (int step = 0; step < kSteps; ++step) {
    const int first = step * kBatch % kSamples;
    const auto r = t.step(x + first * N::kInputs, y + first * N::kOutputs, SquaredError{}, BasicSgd<S>{S(0.02)});
    EXPECT_EQ(r.status, Status::ok);
    if (step >= kSteps - 1000) loss += static_cast<double>(r.loss) / 1000;
    if (conserves) {
      EXPECT_EQ(conserve(t.params, t.state, targets).status, Status::ok);
    }
    worst = std::fmax(worst, distance(charges_in_double(expected, t.params), start));
  }
  return loss;
}

const std::vector<Expected>& of(fixture::OneHidden<double>) {
  static const std::vector<Expected> all{{{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}}, 11}};
  return all;
}

TYPED_TEST(Rebalance, ConservesChargesForEver) {
  const auto holds = [](auto net, const std::vector<Expected>& expected, const char* name) {
    using N = decltype(net);
    double drift = 0, held = 0;
    const double plain = train<N>(false, drift, expected), conserved = train<N>(true, held, expected);
    std::printf("%s f%zu: charges off by %.2g (plain descent %.2g), loss %.5f (%.5f)\n", name, 8 * sizeof(TypeParam),
                held, drift, conserved, plain);
    EXPECT_GT(drift, 1e-2);
    EXPECT_LE(held, sizeof(TypeParam) == 8 ? 1e-13 : 1e-6);
    EXPECT_NEAR(conserved, plain, 0.01 * plain);
  };
  holds(fixture::OneHidden<TypeParam>{}, of(fixture::OneHidden<double>{}), "one hidden layer");
  holds(fixture::TwoHidden<TypeParam>{}, of(fixture::TwoHidden<double>{}), "two hidden layers");
}

// A ledger goes on over it: no residual above rounding, and the next charges are those that were held.
// Units whose two sides cannot be told apart any more in rounding go round in circles: a few sweeps, not all that are allowed.
TEST(Rebalance, RoundingThatGoesRoundInCirclesEnds) {
  using N = Net<Input<5>, Dense<12>, Relu, Dense<3>>;
  static Trainer<N, Sgd, kBatch> t;
  static float x[kBatch * N::kInputs], y[kBatch * N::kOutputs];
  int most = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    t = {};
    Pcg32 rng{seed}, data{3};
    fixture::randomise(t.params, rng, 0.6);
    Targets<N> targets{};
    measure_charges(t.params, targets);
    for (int step = 0; step < 5000; ++step) {
      for (float& v : x) v = 2 * data.uniform() - 1;
      for (int r = 0; r < kBatch; ++r)
        for (int o = 0; o < N::kOutputs; ++o) y[r * N::kOutputs + o] = std::sin(3 * x[r * N::kInputs + o]);
      ASSERT_EQ(t.step(x, y, SquaredError{}, Sgd{.learning_rate = 0.02f}).status, Status::ok);
      const auto swept = conserve(t.params, t.state, targets);
      ASSERT_EQ(swept.status, Status::ok);
      ASSERT_LT(swept.error, 4e-6f);
      most = std::max(most, swept.sweeps);
    }
  }
  std::printf("at most %d sweeps\n", most);
  EXPECT_LT(most, 64);
}

TYPED_TEST(Rebalance, LedgerGoesOn) {
  using S = TypeParam;
  using N = fixture::OneHidden<S>;
  static Trainer<N, BasicMomentum<S>, kBatch> t;
  static Ledger<N> ledger;
  t = {}, ledger = {};
  Pcg32 rng{3};
  fixture::randomise(t.params, rng, 0.5);
  fixture::Data<N, kBatch> data{};
  Targets<N> targets{};
  measure_charges(t.params, targets);
  const BasicMomentum<S> rule{.learning_rate = S(0.02), .weight_decay = S(0.01)};
  for (int step = 0; step < 100; ++step) {
    data.refill(rng, false);
    ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
    ASSERT_LE(ledger.health(), S(1)) << "step " << step;
    const auto swept = conserve(t.params, t.state, targets, ledger);
    ASSERT_EQ(swept.status, Status::ok);
    ASSERT_EQ(t.state.largest.known(), swept.sweeps == 0) << "the bound is that of other weights";
    ASSERT_EQ(ledger.template total<Rescaling<Layer<1>>>()[Cause::unmeasured], S(0));
  }
}

// ---- per-tensor int8

// Rounds a matrix to 255 values over its largest.
void quantise(reference::Values& w) {
  double most = 0;
  for (const double v : w) most = std::fmax(most, std::fabs(v));
  for (double& v : w) v = std::nearbyint(v / most * 127) * most / 127;
}
// |y' - y| / |y| of the net with int8 weights.
template <class N>
double int8_error(const Params<N>& params, const reference::Values& x, int samples) {
  Blocks theta = reference::read_blocks<N>(params.data);
  const auto y = reference::forward(reference::model_of<N>(), theta, x, samples).back();
  quantise(theta[0]), quantise(theta[2]);
  const auto z = reference::forward(reference::model_of<N>(), theta, x, samples).back();
  double error = 0, size = 0;
  for (std::size_t k = 0; k < y.size(); ++k) error += (z[k] - y[k]) * (z[k] - y[k]), size += y[k] * y[k];
  return std::sqrt(error / size);
}

// 20 nets 16-32-8 whose units' scales lie between 1/8 and 8, as training with unequal rates may leave them.
TEST(BeforeInt8, BalancedUnitsLoseLess) {
  using N = Net<Input<16>, Dense<32>, Relu, Dense<8>>;
  double before = 0, after = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Pcg32 rng{seed};
    Params<N> params{};
    fixture::randomise(params, rng, 0.5);
    for (int j = 0; j < 32; ++j) {
      const auto c = static_cast<float>(std::exp2(3 * fixture::draw(rng)));
      for (int i = 0; i < 16; ++i) params.weight<Layer<0>>(j, i) *= c;
      params.bias<Layer<0>>(j) *= c;
      for (int o = 0; o < 8; ++o) params.weight<Layer<2>>(o, j) /= c;
    }
    reference::Values x(64 * 16);
    for (double& v : x) v = fixture::draw(rng);
    const double unbalanced = int8_error(params, x, 64);
    const float zero[32] = {};
    ASSERT_EQ(rebalance<Rescaling<Layer<1>>>(params, zero).status, Status::ok);
    const double balanced = int8_error(params, x, 64);
    EXPECT_LT(balanced, unbalanced) << "seed " << seed;
    before += unbalanced / 20, after += balanced / 20;
  }
  std::printf("int8 per tensor, 16-32-8: relative error %.4f, balanced %.4f\n", before, after);
  EXPECT_LT(after, before / 2);
}

}  // namespace
