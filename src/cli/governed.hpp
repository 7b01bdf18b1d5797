// A learning rate that follows the curvature of the loss: the batch of every fourth step is evaluated again behind it.
#pragma once

#include <cstdint>
#include <limits>

#include "cli/energy_probe.hpp"

namespace emmy::app {

template <class C>
class Governed {
 public:
  using TrainerType = typename EnergyProbe<C>::TrainerType;
  static constexpr float kLeast = 1e-9f;  // below it nothing is learnt: the loss is none

  // `rate`: of the next step, before the schedule.
  Governed(const Table<C>& table, double rate) : probe_(table) { governor_.learning_rate = static_cast<float>(rate); }

  [[nodiscard]] double rate() const { return static_cast<double>(governor_.learning_rate); }
  [[nodiscard]] bool due(std::int64_t step) const { return governor_.due(step); }

  // Before a step, and behind it: `left` of the rate is what the schedule made of it.
  void begin(const TrainerType& trainer, const float* x, const typename C::Target* targets) {
    probe_.begin(trainer, x, targets);
  }
  void end(const TrainerType& trainer, const float* x, const typename C::Target* targets, double left) {
    if (!probe_.end(trainer, x, targets)) refused();
    else if (!probe_.meter.tells()) governor_.update(0);
    else if (probe_.meter.downhill()) governor_.update(probe_.meter.kappa_loss() / static_cast<float>(left));
  }
  // A step that was not taken. False where no rate is low enough.
  bool refused() { return governor_.update(std::numeric_limits<float>::infinity()) > kLeast; }

 private:
  RateGovernor governor_{.growth = 1.0824322f, .every = 4};  // 1.02 a step
  EnergyProbe<C> probe_;
};

}  // namespace emmy::app
