// 100,000 steps without a fault, without an alarm. Label slow.
#include <tests/train/fixture.hpp>

#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

template <class NetType, class RuleType, int BatchSize, class LossType>
struct Run {
  using Net = NetType;
  using Rule = RuleType;
  using Loss = LossType;
  static constexpr int kBatch = BatchSize;
};
template <class R>
struct Clean : testing::Test {};
using Runs = testing::Types<Run<Net<Input<64>, Dense<32>, Relu, Dense<10>>, Momentum, 16, CrossEntropy>,
                            Run<fixture::TwoHidden<float>, ClipByNorm<Momentum>, 5, SquaredError>,
                            Run<fixture::TwoHidden<double>, ClipByNorm<BasicMomentum<double>>, 1, CrossEntropy>>;
TYPED_TEST_SUITE(Clean, Runs);

template <class S>
BasicMomentum<S> rates(int k, const BasicMomentum<S>*) {
  return {S(0.05) * (S(1) - S(k) / S(100000)), S(0.9), S(1e-4), S(0)};
}
template <class R>
ClipByNorm<R> rates(int k, const ClipByNorm<R>*) {
  return {rates(k, static_cast<const R*>(nullptr)), typename R::scalar(0.5)};
}

TYPED_TEST(Clean, NoAlarmIn100000Steps) {
  using N = typename TypeParam::Net;
  using S = typename N::scalar;
  using Target = std::conditional_t<std::is_same_v<typename TypeParam::Loss, CrossEntropy>, int, S>;
  constexpr int kSteps = 100000;
  Trainer<N, typename TypeParam::Rule, TypeParam::kBatch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, TypeParam::kBatch> data[8]{};
  Pcg32 rng{103};
  fixture::randomise(trainer.params, rng, 0.3);
  int alarms = 0;
  for (int k = 0; k < kSteps; ++k) {
    auto& batch = data[k % 8];
    if (k % 1000 < 8) batch.refill(rng, false);  // long enough on the same samples to come close to a minimum
    const auto rule = rates(k, static_cast<const typename TypeParam::Rule*>(nullptr));
    ASSERT_EQ(trainer.step(batch.x, batch.template targets<Target>(), typename TypeParam::Loss{}, rule, ledger).status,
              Status::ok);
    alarms += ledger.health() > S(1);
  }
  std::printf("%d alarms, worst health %.3f\n", alarms, static_cast<double>(ledger.worst_health()));
  EXPECT_EQ(alarms, 0);
  EXPECT_GT(ledger.worst_health(), S(0));
}

}  // namespace
