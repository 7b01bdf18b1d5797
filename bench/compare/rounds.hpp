// Times the opponents of one workload side by side.
//
// A round gives each opponent one loop of about 5 ms, in an order that rotates, so that a change of clock or load meets
// all of them; every loop starts at the same weights. Ratios are taken within a round. Time is processor time of the
// process: what other processes take away does not count, what an opponent's threads take does.
#pragma once

#include <bench/compare/data.hpp>

#include <vector>

namespace compare {

// Over the rounds: the median, and what a tenth of them lie below and above.
struct Spread {
  double median, low, high;
};

struct Result {
  const Opponent* opponent;
  Spread nanoseconds;  // a sample
  Spread ratio;        // time over that of the first opponent
  double gflops;       // at the median time
  double heap_calls;   // a step
};

std::vector<Result> run_rounds(const std::vector<const Opponent*>& opponents, const Data& data, int rounds);

}  // namespace compare
