// What the tests of training share: nets with two hidden layers, random data, snapshots.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include <emmy/core/random.hpp>
#include <emmy/train/trainer.hpp>
#include <tests/reference/rules.hpp>

namespace fixture {

// No width is a multiple of a vector, and every layer is needed.
template <class S>
using TwoHidden = emmy::Net<emmy::Scalar<S>, emmy::Input<7>, emmy::Dense<9>, emmy::Relu, emmy::Dense<5>,
                            emmy::LeakyRelu<1, 8>, emmy::Dense<3>>;
template <class S>
using OneHidden = emmy::Net<emmy::Scalar<S>, emmy::Input<6>, emmy::Dense<11>, emmy::Relu, emmy::Dense<4>>;
// Layers of few outputs on whole pads of inputs, whose weights x86 stores in columns.
template <class S>
using FewOutputs = emmy::Net<emmy::Scalar<S>, emmy::Input<16>, emmy::Dense<4>, emmy::Relu, emmy::Dense<16>,
                             emmy::LeakyRelu<1, 8>, emmy::Dense<3>>;
// Windows over positions: on rows with and without pads, a position that pooling drops, and units that meet
// several rows of the next weights.
template <class S>
using Windows = emmy::Net<emmy::Scalar<S>, emmy::Input<9, 3>, emmy::Conv1d<5, 3>, emmy::Relu, emmy::MaxPool<2>,
                          emmy::Conv1d<4, 2>, emmy::LeakyRelu<1, 8>, emmy::Flatten, emmy::Dense<3>>;
// Windows over an image: with zeros on both sides or on one, a stride, a channel that meets a column of a depthwise convolution, and
// one that makes it.
template <class S>
using Images = emmy::Net<emmy::Scalar<S>, emmy::Input<6, 5, 2>, emmy::Conv2d<5, 3, 2, emmy::Same>, emmy::Relu,
                         emmy::MaxPool<2>, emmy::DepthwiseConv2d<2, 2, emmy::Same>, emmy::PowerRelu<2>,
                         emmy::Conv2d<4, 2, 2, emmy::Padding<1>, emmy::Stride<2>, emmy::NoBias>, emmy::Relu,
                         emmy::Flatten, emmy::Dense<3>>;
// Units that meet their own weights, position after position, one layer of them behind the other.
template <class S>
using States = emmy::Net<emmy::Scalar<S>, emmy::Input<4, 3>, emmy::Rnn<6, emmy::Relu>,
                         emmy::Rnn<5, emmy::LeakyRelu<1, 8>>, emmy::Last, emmy::Dense<3>>;
// A small one of 128 steps x 6 sensors, 16 and 32 channels, 6 classes: rows of whole pads.
using Sensors = emmy::Net<emmy::Input<18, 6>, emmy::Conv1d<16, 5>, emmy::Relu, emmy::MaxPool<2>, emmy::Conv1d<32, 3>,
                          emmy::Relu, emmy::MaxPool<2>, emmy::Flatten, emmy::Dense<6>>;

inline double draw(emmy::Pcg32& rng) { return 2.0 * static_cast<double>(rng.uniform()) - 1.0; }

// Logical weights of every block uniform in [-scale, scale); pad lanes zero.
template <class Net>
void randomise(emmy::Params<Net>& params, emmy::Pcg32& rng, double scale) {
  std::memset(&params, 0, sizeof params);
  auto blocks = reference::read_blocks<Net>(params.data);
  for (auto& block : blocks)
    for (double& v : block) v = scale * draw(rng);
  reference::write_blocks<Net>(blocks, params.data);
}

// A batch of inputs with labels and with values; values are soft targets where `softmax`.
template <class Net, int Batch>
struct Data {
  using S = typename Net::scalar;
  static constexpr int kRows = Batch * Net::output::kPositions, kClasses = Net::output::kChannels;
  S x[Batch * Net::kInputs];
  S values[Batch * Net::kOutputs];
  int label[kRows];

  void refill(emmy::Pcg32& rng, bool soft) {
    for (S& v : x) v = static_cast<S>(draw(rng));
    for (int& l : label) l = static_cast<int>(rng.below(static_cast<std::uint32_t>(kClasses)));
    for (S& v : values) v = static_cast<S>(soft ? 0.5 + 0.5 * draw(rng) : draw(rng));
  }
  template <class Target>
  const Target* targets() const {
    if constexpr (std::is_same_v<Target, int>) return label;
    else return values;
  }
  reference::Values inputs() const { return {x, x + Batch * Net::kInputs}; }
  template <class Loss, class Target>
  reference::Targets reference_targets() const {
    if constexpr (std::is_same_v<Target, int>) return reference::labels({label, label + kRows}, kClasses);
    else return {std::is_same_v<Loss, emmy::CrossEntropy>, {values, values + Batch * Net::kOutputs}};
  }
};

// The bytes of an object, to compare and to put back.
template <class T>
struct Snapshot {
  alignas(T) unsigned char bytes[sizeof(T)];

  explicit Snapshot(const T& of) { std::memcpy(bytes, &of, sizeof(T)); }
  bool still_is(const T& of) const { return std::memcmp(bytes, &of, sizeof(T)) == 0; }
  void restore(T& to) const { std::memcpy(static_cast<void*>(&to), bytes, sizeof(T)); }
};

// The largest |a - b| over the largest |b|.
inline double relative_difference(const reference::Blocks& a, const reference::Blocks& b) {
  double difference = 0, largest = 0;
  for (std::size_t k = 0; k < a.size(); ++k)
    for (std::size_t i = 0; i < a[k].size(); ++i) {
      difference = std::fmax(
          difference, std::isfinite(a[k][i]) ? std::fabs(a[k][i] - b[k][i]) : std::numeric_limits<double>::infinity());
      largest = std::fmax(largest, std::fabs(b[k][i]));
    }
  return difference / largest;
}

// Every lane beyond the logical columns of the blocks is a zero.
template <class Net, class S>
bool pads_are_zero(const S* data) {
  for (const auto& block : emmy::kPlan<Net>.block) {
    const int used = block.line_length();
    for (int line = 0; line < block.lines; ++line)
      for (int at = used; at < block.width; ++at)
        if (!(data[block.offset + line * block.width + at] == S(0))) return false;
  }
  return true;
}

}  // namespace fixture
