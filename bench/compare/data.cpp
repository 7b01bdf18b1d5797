#include <bench/compare/data.hpp>

#include <cmath>
#include <random>

namespace compare {

namespace {
// Uniform in [-size, size); std distributions differ between libraries.
float draw(std::mt19937& bits, double size) {
  return static_cast<float>((static_cast<double>(bits()) * 0x1p-31 - 1.0) * size);
}
}  // namespace

Data::Data(const Workload& workload) : workload_(workload) {
  std::mt19937 bits{1};
  const auto samples = static_cast<std::size_t>(kBatches * workload.batch);
  const auto inputs = static_cast<std::size_t>(workload.size[0]);
  x_.resize((samples * inputs + 15) / 16);
  for (Line& line : x_)
    for (float& v : line.value) v = draw(bits, 1.0);
  labels_.resize(samples);
  for (int& label : labels_) label = static_cast<int>(bits() % static_cast<unsigned>(workload.size[workload.layers]));
  for (int l = 0; l < workload.layers; ++l) {
    const int in = workload.size[l], out = workload.size[l + 1];
    for (int i = 0; i < (in + 1) * out; ++i) weights_.push_back(draw(bits, 1.0 / std::sqrt(in)));
  }
}

Batch Data::batch(int index) const {
  const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(index % kBatches) * workload_.batch;
  return {reinterpret_cast<const float*>(x_.data()) + first * workload_.size[0], labels_.data() + first};
}

}  // namespace compare
