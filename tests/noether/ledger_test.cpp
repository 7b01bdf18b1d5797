// The budget of each cause, and the modes of the ledger.
#include <emmy/train/verbs.hpp>

#include <tests/noether/ledger_nets.hpp>
#include <tests/noether/rates.hpp>

#include <gtest/gtest.h>

namespace {

using namespace ledger_nets;

// ---- the budget by cause

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
      compare(FactorBalance<Layer<2>>{}, kBalanceByElement, 0, 6);
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
      compare(Rescaling<Layer<1>>{}, kFirstUnits, 0, kPlan<N>.block[0].cols);
      compare(Rescaling<Layer<3>>{}, kSecondUnits, 0, kPlan<N>.block[2].cols);
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
using Bookings = testing::Types<Booked<fixture::FewOutputs<double>, ClipByNorm<BasicMomentum<double>>, CrossEntropy>,
                                OnTwo<BasicSgd<double>>, OnTwo<ClipByNorm<BasicMomentum<double>>>,
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

using noether_test::set;
template <class R, class N>
void set(PerBlock<R, N>& r, int k) {
  set(r.rule, k);
  r.fill();
  r.bias_decay(0);
  r.template layer<Layer<2>>({0.03, 0.5});
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
  Ledger<N, WatchAll, Every<3, Audit>> sparse{};
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
