#include <bench/compare/rounds.hpp>

#include <time.h>

#include <algorithm>
#include <cmath>

#include <bench/compare/heap_calls.hpp>

namespace compare {
namespace {

constexpr double kLoopNanoseconds = 5e6;

double processor_nanoseconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// Nanoseconds of `steps` steps.
double run(const Opponent& opponent, const std::vector<Batch>& batches, const Data& data, int steps) {
  opponent.reset(data.weights().data());
  for (const Batch& b : batches) opponent.step(b);  // caches, and what a first step does once
  const double start = processor_nanoseconds();
  for (int s = 0, at = 0; s < steps; ++s, at = at + 1 == kBatches ? 0 : at + 1)
    opponent.step(batches[static_cast<std::size_t>(at)]);
  return processor_nanoseconds() - start;
}

int calibrate(const Opponent& opponent, const std::vector<Batch>& batches, const Data& data) {
  constexpr double kEnough = kLoopNanoseconds / 5;
  int steps = 1;
  double taken = run(opponent, batches, data, steps);
  for (; taken < kEnough; taken = run(opponent, batches, data, steps)) steps *= 4;
  return std::max(1, static_cast<int>(steps * kLoopNanoseconds / taken));
}

double heap_calls_a_step(const Opponent& opponent, const std::vector<Batch>& batches, const Data& data) {
  run(opponent, batches, data, 1);
  const long before = heap_calls();
  for (const Batch& b : batches) opponent.step(b);
  return static_cast<double>(heap_calls() - before) / kBatches;
}

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double part) {
    return values[static_cast<std::size_t>(std::lround(part * static_cast<double>(values.size() - 1)))];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

}  // namespace

std::vector<Result> run_rounds(const std::vector<const Opponent*>& opponents, const Data& data, int rounds) {
  const std::size_t count = opponents.size();
  const Workload& workload = *opponents.front()->workload;
  std::vector<Batch> batches;
  for (int b = 0; b < kBatches; ++b) batches.push_back(data.batch(b));
  std::vector<int> steps;
  for (const Opponent* o : opponents) steps.push_back(calibrate(*o, batches, data));

  std::vector<std::vector<double>> times(count), ratios(count);
  for (std::size_t round = 0; round < static_cast<std::size_t>(rounds); ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t o = (i + round) % count;
      times[o].push_back(run(*opponents[o], batches, data, steps[o]) / steps[o] / workload.batch);
    }
    for (std::size_t o = 0; o < count; ++o) ratios[o].push_back(times[o].back() / times[0].back());
  }

  std::vector<Result> results;
  for (std::size_t o = 0; o < count; ++o) {
    const Spread ns = spread(times[o]);
    results.push_back({opponents[o], ns, spread(ratios[o]), workload.flops() / ns.median,
                       heap_calls_a_step(*opponents[o], batches, data)});
  }
  return results;
}

}  // namespace compare
