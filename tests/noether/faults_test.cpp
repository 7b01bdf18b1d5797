// Bits flipped in gradients, between the product that makes them and the update, and in stored weights: the ledger sees
// every flip that matters, in the same step, and nothing where nothing was flipped.
namespace faults {

// The values that pass through the hook in one step are numbered; the one called `target` gets its bit flipped.
inline long long seen = 0, target = -1;
inline int bit = 0;

template <class T>
void strike(T* values, int count) noexcept;

}  // namespace faults
#define EMMY_GRADIENT_HOOK(values, count) ::faults::strike(values, count)

#include <tests/train/fixture.hpp>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <type_traits>

#include <gtest/gtest.h>

namespace faults {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
inline constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52;
template <class T>
inline constexpr int kWidth = 8 * sizeof(T);

template <class T>
T flipped(T value, int which) noexcept {
  return std::bit_cast<T>(std::bit_cast<Bits<T>>(value) ^ (Bits<T>{1} << which));
}
template <class T>
void strike(T* values, int count) noexcept {
  if (target >= seen && target < seen + count) values[target - seen] = flipped(values[target - seen], bit);
  seen += count;
}

}  // namespace faults

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::LeakyRelu;
using emmy::Relu;
using emmy::Status;

template <class S, class NetType, class LossType, class TargetType>
struct Case {
  using Scalar = S;
  using Net = NetType;
  using Loss = LossType;
  using Target = TargetType;
};
template <class S>
using Classify = Case<S, emmy::Net<emmy::Scalar<S>, Input<16>, Dense<32>, Relu, Dense<10>>, emmy::CrossEntropy, int>;
template <class S>
using Regress = Case<S, emmy::Net<emmy::Scalar<S>, Input<16>, Dense<13>, Relu, Dense<9>, LeakyRelu<>, Dense<4>>,
                     emmy::SquaredError, S>;
template <class S>
using Convolve = Case<S,
                      emmy::Net<emmy::Scalar<S>, Input<15, 3>, emmy::Conv1d<5, 4>, Relu, emmy::MaxPool<2>,
                                emmy::Conv1d<6, 3>, Relu, emmy::Flatten, Dense<4>>,
                      emmy::CrossEntropy, int>;

// A run with random batches, and a second machine that repeats each of its steps with something damaged.
template <class C>
struct Faults : testing::Test {
  static constexpr int kBatch = 8;
  using Net = typename C::Net;
  using Rule = emmy::BasicMomentum<typename C::Scalar>;
  struct Machine {
    emmy::Trainer<Net, Rule, kBatch> trainer;
    emmy::Ledger<Net> ledger;

    Status step(const fixture::Data<Net, kBatch>& batch, const Rule& rates) {
      faults::seen = 0;
      return trainer.step(batch.x, batch.template targets<typename C::Target>(), typename C::Loss{}, rates, ledger)
          .status;
    }
    bool flagged(Status status) const { return status != Status::ok || ledger.health() > 1; }
  };
  Machine clean{}, damaged{};
  fixture::Data<Net, kBatch> data{};
  const Rule rule{typename C::Scalar(0.03), typename C::Scalar(0.9), typename C::Scalar(1e-3), typename C::Scalar(0)};
  emmy::Pcg32 rng{5};
  int alarms = 0;

  void SetUp() override { fixture::randomise(clean.trainer.params, rng, 0.4); }
  // One clean step; the other machine is left as the clean one was before it.
  void advance() {
    data.refill(rng, false);
    std::memcpy(static_cast<void*>(&damaged), &clean, sizeof(Machine));
    faults::target = -1;
    ASSERT_EQ(clean.step(data, rule), Status::ok);
    alarms += clean.ledger.health() > 1;
  }
  // The largest difference of a weight, over the largest weight.
  double harm() const {
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < std::size(clean.trainer.params.data); ++i) {
      const double a = static_cast<double>(clean.trainer.params.data[i]),
                   b = static_cast<double>(damaged.trainer.params.data[i]);
      difference = std::isfinite(b) ? std::fmax(difference, std::fabs(a - b)) : std::numeric_limits<double>::infinity();
      largest = std::fmax(largest, std::fabs(a));
      if (difference > 1e30) break;
    }
    return difference / largest;
  }
};
using Cases = testing::Types<Classify<float>, Regress<float>, Convolve<float>, Classify<double>, Regress<double>,
                             Convolve<double>>;
TYPED_TEST_SUITE(Faults, Cases);

TYPED_TEST(Faults, EveryHarmfulFlipInAGradientIsFlagged) {
  using T = typename TypeParam::Scalar;
  using M = typename TestFixture::Machine;
  constexpr int kFlips = 10000;
  int flagged = 0, harmful = 0;
  for (int k = 0; k < kFlips; ++k) {
    this->advance();
    const auto values = static_cast<std::uint32_t>(faults::seen);
    faults::target = this->rng.below(values);
    faults::bit = faults::kMantissa<T> + static_cast<int>(this->rng.below(faults::kWidth<T> - faults::kMantissa<T>));
    M& m = this->damaged;
    const bool seen = m.flagged(m.step(this->data, this->rule));
    const double harm = this->harm();
    flagged += seen;
    harmful += harm > 1e-3;
    ASSERT_TRUE(seen || !(harm > 1e-3)) << "step " << k << ", value " << faults::target << " of " << values << ", bit "
                                        << faults::bit << ", harm " << harm << ", health "
                                        << static_cast<double>(m.ledger.health());
  }
  std::printf(
      "%d flips in gradients: %d flagged (%.1f %%); %d harmful, all of them flagged; %d alarms in %d clean steps\n",
      kFlips, flagged, 100.0 * flagged / kFlips, harmful, this->alarms, kFlips);
  EXPECT_EQ(this->alarms, 0);
  EXPECT_GT(harmful, kFlips / 12);  // enough to have tried
}

// The output bias of a net with squared error is in no charge (theory.md section 7): nothing stored knows its value.
template <class Net, class Loss>
int random_weight(emmy::Pcg32& rng) {
  constexpr int kBlocks = emmy::kPlan<Net>.kBlocks - (std::is_same_v<Loss, emmy::SquaredError> ? 1 : 0);
  const auto& block = emmy::kPlan<Net>.block[rng.below(kBlocks)];
  const auto row = static_cast<int>(rng.below(static_cast<std::uint32_t>(block.rows)));
  return block.at(row, static_cast<int>(rng.below(static_cast<std::uint32_t>(block.cols))));
}

TYPED_TEST(Faults, EveryHarmfulFlipOfAStoredWeightIsFlaggedInTheNextStep) {
  using T = typename TypeParam::Scalar;
  constexpr int kFlips = 5000;
  int flagged = 0, harmful = 0;
  this->advance();
  for (int k = 0; k < kFlips; ++k) {
    this->advance();
    auto& m = this->damaged;
    const int at = random_weight<typename TypeParam::Net, typename TypeParam::Loss>(this->rng);
    const int bit = static_cast<int>(this->rng.below(faults::kWidth<T>));
    T& weight = m.trainer.params.data[at];
    const T before = weight;
    weight = faults::flipped(before, bit);
    const double harm =
        std::isfinite(weight) ? std::fabs(static_cast<double>(weight) - static_cast<double>(before)) : 1.0;
    const bool seen = m.flagged(m.step(this->data, this->rule));
    flagged += seen;
    harmful += harm > 1e-3;
    ASSERT_TRUE(seen || !(harm > 1e-3)) << "weight " << at << ", bit " << bit << ", by " << harm;
  }
  std::printf("%d flips of stored weights, any bit: %d flagged (%.1f %%); %d harmful, all of them flagged\n", kFlips,
              flagged, 100.0 * flagged / kFlips, harmful);
  EXPECT_EQ(this->alarms, 0);
  EXPECT_GT(harmful, kFlips / 10);
}

TYPED_TEST(Faults, AnIntendedChangeIsAcceptedAfterResync) {
  using T = typename TypeParam::Scalar;
  for (int k = 0; k < 50; ++k) {
    this->advance();
    auto& m = this->damaged;
    m.trainer.params.data[random_weight<typename TypeParam::Net, typename TypeParam::Loss>(this->rng)] += T(0.25);
    const auto changed = m;
    const bool known = k > 0;  // the first step of a ledger takes the weights as they are
    ASSERT_EQ(m.flagged(m.step(this->data, this->rule)), known) << k;
    std::memcpy(static_cast<void*>(&m), &changed, sizeof m);
    m.ledger.resync();
    ASSERT_FALSE(m.flagged(m.step(this->data, this->rule))) << k;
    ASSERT_FALSE(m.flagged(m.step(this->data, this->rule))) << k;
  }
}

}  // namespace
