// The fused step of tiny nets: the results of the general step, nothing changed by a bad one, a bound that holds.
#include <emmy/emmy.hpp>

#include <gtest/gtest.h>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <cstring>
#include <limits>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::NoBias;
using emmy::Status;

template <class Net, class Rule = emmy::BasicSgd<typename Net::scalar>>
inline constexpr bool kTiny = emmy::inner::kTakesTinyStep<Net, 1, Rule, emmy::NoLedger>;
template <class S, class... Layers>
using NetOf = emmy::Net<emmy::Scalar<S>, Layers...>;

// A sample of a smooth function of its inputs.
template <class Net>
struct Sample {
  using S = typename Net::scalar;
  S x[Net::kInputs], target[1];
  explicit Sample(emmy::Pcg32& rng) {
    S sum = 0;
    for (S& v : x) sum += v = S(2) * S(rng.uniform()) - S(1);
    target[0] = S(0.5) * sum * x[0];
  }
};

template <class Net>
using Trainer = emmy::Trainer<Net, emmy::BasicSgd<typename Net::scalar>, 1>;

template <class Net>
void check_bound(const Trainer<Net>& t) {
  for (const auto w : t.params.data) ASSERT_LE(std::fabs(w), t.state.largest.theta_of(0));
}

// Against the general step, which a ledger makes the same net take.
template <class Net>
void check_against_general() {
  using S = typename Net::scalar;
  Trainer<Net> tiny{}, general{};
  emmy::Ledger<Net> ledger{};
  emmy::Pcg32 rng{11};
  emmy::init(tiny.params, rng, emmy::Uniform<S>{S(0.7)});
  general.params = tiny.params;
  const emmy::BasicSgd<S> rule{S(0.05)};
  const double bound = sizeof(S) == 4 ? 2e-5 : 1e-13;
  for (int step = 0; step < 100; ++step) {
    const Sample<Net> sample(rng);
    const auto a = tiny.step(sample.x, sample.target, emmy::SquaredError{}, rule);
    const auto b = general.step(sample.x, sample.target, emmy::SquaredError{}, rule, ledger);
    ASSERT_TRUE(a.status == Status::ok && b.status == Status::ok);
    ASSERT_NEAR(static_cast<double>(a.loss), static_cast<double>(b.loss), bound);
    check_bound(tiny);
  }
  for (int k = 0; k < emmy::kPlan<Net>.params; ++k)
    ASSERT_NEAR(static_cast<double>(tiny.params.data[k]), static_cast<double>(general.params.data[k]), bound) << k;
  EXPECT_GT(static_cast<double>(tiny.state.largest.theta_of(0)), 1) << "no tiny step moved its bound";
}

template <class T>
struct TinyStep : testing::Test {};
TYPED_TEST_SUITE(TinyStep, support::Scalars);

// Widths around the lanes of every target and the groups of vectors, every number of inputs, biases or not.
TYPED_TEST(TinyStep, DoesWhatTheGeneralStepDoes) {
  using T = TypeParam;
  check_against_general<NetOf<T, Input<2>, Dense<16>, emmy::Relu, Dense<1>>>();
  check_against_general<NetOf<T, Input<1>, Dense<2>, emmy::Tanh, Dense<1>>>();
  check_against_general<NetOf<T, Input<3>, Dense<5>, emmy::LeakyRelu<1, 8>, Dense<1, NoBias>>>();
  check_against_general<NetOf<T, Input<5>, Dense<9, NoBias>, emmy::Relu, Dense<1>>>();
  check_against_general<NetOf<T, Input<8>, Dense<15>, emmy::Relu, Dense<1>>>();
  check_against_general<NetOf<T, Input<4>, Dense<13>, Dense<1>>>();
  check_against_general<NetOf<T, Input<7>, Dense<12, NoBias>, emmy::Tanh, Dense<1, NoBias>>>();
  check_against_general<NetOf<T, Input<6>, Dense<32>, emmy::Relu, Dense<1>>>();
  check_against_general<NetOf<T, Input<2>, Dense<41>, emmy::Relu, Dense<1>>>();
}

// Which nets and rules it is for.
TEST(TinyStep, IsForTinyNets) {
  using Net = emmy::Net<Input<2>, Dense<8>, emmy::Relu, Dense<1>>;
  constexpr bool kKnown = emmy::kLanesKnown<float>;
  static_assert(kTiny<Net> == kKnown && kTiny<Net, emmy::Unchecked<emmy::Sgd>> == kKnown);
  static_assert(!kTiny<Net, emmy::Momentum> && !kTiny<Net, emmy::ClipByNorm<emmy::Sgd>>);
  static_assert(!kTiny<emmy::Net<Input<9>, Dense<8>, emmy::Relu, Dense<1>>>, "inputs");
  static_assert(!kTiny<emmy::Net<Input<2>, Dense<1024>, emmy::Relu, Dense<1>>>, "units");
  static_assert(!kTiny<emmy::Net<Input<2>, Dense<8>, emmy::Relu, Dense<2>>>, "outputs");
  static_assert(!kTiny<emmy::Net<Input<2>, Dense<8>, emmy::Sigmoid, Dense<1>>>, "its pads would not stay 0");
  static_assert(!kTiny<emmy::Net<Input<2>, Dense<8>, emmy::LeakyRelu<3, 2>, Dense<1>>>, "it does not contract");
  static_assert(!kTiny<emmy::Net<Input<2>, emmy::Frozen<Dense<8>>, emmy::Relu, Dense<1>>>, "frozen");
  static_assert(!kTiny<emmy::Net<Input<2>, Dense<8>, emmy::Relu, Dense<8>, emmy::Relu, Dense<1>>>, "layers");
}

using Net = emmy::Net<Input<3>, Dense<7>, emmy::Relu, Dense<1>>;

struct Bad : testing::Test {
  Trainer<Net> t{};
  emmy::Pcg32 rng{5};
  Sample<Net> good{rng};
  Bad() {
    emmy::init(t.params, rng);
    for (int k = 0; k < 5; ++k) EXPECT_EQ(step(good, {.learning_rate = 0.1f}), Status::ok);
  }
  Status step(const Sample<Net>& s, const emmy::Sgd& rule) {
    return t.step(s.x, s.target, emmy::SquaredError{}, rule).status;
  }
  void expect(Status wanted, const Sample<Net>& s, const emmy::Sgd& rule, const char* what) {
    const Trainer<Net> before = t;
    EXPECT_EQ(step(s, rule), wanted) << what;
    EXPECT_EQ(std::memcmp(&t.params, &before.params, sizeof t.params), 0) << what;
    EXPECT_EQ(std::memcmp(&t.state, &before.state, sizeof t.state), 0) << what;
  }
};

TEST_F(Bad, StepsChangeNothing) {
  using L = std::numeric_limits<float>;
  const emmy::Sgd rule{.learning_rate = 0.1f};
  for (const float v : {L::quiet_NaN(), -L::quiet_NaN(), L::infinity(), -L::infinity()}) {
    for (int i = 0; i < Net::kInputs; ++i) {
      auto bad = good;
      bad.x[i] = v;
      expect(Status::not_finite, bad, rule, "x");
    }
    auto bad = good;
    bad.target[0] = v;
    expect(Status::not_finite, bad, rule, "target");
    expect(Status::bad_rate, good, {.learning_rate = v}, "rate");
    expect(Status::bad_rate, good, {.learning_rate = 0.1f, .weight_decay = v}, "decay");
  }
  auto huge = good;
  huge.target[0] = L::max();
  expect(Status::not_finite, huge, rule, "a loss that is not finite");
  expect(Status::not_finite, huge, {.learning_rate = L::denorm_min()}, "the same, whatever the rate");
  expect(Status::bad_rate, good, {.learning_rate = -0.1f}, "negative rate");
  expect(Status::bad_rate, good, {.learning_rate = 0x1p61f}, "huge rate");
  EXPECT_EQ(step(good, rule), Status::ok);
}

TEST_F(Bad, WeightsAreFoundByTheFirstStepAndAfterRefresh) {
  const Trainer<Net> sound = t;
  t.params.data[1] = std::numeric_limits<float>::quiet_NaN();
  emmy::refresh(t.state);
  EXPECT_EQ(step(good, {.learning_rate = 0.1f}), Status::not_finite);
  t.params = sound.params;
  EXPECT_EQ(step(good, {.learning_rate = 0.1f}), Status::ok);
}

// A rate that diverges ends in a refusal, with finite weights.
TEST_F(Bad, RatesDoNotReachTheWeights) {
  for (float& v : good.x) v = 4;
  Status last = Status::ok;
  for (int k = 0; k < 1000 && last == Status::ok; ++k) {
    last = step(good, {.learning_rate = 3.0f});
    good.target[0] = -good.target[0];
    for (const float w : t.params.data) ASSERT_TRUE(std::isfinite(w)) << k;
  }
  EXPECT_NE(last, Status::ok);
}

// Decay is the general step's; the bound of both is the same.
TEST_F(Bad, OrDecayingStepsAreTheGeneralOnes) {
  for (int k = 0; k < 20; ++k) {
    ASSERT_EQ(step(good, {.learning_rate = 0.01f, .weight_decay = k % 2 == 0 ? 0.1f : 0.0f}), Status::ok);
    check_bound(t);
  }
}

// Over many steps the bound runs away and is read again.
TEST_F(Bad, BoundsAreMeasuredAgain) {
  int read = 0;
  for (int k = 0; k < 20000; ++k) {
    Sample<Net> sample(rng);
    sample.target[0] = 2 * rng.uniform() - 1;  // no net can know it
    const float before = t.state.largest.room[0];
    ASSERT_EQ(step(sample, {.learning_rate = 0.05f}), Status::ok);
    read += t.state.largest.room[0] > before;
    check_bound(t);
  }
  EXPECT_EQ(read > 0, kTiny<Net>);
}

TEST_F(Bad, OrLargeInputsAreInTheBound) {
  for (int i = 0; i < emmy::kPlan<Net>.block[0].size(); ++i)
    t.params.data[i] = i % emmy::padded<float>(7) < 7 ? 0.95f : 0.0f;
  for (int o = 0; o < 7; ++o) t.params.weight<emmy::Layer<2>>(0, o) = 0.95f;
  emmy::refresh(t.state);
  for (float& x : good.x) x = 1e4f;
  good.target[0] = 4e5f;
  ASSERT_EQ(step(good, {.learning_rate = 1e-20f}), Status::ok);  // reads the weights
  float largest = 0;
  for (int k = 0; k < 5; ++k) {
    ASSERT_EQ(step(good, {.learning_rate = 1e-10f}), Status::ok);
    check_bound(t);
    for (const float w : t.params.data) largest = std::fmax(largest, std::fabs(w));
  }
  EXPECT_GT(largest, 1.05f) << "by more than the bound of rounding";
}

// The same weights, without a word about what was wrong.
template <class Net, class Rule, int Batch>
void check_unchecked(const Rule& rule) {
  using S = typename Net::scalar;
  emmy::Trainer<Net, Rule, Batch> checked{};
  emmy::Trainer<Net, emmy::Unchecked<Rule>, Batch> unchecked{};
  emmy::Pcg32 rng{3};
  emmy::init(checked.params, rng);
  unchecked.params = checked.params;
  S x[Batch * Net::kInputs], target[Batch * Net::kOutputs];
  for (int step = 0; step < 50; ++step) {
    for (S& v : x) v = S(2) * S(rng.uniform()) - S(1);
    for (S& v : target) v = S(rng.uniform());
    const auto a = checked.step(x, target, emmy::SquaredError{}, rule);
    const auto b = unchecked.step(x, target, emmy::SquaredError{}, emmy::Unchecked<Rule>{rule});
    ASSERT_TRUE(a.status == Status::ok && b.status == Status::ok);
    ASSERT_EQ(a.loss, b.loss);
  }
  ASSERT_EQ(std::memcmp(&checked.params, &unchecked.params, sizeof checked.params), 0);
  x[0] = std::numeric_limits<S>::quiet_NaN();
  EXPECT_EQ(checked.step(x, target, emmy::SquaredError{}, rule).status, Status::not_finite);
  EXPECT_EQ(unchecked.step(x, target, emmy::SquaredError{}, emmy::Unchecked<Rule>{rule}).status, Status::ok);
}

TEST(Unchecked, TakesTheSameSteps) {
  using Deep = emmy::Net<Input<4>, Dense<9>, emmy::Tanh, Dense<5>, emmy::Relu, Dense<3>>;
  check_unchecked<Net, emmy::Sgd, 1>({.learning_rate = 0.1f});
  check_unchecked<Net, emmy::Sgd, 1>({.learning_rate = 0.1f, .weight_decay = 0.01f});
  check_unchecked<Deep, emmy::Sgd, 1>({.learning_rate = 0.1f});
  check_unchecked<Deep, emmy::Momentum, 3>({.learning_rate = 0.1f});
  emmy::PerBlock<emmy::Sgd, Deep> rates{{.learning_rate = 0.1f}, {}};
  rates.fill();
  check_unchecked<Deep, emmy::PerBlock<emmy::Sgd, Deep>, 2>(rates);
}

TEST(Unchecked, StillLooksAtLabels) {
  using Classes = emmy::Net<Input<2>, Dense<3>>;
  emmy::Trainer<Classes, emmy::Unchecked<emmy::Sgd>, 1> t{};
  const float x[2] = {1, 2};
  const int label = 3;
  EXPECT_EQ(t.step(x, &label, emmy::CrossEntropy{}, {{.learning_rate = 0.1f}}).status, Status::bad_label);
}

}  // namespace
