// Predicted charges are the measured ones, for every rule that has a closed law, and read the weights again when told.
#include <emmy/train/verbs.hpp>

#include <tests/noether/charges.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules
using fixture::FewOutputs;
using fixture::Images;
using fixture::States;
using fixture::TwoHidden;
using fixture::Windows;

template <class S>
using Factored =
    Net<Scalar<S>, Input<7>, Dense<6>, Relu, Parametrized<Dense<5>, ProductByInput>, LeakyRelu<1, 8>, Dense<3>>;

template <class N, class R, int BatchSize = 5>
struct Run {
  using Net = N;
  using Rule = R;
  static constexpr int kBatch = BatchSize;
};
template <class S>
using OneOutput = Net<Scalar<S>, Input<3>, Dense<9>, Relu, Dense<1>>;
template <class S>
using OneUnit = Net<Scalar<S>, Input<4>, Dense<1>, Relu, Dense<3>>;
template <class S>
using Normed = Net<Scalar<S>, Input<5>, Dense<7>, emmy::LayerNorm<WithBias, 1, 64>, Relu, Dense<6>,
                   emmy::RmsNorm<NoBias, 1, 64>, Dense<3>>;
template <class S>
using Batched = Net<Scalar<S>, Input<5>, Dense<7>, emmy::BatchNorm<WithBias, 1, 64>, Relu, Dense<6>,
                    emmy::BatchNorm<NoBias, 1, 64>, Dense<3>>;
template <class R>
struct Predicted : testing::Test {};
// One sample: from norms alone where the rule has no memory.
using Runs = testing::Types<Run<TwoHidden<double>, BasicSgd<double>, 1>, Run<OneUnit<double>, BasicSgd<double>, 1>,
                            Run<OneOutput<double>, BasicSgd<double>, 1>, Run<FewOutputs<double>, BasicSgd<double>, 1>,
                            Run<FewOutputs<float>, BasicMomentum<float>>,
                            Run<TwoHidden<double>, BasicMomentum<double>, 1>, Run<TwoHidden<float>, BasicSgd<float>, 1>,
                            Run<TwoHidden<double>, BasicSgd<double>>, Run<TwoHidden<double>, BasicMomentum<double>>,
                            Run<TwoHidden<double>, ClipByNorm<BasicMomentum<double, Decay::decoupled>>>,
                            Run<Normed<double>, BasicSgd<double>, 1>, Run<Normed<double>, BasicMomentum<double>>,
                            Run<Batched<double>, BasicMomentum<double>>, Run<Factored<double>, BasicMomentum<double>>,
                            Run<Windows<double>, BasicSgd<double>, 1>, Run<Windows<double>, BasicMomentum<double>>,
                            Run<Images<double>, BasicMomentum<double>>, Run<States<double>, BasicMomentum<double>>,
                            Run<TwoHidden<float>, ClipByNorm<BasicMomentum<float>>>>;
TYPED_TEST_SUITE(Predicted, Runs);

template <class First, class... Rest>
First first_of_list(emmy::Symmetries<First, Rest...>);

template <class S>
void set(BasicSgd<S>& r, int k) {
  r = {S(0.05) / S(1 + k / 100), S(k % 3 == 2 ? 0 : 0.02)};  // steps without decay between those with it
}
template <class S, Decay kind>
void set(BasicMomentum<S, kind>& r, int k) {
  r = {k % 50 < 5 ? S(0) : S(0.05) / S(1 + k / 100), S(0.9), S(0.02), S(0.1)};  // warm-up: only the buffer moves
}
template <class R>
void set(ClipByNorm<R>& r, int k) {
  set(r.rule, k);
  r.limit = typename R::scalar(0.5);
}

TYPED_TEST(Predicted, ChargesAndCausesAreTheMeasuredOnes) {
  using N = typename TypeParam::Net;
  using R = typename TypeParam::Rule;
  using S = typename N::scalar;
  constexpr bool kSingle = sizeof(S) == 4,
                 kNormed = std::is_same_v<N, Normed<double>> || std::is_same_v<N, Batched<double>>;
  constexpr int kBatch = TypeParam::kBatch;
  Trainer<N, R, kBatch> trainer{}, other{}, third{};
  Ledger<N> audited{};
  Ledger<N, WatchAll, Predict> predicted{};
  Ledger<N, WatchAll, Measure> measured{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{31};
  fixture::randomise(trainer.params, rng, 0.7);
  other.params = third.params = trainer.params;
  double worst = 0, worst_measured = 0, largest = 0, steps_moved = 0, caused[4] = {};
  for (int k = 0; k < 300; ++k) {
    data.refill(rng, false);
    R rule{};
    set(rule, k);
    const auto both = [&](auto loss, const auto* target) {
      ASSERT_EQ(trainer.step(data.x, target, loss, rule, audited).status, Status::ok);
      ASSERT_EQ(other.step(data.x, target, loss, rule, predicted).status, Status::ok);
      ASSERT_EQ(third.step(data.x, target, loss, rule, measured).status, Status::ok);
    };
    if constexpr (N::kOutputs == 1) both(SquaredError{}, data.values);
    else both(CrossEntropy{}, data.label);
    ASSERT_EQ(std::memcmp(&trainer.params, &other.params, sizeof trainer.params), 0) << "a mode changed the training";
    ASSERT_EQ(std::memcmp(&trainer.params, &third.params, sizeof trainer.params), 0) << "a mode changed the training";
    ASSERT_LE(measured.health(), S(1)) << "step " << k;
    // Of the step alone, all units of a symmetry together.
    using First = decltype(first_of_list(typename Ledger<N>::symmetries{}));
    const auto want = audited.template step<First>(), by_law = predicted.template step<First>(),
               behind = measured.template step<First>();
    for (const Cause c : {Cause::decay, Cause::momentum, Cause::discretisation}) {
      const double expected = double(want[c]),
                   tolerance = (kSingle ? 1e-3 : 1e-9) * std::fabs(expected) + (kSingle ? 1e-5 : 1e-14);
      ASSERT_NEAR(double(by_law[c]), expected, tolerance) << static_cast<int>(c) << ", step " << k;
      ASSERT_NEAR(double(behind[c]), expected, tolerance) << static_cast<int>(c) << ", step " << k;
    }
    steps_moved += std::fabs(double(behind[Cause::discretisation]));
    if (k != 150) continue;
    // Weights changed from outside: told so, both ledgers start from the new ones.
    trainer.params.data[0] += S(0.25);
    other.params.data[0] += S(0.25);
    third.params.data[0] += S(0.25);
    audited.resync();
    predicted.resync();
    measured.resync();
  }
  for (int u = 0; u < Ledger<N>::kUnits; ++u) {
    const auto &want = audited.units, &got = predicted.units;
    const auto& behind = measured.units;
    worst_measured = std::fmax(
        worst_measured, std::fabs(double(behind[emmy::PerUnit::charge][u]) - double(want[emmy::PerUnit::charge][u])));
    worst = std::fmax(worst, std::fabs(double(got[emmy::PerUnit::charge][u]) - double(want[emmy::PerUnit::charge][u])));
    largest = std::fmax(largest, std::fabs(double(want[emmy::PerUnit::charge][u])));
    constexpr Cause kOf[] = {Cause::decay, Cause::momentum, Cause::discretisation, Cause::epsilon};
    for (int c = 0; c < (kNormed ? 4 : 3); ++c) {
      const double expected = double(want.total(static_cast<int>(kOf[c]))[u]);
      EXPECT_NEAR(double(got.total(static_cast<int>(kOf[c]))[u]), expected, kSingle ? 1e-4 : 1e-12) << c;
      EXPECT_NEAR(double(behind.total(static_cast<int>(kOf[c]))[u]), expected, kSingle ? 1e-4 : 1e-12) << c;
      caused[c] = std::fmax(caused[c], std::fabs(expected));
    }
  }
  EXPECT_GT(steps_moved, 1e-9);
  std::printf(
      "predicted against audited after 300 steps: %.2g, measured %.2g, residuals to %.2g of their bounds (charges up "
      "to %.2g)\n",
      worst, worst_measured, double(measured.worst_health()), largest);
  EXPECT_LT(worst_measured, kSingle ? 1e-5 : 1e-13);
  EXPECT_GT(measured.worst_health(), S(1e-4)) << "nothing was compared";
  EXPECT_LT(worst, kSingle ? 1e-4 : 1e-12);
  // The comparison must not be one of zeros.
  EXPECT_GT(largest, 0.01);
  EXPECT_GT(caused[0], 1e-3);
  EXPECT_EQ(caused[1] > 1e-3, R::kHasMemory);
  EXPECT_GT(caused[2], 1e-4);
  EXPECT_EQ(caused[3] > 1e-3, kNormed);
}

// What a measured charge that leaves its law tells, and what it cannot: a change that keeps all squares.
TEST(Measure, SeesWeightsAndMemoryThatChanged) {
  using N = TwoHidden<float>;
  constexpr int kBatch = 5;
  using T = Trainer<N, BasicMomentum<float>, kBatch>;
  T trainer{};
  Ledger<N, WatchAll, Measure> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{41};
  fixture::randomise(trainer.params, rng, 0.7);
  const BasicMomentum<float> rule{0.05f, 0.9f, 0.02f, 0.1f};
  const auto health_of = [&](T& machine, auto& books) {
    EXPECT_EQ(machine.step(data.x, data.label, CrossEntropy{}, rule, books).status, Status::ok);
    return books.health();
  };
  for (int k = 0; k < 100; ++k) {
    data.refill(rng, false);
    T struck = trainer, shaken = trainer, flipped = trainer;
    auto books = ledger, shaken_books = ledger, flipped_books = ledger, told = ledger;
    struck.params.template weight<Layer<2>>(k % 5, k % 9) += 0.02f;
    T resynced = struck;
    told.resync();
    shaken.state.buf[emmy::kPlan<N>.block[0].offset + k % 9] += 0.01f;
    auto& sign = flipped.params.template weight<Layer<4>>(k % 3, k % 5);
    sign = sign < 0 ? 0.02f - sign : -0.02f - sign;
    ASSERT_LE(health_of(trainer, ledger), 1.0f) << k;
    ASSERT_LE(health_of(resynced, told), 1.0f) << k;
    if (k == 0) continue;  // a ledger begins with the weights as they are
    EXPECT_GT(health_of(struck, books), 1.0f) << k;
    EXPECT_GT(health_of(shaken, shaken_books), 1.0f) << k;
    EXPECT_GT(health_of(flipped, flipped_books), 1.0f) << k << ": Translation sums the last layer";
  }
  EXPECT_GT(ledger.extremes<Rescaling<Layer<1>>>().residual_ratio, 0.0f);
  EXPECT_LE(ledger.extremes<Rescaling<Layer<1>>>().residual_ratio, 1.0f);
  EXPECT_LT(ledger.extremes<Rescaling<Layer<1>>>().relative, 1e-5f);
  ledger.reset();
  EXPECT_EQ(ledger.extremes<Rescaling<Layer<1>>>().residual, 0.0f);
}

// Charges of the outputs are only followed while the loss does not see them: then they start anew.
TEST(Measure, TakesTranslationAsItIsWhenTheLossTurnsToIt) {
  using N = TwoHidden<float>;
  Trainer<N, BasicSgd<float>, 5> trainer{};
  Ledger<N, WatchAll, Measure> ledger{};
  Ledger<N> audited{};
  fixture::Data<N, 5> data{};
  Pcg32 rng{43};
  fixture::randomise(trainer.params, rng, 0.7);
  const BasicSgd<float> rule{0.05f, 0.0f};
  for (int k = 0; k < 12; ++k) {
    data.refill(rng, false);
    auto copy = trainer;
    if (k % 4 < 2) {
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
      ASSERT_EQ(copy.step(data.x, data.values, SquaredError{}, rule, audited).status, Status::ok);
    } else {
      ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
      ASSERT_EQ(copy.step(data.x, data.label, CrossEntropy{}, rule, audited).status, Status::ok);
    }
    ASSERT_LE(ledger.health(), 1.0f) << k;
    ASSERT_LE(audited.health(), 1.0f) << k;
    if (k % 4 != 1) continue;
    // The charges of the hidden units go on: a weight that changed before the loss turns is seen.
    auto struck = trainer;
    auto books = ledger;
    auto audit = audited;
    struck.params.template weight<Layer<2>>(k % 5, k % 9) += 0.05f;
    copy = struck;
    ASSERT_EQ(struck.step(data.x, data.label, CrossEntropy{}, rule, books).status, Status::ok);
    ASSERT_EQ(copy.step(data.x, data.label, CrossEntropy{}, rule, audit).status, Status::ok);
    EXPECT_GT(books.health(), 1.0f) << k;
    EXPECT_GT(audit.health(), 1.0f) << k;
  }
}

// A recorded charge that is no number any more is a fault, of a unit of any kind.
TEST(Measure, TakesNoNumberForAFault) {
  using N = TwoHidden<float>;
  for (const int unit : {0, 14, Ledger<N>::kUnits - 1}) {  // of Rescaling, of Translation
    Trainer<N, BasicSgd<float>, 5> trainer{};
    Ledger<N, WatchAll, Measure> ledger{};
    fixture::Data<N, 5> data{};
    Pcg32 rng{59};
    fixture::randomise(trainer.params, rng, 0.7);
    const auto step = [&] {
      data.refill(rng, false);
      ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, BasicSgd<float>{0.05f, 0.0f}, ledger).status,
                Status::ok);
    };
    step();
    ASSERT_LE(ledger.health(), 1.0f);
    ledger.units[emmy::PerUnit::charge][unit] = std::nanf("");
    step();
    EXPECT_TRUE(std::isinf(ledger.health())) << unit;
    step();
    EXPECT_LE(ledger.health(), 1.0f) << "the next step starts from the weights";
    EXPECT_TRUE(std::isinf(ledger.worst_health())) << unit;
  }
}

// One step in three by its law, read before and behind it: the others are booked as unmeasured, and what changed between them
// is no fault.
template <class N>
struct Sparse : testing::Test {};
template <class N, int BatchSize>
struct OfBatch {
  using Net = N;
  static constexpr int kBatch = BatchSize;
};
using SparseRuns = testing::Types<OfBatch<TwoHidden<double>, 1>, OfBatch<TwoHidden<double>, 5>,
                                  OfBatch<FewOutputs<double>, 1>, OfBatch<Normed<double>, 5>>;
TYPED_TEST_SUITE(Sparse, SparseRuns);

TYPED_TEST(Sparse, EveryThirdStepFollowsItsLaw) {
  using N = typename TypeParam::Net;
  constexpr int kBatch = TypeParam::kBatch;
  Trainer<N, BasicSgd<double>, kBatch> trainer{}, other{};
  Ledger<N, WatchAll, emmy::Every<3>> sparse{};
  Ledger<N, WatchAll, Measure> full{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{53};
  fixture::randomise(trainer.params, rng, 0.7);
  other.params = trainer.params;
  using First = decltype(first_of_list(typename Ledger<N>::symmetries{}));
  double start = 0, between = 0;
  for (int k = 0; k < 61; ++k) {
    data.refill(rng, false);
    if (k == 31) trainer.params.data[0] += 0.25, other.params.data[0] += 0.25, full.resync();  // k = 30 was measured
    const double last = sparse.template charge<First>(0), before = full.template charge<First>(0);
    const BasicSgd<double> rule{0.05, k % 2 == 0 ? 0.02 : 0.0};
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, sparse).status, Status::ok);
    ASSERT_EQ(other.step(data.x, data.label, CrossEntropy{}, rule, full).status, Status::ok);
    ASSERT_EQ(std::memcmp(&trainer.params, &other.params, sizeof trainer.params), 0) << "a mode changed the training";
    if (k % 3 != 0) {
      ASSERT_EQ(sparse.template charge<First>(0), last);
      continue;
    }
    ASSERT_LE(sparse.health(), 1.0) << k;
    ASSERT_NEAR(sparse.template charge<First>(0), full.template charge<First>(0), 1e-13);
    if (k > 0) between += before - last;
    ASSERT_NEAR(between, sparse.template total<First>(0)[Cause::unmeasured], 1e-12);
    for (const Cause c : {Cause::decay, Cause::discretisation, Cause::epsilon})
      ASSERT_NEAR(sparse.template step<First>()[c], full.template step<First>()[c],
                  1e-9 * std::fabs(full.template step<First>()[c]) + 1e-14);
    if (k == 0) start = sparse.template charge<First>(0) - sparse.template total<First>(0).drift();
  }
  const auto total = sparse.template total<First>(0);
  EXPECT_EQ(sparse.measured, 21);
  EXPECT_GT(std::fabs(between), 1e-4);
  EXPECT_GT(sparse.worst_health(), 1e-4) << "nothing was compared";
  EXPECT_GT(std::fabs(total[Cause::discretisation]), 1e-6);
  EXPECT_NEAR(total.drift(), sparse.template charge<First>(0) - start, 1e-12);
}

// A gradient from elsewhere need not have the symmetry: nothing is claimed of it, and the step behind it starts from what it left.
TEST(Measure, ClaimsNothingOfAGivenGradient) {
  using N = TwoHidden<float>;
  Trainer<N, BasicMomentum<float>, 5> trainer{};
  Ledger<N, WatchAll, Measure> ledger{};
  fixture::Data<N, 5> data{};
  Pcg32 rng{47};
  fixture::randomise(trainer.params, rng, 0.7);
  const BasicMomentum<float> rule{0.05f, 0.9f, 0.02f, 0.1f};
  for (int k = 0; k < 200; ++k) {
    data.refill(rng, false);
    if (k % 3 == 2) {
      Gradient<N> g{};
      ASSERT_EQ((emmy::gradient<false>(trainer.params, trainer.buffers, trainer.scratch, data.x, data.label,
                                       CrossEntropy{}, 5, 0.2f, g)
                     .status),
                Status::ok);
      for (int b = 0; b < emmy::kPlan<N>.kBlocks; ++b) g.data[emmy::kPlan<N>.block[b].offset] += 0.1f;
      ASSERT_EQ(emmy::apply(trainer.params, trainer.state, g, rule, ledger), Status::ok);
      ASSERT_EQ(ledger.health(), 0.0f) << k;
    } else {
      ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
      ASSERT_LE(ledger.health(), 1.0f) << k;
    }
  }
}

// One that reads charges before the step does so of given gradients too.
TEST(Measure, ReadsBeforeAGivenGradient) {
  using N = TwoHidden<double>;
  Trainer<N, BasicSgd<double>, 5> trainer{}, other{};
  Ledger<N, WatchAll, emmy::Every<1>> sparse{};
  Ledger<N> audited{};
  fixture::Data<N, 5> data{};
  Pcg32 rng{61};
  fixture::randomise(trainer.params, rng, 0.7);
  other.params = trainer.params;
  const BasicSgd<double> rule{0.05, 0.02};
  for (int k = 0; k < 60; ++k) {
    data.refill(rng, false);
    if (k % 3 == 2) {
      Gradient<N> g{};
      ASSERT_EQ((emmy::gradient<false>(trainer.params, trainer.buffers, trainer.scratch, data.x, data.label,
                                       CrossEntropy{}, 5, 0.2, g)
                     .status),
                Status::ok);
      ASSERT_EQ(emmy::apply(trainer.params, trainer.state, g, rule, sparse), Status::ok);
      ASSERT_EQ(emmy::apply(other.params, other.state, g, rule, audited), Status::ok);
      ASSERT_EQ(sparse.health(), 0.0) << k;
    } else {
      ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, sparse).status, Status::ok);
      ASSERT_EQ(other.step(data.x, data.label, CrossEntropy{}, rule, audited).status, Status::ok);
      ASSERT_LE(sparse.health(), 1.0) << k;
    }
    for (int u = 0; u < Ledger<N>::kUnits; ++u)
      ASSERT_NEAR(sparse.units[emmy::PerUnit::charge][u], audited.units[emmy::PerUnit::charge][u], 1e-13) << k;
  }
  for (int u = 0; u < Ledger<N>::kUnits; ++u)
    for (const Cause c : {Cause::decay, Cause::discretisation, Cause::unmeasured})
      EXPECT_NEAR(sparse.units.total(static_cast<int>(c))[u], audited.units.total(static_cast<int>(c))[u], 1e-12) << u;
}

// What `resync` is for: without it the law goes on from the old weights.
TEST(Predict, DoesNotReadTheWeightsUnlessTold) {
  using N = TwoHidden<double>;
  constexpr int kBatch = 5;
  Trainer<N, BasicSgd<double>, kBatch> trainer{};
  Ledger<N, WatchAll, Predict> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{37};
  fixture::randomise(trainer.params, rng, 0.7);
  const BasicSgd<double> rule{0.05, 0.0};
  const auto step = [&] {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  };
  const auto error = [&] {
    const reference::UnitCharge first{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}};
    const double now =
        reference::charge(first, reference::read_blocks<N>(trainer.params.data), reference::columns_of<N>(), 0);
    return std::fabs(ledger.charge<Rescaling<Layer<1>>>(0) - now);
  };
  step();
  EXPECT_LT(error(), 1e-13);
  trainer.params.weight<Layer<0>>(0, 0) += 2.0;
  step();
  EXPECT_GT(error(), 1e-2);
  EXPECT_EQ(ledger.health(), 0.0) << "a prediction sees no fault";
  ledger.resync();
  step();
  EXPECT_LT(error(), 1e-13);
}

}  // namespace
