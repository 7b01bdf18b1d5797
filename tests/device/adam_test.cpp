// Adam, with second moments a weight and shared, over 300 steps with decay and clipping: no residual above its bound, the loss
// falls, and only what is not shared breaks the balance of the units. Strict text ends at the same weights on every target.
#include <emmy/emmy.hpp>
#include <tests/device/check.hpp>

namespace {

using Net = emmy::Net<emmy::Input<6>, emmy::Dense<9>, emmy::LeakyRelu<1, 8>, emmy::Dense<4>>;
using Ledger = emmy::Ledger<Net, emmy::WatchAll, emmy::Kinetic>;
using Balance = emmy::Rescaling<emmy::Layer<1>>;
constexpr int kBatch = 2, kSteps = 300, kHidden = 9;

template <class Plain>
struct Run {
  using Rule = emmy::ClipByNorm<Plain>;
  emmy::Trainer<Net, Rule, kBatch> trainer;
  Ledger ledger;
};
template <class Plain>
constinit Run<Plain> run{};
constinit float x[kBatch * 6] = {};
constinit int labels[kBatch] = {};

void draw(emmy::Pcg32& rng) {
  for (int s = 0; s < kBatch; ++s) {
    labels[s] = static_cast<int>(rng.below(4));
    for (int i = 0; i < 6; ++i) x[s * 6 + i] = 2 * rng.uniform() - 1 + (i == labels[s] ? 1.5f : 0.0f);
  }
}
float size(float v) { return v < 0 ? -v : v; }

// The largest change of a unit's balance that is kinetic breaking.
template <class Plain>
float learn(const char* name, std::uint64_t strict_hash) {
  check::begin(name);
  emmy::Pcg32 rng{11};
  auto& [trainer, ledger] = run<Plain>;
  emmy::init(trainer.params, rng);
  const typename Run<Plain>::Rule rule{{.learning_rate = 0.02f, .weight_decay = 0.01f}, 0.5f};
  float first = 0, last = 0;
  for (int step = 0; step < kSteps; ++step) {
    draw(rng);
    const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
    if (!CHECK(result.status == emmy::Status::ok) || !CHECK(ledger.health() <= 1.0f)) break;
    (step < kSteps / 2 ? first : last) += result.loss / (kSteps / 2);
  }
  CHECK(last < first);
  float breaking = 0, rounding = 0;
  for (int u = 0; u < kHidden; ++u) {
    const auto total = ledger.template total<Balance>(u);
    breaking = size(total[emmy::Cause::breaking]) > breaking ? size(total[emmy::Cause::breaking]) : breaking;
    rounding = size(total[emmy::Cause::rounding]) > rounding ? size(total[emmy::Cause::rounding]) : rounding;
  }
  CHECK(rounding < 1e-4f);
  emmy::platform::print("loss ", first, " then ", last, ", worst health ", ledger.worst_health(), ", breaking ",
                        breaking, ", state ", static_cast<int>(sizeof trainer.state), " B\n");
#if defined(EMMY_STRICT)
  const std::uint64_t hash = emmy::weight_hash(trainer.params);
  emmy::platform::print(emmy::platform::Hex{static_cast<std::uint32_t>(hash >> 32)}, " ",
                        emmy::platform::Hex{static_cast<std::uint32_t>(hash)}, "\n");
  CHECK(hash == strict_hash);
#else
  static_cast<void>(strict_hash);
#endif
  return breaking;
}

}  // namespace

int main() {
  CHECK(learn<emmy::Adam>("a second moment a weight", 0x0cf8b91e9fcb9931ULL) > 0.01f);
  CHECK(learn<emmy::SharedAdam<Net>>("a second moment a unit", 0xe441bb47d566b26fULL) < 1e-4f);
  return check::end();
}
