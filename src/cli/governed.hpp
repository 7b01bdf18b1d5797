// A learning rate that follows the curvature of the loss: the batch of every fourth step is evaluated again behind it.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include <emmy/noether/energy.hpp>

#include "cli/nets.hpp"

namespace emmy::app {

template <class C>
class Governed {
 public:
  using Net = typename C::Net;
  using Target = typename C::Target;
  static constexpr float kLeast = 1e-9f;  // below it nothing is learnt: the loss is none

  // `rate`: of the next step, before the schedule.
  Governed(const Table<C>& table, double rate) : table_(&table) { governor_.learning_rate = static_cast<float>(rate); }

  [[nodiscard]] double rate() const { return static_cast<double>(governor_.learning_rate); }
  [[nodiscard]] bool due(std::int64_t step) const { return governor_.due(step); }

  // Before a step, and behind it: `left` of the rate is what the schedule made of it.
  bool begin(const Trainer<Net, typename C::Rule, C::kBatch>& trainer, const float* x, const Target* targets) {
    from_ = trainer.params;
    const auto before = gradient(trainer, x, targets);
    loss_ = before.loss;
    slope_of_ = g_;
    return before.status == Status::ok;
  }
  void end(const Trainer<Net, typename C::Rule, C::kBatch>& trainer, const float* x, const Target* targets,
           double left) {
    const auto after = gradient(trainer, x, targets);
    BasicEnergyMeter<float> meter{};
    meter.begin(loss_, slope(slope_of_, from_, trainer.params));
    meter.end(after.loss, slope(g_, from_, trainer.params));
    if (after.status != Status::ok) refused();
    else if (meter.downhill()) governor_.update(meter.kappa_loss() / static_cast<float>(left));
  }
  // A step that was not taken. False where no rate is low enough.
  bool refused() { return governor_.update(std::numeric_limits<float>::infinity()) > kLeast; }

 private:
  StepResult<float> gradient(const Trainer<Net, typename C::Rule, C::kBatch>& trainer, const float* x,
                             const Target* targets) {
    auto buffers = trainer.buffers;
    g_ = {};
    if constexpr (!__is_same(Net, plain_of<Net>)) return {Status::bad_rate, 0};  // refused before (train.cpp)
    else return table_->gradient(trainer.params, buffers, *scratch_, x, targets, C::kBatch, 1.0f / C::kBatch, g_);
  }

  const Table<C>* table_;
  RateGovernor governor_{.growth = 1.0824322f, .every = 4};  // 1.02 a step
  Gradient<Net> g_{}, slope_of_{};
  Params<Net> from_{};
  float loss_ = 0;
  std::unique_ptr<typename Table<C>::PlainScratch> scratch_ = std::make_unique<typename Table<C>::PlainScratch>();
};

}  // namespace emmy::app
