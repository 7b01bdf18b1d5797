// emmy/train/step.hpp: the training step of 64-32-10, without a ledger, with predicted and with measured charges.
#include <emmy/emmy.hpp>

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

namespace {

using Net = emmy::Net<emmy::Input<64>, emmy::Dense<32>, emmy::Relu, emmy::Dense<10>>;
constexpr int kBatches = 16;

template <int Batch>
struct Inputs {
  std::vector<float> x;
  std::vector<int> labels;

  Inputs() {
    emmy::Pcg32 random{1};
    for (int i = 0; i < kBatches * Batch * Net::kInputs; ++i) x.push_back(2.0f * random.uniform() - 1.0f);
    for (int i = 0; i < kBatches * Batch; ++i) labels.push_back(static_cast<int>(random.below(Net::kOutputs)));
  }
};

template <int Batch, class Rule, class Ledger>
void train_step(benchmark::State& state) {
  const Inputs<Batch> inputs;
  const auto trainer = std::make_unique<emmy::Trainer<Net, Rule, Batch>>();
  const auto ledger = std::make_unique<Ledger>();
  emmy::Pcg32 random{2};
  emmy::init(trainer->params, random);
  const Rule rule{.learning_rate = 0.01f};
  for (int at = 0; auto _ : state) {
    const auto result = trainer->step(inputs.x.data() + at * Batch * Net::kInputs, inputs.labels.data() + at * Batch,
                                      emmy::CrossEntropy{}, rule, *ledger);
    if (result.status != emmy::Status::ok) state.SkipWithError(emmy::to_string(result.status));
    at = (at + 1) % kBatches;
  }
  state.SetItemsProcessed(state.iterations() * Batch);
  state.SetLabel(EMMY_TARGET_NAME);
}

using Predicted = emmy::Ledger<Net, emmy::WatchAll, emmy::Predict>;
using Measured = emmy::Ledger<Net, emmy::WatchAll, emmy::Measure>;
BENCHMARK(train_step<1, emmy::Sgd, emmy::NoLedger>);
BENCHMARK(train_step<1, emmy::Sgd, Predicted>);
BENCHMARK(train_step<1, emmy::Sgd, Measured>);
BENCHMARK(train_step<16, emmy::Sgd, emmy::NoLedger>);
BENCHMARK(train_step<16, emmy::Sgd, Predicted>);
BENCHMARK(train_step<16, emmy::Sgd, Measured>);
BENCHMARK(train_step<16, emmy::Momentum, emmy::NoLedger>);
BENCHMARK(train_step<16, emmy::Momentum, Measured>);

}  // namespace
