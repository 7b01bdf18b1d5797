// cmake/EmmyDispatch.cmake: which table find_table answers, and that each one trains.
#include <dispatch/cpu.hpp>
#include <emmy/emmy.hpp>

#include <string>

#include <gtest/gtest.h>
#include <tests/dispatch/nets.hpp>

namespace {

constexpr const char* kTargets[] = {"scalar", "sse4", "avx2", "avx3"};

using dispatched::One;            // on every target
using Two = dispatched::Many<4>;  // TARGETS sse4 scalar

TEST(FindTable, ByNameWhereTheCpuHasIt) {
  for (const char* target : kTargets) {
    const auto* table = emmy::find_table<One>(target);
    ASSERT_EQ(table != nullptr, emmy::cpu_supports(target)) << target;
    if (table == nullptr) continue;
    EXPECT_STREQ(table->target, target);
  }
}

TEST(FindTable, TheBestByDefault) {
  const char* best = nullptr;
  for (const char* target : kTargets) {
    if (emmy::cpu_supports(target)) best = target;
  }
  ASSERT_NE(emmy::find_table<One>(nullptr), nullptr);
  EXPECT_STREQ(emmy::find_table<One>(nullptr)->target, best);
}

TEST(FindTable, NothingForOtherNames) {
  for (const char* name : {"", "sse2", "AVX2", "avx2 ", "neon"}) {
    EXPECT_EQ(emmy::find_table<One>(name), nullptr) << name;
  }
}

TEST(FindTable, OnlyTheTargetsOfTheCall) {
  EXPECT_NE(emmy::find_table<Two>("scalar"), nullptr);
  EXPECT_EQ(emmy::find_table<Two>("avx2"), nullptr);
  EXPECT_STREQ(emmy::find_table<Two>(nullptr)->target, emmy::cpu_supports("sse4") ? "sse4" : "scalar");
}

template <class Config>
void expect_training() {
  constexpr int kBatch = Config::kBatch;
  float x[kBatch * 5] = {};
  int labels[kBatch] = {};
  for (int i = 0; i < kBatch; ++i) {
    labels[i] = i % 3;
    x[i * 5 + labels[i]] = 1.0f;
  }
  for (const char* target : kTargets) {
    const auto* table = emmy::find_table<Config>(target);
    if (table == nullptr) continue;
    emmy::Trainer<dispatched::Net, emmy::Sgd, kBatch> trainer{};
    emmy::Pcg32 rng{7};
    emmy::init(trainer.params, rng);
    emmy::NoLedger none;
    const emmy::Sgd rule{.learning_rate = 0.1f};
    const auto first = table->step(trainer, x, labels, rule, none);
    ASSERT_EQ(first.status, emmy::Status::ok) << target;
    auto last = first;
    for (int i = 0; i < 50; ++i) last = table->step(trainer, x, labels, rule, none);
    EXPECT_LT(last.loss, 0.5f * first.loss) << target;
  }
}
TEST(FindTable, EachTableTrains) {
  expect_training<One>();
  expect_training<Two>();
}

}  // namespace
