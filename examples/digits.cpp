// A training loop with its ledger: what README shows. Build it with any of README's ways to use Emmy.
#include <cstdio>

#include <emmy/emmy.hpp>

namespace app {  // named: run-time dispatch needs the same types in every object
using Net = emmy::Net<emmy::Input<64>, emmy::Dense<32>, emmy::Relu, emmy::Dense<10>>;
using Ledger = emmy::Ledger<Net>;  // every continuous symmetry of Net, found by its type

constexpr int kBatch = 16;
constinit emmy::Trainer<Net, emmy::Momentum, kBatch> trainer{};  // parameters, buffers, state, scratch: all static
constinit Ledger ledger{};
static_assert(sizeof(trainer) + sizeof(ledger) <= 48 * 1024, "does not fit in DTCM");
}  // namespace app

int main() {
  using namespace app;
  emmy::Pcg32 rng{42};
  emmy::init(trainer.params, rng);
  emmy::Momentum rule{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 1e-4f};
  float x[kBatch * 64], loss = 0;
  int labels[kBatch];
  for (int step = 0; step < 1000; ++step) {
    for (int i = 0; i < kBatch; ++i) {  // class k lights one stripe of the image, under noise
      labels[i] = static_cast<int>(rng.below(10));
      for (int p = 0; p < 64; ++p) x[i * 64 + p] = 0.5f * rng.uniform() + (p % 10 == labels[i] ? 0.3f : 0.0f);
    }
    rule.learning_rate = 0.05f * (1.0f - static_cast<float>(step) / 1000.0f);
    const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule, ledger);
    if (result.status != emmy::Status::ok) return 1;  // weights were not touched
    if (ledger.health() > 1.0f) return 2;  // a residual above the rounding bound: kernel, memory or sensor fault
    loss = result.loss;
  }
  const auto balance = ledger.total<emmy::Rescaling<emmy::Layer<1>>>();
  std::printf("loss %.4f; the units' balance drifted %.3g: decay %.3g, momentum %.3g, discretisation %.3g\n",
              static_cast<double>(loss), static_cast<double>(balance.drift()),
              static_cast<double>(balance[emmy::Cause::decay]), static_cast<double>(balance[emmy::Cause::momentum]),
              static_cast<double>(balance[emmy::Cause::discretisation]));
}
