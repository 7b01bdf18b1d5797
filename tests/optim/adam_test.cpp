// Rules with a preconditioner, and clipping by value: their steps against plain double loops, every cause of the ledger against
// update differences, the kinetic split, and the shared second moments that break nothing.
#include <emmy/train/verbs.hpp>

#include <tests/noether/ledger_nets.hpp>
#include <tests/reference/adaptive.hpp>

#include <limits>
#include <memory>

#include <gtest/gtest.h>

namespace {

using namespace ledger_nets;
using fixture::OneHidden;
using reference::Adaptive;
using reference::Blocks;

constexpr double kEta = 0.02, kLam = 0.3;

Adaptive definition_of(Adaptive::Kind kind, double eta, double lam, double beta1 = 0, double beta2 = 0,
                       double epsilon = 0, double limit = 0) {
  return {kind, eta, lam, beta1, beta2, epsilon, limit, {}};
}
template <class S>
Adaptive definition(emmy::BasicAdam<S>& r) {
  r = {.learning_rate = S(kEta), .beta1 = S(0.8), .beta2 = S(0.95), .epsilon = S(1e-5), .weight_decay = S(kLam)};
  return definition_of(Adaptive::Kind::adam, double(S(kEta)), double(S(kLam)), double(S(0.8)), double(S(0.95)),
                       double(S(1e-5)));
}
template <class Net, class Spec>
Adaptive definition(emmy::SharedAdam<Net, Spec>& r) {
  emmy::BasicAdam<typename Net::scalar> plain;
  Adaptive d = definition(plain);
  r = {plain.learning_rate, plain.beta1, plain.beta2, plain.epsilon, plain.weight_decay};
  d.shared = {{0, 1, 2, 3, 4}, {5}};  // of TwoHidden: the chain, and the output biases
  return d;
}
template <class S>
Adaptive definition(emmy::BasicRmsProp<S>& r) {
  r = {.learning_rate = S(kEta), .beta2 = S(0.95), .epsilon = S(1e-5), .weight_decay = S(kLam)};
  return definition_of(Adaptive::Kind::rmsprop, double(S(kEta)), double(S(kLam)), 0, double(S(0.95)), double(S(1e-5)));
}
template <class S>
Adaptive definition(emmy::BasicLion<S>& r) {
  r = {.learning_rate = S(kEta), .beta1 = S(0.8), .beta2 = S(0.9), .weight_decay = S(kLam)};
  return definition_of(Adaptive::Kind::lion, double(S(kEta)), double(S(kLam)), double(S(0.8)), double(S(0.9)));
}
template <class S>
Adaptive definition(emmy::BasicSignSgd<S>& r) {
  r = {.learning_rate = S(kEta), .weight_decay = S(kLam)};
  return definition_of(Adaptive::Kind::sign, double(S(kEta)), double(S(kLam)));
}
template <class S>
Adaptive definition(emmy::ClipByValue<emmy::BasicMomentum<S, emmy::Decay::decoupled>>& r) {
  r = {{.learning_rate = S(kEta), .momentum = S(0.8), .weight_decay = S(kLam)}, S(0.03)};
  return definition_of(Adaptive::Kind::clipped_momentum, double(S(kEta)), double(S(kLam)), double(S(0.8)), 0, 0,
                       double(S(0.03)));
}

// B(a, b) of a quadratic charge, half the sum of a of a linear one.
double product(const UnitCharge& c, const Blocks& a, const Blocks& b, const std::vector<int>& cols, int unit) {
  return reference::noether(c, b, a, cols, unit);
}
double square(const UnitCharge& c, const Blocks& a, const std::vector<int>& cols, int unit) {
  return c.power == 2 ? product(c, a, a, cols, unit) : 0.0;
}
double entries(UnitCharge c, const Blocks& shape, const std::vector<int>& cols, int unit) {
  for (auto& line : c.lines) line.weight = 1;
  return reference::over_unit(c, shape, cols, unit, [](std::size_t, std::size_t, int) { return 1.0; });
}
double total(UnitCharge c, const Blocks& of, const std::vector<int>& cols, int unit) {
  for (auto& line : c.lines) line.weight = 1;
  return reference::over_unit(c, of, cols, unit, [&](std::size_t b, std::size_t i, int) { return of[b][i]; });
}

template <class R, template <class> class NetOf>
struct On {
  using rule = R;
  using net = NetOf<typename R::scalar>;
};

template <class P>
struct Preconditioned : testing::Test {
  using R = typename P::rule;
  using N = typename P::net;
  using S = typename N::scalar;
  static constexpr bool kSplit = emmy::kPreconditioned<R>;
  using L = Ledger<N, WatchAll, std::conditional_t<kSplit, emmy::Kinetic, emmy::Audit>>;
  Trainer<N, R, kBatch> trainer{};
  L ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{23};
  R rule{};
  const Adaptive about = definition(rule);
  const reference::Model model = reference::model_of<N>();
  const std::vector<int> cols = reference::columns_of<N>();
  reference::AdaptiveState state{};
  Blocks theta;
  double largest[5] = {}, smallest_kinetic = 0;

  void SetUp() override {
    fixture::randomise(trainer.params, rng, 0.8);
    theta = reference::read_blocks<N>(trainer.params.data);
    state.m = state.v = reference::zeros_like(theta);
  }
  // One step of both; the causes of the units of a charge go to f.
  template <class F>
  void step(F f) {
    data.refill(rng, false);
    const Blocks g =
        reference::run(model, theta, data.inputs(), kBatch, data.template reference_targets<CrossEntropy, int>())
            .gradient;
    ledger.reset();
    const auto result = trainer.step(data.x, data.template targets<int>(), CrossEntropy{}, rule, ledger);
    ASSERT_EQ(result.status, Status::ok);
    ASSERT_LE(ledger.health(), 1.0);
    const Blocks before = theta;
    const auto moved = reference::adaptive_step(about, state, g);
    for (std::size_t b = 0; b < theta.size(); ++b)
      for (std::size_t i = 0; i < theta[b].size(); ++i)
        theta[b][i] = (1 - about.eta * about.lam) * theta[b][i] - moved.u[b][i];
    f(before, g, moved);
  }
  template <class Symmetry>
  void compare(Symmetry, const UnitCharge& c, int first, int units, const Blocks& before, const Blocks& g,
               const reference::AdaptiveStep& moved) {
    const double lam = about.eta * about.lam, tolerance = 2e-11;
    for (int u = 0; u < units; ++u) {
      const auto q = [&](const Blocks& update) {  // of theta - update
        return -2 * product(c, update, before, cols, u) + square(c, update, cols, u);
      };
      Blocks full = moved.u;
      for (std::size_t b = 0; b < full.size(); ++b)
        for (std::size_t i = 0; i < full[b].size(); ++i) full[b][i] += lam * before[b][i];
      const double mean = total(c, moved.second, cols, u) / entries(c, before, cols, u),
                   scale = !kSplit ? 1
                           : about.kind == Adaptive::Kind::adam || about.kind == Adaptive::Kind::rmsprop
                               ? 1 / (std::sqrt(mean) + about.epsilon)
                           : mean > 0 ? 1 / std::sqrt(mean)
                                      : 0,
                   along = -2 * about.eta * scale * product(c, g, before, cols, u),
                   first_order = -2 * product(c, moved.u0, before, cols, u);
      const double want[] = {q(full) - q(moved.u), q(moved.u) - q(moved.u0), first_order - along,
                             square(c, moved.u0, cols, u), along};
      const auto got = ledger.template total<Symmetry>(first + u);
      for (std::size_t k = 0; k < 5; ++k) {
        double amount = got.amount[k];
        if (k == 4 && Symmetry::kKind == emmy::Kind::scale) {  // all of it is what epsilon makes
          ASSERT_NEAR(amount, 0.0, 1e-13);
          amount = got[Cause::epsilon];
        }
        ASSERT_NEAR(amount, want[k], tolerance) << "cause " << k << ", unit " << u;
        largest[k] = std::fmax(largest[k], std::fabs(want[k]));
      }
      ASSERT_NEAR(got[Cause::rounding], 0.0, 1e-13);
      if constexpr (kSplit) {
        const double memory = c.power == 2 ? -2 * about.eta * scale * product(c, moved.d, before, cols, u) : 0.0;
        const auto split = ledger.template kinetic<Symmetry>(first + u);
        ASSERT_NEAR(split.memory, memory, tolerance) << u;
        ASSERT_NEAR(split.kinetic, -2 * product(c, moved.u, before, cols, u) - memory, tolerance) << u;
      }
    }
  }
  void compare_all(const Blocks& before, const Blocks& g, const reference::AdaptiveStep& moved) {
    const auto one = [&](auto symmetry, const UnitCharge& c, int first, int units) {
      if (!testing::Test::HasFatalFailure()) compare(symmetry, c, first, units, before, g, moved);
    };
    if constexpr (std::is_same_v<N, Normed<S>>) {
      one(emmy::Scale<Layer<0>>{}, kFirstScale, 0, 1);
      one(emmy::Scale<Layer<4>>{}, kSecondScale, 0, 1);
      one(Rescaling<Layer<2>>{}, kFirstGains, 0, 9);
      return;
    } else if constexpr (std::is_same_v<N, Windows<S>>) {
      one(Rescaling<Layer<2>>{}, kFirstChannels, 0, 5);
      one(Rescaling<Layer<5>>{}, kSecondChannels, 0, 4);
    } else {
      one(Rescaling<Layer<1>>{}, kFirstUnits, 0, 9);
      one(Rescaling<Layer<3>>{}, kSecondUnits, 0, 5);
    }
    constexpr int kInputs = kPlan<N>.block[4].rows;
    using Last = Layer<N::kNodes - 1>;
    one(Translation<Last>{}, kLogits, 0, kInputs);
    one(Translation<Last>{}, kLogitBias, kInputs, 1);
  }
};

using D = double;
using Rules =
    testing::Types<On<emmy::BasicAdam<D>, TwoHidden>, On<emmy::BasicAdam<D>, Windows>, On<emmy::BasicAdam<D>, Normed>,
                   On<emmy::SharedAdam<TwoHidden<D>>, TwoHidden>, On<emmy::BasicRmsProp<D>, TwoHidden>,
                   On<emmy::BasicLion<D>, TwoHidden>, On<emmy::BasicSignSgd<D>, TwoHidden>,
                   On<emmy::ClipByValue<emmy::BasicMomentum<D, emmy::Decay::decoupled>>, TwoHidden>>;
TYPED_TEST_SUITE(Preconditioned, Rules);

TYPED_TEST(Preconditioned, FollowsItsDefinitionAndBooksEveryCause) {
  using Rule = typename TypeParam::rule;
  using Net = typename TypeParam::net;
  for (int k = 0; k < 30 && !testing::Test::HasFatalFailure(); ++k)
    this->step([&](const auto&... of_step) { this->compare_all(of_step...); });
  EXPECT_LT(fixture::relative_difference(reference::read_blocks<Net>(this->trainer.params.data), this->theta), 1e-12);
  EXPECT_TRUE(fixture::pads_are_zero<Net>(this->trainer.params.data));
  // The comparison must not be one of zeros; shared moments break nothing.
  EXPECT_GT(this->largest[0], 1e-3) << "decay";
  EXPECT_EQ(this->largest[1] > 1e-4, Rule::kHasMemory) << "momentum";
  if constexpr (emmy::kSharesMoments<Rule>) EXPECT_LT(this->largest[2], 1e-14) << "breaking";
  else EXPECT_GT(this->largest[2], 1e-3) << "breaking";
  EXPECT_GT(this->largest[3], 1e-6) << "discretisation";
  EXPECT_EQ(this->largest[4] > 1e-5, (std::is_same_v<Net, Normed<D>>)) << "epsilon";
}

// The batch of one has texts of its own: no gradient array, and with no ledger none of its sums.
template <class N, class R, int Batch>
void measuring_changes_no_bit() {
  R rule{};
  static_cast<void>(definition(rule));
  Pcg32 rng{5};
  Trainer<N, R, Batch> measured{}, plain{};
  Ledger<N, WatchAll, std::conditional_t<emmy::kPreconditioned<R>, emmy::Kinetic, emmy::Audit>> ledger{};
  fixture::Data<N, Batch> data{};
  fixture::randomise(measured.params, rng, 0.8);
  plain.params = measured.params;
  for (int k = 0; k < 20; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(measured.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_EQ(plain.step(data.x, data.label, CrossEntropy{}, rule).status, Status::ok);
    ASSERT_LE(ledger.health(), 1.0f);
    ASSERT_EQ(reference::read_blocks<N>(measured.params.data), reference::read_blocks<N>(plain.params.data))
        << "batch " << Batch << ", step " << k;
  }
}
TEST(PreconditionedF32, MeasuringChangesNoBit) {
  using N = TwoHidden<float>;
  measuring_changes_no_bit<N, emmy::Adam, 1>();
  measuring_changes_no_bit<N, emmy::Adam, 5>();
  measuring_changes_no_bit<N, emmy::RmsProp, 1>();
  measuring_changes_no_bit<N, emmy::SharedAdam<N>, 1>();
  measuring_changes_no_bit<N, emmy::ClipByValue<emmy::BasicMomentum<float, emmy::Decay::decoupled>>, 1>();
}

// One hidden layer: a number a unit and one for the output biases, instead of one a weight.
TEST(SharedAdam, HasANumberAUnitWithOneHiddenLayer) {
  using N = OneHidden<float>;
  using R = emmy::SharedAdam<N>;
  static_assert(R::kSecondMoments == 11 + 1);
  static_assert(emmy::SharedAdam<TwoHidden<float>>::kShared.components == 2, "a chain is one component");
  static_assert(sizeof(emmy::State<N, R>) < sizeof(emmy::State<N, emmy::Adam>));
  Trainer<N, R, kBatch> trainer{};
  Ledger<N, WatchAll, emmy::Kinetic> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{3};
  fixture::randomise(trainer.params, rng, 0.8);
  const R rule{.learning_rate = 0.02f};
  for (int k = 0; k < 200; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  }
  EXPECT_LE(ledger.worst_health(), 1.0f);
  const auto rescaling = ledger.total<Rescaling<Layer<1>>>();
  EXPECT_LT(std::fabs(rescaling[Cause::breaking]), 1e-5f);
  EXPECT_GT(std::fabs(rescaling.drift()), 0.1f);
  for (int u = 0; u < 12; ++u) EXPECT_LT(std::fabs(ledger.total<Translation<Layer<2>>>(u).drift()), 1e-4f) << u;
}

// Adam divides by what rounding leaves of a zero gradient: where only the sum of a row is conserved, it moves.
TEST(Adam, MovesTheSumsOfLogitsThatSharedAdamKeeps) {
  using N = OneHidden<float>;
  Trainer<N, emmy::Adam, kBatch> trainer{};
  Ledger<N, WatchAll, emmy::Kinetic> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{3};
  fixture::randomise(trainer.params, rng, 0.8);
  const emmy::Adam rule{.learning_rate = 0.02f};
  for (int k = 0; k < 200; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  }
  float most = 0;
  for (int u = 0; u < 12; ++u)
    most = std::fmax(most, std::fabs(ledger.total<Translation<Layer<2>>>(u)[Cause::breaking]));
  EXPECT_GT(most, 0.1f);
}

TEST(Adam, RefusesBadRatesAndTouchesNothing) {
  using N = OneHidden<float>;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  auto trainer = std::make_unique<Trainer<N, emmy::Adam, kBatch>>();
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{3};
  fixture::randomise(trainer->params, rng, 0.8);
  data.refill(rng, false);
  const emmy::Adam good{};
  ASSERT_EQ(trainer->step(data.x, data.label, CrossEntropy{}, good).status, Status::ok);
  const auto refused = [&](auto damage, const char* what) {
    emmy::Adam bad = good;
    damage(bad);
    const fixture::Snapshot params(trainer->params);
    const fixture::Snapshot state(trainer->state);
    EXPECT_EQ(trainer->step(data.x, data.label, CrossEntropy{}, bad).status, Status::bad_rate) << what;
    EXPECT_TRUE(params.still_is(trainer->params) && state.still_is(trainer->state)) << what;
  };
  for (const float v : {-0.1f, kNan, 1.0f, 2.0f}) {
    refused([v](auto& r) { r.beta1 = v; }, "beta1");
    refused([v](auto& r) { r.beta2 = v; }, "beta2");
  }
  refused([](auto& r) { r.beta2 = 0.8f; }, "beta1^2 above beta2");
  for (const float v : {0.0f, -1e-8f, kNan, 1e-20f}) refused([v](auto& r) { r.epsilon = v; }, "epsilon");
  refused([](auto& r) { r.learning_rate = -1; }, "learning rate");
  // Weights that no gradient reaches stay where they are, whatever their v.
  for (float& x : data.x) x = 0;
  const auto before = reference::read_blocks<N>(trainer->params.data);
  Trainer<N, emmy::Adam, kBatch> fresh{};
  fresh.params = trainer->params;
  ASSERT_EQ(fresh.step(data.x, data.label, CrossEntropy{}, good).status, Status::ok);
  EXPECT_EQ(reference::read_blocks<N>(fresh.params.data)[0], before[0]);
}

}  // namespace
