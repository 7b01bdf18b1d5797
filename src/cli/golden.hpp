// emmy golden FILE...: runs golden cases and compares every number with what the file expects.
#pragma once

#include <string>
#include <vector>

namespace emmy::app {

struct GoldenOptions {
  std::vector<std::string> files;
  std::string target;  // "scalar", "avx2", ...; empty: EMMY_TARGET, else the best one for this CPU
};

// Prints one line a case and two closing lines. 0: nothing failed; 1: something failed; 2: bad input, with one line on
// stderr and nothing on stdout.
int run_golden(const GoldenOptions& options);

}  // namespace emmy::app
