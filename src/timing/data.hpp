// The same inputs, targets and first weights for all opponents of a workload.
#pragma once

#include "timing/workload.hpp"

#include <cstddef>
#include <vector>

namespace emmy::timing {

class Data {
 public:
  explicit Data(const Workload& workload);
  Batch batch(int index) const;
  const std::vector<float>& weights() const { return weights_; }

 private:
  struct alignas(64) Line {
    float value[16];
  };
  std::size_t lines_of_batch() const;
  const Workload& workload_;
  std::vector<Line> x_;  // every batch starts a cache line
  std::vector<int> labels_;
  std::vector<float> targets_, weights_;
};

}  // namespace emmy::timing
