// Learns digits that it draws itself, watched by its ledger, and says over the console how it went. One source for every
// target; exit code 0 only if the loss fell, fresh digits are recognised and the arithmetic was sound in every step.
#include <bit>

#include <emmy/emmy.hpp>
#include <examples/firmware/draw_digits.hpp>
#include <examples/firmware/report.hpp>

namespace app {

#if defined(EMMY_BOARD_RAM_KIB) && EMMY_BOARD_RAM_KIB < 32  // weights, their momentum and the ledger must fit
constexpr int kHidden = 8, kSteps = 2000, kFresh = 100, kNeeded = 85;
#else
constexpr int kHidden = 32, kSteps = 3000, kFresh = 500, kNeeded = 475;
#endif
constexpr int kParts = 10;       // of the training, for the report
constexpr float kRate = 0.012f;  // at first; falls to 0 part by part

using Net = emmy::Net<emmy::Input<digits::kPixels>, emmy::Dense<kHidden>, emmy::Relu, emmy::Dense<digits::kClasses>>;
using Ledger = emmy::Ledger<Net>;
constinit emmy::Trainer<Net, emmy::Momentum, 1> trainer{};
constinit emmy::Scratch<Net, 1, emmy::Infer> scratch{};
constinit Ledger ledger{};
constinit float x[digits::kPixels] = {};

}  // namespace app

int main() {
  using namespace app;
  using emmy::platform::print;
  print("train_digits: ", digits::kPixels, "-", kHidden, "-", digits::kClasses, ", ", EMMY_BACKEND_NAME, " ",
        EMMY_TARGET_NAME, "; RAM ", static_cast<int>(sizeof trainer), " B, ledger ", static_cast<int>(sizeof ledger),
        " B\n");
  emmy::Pcg32 rng{42};
  emmy::init(trainer.params, rng);
  emmy::Momentum rule{.learning_rate = kRate, .momentum = 0.8f, .weight_decay = 1e-4f};

  float first = 0, last = 0;
  std::uint32_t learning = 0;
  for (int part = 0; part < kParts; ++part) {
    rule.learning_rate = kRate * static_cast<float>(kParts - part) / kParts;
    float sum = 0;
    for (int step = 0; step < kSteps / kParts; ++step) {
      const int label = digits::draw(rng, x);
      const std::uint32_t start = emmy::platform::now();
      const auto result = trainer.step(x, &label, emmy::CrossEntropy{}, rule, ledger);
      learning += emmy::platform::now() - start;
      if (result.status != emmy::Status::ok) emmy::platform::fault(emmy::to_string(result.status));
      if (!(ledger.health() <= 1.0f)) emmy::platform::fault("residual above its rounding bound");
      sum += result.loss;
    }
    last = sum / (kSteps / kParts);
    if (part == 0) first = last;
    print("step ", (part + 1) * (kSteps / kParts), "  loss ", last, "  (",
          emmy::platform::Hex{std::bit_cast<std::uint32_t>(last)}, ")\n");
  }

  emmy::Evaluation<float> seen{};
  for (int i = 0; i < kFresh; ++i) {
    const int label = digits::draw(rng, x);
    if (emmy::evaluate(trainer.params, trainer.buffers, scratch, x, &label, 1, seen) != emmy::Status::ok) return 1;
  }
  print("fresh digits: ", seen.correct, " of ", kFresh, " right, loss ", seen.loss / kFresh, "\n");
  report::print_charge<emmy::Rescaling<emmy::Layer<1>>>("rescaling of hidden units", ledger);
  report::print_charge<emmy::Translation<emmy::Layer<2>>>("translation of logits", ledger);
  print("worst health ", ledger.worst_health(), "; ", learning / kSteps, " ticks a step at ",
        emmy::platform::kTicksPerSecond, " Hz\n");

  if (!(last < 0.5f * first)) emmy::platform::fault("the loss did not fall");
  if (seen.correct < kNeeded) emmy::platform::fault("too few fresh digits are recognised");
  print("ok\n");
  return 0;
}
