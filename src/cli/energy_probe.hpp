// The energy of single steps: the batch of a step is evaluated before it and again behind it.
#pragma once

#include <memory>

#include <emmy/noether/energy.hpp>

#include "cli/nets.hpp"

namespace emmy::app {

// Only reads the trainer, statistics of norms too: a run is the same with and without.
template <class C>
class EnergyProbe {
 public:
  using Net = typename C::Net;
  using Target = typename C::Target;
  using TrainerType = Trainer<Net, typename C::Rule, C::kBatch>;

  explicit EnergyProbe(const Table<C>& table) : table_(&table) {}

  void begin(const TrainerType& trainer, const float* x, const Target* targets) {
    from_ = trainer.params;
    before_ = gradient(trainer, x, targets, begin_g_);
  }
  // Behind the step. False where the loss is no number at one of its ends.
  bool end(const TrainerType& trainer, const float* x, const Target* targets) {
    const StepResult<float> after = gradient(trainer, x, targets, end_g_);
    meter.begin(before_.loss, slope(begin_g_, from_, trainer.params));
    meter.end(after.loss, slope(end_g_, from_, trainer.params));
    return before_.status == Status::ok && after.status == Status::ok;
  }
  // |g|^2 = delta' K delta before the step, K the tangent kernel.
  [[nodiscard]] double square() const { return static_cast<double>(inner_product(begin_g_, begin_g_)); }

  BasicEnergyMeter<float> meter{};

 private:
  StepResult<float> gradient(const TrainerType& trainer, const float* x, const Target* targets, Gradient<Net>& g) {
    auto buffers = trainer.buffers;
    g = {};
    if constexpr (!__is_same(Net, plain_of<Net>)) return {Status::bad_rate, 0};  // a gradient of other weights
    else return table_->gradient(trainer.params, buffers, *scratch_, x, targets, C::kBatch, 1.0f / C::kBatch, g);
  }

  const Table<C>* table_;
  Gradient<Net> begin_g_{}, end_g_{};
  Params<Net> from_{};
  StepResult<float> before_{};
  std::unique_ptr<typename Table<C>::PlainScratch> scratch_ = std::make_unique<typename Table<C>::PlainScratch>();
};

}  // namespace emmy::app
