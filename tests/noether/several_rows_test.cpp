// Budgets and identities of units that meet several rows of the next layer, from one sample and from more.
#include <emmy/train/trainer.hpp>

#include <tests/noether/ledger_nets.hpp>

#include <gtest/gtest.h>

namespace {

using namespace ledger_nets;

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
// Half of them in either scalar: the same text, but for the words of a vector.
using SeveralRowsNets = testing::Types<FlatFactors<float>, WholeFactors<double>, FlatColumn<double>, Signal<float>,
                                       Images<float>, Means<float>, Means<double>, Norms<double>, BatchNorms<float>,
                                       ExpChannels<double>, States<float>, Gated<double>>;
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

}  // namespace
