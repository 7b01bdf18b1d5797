// Training, inference and everything between allocate nothing: every way to the heap is counted while they run.
#include <emmy/emmy.hpp>

#include <gtest/gtest.h>
#include <tests/support/numbers.hpp>

#include <timing/heap_use.hpp>

#include <cstdlib>
#include <new>

namespace {

// Calls of the heap while f runs, frees among them.
template <class F>
double calls_of(F f) {
  const emmy::timing::HeapUse before = emmy::timing::heap_use();
  f();
  const emmy::timing::HeapUse after = emmy::timing::heap_use();
  return after.calls - before.calls + after.frees - before.frees;
}

using Net = emmy::Net<emmy::Input<16>, emmy::Dense<24>, emmy::Relu, emmy::Residual<emmy::Dense<24>, emmy::Tanh>,
                      emmy::Parametrized<emmy::Dense<12>, emmy::ProductByInput>, emmy::Sigmoid, emmy::Dense<5>>;
using Rule = emmy::ClipByNorm<emmy::Momentum>;
constexpr int kBatch = 8;
constinit emmy::Trainer<Net, Rule, kBatch> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit emmy::Scratch<Net, kBatch, emmy::Infer> scratch{};
constinit emmy::Gradient<Net> gradient{};

struct Batch {
  float x[kBatch * 16], y[kBatch * 5];
  int label[kBatch];

  explicit Batch(std::uint64_t seed) {
    support::Random random(seed);
    for (float& v : x) v = static_cast<float>(random());
    for (int& l : label) l = random.below(5);
  }
};

// The trap itself: it sees each way to the heap.
TEST(NoMalloc, TheTrapWorks) {
  void* volatile p = nullptr;
  EXPECT_EQ(calls_of([&] { p = std::malloc(10); }), 1);
  EXPECT_EQ(calls_of([&] { std::free(p); }), 1);
  EXPECT_EQ(calls_of([&] { p = ::operator new(10); }), 1);
  EXPECT_EQ(calls_of([&] { ::operator delete(p); }), 1);
  EXPECT_GE(calls_of([&] { p = ::operator new(64, std::align_val_t(64)); }), 1);
  ::operator delete(p, std::align_val_t(64));
  EXPECT_EQ(calls_of([&] { p = std::calloc(2, 10); }), 1);
  std::free(p);
}

TEST(NoMalloc, TrainingAndInference) {
  Batch batch(1);
  Rule rule{{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 1e-4f}, 1.0f};
  emmy::Evaluation<float> sum{};
  int failures = 0;
  const auto check = [&](emmy::Status s) { failures += s != emmy::Status::ok; };
  EXPECT_EQ(calls_of([&] {
              emmy::Pcg32 rng{42};
              emmy::init(trainer.params, rng);
            }),
            0);
  EXPECT_EQ(calls_of([&] {
              for (int s = 0; s < 100; ++s)
                check(trainer.step(batch.x, batch.label, emmy::CrossEntropy{}, rule, ledger).status);
            }),
            0);
  EXPECT_EQ(calls_of([&] { check(emmy::infer(trainer.params, trainer.buffers, scratch, batch.x, batch.y)); }), 0);
  EXPECT_EQ(calls_of([&] {
              check(emmy::evaluate(trainer.params, trainer.buffers, scratch, batch.x, batch.label, kBatch, sum));
            }),
            0);
  EXPECT_EQ(calls_of([&] {
              check(emmy::gradient<false>(trainer.params, trainer.buffers, trainer.scratch,
                                          static_cast<const float*>(batch.x), static_cast<const int*>(batch.label),
                                          emmy::CrossEntropy{}, kBatch, 1.0f / kBatch, gradient)
                        .status);
            }),
            0);
  EXPECT_EQ(calls_of([&] { check(emmy::apply(trainer.params, trainer.state, gradient, rule, ledger)); }), 0);
  EXPECT_EQ(failures, 0);
  EXPECT_GT(sum.correct, 0);
  // A step that fails allocates nothing either.
  batch.x[3] = __builtin_nanf("");
  EXPECT_EQ(calls_of([&] {
              failures += trainer.step(batch.x, batch.label, emmy::CrossEntropy{}, rule, ledger).status ==
                          emmy::Status::not_finite;
            }),
            0);
  EXPECT_EQ(failures, 1);
}

}  // namespace
