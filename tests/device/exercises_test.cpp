// The convolutions of `emmy train --net exercises` learn on the board itself: in strict text, whose last weights are the same
// bits on every target and on the host; with Helium, which flushes subnormals, at full speed.
#if !defined(EMMY_BACKEND_HELIUM)
#define EMMY_STRICT
#endif
#include <emmy/net/hash.hpp>
#include <src/cli/nets.hpp>
#include <tests/device/check.hpp>

namespace {

using Net = emmy::app::ExercisesNet;
using Rule = emmy::Momentum;
constexpr int kBatch = 4, kParts = 6, kSteps = 10, kClasses = 4, kTime = 128, kAxes = 3;
static_assert(Net::kInputs == kTime * kAxes);

constinit emmy::Trainer<Net, Rule, kBatch> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit float x[kBatch * Net::kInputs] = {};

// A wave of period 1 whose slope alone is not smooth.
float triangle(float turns) {
  const float t = turns - static_cast<float>(static_cast<int>(turns));
  return t < 0.5f ? 4 * t - 1 : 3 - 4 * t;
}

// A rhythm for each class on an axis of its own; noise on all.
void draw(emmy::Pcg32& rng, float* window, int label) {
  const float samples = static_cast<float>(12 + 10 * label) * (0.9f + 0.2f * rng.uniform());
  const float phase = rng.uniform();
  for (int t = 0; t < kTime; ++t)
    for (int a = 0; a < kAxes; ++a) {
      const float strength = a == label % kAxes ? 1.0f : 0.3f;
      window[t * kAxes + a] =
          strength * triangle(phase + static_cast<float>(t) / samples) + 0.2f * (rng.uniform() - 0.5f);
    }
}

// The last part's loss over the first one's.
float learn() {
  emmy::Pcg32 rng{42};
  emmy::init(trainer.params, rng);
  const Rule rule{.learning_rate = 0.05f, .momentum = 0.9f};
  float first = 0, last = 0;
  for (int part = 0; part < kParts; ++part) {
    float sum = 0;
    for (int step = 0; step < kSteps; ++step) {
      int labels[kBatch];
      for (int r = 0; r < kBatch; ++r)
        draw(rng, x + r * Net::kInputs, labels[r] = static_cast<int>(rng.below(kClasses)));
      const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
      CHECK(result.status == emmy::Status::ok);
      CHECK(ledger.health() <= 1.0f);
      sum += result.loss;
    }
    last = sum / kSteps;
    if (part == 0) first = last;
    emmy::platform::print("step ", (part + 1) * kSteps, "  loss ", last, "\n");
  }
  return last / first;
}

}  // namespace

int main() {
  emmy::platform::print("trainer ", static_cast<int>(sizeof trainer), " B, ledger ", static_cast<int>(sizeof ledger),
                        " B\n");
  check::begin("steps");
  CHECK(learn() < 0.5f);
#if defined(EMMY_STRICT)
  check::begin("the weights that every target ends with");
  const std::uint64_t hash = emmy::weight_hash(trainer.params);
  emmy::platform::print(emmy::platform::Hex{static_cast<std::uint32_t>(hash >> 32)}, " ",
                        emmy::platform::Hex{static_cast<std::uint32_t>(hash)}, "\n");
  CHECK(hash == 0xa7349b65f7fd76bbULL);
#endif
  return check::end();
}
