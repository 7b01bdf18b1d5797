// What the nets of `emmy train --net` take of a board, for docs/arm.md: flash, RAM and stack of a training step (plain
// Sgd) and an inference. They are linked alone and not run; EMMY_BENCH_CONFIG is the configuration (src/cli/nets.hpp), EMMY_BENCH_BATCH the
// samples of a step.
#include <bench/arm/export.hpp>
#include <src/cli/nets.hpp>

namespace bench {

using Configuration = emmy::app::EMMY_BENCH_CONFIG;
using Net = Configuration::Net;
constexpr int kBatch = EMMY_BENCH_BATCH;

// Training and inference never run at once, so they share their scratch.
union Scratch {
  emmy::Scratch<Net, kBatch, emmy::Train<emmy::Sgd>> train;
  emmy::Scratch<Net, 1, emmy::Infer> infer;
};
constinit emmy::Params<Net> params{};
constinit emmy::Buffers<Net> buffers{};
constinit emmy::State<Net, emmy::Sgd> state{};
constinit Scratch scratch{};

}  // namespace bench

EMMY_BENCH_EXPORT float emmy_bench_train(const float* x, const bench::Configuration::Target* target, float rate) {
  using namespace bench;
  emmy::NoLedger none;
  const emmy::Sgd rule{.learning_rate = rate};
  const auto result = emmy::train_step<Net, kBatch>(params, buffers, state, scratch.train, x, target,
                                                    Configuration::Loss{}, rule, none);
  return result.status == emmy::Status::ok ? result.loss : -1.0f;
}
EMMY_BENCH_EXPORT int emmy_bench_infer(const float* x, float* y) {
  using namespace bench;
  return static_cast<int>(emmy::infer(params, buffers, scratch.infer, x, y));
}

// For its size: what watching every symmetry of the net adds.
extern "C" {
[[gnu::used]] constinit bench::Configuration::Ledger emmy_bench_ledger{};
}
