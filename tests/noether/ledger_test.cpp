// The budget of each cause, the Noether identity, and the modes of the ledger.
#include <emmy/train/verbs.hpp>

#include <tests/noether/charges.hpp>
#include <tests/train/fixture.hpp>

#include <cstdio>
#include <initializer_list>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets
using fixture::Images;
using fixture::States;
using fixture::TwoHidden;
using fixture::Windows;
using reference::UnitCharge;

// Each combination of the sections below is compiled once: they share batch size and, where they can, rule and net.
constexpr int kBatch = 5;

// ---- the budget by cause

template <class S>
using TwoFrozen = Net<Scalar<S>, Input<7>, Dense<9>, Relu, Frozen<Dense<5>>, LeakyRelu<1, 8>, Dense<3>>;
template <class S>
using Factored = Net<Scalar<S>, Input<7>, Parametrized<Dense<6>, ProductByOutput>, PowerRelu<3, 2>,
                     Parametrized<Dense<5, NoBias>, Product>, Relu, Parametrized<Dense<3>, ProductByInput>>;

// What norms read: a Dense at once, and through an activation of degree 3/2.
template <class S>
using Normed = Net<Scalar<S>, Input<7>, Dense<9>, emmy::LayerNorm<WithBias, 1, 64>, Relu, Dense<5>, PowerRelu<3, 2>,
                   emmy::RmsNorm<NoBias, 1, 32>, Dense<3>>;

// What a BatchNorm reads: units of a convolution at once, whose biases are dead, and of a Dense through an activation.
template <class S>
using Batched = Net<Scalar<S>, Input<5, 3>, Conv1d<6, 2>, emmy::BatchNorm<WithBias, 1, 64>, Relu, Flatten, Dense<5>,
                    PowerRelu<3, 2>, emmy::BatchNorm<NoBias, 1, 32>, Dense<3>>;

// Gated units; exponentials behind a Dense and behind a norm, and read through a mean.
template <class S>
using Exponentials = Net<Scalar<S>, Input<4, 3>, emmy::Glu<9, Silu, WithBias>, Dense<6>, Exp, AvgPool<2>, Dense<5>,
                         emmy::LayerNorm<WithBias, 1, 64>, Exp, Dense<3>>;

// Blocks of the plain nets, of Windows too: W0 b0 W1 b1 W2 b2. Of Factored: u0 Z0 b0, U1 Z1, u2 Z2 b2.
const UnitCharge kFirstUnits{2, {{0, false, 1}, {1, false, 1}, {2, true, -1}}};
const UnitCharge kSecondUnits{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}};
const UnitCharge kLogits{1, {{4, true, 1}}}, kLogitBias{1, {{5, true, 1}}};
const UnitCharge kFactoredFirst{2, {{1, false, 1}, {2, false, 1}, {4, true, -1.5}}};
const UnitCharge kFactoredSecond{2, {{4, false, 1}, {6, true, -1}}};
// Windows: a unit of the first convolution meets a row of the second for each of 2 positions, one of the second a row of the
// last layer for each of 2 positions.
const UnitCharge kFirstChannels{2, {{0, false, 1}, {1, false, 1}, {2, true, -1, 5}}};
const UnitCharge kSecondChannels{2, {{2, false, 1}, {3, false, 1}, {4, true, -1, 4}}};
// Images: W0 b0, depthwise W1 b1, W2, W3 b3. A unit of the first convolution meets a column of the depthwise one, that one's, squared,
// a row of the next for each of 2 x 2 positions, and its units a row of the last layer for each of 2 x 2 positions.
const UnitCharge kImageFirst{2, {{0, false, 1}, {1, false, 1}, {2, false, -1}}};
const UnitCharge kImageDepthwise{2, {{2, false, 1}, {3, false, 1}, {4, true, -2, 5}}};
const UnitCharge kImageLast{2, {{4, false, 1}, {5, true, -1, 4}}};
const UnitCharge kImageLogits{1, {{5, true, 1}}}, kImageLogitBias{1, {{6, true, 1}}};
// States: Wx Wh b of either layer, W b; Wh counts on both sides.
const UnitCharge kFirstStates{2, {{0, false, 1}, {1, false, 1}, {2, false, 1}, {3, true, -1}, {1, true, -1}}};
const UnitCharge kSecondStates{2, {{3, false, 1}, {4, false, 1}, {5, false, 1}, {6, true, -1}, {4, true, -1}}};
const UnitCharge kStateLogits{1, {{6, true, 1}}}, kStateLogitBias{1, {{7, true, 1}}};
// Gated: a unit of the Dense meets a row of each gate.
const UnitCharge kGatedUnits{2, {{0, false, 1}, {1, false, 1}, {2, true, -1, 6}}};
// Normed: W0 b0, gain bias, W1 b1, gain, W2 b2.
const UnitCharge kFirstScale{2, {{0, true, 1, 1}, {1, true, 1, 1}}},
    kSecondScale{2, {{4, true, 1, 1}, {5, true, 1, 1}}};
const UnitCharge kNormedRows{1, {{0, true, 1}}}, kNormedBias{1, {{1, true, 1}}};
const UnitCharge kFirstGains{2, {{2, false, 1}, {3, false, 1}, {4, true, -1}}};
const UnitCharge kSecondGains{2, {{6, false, 1}, {7, true, -1}}};
const UnitCharge kNormedLogits{1, {{7, true, 1}}}, kNormedLogitBias{1, {{8, true, 1}}};
// Batched: W0 b0, gain bias, W1 b1, gain, W2 b2; a unit of the first BatchNorm meets a row of each of 4 positions.
const UnitCharge kConvScale{2, {{0, false, 1}, {1, false, 1}}}, kDeadBias{1, {{1, false, 1}}},
    kDenseScale{2, {{4, false, 1}, {5, false, 1}}};
const UnitCharge kConvGains{2, {{2, false, 1}, {3, false, 1}, {4, true, -1, 6}}};
// Exponentials: W0 b0 of the units and of their gates, W1 b1, W2 b2, gain bias, W3 b3.
const UnitCharge kGated{2, {{0, false, 1}, {1, false, 1}, {4, true, -1}}};
const UnitCharge kFirstExp{2, {{5, false, 2, 0, 1}, {6, true, -1}}},
    kSecondExp{2, {{9, false, 2, 0, 1}, {10, true, -1}}};
const UnitCharge kBalanceByOutput{2, {{0, false, 1}, {1, false, -1}, {2, false, -1}}};
const UnitCharge kBalanceByInput{2, {{5, false, 1}, {6, true, -1}}};

template <class N, class R, class L>
struct Booked {
  using Net = N;
  using Rule = R;
  using Loss = L;
};
// A trainer, its ledger, and the same steps in plain double.
template <class B>
struct Books {
  using N = typename B::Net;
  using R = typename B::Rule;
  using Target = std::conditional_t<std::is_same_v<typename B::Loss, CrossEntropy>, int, double>;
  Trainer<N, R, kBatch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{17};
  R rule{};
  const reference::Model model = reference::model_of<N>();
  const std::vector<int> cols = reference::columns_of<N>();
  reference::Blocks theta, buf, g, after;
  double largest[5] = {};

  void step() {
    data.refill(rng, false);
    theta = reference::read_blocks<N>(trainer.params.data);
    buf = reference::zeros_like(theta);
    if constexpr (R::kHasMemory) buf = reference::read_blocks<N>(trainer.state.buf);
    const auto pass = reference::run(model, theta, data.inputs(), kBatch,
                                     data.template reference_targets<typename B::Loss, Target>());
    g = pass.gradient;
    ledger.reset();
    const auto result = trainer.step(data.x, data.template targets<Target>(), typename B::Loss{}, rule, ledger);
    ASSERT_EQ(result.status, Status::ok);
    ASSERT_NEAR(result.loss, pass.loss, 1e-13);
    ASSERT_LE(ledger.health(), 1.0);
    after = reference::read_blocks<N>(trainer.params.data);
  }
  // Units first .. first + units - 1 of Symmetry moved as the definition says.
  template <class Symmetry>
  void compare(Symmetry, const UnitCharge& c, int first, int units) {
    for (int u = 0; u < units; ++u) {
      const auto want = reference::budget(c, reference::rule_of<N>(rule), theta, buf, g, cols, u);
      const Budget<double>& got = ledger.template total<Symmetry>(first + u);
      for (std::size_t k = 0; k < 5; ++k) {
        double amount = got.amount[k];
        if (k == 4 && Symmetry::kKind == Kind::scale) {  // all of -2 eta c <g, theta> is what epsilon makes
          ASSERT_NEAR(amount, 0.0, 1e-14);
          amount = got[Cause::epsilon];
          largest[4] = std::fmax(largest[4], std::fabs(want[4]));
        }
        ASSERT_NEAR(amount, want[k], 1e-11) << "cause " << k << ", unit " << u;
        if (k < 4) largest[k] = std::fmax(largest[k], std::fabs(want[k]));
      }
      ASSERT_NEAR(got.drift(), reference::charge(c, after, cols, u) - reference::charge(c, theta, cols, u), 1e-13);
      ASSERT_NEAR(ledger.template charge<Symmetry>(first + u), reference::charge(c, after, cols, u), 1e-12);
      ASSERT_NEAR(got[Cause::rounding], 0.0, 1e-13);
      ASSERT_EQ(got[Cause::unmeasured], 0.0);
    }
    const Budget<double> sum = ledger.template total<Symmetry>(), step = ledger.template step<Symmetry>();
    for (int k = 0; k < kCauses; ++k) ASSERT_NEAR(step.amount[k], sum.amount[k], 1e-13);
  }
  void compare_all() {
    if constexpr (std::is_same_v<N, Factored<double>>) {
      compare(FactorBalance<Layer<0>>{}, kBalanceByOutput, 0, 6);
      compare(Rescaling<Layer<1>>{}, kFactoredFirst, 0, 6);
      compare(Rescaling<Layer<3>>{}, kFactoredSecond, 0, 5);
      compare(FactorBalance<Layer<4>>{}, kBalanceByInput, 0, 5);
    } else if constexpr (std::is_same_v<N, Windows<double>>) {
      compare(Rescaling<Layer<2>>{}, kFirstChannels, 0, 5);
      compare(Rescaling<Layer<5>>{}, kSecondChannels, 0, 4);
    } else if constexpr (std::is_same_v<N, Exponentials<double>>) {
      compare(Rescaling<Layer<0, 0, 0>>{}, kGated, 0, 9);
      compare(ExpUnit<Layer<3>>{}, kFirstExp, 0, 6);
      compare(ExpUnit<Layer<6>>{}, kSecondExp, 0, 5);
    } else if constexpr (std::is_same_v<N, Images<double>>) {
      compare(Rescaling<Layer<2>>{}, kImageFirst, 0, 5);
      compare(Rescaling<Layer<4>>{}, kImageDepthwise, 0, 5);
      compare(Rescaling<Layer<7>>{}, kImageLast, 0, 4);
    } else if constexpr (std::is_same_v<N, States<double>>) {
      compare(Rescaling<Layer<0>>{}, kFirstStates, 0, 6);
      compare(Rescaling<Layer<2>>{}, kSecondStates, 0, 5);
      compare(Translation<Layer<3>>{}, kStateLogits, 0, 5);
      compare(Translation<Layer<3>>{}, kStateLogitBias, 5, 1);
      return;
    } else if constexpr (std::is_same_v<N, Normed<double>>) {
      compare(Scale<Layer<0>>{}, kFirstScale, 0, 1);
      compare(Translation<Layer<0>>{}, kNormedRows, 0, 7);
      compare(Translation<Layer<0>>{}, kNormedBias, 7, 1);
      compare(Rescaling<Layer<2>>{}, kFirstGains, 0, 9);
      compare(Scale<Layer<4>>{}, kSecondScale, 0, 1);
      compare(Rescaling<Layer<5>>{}, kSecondGains, 0, 5);
    } else if constexpr (std::is_same_v<N, Batched<double>>) {
      compare(Scale<Layer<0>>{}, kConvScale, 0, 6);
      compare(Translation<Layer<0>>{}, kDeadBias, 0, 6);
      compare(Rescaling<Layer<3>>{}, kConvGains, 0, 6);
      compare(Scale<Layer<5>>{}, kDenseScale, 0, 5);
      compare(Rescaling<Layer<6>>{}, kSecondGains, 0, 5);
    } else {
      compare(Rescaling<Layer<1>>{}, kFirstUnits, 0, 9);
      compare(Rescaling<Layer<3>>{}, kSecondUnits, 0, 5);
    }
    if constexpr (std::is_same_v<typename B::Loss, CrossEntropy> && !std::is_same_v<N, Exponentials<double>>) {
      constexpr int kInputs = kPlan<N>.block[kPlan<N>.kBlocks - 2].rows;
      using Last = Layer<N::kNodes - 1>;
      constexpr bool kNormed = std::is_same_v<N, Normed<double>> || std::is_same_v<N, Batched<double>>,
                     kImage = std::is_same_v<N, Images<double>>;
      compare(Translation<Last>{}, kNormed ? kNormedLogits : kImage ? kImageLogits : kLogits, 0, kInputs);
      compare(Translation<Last>{}, kNormed ? kNormedLogitBias : kImage ? kImageLogitBias : kLogitBias, kInputs, 1);
    }
  }
};

template <class B>
struct BudgetOf : testing::Test {};
template <class R>
using OnTwo = Booked<TwoHidden<double>, R, CrossEntropy>;
using Bookings = testing::Types<OnTwo<BasicSgd<double>>, OnTwo<ClipByNorm<BasicMomentum<double>>>,
                                OnTwo<ClipByTensor<BasicNesterov<double>>>,
                                OnTwo<PerBlock<BasicMomentum<double, Decay::decoupled>, TwoHidden<double>>>,
                                Booked<Normed<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<Batched<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<Windows<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<Exponentials<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<Images<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<States<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                Booked<TwoFrozen<double>, BasicMomentum<double>, SquaredError>,
                                Booked<Factored<double>, BasicMomentum<double>, SquaredError>>;
TYPED_TEST_SUITE(BudgetOf, Bookings);

void set(BasicSgd<double>& r, int k) { r = {0.1 / (1 + k % 3), 0.05}; }
template <Decay kind>
void set(BasicMomentum<double, kind>& r, int k) {
  r = {0.08 / (1 + k % 3), 0.85, 0.05, 0.2};
}
void set(BasicNesterov<double>& r, int k) { r = {0.06 / (1 + k % 3), 0.8, 0.05}; }
template <class R, class N>
void set(PerBlock<R, N>& r, int k) {
  set(r.rule, k);
  r.fill();
  r.bias_decay(0);
  r.template layer<Layer<2>>({0.03, 0.5});
}
template <class R>
void set(ClipByNorm<R>& r, int k) {
  set(r.rule, k);
  r.limit = 0.2;
}
template <class R>
void set(ClipByTensor<R>& r, int k) {
  set(r.rule, k);
  r.limit = 0.1;
}

TYPED_TEST(BudgetOf, EachCauseIsThatOfTheUpdateDifferences) {
  using N = typename TypeParam::Net;
  using R = typename TypeParam::Rule;
  Books<TypeParam> books;
  fixture::randomise(books.trainer.params, books.rng, 0.8);
  for (int k = 0; k < 30 && !testing::Test::HasFatalFailure(); ++k) {
    set(books.rule, k);
    books.step();
    books.compare_all();
  }
  // The comparison must not be one of zeros.
  constexpr bool kUnequal = std::is_same_v<R, PerBlock<BasicMomentum<double, Decay::decoupled>, N>> ||
                            kClipsByTensor<R> || std::is_same_v<N, TwoFrozen<double>>;
  EXPECT_GT(books.largest[0], 1e-3) << "decay";
  EXPECT_EQ(books.largest[1] > 1e-3, R::kHasMemory) << "momentum";
  EXPECT_EQ(books.largest[2] > 1e-5, kUnequal) << "breaking";
  EXPECT_GT(books.largest[3], 1e-6) << "discretisation";
  EXPECT_EQ(books.largest[4] > 1e-5, (std::is_same_v<N, Normed<double>> || std::is_same_v<N, Batched<double>>))
      << "epsilon";
}

// ---- the Noether identity

template <class S>
struct Identity : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Identity, Scalars);

// The charges of one symmetry and how many units each has.
using Family = std::initializer_list<std::pair<const UnitCharge*, int>>;
// Largest |N - known| over 1,000 random states, against the family's largest sum of |g theta|: the gradient of a single unit
// may have cancelled over the batch. `known` as large as `epsilons` of it.
struct Worst {
  double identity = 0, epsilons = 0;
};
// Or against `terms`: what it adds up sample by sample.
template <class N, int Batch = kBatch, class Families>
Worst worst_identity(std::uint64_t seed, Families&& families) {
  using S = typename N::scalar;
  Pcg32 rng{seed};
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, Batch, Train<BasicSgd<S>>> scratch{};
  Gradient<N> g{};
  fixture::Data<N, Batch> data{};
  const auto cols = reference::columns_of<N>();
  Worst worst;
  for (int k = 0; k < 1000; ++k) {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
    const auto result =
        gradient<false>(params, buffers, scratch, data.x, data.label, CrossEntropy{}, Batch, S(1) / S(Batch), g);
    EXPECT_EQ(result.status, Status::ok);
    const auto theta = reference::read_blocks<N>(params.data), grad = reference::read_blocks<N>(g.data);
    const auto check = [&](Family family, auto known, double terms = 0) {
      double largest = 0, scale = terms, known_most = 0;
      for (const auto& [c, units] : family)
        for (int u = 0; u < units; ++u) {
          double of_unit = 0;
          if constexpr (requires { known(u); }) of_unit = known(u);
          else of_unit = known;
          largest = std::fmax(largest, std::fabs(reference::noether(*c, theta, grad, cols, u) - of_unit));
          scale = std::fmax(scale, reference::noether_scale(*c, theta, grad, cols, u));
          known_most = std::fmax(known_most, std::fabs(of_unit));
        }
      worst.identity = std::fmax(worst.identity, largest / scale);
      worst.epsilons = std::fmax(worst.epsilons, known_most / scale);
    };
    if constexpr (requires { families(g, check); }) families(g, check);
    else families(g, Memory<N, Batch, true>{params.data, data_of(buffers), scratch.data, data.x}, check);
  }
  std::printf("|N| over the largest sum of |g theta|: %.2g; of epsilon %.2g\n", worst.identity, worst.epsilons);
  EXPECT_LT(worst.identity, sizeof(S) == 4 ? 5e-7 : 1e-14);
  EXPECT_GT(worst.identity, 0.0);
  return worst;
}

TYPED_TEST(Identity, HoldsAtEveryWeightAndBatch) {
  worst_identity<TwoHidden<TypeParam>>(23, [](const auto&, auto check) {
    check({{&kFirstUnits, 9}}, 0);
    check({{&kSecondUnits, 5}}, 0);
    check({{&kLogits, 5}, {&kLogitBias, 1}}, 0);
  });
}

// Of the channels of convolutions, depthwise ones between them.
TYPED_TEST(Identity, HoldsForTheChannelsOfImages) {
  worst_identity<Images<TypeParam>>(67, [](const auto&, auto check) {
    check({{&kImageFirst, 5}}, 0);
    check({{&kImageDepthwise, 5}}, 0);
    check({{&kImageLast, 4}}, 0);
    check({{&kImageLogits, 16}, {&kImageLogitBias, 1}}, 0);
  });
}

// Of norms too: the scale of what they read but for what their epsilon makes.
TYPED_TEST(Identity, HoldsForWhatNormsRead) {
  // Not behind a ReLU: where one unit alone is alive, the whole gradient is what epsilon makes, and rounding.
  using N = Net<Scalar<TypeParam>, Input<7>, Dense<9>, emmy::LayerNorm<WithBias, 1, 64>, Relu, Dense<8>,
                emmy::RmsNorm<NoBias, 1, 32>, Dense<3>>;
  const Worst worst = worst_identity<N>(61, [](const auto& g, auto check) {
    check({{&kFirstScale, 1}}, static_cast<double>(g.along[0]));
    check({{&kSecondScale, 1}}, static_cast<double>(g.along[1]));
    check({{&kNormedRows, 7}, {&kNormedBias, 1}}, 0);
    check({{&kFirstGains, 9}}, 0);
    check({{&kSecondGains, 8}}, 0);
  });
  EXPECT_GT(worst.epsilons, 1e-2);
}

// The largest sum of |x dx| of a channel of tensor T.
template <int T, class N, int Batch>
double largest_terms(const Memory<N, Batch, true>& m) {
  constexpr auto kTensor = kPlan<N>.tensor[T];
  double largest = 0;
  for (int c = 0; c < kTensor.channels; ++c) {
    double sum = 0;
    for (int at = c; at < Batch * kTensor.positions * kTensor.stride; at += kTensor.stride)
      sum += std::fabs(static_cast<double>(m.template act<T>()[at]) * static_cast<double>(m.template delta<T>()[at]));
    largest = std::fmax(largest, sum);
  }
  return largest;
}

// Of each unit that a BatchNorm reads, and of biases before it, which have no gradient. What reaches its weights has cancelled
// over the batch, all the more where a unit's mean is larger than its deviation.
TYPED_TEST(Identity, HoldsForWhatABatchNormReads) {
  using N = Net<Scalar<TypeParam>, Input<7>, Dense<9>, emmy::BatchNorm<WithBias, 1, 64>, Relu, Dense<8>,
                emmy::BatchNorm<NoBias, 1, 32>, Dense<3>>;
  const UnitCharge scale{2, {{0, false, 1}, {1, false, 1}}}, weights{2, {{0, false, 1}}},
      second{2, {{4, false, 1}, {5, false, 1}}};
  const Worst worst = worst_identity<N, 16>(61, [&](const auto& g, const auto& m, auto check) {
    const double first = largest_terms<1>(m), last = largest_terms<4>(m);
    check(
        {{&scale, 9}}, [&](int u) { return static_cast<double>(g.along[u]); }, first);
    check(
        {{&weights, 9}}, [&](int u) { return static_cast<double>(g.along[u]); }, first);
    check({{&kDeadBias, 9}}, 0, first);
    check(
        {{&second, 8}}, [&](int u) { return static_cast<double>(g.along[9 + u]); }, last);
    check({{&kFirstGains, 9}}, 0);
    check({{&kSecondGains, 8}}, 0);
  });
  EXPECT_GT(worst.epsilons, 1e-2);
}

TYPED_TEST(Identity, HoldsForGatedUnitsAndExponentials) {
  worst_identity<Exponentials<TypeParam>>(67, [](const auto&, auto check) {
    check({{&kGated, 9}}, 0);
    check({{&kFirstExp, 6}}, 0);
    check({{&kSecondExp, 5}}, 0);
  });
}

// Gradient descent with decay moves H = 2 b - |out|^2 by the law of theory.md section 2; without decay it only falls.
TEST(ExpUnits, MoveByTheirLaw) {
  using N = Exponentials<double>;
  Books<Booked<N, BasicSgd<double>, CrossEntropy>> books;
  fixture::randomise(books.trainer.params, books.rng, 0.8);
  for (int k = 0; k < 20; ++k) {
    const double eta = 0.1, lam = k % 2 == 0 ? 0.05 : 0.0;
    books.rule = {eta, lam};
    books.step();
    for (std::size_t u = 0; u < 6; ++u) {
      const auto squares = [&](const reference::Blocks& of) {
        double sum = 0;
        for (std::size_t o = 0; o < 5; ++o) sum += of[6][u * 5 + o] * of[6][u * 5 + o];
        return sum;
      };
      const double moved = -2 * eta * lam * books.theta[5][u] +
                           (2 * eta * lam - eta * eta * lam * lam) * squares(books.theta) -
                           2 * eta * eta * lam * books.g[5][u] - eta * eta * squares(books.g);
      ASSERT_NEAR(books.ledger.total<ExpUnit<Layer<3>>>(static_cast<int>(u)).drift(), moved, 1e-13);
      ASSERT_TRUE(lam > 0 || moved < 0);
    }
  }
}

template <class S>
using Gated = Net<Scalar<S>, Input<4, 3>, Dense<6>, Relu, emmy::Gru<5>, emmy::Last, Dense<3>>;

// Of units with a state too, and of what a Gru reads. Not of logits: states grow until softmax is all rounding.
TYPED_TEST(Identity, HoldsForStates) {
  worst_identity<States<TypeParam>>(67, [](const auto&, auto check) {
    check({{&kFirstStates, 6}}, 0);
    check({{&kSecondStates, 5}}, 0);
  });
  worst_identity<Gated<TypeParam>>(71, [](const auto&, auto check) { check({{&kGatedUnits, 6}}, 0); });
}

// ---- units that meet several rows

// Behind a Flatten that copies and one that does not, factors and a column; logits of a convolution.
template <class S>
using FlatFactors = Net<Scalar<S>, Input<4, 3>, Dense<5>, Relu, Flatten, Parametrized<Dense<3>, ProductByInput>>;
template <class S>
using WholeFactors = Net<Scalar<S>, Input<3, 4>, Dense<16>, Relu, Flatten, Parametrized<Dense<3>, ProductByInput>>;
template <class S>
using FlatColumn = Net<Scalar<S>, Input<3, 4>, Dense<16>, Relu, Flatten, Dense<1>>;
template <class S>
using Signal = Net<Scalar<S>, Input<9, 3>, Conv1d<5, 2, NoBias>, PowerRelu<2>, MaxPool<2>, Conv1d<4, 2>>;
// A mean of more values than the weights around it have terms.
template <class S>
using Means = Net<Scalar<S>, Input<90, 3>, Conv1d<5, 2>, Relu, AvgPool<2>, Conv1d<6, 2>, Relu, GlobalAvgPool, Dense<4>>;
// Gains are the incoming side of their channels; of one sample, of many and of every position.
template <class S>
using Norms =
    Net<Scalar<S>, Input<6, 4>, Conv1d<5, 2>, emmy::LayerNorm<>, Relu, Conv1d<7, 2>, emmy::RmsNorm<>, Dense<3>>;
template <class S>
using BatchNorms = Net<Scalar<S>, Input<6, 4>, Conv1d<5, 2>, emmy::BatchNorm<>, Relu, MaxPool<2>, Rnn<6, Relu>,
                       emmy::BatchNorm<NoBias>, emmy::Last, Dense<3>>;
template <class S>
using ExpChannels =
    Net<Scalar<S>, Input<7, 4>, emmy::Glu<6>, Conv1d<5, 2>, Exp, AvgPool<2>, Conv1d<4, 2>, Exp, Flatten, Dense<3>>;
template <class N>
struct SeveralRows : testing::Test {};
using SeveralRowsNets =
    testing::Types<FlatFactors<float>, WholeFactors<float>, WholeFactors<double>, FlatColumn<double>, Signal<float>,
                   Signal<double>, Images<float>, Means<float>, Means<double>, Norms<float>, Norms<double>,
                   BatchNorms<float>, BatchNorms<double>, ExpChannels<float>, ExpChannels<double>, States<float>,
                   Gated<double>>;
TYPED_TEST_SUITE(SeveralRows, SeveralRowsNets);

// Residuals and identities within their bounds, from one sample and from more; and not by sums of nothing.
template <class N, int Batch, class Rule>
void expect_health(const Rule& rule) {
  Trainer<N, Rule, Batch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, Batch> data{};
  Pcg32 rng{47};
  fixture::randomise(trainer.params, rng, 0.8);
  const auto both = [&](auto loss, const auto* target) {
    ASSERT_EQ(trainer.step(data.x, target, loss, rule, ledger).status, Status::ok);
    ASSERT_LE(ledger.health(), 1);
  };
  for (int k = 0; k < 200; ++k) {
    data.refill(rng, false);
    if constexpr (N::kOutputs == 1) both(SquaredError{}, data.values);
    else both(CrossEntropy{}, data.label);
  }
  EXPECT_GT(ledger.worst_health(), 0);
  int units = Ledger<N>::kUnits;
  if constexpr (N::kOutputs == 1) units = Ledger<N>::template kUnitsOf<Rescaling<Layer<2>>>;  // translations rest
  for (int u = 0; u < units; ++u) {
    double moved = 0;
    for (int c = 0; c < kKeptCauses<N>; ++c) moved += std::fabs(static_cast<double>(ledger.units.total(c)[u]));
    EXPECT_GT(moved, 0) << "unit " << u;
  }
}
TYPED_TEST(SeveralRows, KeepTheirBudgetsAndIdentities) {
  using S = typename TypeParam::scalar;
  expect_health<TypeParam, kBatch>(BasicMomentum<S>{S(0.02), S(0.9), S(1e-3), S(0)});
  expect_health<TypeParam, 1>(BasicSgd<S>{S(0.02), S(1e-3)});
}

// ---- modes and lists

struct Modes : testing::Test {
  using N = TwoHidden<double>;
  using R = ClipByNorm<BasicMomentum<double>>;
  using Machine = Trainer<N, R, kBatch>;
  Machine trainer{}, other{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{29};
  const R rule{{0.05, 0.9, 0.01, 0.0}, 0.5};
  const std::vector<int> cols = reference::columns_of<N>();

  void SetUp() override {
    fixture::randomise(trainer.params, rng, 0.7);
    other.params = trainer.params;
  }
  double charge(const UnitCharge& c, int unit) const {
    return reference::charge(c, reference::read_blocks<N>(trainer.params.data), cols, unit);
  }
};

TEST_F(Modes, EveryThirdStepIsMeasuredAndTheRestIsBookedAsUnmeasured) {
  Ledger<N, WatchAll, Every<3>> sparse{};
  Ledger<N> full{};
  const double start = charge(kFirstUnits, 2);
  double at_last_measure = 0, moved_between = 0, before = 0;
  for (int k = 0; k < 31; ++k) {
    data.refill(rng, false);
    before = charge(kFirstUnits, 2);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, sparse).status, Status::ok);
    ASSERT_EQ(other.step(data.x, data.label, CrossEntropy{}, rule, full).status, Status::ok);
    ASSERT_LE(sparse.health(), 1.0);
    if (k % 3 != 0) continue;
    if (k > 0) moved_between += before - at_last_measure;
    at_last_measure = charge(kFirstUnits, 2);
    ASSERT_EQ(sparse.measured, k / 3 + 1);
    // The measured step itself is that of the other ledger.
    for (int c = 0; c < 5; ++c)
      ASSERT_EQ(sparse.step<Rescaling<Layer<3>>>().amount[c], full.step<Rescaling<Layer<3>>>().amount[c]) << c;  // bits
  }
  const Budget<double>& total = sparse.total<Rescaling<Layer<1>>>(2);
  EXPECT_NEAR(total[Cause::unmeasured], moved_between, 1e-12);
  EXPECT_GT(std::fabs(moved_between), 1e-3);
  EXPECT_NEAR(total.drift(), at_last_measure - start, 1e-12);
  EXPECT_EQ(std::memcmp(&trainer.params, &other.params, sizeof trainer.params), 0);
}

TEST_F(Modes, AListOfSymmetriesBooksWhatTheWholeLedgerBooks) {
  Ledger<N> all{};
  Ledger<N, Watch<Translation<Layer<4>>, Rescaling<Layer<3>>>> some{};
  static_assert(decltype(all)::kUnits == 9 + 5 + 6 && decltype(some)::kUnits == 6 + 5);
  static_assert(decltype(some)::kUnitsOf<Rescaling<Layer<3>>> == 5 &&
                decltype(some)::kUnitsOf<Translation<Layer<4>>> == 6);
  for (int k = 0; k < 20; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, all).status, Status::ok);
    ASSERT_EQ(other.step(data.x, data.label, CrossEntropy{}, rule, some).status, Status::ok);
  }
  const auto same = [&]<class Symmetry>(Symmetry) {
    for (int u = 0; u < decltype(some)::template kUnitsOf<Symmetry>; ++u) {
      EXPECT_NEAR(some.charge<Symmetry>(u), all.charge<Symmetry>(u), 1e-14);
      // Columns alone are summed in another order than columns together with rows.
      for (int c = 0; c < kCauses; ++c)
        EXPECT_NEAR(some.total<Symmetry>(u).amount[c], all.total<Symmetry>(u).amount[c], 1e-14);
    }
  };
  same(Rescaling<Layer<3>>{});
  same(Translation<Layer<4>>{});
  EXPECT_EQ(std::memcmp(&trainer.params, &other.params, sizeof trainer.params), 0);
}

TEST_F(Modes, ResetForgetsTotalsAndKeepsCharges) {
  Ledger<N> ledger{};
  for (int k = 0; k < 5; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  }
  EXPECT_NE(ledger.total<Rescaling<Layer<1>>>().drift(), 0.0);
  EXPECT_GT(ledger.worst_health(), 0.0);
  ledger.reset();
  for (int c = 0; c < kCauses; ++c) EXPECT_EQ(ledger.total<Rescaling<Layer<1>>>().amount[c], 0.0);
  for (int c = 0; c < kCauses; ++c) EXPECT_EQ(ledger.step<Rescaling<Layer<1>>>().amount[c], 0.0);
  EXPECT_EQ(ledger.extremes<Rescaling<Layer<1>>>().residual, 0.0);
  EXPECT_EQ(ledger.worst_health(), 0.0);
  EXPECT_EQ(ledger.steps, 0);
  EXPECT_NEAR(ledger.charge<Rescaling<Layer<1>>>(4), charge(kFirstUnits, 4), 1e-13);
  // The next step still finds the weights that the last one left.
  ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  EXPECT_LE(ledger.health(), 1.0);
}

TEST_F(Modes, TranslationRestsWhereTheLossIsNotShiftInvariant) {
  Ledger<N> ledger{};
  for (int k = 0; k < 5; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
    EXPECT_LE(ledger.health(), 1.0);
  }
  for (int u = 0; u < 6; ++u)
    for (int c = 0; c < kCauses; ++c) EXPECT_EQ(ledger.total<Translation<Layer<4>>>(u).amount[c], 0.0);
  EXPECT_NE(ledger.total<Rescaling<Layer<3>>>().drift(), 0.0);
}

}  // namespace
