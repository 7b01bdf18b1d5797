#pragma once

#include <cstddef>
#include <vector>

namespace emmy::io {

// Samples with what a net shall make of them: a label each, or values. x is row-major: sample i is x[i * features] ...
// x[i * features + features - 1], of the order of 1.
struct Dataset {
  std::size_t rows = 0;
  std::size_t features = 0;
  std::vector<float> x;
  std::vector<int> labels;     // one a sample, or none
  std::vector<float> values;   // the same number for each sample, row-major, or none
  std::vector<int> recording;  // which recording a sample was cut from, in ascending order, or none
};

struct TrainAndTest {
  Dataset train, test;
};

}  // namespace emmy::io
