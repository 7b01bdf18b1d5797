// The same inputs, labels and first weights for all opponents of a workload.
#pragma once

#include <bench/compare/workload.hpp>

#include <cstddef>
#include <vector>

namespace compare {

class Data {
 public:
  explicit Data(const Workload& workload);
  Batch batch(int index) const;
  const std::vector<float>& weights() const { return weights_; }

 private:
  struct alignas(64) Line {
    float value[16];
  };
  const Workload& workload_;
  std::vector<Line> x_;  // no opponent is slowed down by inputs across cache lines
  std::vector<int> labels_;
  std::vector<float> weights_;
};

}  // namespace compare
