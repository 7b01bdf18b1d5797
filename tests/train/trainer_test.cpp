// Trainer: plain data with static storage, whose size is the sum of its four objects; a copy continues bit for bit; a
// step takes nothing from the heap, and nothing poisoned from its state after `refresh`.
#include <tests/train/fixture.hpp>

#include <cstdlib>
#include <limits>
#include <new>
#include <type_traits>

#include <gtest/gtest.h>

namespace {
int allocations = 0;
}  // namespace

// Not inlined: the compiler would see malloc meet delete.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

using namespace emmy;  // the names of nets and rules
using N = fixture::TwoHidden<float>;
constexpr int kBatch = 4;
using Machine = Trainer<N, Momentum, kBatch>;

constinit Machine in_static_memory{};
constinit Ledger<N> its_ledger{};

static_assert(std::is_trivially_copyable_v<Machine> && std::is_standard_layout_v<Machine>);
static_assert(sizeof(Machine) ==
                  sizeof(Params<N>) + sizeof(State<N, Momentum>) + sizeof(Scratch<N, kBatch, Train<Momentum>>),
              "no buffers, no bytes");
static_assert(sizeof(Trainer<N, Sgd, kBatch>) < sizeof(Machine), "plain gradient descent keeps no memory of gradients");
static_assert(sizeof(Params<N>) == (7 * 16 + 16 + 9 * 16 + 16 + 5 * 16 + 16) * sizeof(float), "rows of 64 bytes");
static_assert(alignof(Machine) == kPadBytes);

struct TrainerTest : testing::Test {
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{31};
  const Momentum rule{0.05f, 0.9f, 1e-3f, 0.0f};
};

TEST_F(TrainerTest, LearnsABatchByHeart) {
  fixture::randomise(in_static_memory.params, rng, 0.7);
  data.refill(rng, false);
  float first = 0, last = 0;
  for (int k = 0; k < 400; ++k) {
    const auto r = in_static_memory.step(data.x, data.label, CrossEntropy{}, rule, its_ledger);
    ASSERT_EQ(r.status, Status::ok);
    if (k == 0) first = r.loss;
    last = r.loss;
  }
  EXPECT_GT(first, 0.5f);
  EXPECT_LT(last, 0.05f);
  EXPECT_EQ(its_ledger.steps, 400);
  EXPECT_LE(its_ledger.worst_health(), 1.0f);
}

TEST_F(TrainerTest, StepIsTrainStepOnItsFourObjects) {
  Machine by_member{}, by_verb{};
  fixture::randomise(by_member.params, rng, 0.7);
  by_verb.params = by_member.params;
  NoLedger none;
  for (int k = 0; k < 10; ++k) {
    data.refill(rng, false);
    const auto a = by_member.step(data.x, data.label, CrossEntropy{}, rule);
    const auto b = train_step<N, kBatch>(by_verb.params, by_verb.buffers, by_verb.state, by_verb.scratch, data.x,
                                         data.label, CrossEntropy{}, rule, none);
    ASSERT_EQ(a.status, b.status);
    ASSERT_EQ(a.loss, b.loss);
  }
  EXPECT_EQ(std::memcmp(&by_member, &by_verb, sizeof by_member), 0);
}

TEST_F(TrainerTest, ACopyContinuesBitForBit) {
  Machine original{};
  Ledger<N> ledger{};
  fixture::randomise(original.params, rng, 0.7);
  for (int k = 0; k < 20; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(original.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
  }
  Machine copy{};  // from what a checkpoint keeps: parameters and state, no scratch
  copy.params = original.params;
  copy.state = original.state;
  auto copied_ledger = ledger;
  for (int k = 0; k < 20; ++k) {
    data.refill(rng, false);
    ASSERT_EQ(original.step(data.x, data.label, CrossEntropy{}, rule, ledger).status, Status::ok);
    ASSERT_EQ(copy.step(data.x, data.label, CrossEntropy{}, rule, copied_ledger).status, Status::ok);
    ASSERT_LE(copied_ledger.health(), 1.0f);
  }
  EXPECT_EQ(std::memcmp(&original.params, &copy.params, sizeof copy.params), 0);
  EXPECT_EQ(std::memcmp(&ledger.units, &copied_ledger.units, sizeof ledger.units), 0);
}

TEST_F(TrainerTest, MemoryPoisonedFromOutsideIsRefusedAfterRefresh) {
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Machine machine{};
    fixture::randomise(machine.params, rng, 0.7);
    data.refill(rng, false);
    ASSERT_EQ(machine.step(data.x, data.label, CrossEntropy{}, rule).status, Status::ok);
    machine.state.buf[3] = poison;
    emmy::refresh(machine.state);
    const Machine before = machine;
    EXPECT_EQ(machine.step(data.x, data.label, CrossEntropy{}, rule).status, Status::not_finite);
    EXPECT_EQ(std::memcmp(&machine.params, &before.params, sizeof before.params), 0);
    EXPECT_EQ(std::memcmp(machine.state.buf, before.state.buf, sizeof before.state.buf), 0);
  }
}

TEST_F(TrainerTest, AStepAllocatesNothing) {
  data.refill(rng, false);
  fixture::randomise(in_static_memory.params, rng, 0.7);
  its_ledger.resync();
  const int before = allocations;
  for (int k = 0; k < 3; ++k) (void)in_static_memory.step(data.x, data.label, CrossEntropy{}, rule, its_ledger);
  EXPECT_EQ(allocations, before);
  ::operator delete(::operator new(1));
  EXPECT_EQ(allocations, before + 1) << "the counter counts";
}

}  // namespace
