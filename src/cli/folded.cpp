#include "cli/folded.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace emmy::app {

namespace {

template <int Hidden>
using Exact = Net<Input<kInputs>, Dense<Hidden>, Relu, Dense<kClasses>>;

// f(constant<hidden>) for a number known at run time.
template <class F>
void with_width(int hidden, F&& f) {
  [&]<int... H>(std::integer_sequence<int, H...>) {
    ((hidden == H + 1 ? f(std::integral_constant<int, H + 1>{}) : void()), ...);
  }
  (std::make_integer_sequence<int, kHidden>{});
}

// Copies blocks between padded parameters and unpadded values.
template <class N, bool ToValues, class Params, class Values>
void copy_blocks(Params& params, Values& values) {
  std::size_t at = 0;
  for (const auto& b : kPlan<N>.block)
    for (int i = 0; i < b.rows; ++i)
      for (int o = 0; o < b.cols; ++o, ++at) {
        auto& padded = params.data[b.offset + i * b.stride + o];
        if constexpr (ToValues) values[at] = padded;
        else padded = values[at];
      }
}

}  // namespace

Folded fold_to_live(const Params<DenseNet>& plain) {
  Folded net;
  net.hidden = std::max(1, live_units<DenseNet, 2>(plain));
  with_width(net.hidden, [&]<int H>(std::integral_constant<int, H>) {
    auto exact = std::make_unique<Params<Exact<H>>>();
    int live = 0;
    if (fold_units(plain, *exact, live) != Status::ok) return;
    net.weights.resize(static_cast<std::size_t>(kPlan<Exact<H>>.weights));
    copy_blocks<Exact<H>, true>(*exact, net.weights);
  });
  return net;
}

Folded keep_units(const Params<DenseNet>& plain) {
  Folded net{kHidden, std::vector<float>(static_cast<std::size_t>(kPlan<DenseNet>.weights))};
  copy_blocks<DenseNet, true>(plain, net.weights);
  for (std::size_t j = 0; j < kHidden; ++j)
    for (std::size_t i = 0; i < kInputs && !unit_is_live<DenseNet, 2>(plain, static_cast<int>(j)); ++i)
      net.weights[i * kHidden + j] = 0;
  return net;
}

std::vector<float> outputs(const Folded& net, const float* x, std::size_t rows) {
  std::vector<float> y(rows * kClasses);
  with_width(net.hidden, [&]<int H>(std::integral_constant<int, H>) {
    auto exact = std::make_unique<Params<Exact<H>>>();
    *exact = {};
    copy_blocks<Exact<H>, false>(*exact, net.weights);
    Buffers<Exact<H>> buffers;
    Scratch<Exact<H>, 1, Infer> scratch;
    for (std::size_t r = 0; r < rows; ++r)
      if (infer<Exact<H>, 1>(*exact, buffers, scratch, x + r * kInputs, y.data() + r * kClasses) != Status::ok) return;
  });
  return y;
}

std::vector<int> classes(const Folded& net, const io::Dataset& data) {
  const std::vector<float> y = outputs(net, data.x.data(), data.rows);
  std::vector<int> best(data.rows);
  for (std::size_t r = 0; r < data.rows; ++r) {
    const auto* row = y.data() + r * kClasses;
    best[r] = static_cast<int>(std::max_element(row, row + kClasses) - row);
  }
  return best;
}

}  // namespace emmy::app
