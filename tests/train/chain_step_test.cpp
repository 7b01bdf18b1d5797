// emmy/train/chain_step.hpp: the bits of a step whose deltas are all there before anything moves; what it leaves to that step.
#include <emmy/emmy.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <tests/train/fixture.hpp>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::NoBias;
using emmy::Relu;
using emmy::SquaredError;
using emmy::Status;
using emmy::Tanh;

template <class A>
bool same_bits(const A& a, const A& b) {
  return std::memcmp(&a, &b, sizeof(A)) == 0;
}
template <class Net, class Rule, class Led = emmy::NoLedger>
inline constexpr bool kTaken = emmy::inner::kTakesChainStep<Net, 1, Rule, Led, emmy::kIsLedger<Led>>;
template <class Net>
inline constexpr bool kCan = emmy::inner::kHasChainSteps<typename Net::scalar>;

// What step.hpp does without it, of values that need no check.
template <class Net, class Rule, class Led>
void step_apart(emmy::Trainer<Net, Rule, 1>& t, const typename Net::scalar* x, const typename Net::scalar* target,
                const Rule& rule, Led& ledger) {
  using S = typename Net::scalar;
  const emmy::Memory<Net, 1, true> m{t.params.data, nullptr, t.scratch.data, x};
  emmy::forward_pass(m);
  emmy::inner::loss_pass(m, SquaredError{}, target, 1, S(1));
  emmy::backward_pass(m);
  emmy::inner::Totals<Net> totals;
  emmy::inner::inspect_all(m, totals, ledger);
  if constexpr (emmy::kIsLedger<Led>) {
    emmy::inner::note_loss<SquaredError>(ledger);
    emmy::inner::note_squares<1>(totals, ledger);
  }
  emmy::inner::update_all<emmy::kIsLedger<Led>>(m, t.params, t.state, rule, emmy::Clips<Net, false>{}, ledger, totals);
}

template <class Net>
typename Net::scalar largest_weight(const emmy::Params<Net>& params) {
  typename Net::scalar most = 0;
  for (const auto v : params.data) most = std::fmax(most, std::fabs(v));
  return most;
}

template <class Net, class Rule, class Led = emmy::NoLedger>
void check_steps(const Rule& rule, double tolerance = 0) {
  using S = typename Net::scalar;
  static_assert(kTaken<Net, Rule, Led> == kCan<Net>);
  emmy::Trainer<Net, Rule, 1> one{}, other{};
  Led ledger{}, apart{};
  emmy::Pcg32 rng{17};
  emmy::init(one.params, rng);
  other.params = one.params;
  fixture::Data<Net, 1> data{};
  for (int step = 0; step < 30; ++step) {
    data.refill(rng, false);
    ASSERT_EQ(one.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok) << step;
    step_apart(other, data.x, data.values, rule, apart);
    ASSERT_TRUE(same_bits(one.params, other.params)) << step;
    if constexpr (Rule::kHasMemory) {
      ASSERT_EQ(std::memcmp(one.state.buf, other.state.buf, sizeof one.state.buf), 0);
    }
    ASSERT_GE(one.state.largest.theta_of(0), largest_weight(one.params));
    if constexpr (emmy::kIsLedger<Led>) {
      EXPECT_EQ(ledger.steps, static_cast<decltype(ledger.steps)>(step + 1));
      for (int u = 0; u < ledger.kUnits; ++u) {
        const S q = ledger.units[emmy::PerUnit::charge][u], want = apart.units[emmy::PerUnit::charge][u];
        ASSERT_NEAR(q, want, tolerance * (1 + std::fabs(want))) << "unit " << u << " in step " << step;
        for (int cause = 0; cause < emmy::kKeptCauses<Net>; ++cause)
          ASSERT_NEAR(ledger.units.total(cause)[u], apart.units.total(cause)[u], tolerance * (1 + std::fabs(want)));
      }
    }
  }
  EXPECT_LT(one.state.largest.theta_of(0), S(1000));  // a bound, not a surrender
}

template <class S, class... Layers>
using Net = emmy::Net<emmy::Scalar<S>, Layers...>;
// A row of a panel; rows of parts of one and of several; without biases; few outputs and one.
template <class S>
using Square = Net<S, Input<13>, Dense<64>, Relu, Dense<64>, Relu, Dense<4>>;
template <class S>
using Uneven = Net<S, Input<5>, Dense<37>, Tanh, Dense<83, NoBias>, Relu, Dense<150>, Dense<20>, Tanh, Dense<1>>;
template <class S>
using Single = Net<S, Input<9>, Dense<3>>;
template <class S>
using Short = Net<S, Input<64>, Dense<32>, Relu, Dense<10>>;

template <class S>
struct ChainStep : testing::Test {};

// A trainer with weights, a sample and a rule.
template <class N>
struct Started {
  using S = typename N::scalar;
  emmy::Trainer<N, emmy::BasicSgd<S>, 1> t{};
  fixture::Data<N, 1> data{};
  emmy::BasicSgd<S> rule{.learning_rate = S(0.05)};

  explicit Started(std::uint64_t seed) {
    emmy::Pcg32 rng{seed};
    emmy::init(t.params, rng);
    data.refill(rng, false);
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ChainStep, Scalars);

TYPED_TEST(ChainStep, GivesTheBitsOfTwoPasses) {
  using S = TypeParam;
  const auto all = [](S decay) {
    const emmy::BasicSgd<S> sgd{.learning_rate = S(0.05), .weight_decay = decay};
    check_steps<Square<S>>(sgd);
    check_steps<Uneven<S>>(sgd);
    check_steps<Short<S>>(sgd);
    check_steps<Single<S>>(sgd);
    check_steps<Square<S>>(emmy::BasicMomentum<S>{.learning_rate = S(0.02), .momentum = S(0.5), .weight_decay = decay});
    check_steps<Short<S>>(emmy::BasicNesterov<S>{.learning_rate = S(0.02), .momentum = S(0.5), .weight_decay = decay});
  };
  all(S(0));
  all(S(0.125));
}

TYPED_TEST(ChainStep, BooksWhatTwoPassesBook) {
  using S = TypeParam;
  const double tolerance = 64 * static_cast<double>(std::numeric_limits<S>::epsilon());
  const auto all = [&]<class N>(std::type_identity<N>, S decay) {
    const emmy::BasicSgd<S> sgd{.learning_rate = S(0.05), .weight_decay = decay};
    check_steps<N, emmy::BasicSgd<S>, emmy::Ledger<N, emmy::WatchAll, emmy::Predict>>(sgd, tolerance);
    check_steps<N, emmy::BasicSgd<S>, emmy::Ledger<N, emmy::WatchAll, emmy::Measure>>(sgd, tolerance);
    static_assert(emmy::inner::kPredictsFromRows<N, emmy::BasicSgd<S>, emmy::Ledger<N, emmy::WatchAll, emmy::Predict>>);
  };
  using First = emmy::Watch<emmy::Rescaling<emmy::Layer<1>>>;
  check_steps<Square<S>, emmy::BasicSgd<S>, emmy::Ledger<Square<S>, First, emmy::Predict>>({.learning_rate = S(0.05)},
                                                                                           tolerance);
  for (const S decay : {S(0), S(0.125)}) {
    all(std::type_identity<Square<S>>{}, decay);
    all(std::type_identity<Uneven<S>>{}, decay);
    all(std::type_identity<Short<S>>{}, decay);
    using Momentum = emmy::BasicMomentum<S>;
    const Momentum momentum{.learning_rate = S(0.02), .momentum = S(0.5), .weight_decay = decay, .dampening = S(0.25)};
    check_steps<Square<S>, Momentum, emmy::Ledger<Square<S>, emmy::WatchAll, emmy::Predict>>(momentum, tolerance);
    check_steps<Square<S>, Momentum, emmy::Ledger<Square<S>, emmy::WatchAll, emmy::Measure>>(momentum, tolerance);
  }
}

// Its books and those of the general step go on from each other.
TYPED_TEST(ChainStep, SharesItsBooksWithTheGeneralStep) {
  using S = TypeParam;
  using N = Uneven<S>;
  const auto check = [&]<class Mode>(Mode) {
    using Led = emmy::Ledger<N, emmy::WatchAll, Mode>;
    const emmy::BasicSgd<S> rule{.learning_rate = S(0.05), .weight_decay = S(0.125)};
    emmy::Trainer<N, emmy::BasicSgd<S>, 1> both{}, apart{};
    Led of_both{}, of_apart{};
    emmy::Pcg32 rng{23};
    emmy::init(both.params, rng);
    apart.params = both.params;
    fixture::Data<N, 1> data{};
    for (int step = 0; step < 12; ++step) {
      data.refill(rng, false);
      if (step % 3 == 1) step_apart(both, data.x, data.values, rule, of_both);
      else ASSERT_EQ(both.step(data.x, data.values, SquaredError{}, rule, of_both).status, Status::ok);
      step_apart(apart, data.x, data.values, rule, of_apart);
    }
    ASSERT_TRUE(same_bits(both.params, apart.params));
    const double tolerance = 64 * static_cast<double>(std::numeric_limits<S>::epsilon());
    for (int u = 0; u < Led::kUnits; ++u) {
      const S want = of_apart.units[emmy::PerUnit::charge][u];
      ASSERT_NEAR(of_both.units[emmy::PerUnit::charge][u], want, tolerance * (1 + std::fabs(want))) << "unit " << u;
      for (int cause = 0; cause < emmy::kKeptCauses<N>; ++cause)
        ASSERT_NEAR(of_both.units.total(cause)[u], of_apart.units.total(cause)[u], tolerance * (1 + std::fabs(want)));
    }
  };
  check(emmy::Predict{});
  check(emmy::Measure{});
}

// |u|^2 of a unit without a delta is 0 beside an x whose square times the rate's is out of range.
TYPED_TEST(ChainStep, PredictsWhatIsClearWithoutOverflow) {
  using S = TypeParam;
  using N = Short<S>;
  using Led = emmy::Ledger<N, emmy::WatchAll, emmy::Predict>;
  emmy::Trainer<N, emmy::BasicSgd<S>, 1> t{};  // weights of 0
  Led ledger{};
  S x[64] = {sizeof(S) == 4 ? S(1e19) : S(1e154)}, target[10] = {};
  const emmy::BasicSgd<S> rule{.learning_rate = S(2)};
  for (int step = 0; step < 2; ++step) ASSERT_EQ(t.step(x, target, SquaredError{}, rule, ledger).status, Status::ok);
  // The bound is that of a chain step, which takes 2^-110 for a delta of 0.
  EXPECT_EQ(t.state.largest.theta_of(0) > S(100), kCan<N>);
  for (int u = 0; u < Led::kUnits; ++u) EXPECT_EQ(ledger.units[emmy::PerUnit::charge][u], S(0)) << u;
}

TYPED_TEST(ChainStep, UncheckedGivesTheSame) {
  using S = TypeParam;
  using N = Square<S>;
  using Sgd = emmy::BasicSgd<S>;
  emmy::Trainer<N, Sgd, 1> checked{};
  emmy::Trainer<N, emmy::Unchecked<Sgd>, 1> unchecked{};
  emmy::Pcg32 rng{3};
  emmy::init(checked.params, rng);
  unchecked.params = checked.params;
  fixture::Data<N, 1> data{};
  const Sgd rule{.learning_rate = S(0.05)};
  for (int step = 0; step < 10; ++step) {
    data.refill(rng, false);
    const auto a = checked.step(data.x, data.values, SquaredError{}, rule);
    const auto b = unchecked.step(data.x, data.values, SquaredError{}, emmy::Unchecked<Sgd>{rule});
    ASSERT_EQ(a.loss, b.loss);
    ASSERT_TRUE(same_bits(checked.params, unchecked.params));
  }
}

TYPED_TEST(ChainStep, IsForChainsOfDenseAndRulesOfOneRate) {
  using S = TypeParam;
  using N = Square<S>;
  using Sgd = emmy::BasicSgd<S>;
  using Gap = Net<S, Input<8>, Dense<16>, Relu, emmy::Residual<Dense<16>>, Dense<2>>;
  using Bent = Net<S, Input<8>, Dense<16>, emmy::Sigmoid, Dense<16>, Relu, Dense<2>>;
  using Held = Net<S, Input<8>, emmy::Frozen<Dense<16>>, Relu, Dense<16>, Relu, Dense<2>>;
  using Last = Net<S, Input<8>, Dense<16>, Relu, Dense<2>, Tanh>;
  EXPECT_EQ((kTaken<N, Sgd>), kCan<N>);
  EXPECT_FALSE((kTaken<Gap, Sgd>));
  EXPECT_FALSE((kTaken<Held, Sgd>));
  EXPECT_FALSE((kTaken<Last, Sgd>));
  EXPECT_EQ((kTaken<Bent, Sgd>), (emmy::kIsContraction<emmy::Sigmoid> && kCan<N>));
  EXPECT_FALSE((kTaken<N, emmy::PerBlock<Sgd, N>>));
  EXPECT_FALSE((kTaken<N, emmy::ClipByNorm<Sgd>>));
  EXPECT_FALSE((kTaken<N, emmy::ClipByValue<Sgd>>));  // checks its limit
  EXPECT_FALSE((kTaken<N, emmy::Lazy<Sgd>>));
  EXPECT_FALSE((kTaken<N, emmy::BasicAdam<S>>));
  EXPECT_FALSE((kTaken<N, Sgd, emmy::Ledger<N>>));  // audited: statistics of every tensor
  EXPECT_FALSE((emmy::inner::kTakesChainStep<N, 2, Sgd, emmy::NoLedger, false>));
}

// A step that fails leaves everything as it was and says why, as the general one does.
TYPED_TEST(ChainStep, RefusesWhatTheGeneralStepRefuses) {
  using S = TypeParam;
  using N = Square<S>;
  using Sgd = emmy::BasicSgd<S>;
  constexpr S kInfinite = std::numeric_limits<S>::infinity(), kMost = std::numeric_limits<S>::max();
  Started<N> started{29};
  auto& t = started.t;
  auto& data = started.data;
  const auto& rule = started.rule;
  ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  const auto expect = [&](Status status, const Sgd& with, const char* what) {
    const auto params = t.params;
    const auto state = t.state;
    EXPECT_EQ(t.step(data.x, data.values, SquaredError{}, with).status, status) << what;
    EXPECT_TRUE(same_bits(params, t.params)) << what;
    EXPECT_TRUE(same_bits(state, t.state)) << what;
  };
  for (const S bad : {std::numeric_limits<S>::quiet_NaN(), kInfinite, kMost}) {
    const S x = std::exchange(data.x[7], bad);
    expect(Status::not_finite, rule, "x");
    data.x[7] = x;
    const S target = std::exchange(data.values[2], bad);
    expect(Status::not_finite, rule, "target");
    data.values[2] = target;
    S& weight = t.params.template weight<emmy::Layer<2>>(3, 5);
    const S kept = std::exchange(weight, bad);
    refresh(t.state);
    expect(bad == kMost ? Status::out_of_range : Status::not_finite, rule, "weight");
    weight = kept;
    refresh(t.state);
  }
  ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);  // the bound is known
  expect(Status::bad_rate, {.learning_rate = S(-1)}, "rate");
  expect(Status::bad_rate, {.learning_rate = S(0.5), .weight_decay = S(4)}, "decay");
  if (sizeof(S) == 4) expect(Status::out_of_range, {.learning_rate = S(0x1p59)}, "huge rate");  // f64 has room
  EXPECT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
}

// Weights all alike: the deltas grow as fast as they can, up to and beyond what a step refuses.
TYPED_TEST(ChainStep, ClearsNothingThatTheGeneralStepRefuses) {
  using S = TypeParam;
  using N = Net<S, Input<8>, Dense<16>, Tanh, Dense<16>, Tanh, Dense<16>, Tanh, Dense<16>, Tanh, Dense<2>>;
  using Sgd = emmy::BasicSgd<S>;
  const Sgd rule{.learning_rate = S(0.5)};
  emmy::Trainer<N, Sgd, 1> t{};
  const fixture::Data<N, 1> none{};                                       // zeros: tanh' is 1
  const S kTiny = std::sqrt(std::numeric_limits<S>::min()) * S(0x1p-13);  // its square is lost
  int cleared = 0, refused = 0;
  for (int e = 0; std::ldexp(S(1), 2 * e) < std::numeric_limits<S>::max() / S(1024); ++e) {
    t.params = {};
    for (const auto& block : emmy::kPlan<N>.block)
      for (int i = 0; block.role == emmy::Role::weight && i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) t.params.data[block.at(i, o)] = std::ldexp(S(1), e);
    auto largest = t.state.largest;
    ASSERT_TRUE(emmy::inner::measure_largest(t.params, t.state, largest));
    // What the general step finds, with the deltas there.
    const emmy::Memory<N, 1, true> m{t.params.data, nullptr, t.scratch.data, none.x};
    for (const S scale : {S(1), kTiny}) {
      const S target[] = {scale, S(-0.75) * scale};
      emmy::forward_pass(m);
      emmy::inner::loss_pass(m, SquaredError{}, target, 1, S(1));
      emmy::inner::NoTotals nothing;
      const auto seen = emmy::inner::see<false>(m, nothing);
      const bool clear = emmy::inner::is_clear<N>(rule, seen, largest);
      emmy::backward_pass(m);
      emmy::inner::Totals<N> totals;
      emmy::NoLedger ledger;
      emmy::inner::inspect_all(m, totals, ledger);
      auto after = largest;
      const bool passes =
          emmy::is_finite(totals.all) && emmy::inner::check_update<1>(totals, after, rule) == Status::ok;
      EXPECT_TRUE(passes || !clear) << "weights of 2^" << e << ", errors of " << scale;
      cleared += clear, refused += !passes;
    }
  }
  EXPECT_GT(cleared, 4);
  EXPECT_GT(refused, 4);
}

// A bound that has grown is measured again.
TYPED_TEST(ChainStep, LooksAtTheWeightsAgain) {
  using S = TypeParam;
  using N = Square<S>;
  if (!kCan<N>) return;
  Started<N> started{31};
  auto& t = started.t;
  auto& data = started.data;
  const auto& rule = started.rule;
  ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  const auto seen = emmy::inner::Seen<S>{S(1), S(1)};
  for (const S grown : {S(0x1p20), std::sqrt(std::numeric_limits<S>::max()) / S(8)}) {
    t.state.largest.assign(0, grown, S(0));
    const bool clear = emmy::inner::is_clear<N>(rule, seen, t.state.largest);
    ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
    EXPECT_EQ(t.state.largest.theta_of(0) < S(16), !clear) << grown;
  }
}

// Of many layers the bound says nothing: the general step.
TYPED_TEST(ChainStep, LeavesDeepNetsToTheGeneralStep) {
  using S = TypeParam;
  using Deep =
      Net<S, Input<64>, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>,
          Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<64>, Tanh, Dense<4>>;
  Started<Deep> started{37};
  auto& t = started.t;
  auto& data = started.data;
  const auto& rule = started.rule;
  ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  EXPECT_EQ((emmy::inner::is_clear<Deep>(rule, emmy::inner::Seen<S>{S(1), S(1)}, t.state.largest)), sizeof(S) == 8);
  const auto before = t.params;
  ASSERT_EQ(t.step(data.x, data.values, SquaredError{}, rule).status, Status::ok);
  EXPECT_FALSE(same_bits(before, t.params));
}

}  // namespace
