#pragma once

#include <cstddef>
#include <vector>

namespace emmy::io {

// Labelled samples. x is row-major: sample i is x[i * features] ... x[i * features + features - 1], each in 0..1.
struct Dataset {
  std::size_t rows = 0;
  std::size_t features = 0;
  std::vector<float> x;
  std::vector<int> labels;
};

}  // namespace emmy::io
