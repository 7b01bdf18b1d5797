// Run-time dispatch: every target of this CPU trains the same net, and all agree with plain double loops.
#include <tests/train/dispatch_nets.hpp>

#include <dispatch/cpu.hpp>
#include <tests/train/fixture.hpp>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of rules and results
using dispatch_test::Small;
using N = dispatch_test::Net;
using Plain = plain_of<N>;
constexpr int kBatch = Small::kBatch;
constexpr const char* kTargets[] = {"scalar", "sse4", "avx2", "avx3"};

struct Dispatch : testing::TestWithParam<const char*> {
  const Table<Small>* table = find_table<Small>(GetParam());
  Trainer<N, Momentum, kBatch> trainer{};
  Ledger<N> ledger{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{101};
  const Momentum rule{0.05f, 0.9f, 1e-3f, 0.1f};

  void SetUp() override {
    if (!cpu_supports(GetParam())) GTEST_SKIP() << "SKIPPED: this CPU cannot run " << GetParam();
    ASSERT_NE(table, nullptr);
    EXPECT_STREQ(table->target, GetParam());
    EXPECT_STREQ(table->backend, std::string(GetParam()) == "scalar" ? "scalar" : "highway");
    fixture::randomise(trainer.params, rng, 0.8);
  }
};
INSTANTIATE_TEST_SUITE_P(Targets, Dispatch, testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param); });

TEST_P(Dispatch, HundredStepsAgreeWithThePlainLoops) {
  const auto model = reference::model_of<N>();
  auto theta = reference::read_blocks<N>(trainer.params.data);
  auto buf = reference::zeros_like(theta);
  double worst_loss = 0;
  for (int k = 0; k < 100; ++k) {
    data.refill(rng, false);
    const auto pass = reference::run(model, theta, data.inputs(), kBatch, data.reference_targets<CrossEntropy, int>());
    reference::update(reference::rule_of<N>(rule), theta, buf, pass.gradient);
    const auto r = table->step(trainer, data.x, data.label, rule, ledger);
    ASSERT_EQ(r.status, Status::ok);
    ASSERT_LE(ledger.health(), 1.0f) << k;
    worst_loss = std::fmax(worst_loss, std::fabs(static_cast<double>(r.loss) - pass.loss));
  }
  const double apart = fixture::relative_difference(reference::read_blocks<N>(trainer.params.data), theta);
  std::printf("%s: weights %.2g of the largest apart after 100 steps, losses %.2g\n", GetParam(), apart, worst_loss);
  EXPECT_LT(apart, 1e-5);
  EXPECT_LT(worst_loss, 1e-5);
}

TEST_P(Dispatch, InfersAndEvaluates) {
  Buffers<N> buffers{};
  Scratch<N, kBatch, Infer> scratch{};
  data.refill(rng, false);
  const auto want = reference::forward(reference::model_of<N>(), reference::read_blocks<N>(trainer.params.data),
                                       data.inputs(), kBatch)
                        .back();
  float y[kBatch * 3];
  ASSERT_EQ(table->infer(trainer.params, buffers, scratch, data.x, y), Status::ok);
  int correct = 0;
  double loss = 0;
  for (int r = 0; r < kBatch; ++r) {
    const double* row = want.data() + 3 * r;
    for (int o = 0; o < 3; ++o) EXPECT_NEAR(static_cast<double>(y[3 * r + o]), row[o], 3e-6);
    loss += reference::log_sum_exp(row, 3) - row[data.label[r]];
    correct += row[data.label[r]] >= row[0] && row[data.label[r]] >= row[1] && row[data.label[r]] >= row[2];
  }
  Evaluation<float> seen{};
  ASSERT_EQ(table->evaluate(trainer.params, buffers, scratch, data.x, data.label, kBatch, seen), Status::ok);
  EXPECT_EQ(seen.correct, correct);
  EXPECT_NEAR(static_cast<double>(seen.loss), loss, 2e-5);
}

TEST_P(Dispatch, GivesTheGradientOfThePlainNet) {
  data.refill(rng, false);
  Params<Plain> plain{};
  fixture::randomise(plain, rng, 0.8);
  Buffers<Plain> buffers{};
  Table<Small>::PlainScratch scratch{};
  Gradient<Plain> g{};
  const auto pass = reference::run(reference::model_of<Plain>(), reference::read_blocks<Plain>(plain.data),
                                   data.inputs(), kBatch, data.reference_targets<CrossEntropy, int>());
  ASSERT_EQ(table->gradient(plain, buffers, scratch, data.x, data.label, kBatch, 1.0f / kBatch, g).status, Status::ok);
  EXPECT_LT(fixture::relative_difference(reference::read_blocks<Plain>(g.data), pass.gradient), 3e-6);
}

TEST(FindTable, GivesTheBestTargetByDefaultAndNothingForOtherNames) {
  const char* best = nullptr;
  for (const char* target : kTargets)
    if (cpu_supports(target)) best = target;
  ASSERT_NE(find_table<Small>(nullptr), nullptr);
  EXPECT_STREQ(find_table<Small>(nullptr)->target, best);
  EXPECT_EQ(find_table<Small>("mmx"), nullptr);
  EXPECT_EQ(find_table<Small>(""), nullptr);
}

}  // namespace
