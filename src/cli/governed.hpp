// A learning rate that follows the curvature of the loss: the batch of every fourth step is evaluated again behind it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cli/energy_probe.hpp"

namespace emmy::app {

template <class C>
class Governed {
 public:
  using TrainerType = typename EnergyProbe<C>::TrainerType;

  // `rate`: of the first step, before the schedule. `decay` times a rate stays at most 1.
  Governed(const Table<C>& table, double rate, double decay) : probe_(table) {
    governor.learning_rate = static_cast<float>(rate);
    if (decay > 0) governor.most = static_cast<float>(std::min(static_cast<double>(governor.most), 1 / decay));
  }

  // Of the next step, before the schedule.
  [[nodiscard]] double rate() const { return static_cast<double>(governor.learning_rate); }
  [[nodiscard]] bool due(std::int64_t step) const { return governor.due(step); }

  // Before a step, and behind it: `left` of the rate is what the schedule made of it.
  void begin(const TrainerType& trainer, const float* x, const typename C::Target* targets) {
    probe_.begin(trainer, x, targets);
  }
  void end(const TrainerType& trainer, const float* x, const typename C::Target* targets, double left) {
    if (probe_.end(trainer, x, targets)) governor.update(probe_.meter, static_cast<float>(rate() * left));
    else governor.refused();
  }
  // A step that was not taken. False where no rate is low enough.
  bool refused() {
    governor.refused();
    return !governor.is_lost();
  }

  RateGovernor governor{.growth = 1.0824322f, .every = 4};  // 1.02 a step

 private:
  EnergyProbe<C> probe_;
};

}  // namespace emmy::app
