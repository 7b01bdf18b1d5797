#include "timing/data.hpp"

#include <cmath>
#include <random>

namespace emmy::timing {

namespace {
// Uniform in [-size, size); std distributions differ between libraries.
float draw(std::mt19937& bits, double size) {
  return static_cast<float>((static_cast<double>(bits()) * 0x1p-31 - 1.0) * size);
}
}  // namespace

std::size_t Data::lines_of_batch() const {
  return static_cast<std::size_t>((workload_.batch * workload_.inputs() + 15) / 16);
}

Data::Data(const Workload& workload) : workload_(workload) {
  std::mt19937 bits{1};
  const auto samples = static_cast<std::size_t>(kBatches * workload.batch);
  x_.resize(kBatches * lines_of_batch());
  for (Line& line : x_)
    for (float& v : line.value) v = draw(bits, 1.0);
  labels_.resize(samples);
  for (int& label : labels_) label = static_cast<int>(bits() % static_cast<unsigned>(workload.outputs()));
  targets_.resize(samples * static_cast<std::size_t>(workload.outputs()));
  for (float& t : targets_) t = draw(bits, 1.0);
  if (workload.kernel != Kernel::none)
    for (int i = 0; i < workload.weights(); ++i) weights_.push_back(draw(bits, 1.0 / std::sqrt(workload.size[0])));
  if (workload.kernel == Kernel::none)
    for (int l = 0; l < workload.affines(); ++l) {
      const Affine layer = workload.affine(l);
      for (int i = 0; i < layer.weights(); ++i) weights_.push_back(draw(bits, 1.0 / std::sqrt(layer.in)));
    }
}

Batch Data::batch(int index) const {
  const auto at = static_cast<std::size_t>(index % kBatches);
  const std::size_t first = at * static_cast<std::size_t>(workload_.batch);
  return {x_[at * lines_of_batch()].value, labels_.data() + first,
          targets_.data() + first * static_cast<std::size_t>(workload_.outputs())};
}

}  // namespace emmy::timing
