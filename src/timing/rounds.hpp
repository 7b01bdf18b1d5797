// Times the opponents of one workload side by side.
//
// A round gives each opponent one loop of about 5 ms, in an order that rotates, so that a change of clock or load meets
// all of them; every loop starts at the same weights. Ratios are taken within a round. Time is processor time of the
// process: what other processes take away does not count, what an opponent's threads take does.
#pragma once

#include <vector>

#include "timing/data.hpp"
#include "timing/heap_use.hpp"

namespace emmy::timing {

double processor_nanoseconds();

// Over the rounds: the median and its 95 % interval (order statistics).
struct Spread {
  double median, low, high;
};
Spread spread(std::vector<double> values);

struct Result {
  const Opponent* opponent;
  std::vector<double> nanoseconds;  // a sample, by round
  HeapUse heap;                     // of a step or an inference
};

std::vector<Result> run_rounds(const std::vector<const Opponent*>& opponents, const Data& data, bool training,
                               int rounds);

// Time of a over time of b, by round.
Spread ratio(const Result& a, const Result& b);

}  // namespace emmy::timing
