// The law of the ledger over 1,000 steps with momentum, decay and clipping: no residual above its bound, a budget that
// adds up to the change of the charges, and a flipped bit that is seen in the next step.
#include <emmy/emmy.hpp>
#include <tests/device/check.hpp>

namespace {

using Net = emmy::Net<emmy::Input<6>, emmy::Dense<9>, emmy::LeakyRelu<1, 8>, emmy::Dense<4>>;
using Rule = emmy::ClipByNorm<emmy::Momentum>;
using Balance = emmy::Rescaling<emmy::Layer<1>>;
using Shift = emmy::Translation<emmy::Layer<2>>;
constexpr int kBatch = 2, kSteps = 1000, kHidden = 9;

constinit emmy::Trainer<Net, Rule, kBatch> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit float x[kBatch * 6] = {};
constinit int labels[kBatch] = {};

// |incoming|^2 + b^2 - |outgoing|^2 of one unit, in double.
double balance(int unit) {
  const auto square = [](float v) { return static_cast<double>(v) * static_cast<double>(v); };
  double q = square(trainer.params.bias<emmy::Layer<0>>(unit));
  for (int i = 0; i < 6; ++i) q += square(trainer.params.weight<emmy::Layer<0>>(unit, i));
  for (int o = 0; o < 4; ++o) q -= square(trainer.params.weight<emmy::Layer<2>>(o, unit));
  return q;
}

void draw(emmy::Pcg32& rng) {
  for (int s = 0; s < kBatch; ++s) {
    labels[s] = static_cast<int>(rng.below(4));
    for (int i = 0; i < 6; ++i) x[s * 6 + i] = 2 * rng.uniform() - 1 + (i == labels[s] ? 1.5f : 0.0f);
  }
}

}  // namespace

int main() {
  emmy::Pcg32 rng{11};
  emmy::init(trainer.params, rng);
  const Rule rule{{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 0.01f}, 0.5f};
  double before[kHidden];
  for (int u = 0; u < kHidden; ++u) before[u] = balance(u);

  check::begin("1,000 steps");
  float first = 0, last = 0, worst = 0;
  for (int step = 0; step < kSteps; ++step) {
    draw(rng);
    const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
    if (!CHECK(result.status == emmy::Status::ok) || !CHECK(ledger.health() <= 1.0f)) break;
    worst = ledger.health() > worst ? ledger.health() : worst;
    (step < kSteps / 2 ? first : last) += result.loss / (kSteps / 2);
  }
  CHECK_NEAR(static_cast<double>(ledger.worst_health()), static_cast<double>(worst), 0.0);
  CHECK(last < first);
  emmy::platform::print("loss ", first, " then ", last, ", worst health ", worst, "\n");

  check::begin("the budget is the change");
  bool decays = false, remembers = false, shifts = false;
  for (int u = 0; u < kHidden; ++u) {
    const auto& total = ledger.total<Balance>(u);
    const double now = balance(u);
    CHECK_NEAR(static_cast<double>(ledger.charge<Balance>(u)), now, 1e-5 * (1 + check::size(now)));
    CHECK_NEAR(static_cast<double>(total.drift()), now - before[u], 1e-4);
    decays = decays || total[emmy::Cause::decay] != 0;
    remembers = remembers || total[emmy::Cause::momentum] != 0;
    CHECK(total[emmy::Cause::breaking] == 0 || check::size(static_cast<double>(total[emmy::Cause::breaking])) < 1e-4);
    CHECK(total[emmy::Cause::unmeasured] == 0);
  }
  for (int u = 0; u <= kHidden; ++u) shifts = shifts || ledger.total<Shift>(u).drift() != 0;
  CHECK(decays && remembers && shifts);

  check::begin("a flipped bit is seen");
  float& weight = trainer.params.weight<emmy::Layer<0>>(3, 2);
  weight = std::bit_cast<float>(std::bit_cast<std::uint32_t>(weight) ^ (1u << 21));
  draw(rng);
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger).status == emmy::Status::ok);
  CHECK(ledger.health() > 1.0f);
  draw(rng);
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger).status == emmy::Status::ok);
  CHECK(ledger.health() <= 1.0f);  // and not for ever
  return check::end();
}
