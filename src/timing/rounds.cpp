#include "timing/rounds.hpp"

#include <time.h>

#include <algorithm>
#include <cmath>

#include "timing/heap_use.hpp"

namespace emmy::timing {

double processor_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  const auto at = [&](double place) { return values[static_cast<std::size_t>(std::clamp(place, 0.0, n - 1))]; };
  const double middle = (n - 1) / 2, half = 0.98 * std::sqrt(n);  // 1.96 deviations of Binomial(n, 1/2)
  return {at(middle), at(std::floor(middle - half)), at(std::ceil(middle + half))};
}

Spread ratio(const Result& a, const Result& b) {
  std::vector<double> values;
  for (std::size_t r = 0; r < a.nanoseconds.size(); ++r) values.push_back(a.nanoseconds[r] / b.nanoseconds[r]);
  return spread(values);
}

namespace {

constexpr double kLoopNanoseconds = 5e6;

struct Loop {
  const std::vector<Batch>& batches;
  const Data& data;
  bool training;
  std::vector<float>& y;

  void once(const Opponent& o, const Batch& b) const {
    if (training) o.step(b);
    else o.infer(b.x, y.data());
  }
  // Nanoseconds of `steps` steps.
  double run(const Opponent& opponent, int steps) const {
    opponent.reset(data.weights().data());
    for (const Batch& b : batches) once(opponent, b);  // caches, and what a first step does once
    const double start = processor_nanoseconds();
    for (int s = 0, at = 0; s < steps; ++s, at = at + 1 == kBatches ? 0 : at + 1)
      once(opponent, batches[static_cast<std::size_t>(at)]);
    return processor_nanoseconds() - start;
  }
  int calibrate(const Opponent& opponent) const {
    constexpr double kEnough = kLoopNanoseconds / 5;
    int steps = 1;
    double taken = run(opponent, steps);
    for (; taken < kEnough; taken = run(opponent, steps)) steps *= 4;
    return std::max(1, static_cast<int>(steps * kLoopNanoseconds / taken));
  }
  HeapUse heap_use_of_a_step(const Opponent& opponent) const {
    run(opponent, 1);
    const HeapUse before = heap_use();
    for (const Batch& b : batches) once(opponent, b);
    const HeapUse after = heap_use();
    return {(after.calls - before.calls) / kBatches, (after.bytes - before.bytes) / kBatches,
            (after.frees - before.frees) / kBatches};
  }
};

}  // namespace

std::vector<Result> run_rounds(const std::vector<const Opponent*>& opponents, const Data& data, bool training,
                               int rounds) {
  const std::size_t count = opponents.size();
  const Workload& workload = *opponents.front()->workload;
  std::vector<Batch> batches;
  for (int b = 0; b < kBatches; ++b) batches.push_back(data.batch(b));
  std::vector<float> y(static_cast<std::size_t>(workload.batch * workload.outputs()));
  const Loop loop{batches, data, training, y};
  std::vector<int> steps;
  for (const Opponent* o : opponents) steps.push_back(loop.calibrate(*o));

  std::vector<Result> results;
  for (const Opponent* o : opponents) results.push_back({o, {}, loop.heap_use_of_a_step(*o)});
  for (std::size_t round = 0; round < static_cast<std::size_t>(rounds); ++round)
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t o = (i + round) % count;
      results[o].nanoseconds.push_back(loop.run(*opponents[o], steps[o]) / steps[o] / workload.batch);
    }
  return results;
}

}  // namespace emmy::timing
