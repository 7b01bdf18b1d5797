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
        auto& padded = params.data[b.at(i, o)];
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

Folded fold_pair(const Params<LowRankNet>& pair, const Params<DenseNet>& plain) {
  using P = inner::LinearPair<LowRankNet, Layer<0>>;
  Folded net = fold_to_live(plain);
  std::vector<int> units, directions;
  for (int j = 0; j < kHidden; ++j)
    if (unit_is_live<DenseNet, 2>(plain, j)) units.push_back(j);
  const auto u = [&](int i, int r) { return pair.data[P::u.at(i, r)]; };
  const auto v = [&](int r, int j) { return pair.data[P::v.at(r, j)]; };
  for (int r = 0; r < kMostRank; ++r)
    if (std::any_of(units.begin(), units.end(), [&](int j) { return v(r, j) != 0.0f; })) directions.push_back(r);
  const int rank = static_cast<int>(directions.size());
  if (rank == 0 || (kInputs + net.hidden) * rank >= kInputs * net.hidden) return net;
  std::vector<float> weights;
  for (int i = 0; i < kInputs; ++i)
    for (const int r : directions) weights.push_back(u(i, r));
  for (const int r : directions)
    for (const int j : units) weights.push_back(v(r, j));
  weights.insert(weights.end(), net.weights.begin() + kInputs * net.hidden, net.weights.end());
  return {net.hidden, std::move(weights), rank};
}

namespace {
// One layer in the place of a pair.
Folded joined(const Folded& net) {
  const auto rank = static_cast<std::size_t>(net.rank), hidden = static_cast<std::size_t>(net.hidden);
  const float *u = net.weights.data(), *v = u + kInputs * rank;
  Folded one{net.hidden, std::vector<float>(kInputs * hidden)};
  for (std::size_t i = 0; i < kInputs; ++i)
    for (std::size_t r = 0; r < rank; ++r)
      for (std::size_t j = 0; j < hidden; ++j) one.weights[i * hidden + j] += u[i * rank + r] * v[r * hidden + j];
  one.weights.insert(one.weights.end(), v + rank * hidden, u + net.weights.size());
  return one;
}
}  // namespace

Folded keep_units(const Params<DenseNet>& plain) {
  Folded net{kHidden, std::vector<float>(static_cast<std::size_t>(kPlan<DenseNet>.weights))};
  copy_blocks<DenseNet, true>(plain, net.weights);
  for (std::size_t j = 0; j < kHidden; ++j)
    for (std::size_t i = 0; i < kInputs && !unit_is_live<DenseNet, 2>(plain, static_cast<int>(j)); ++i)
      net.weights[i * kHidden + j] = 0;
  return net;
}

std::vector<float> outputs(const Folded& net, const float* x, std::size_t rows) {
  if (net.rank > 0) return outputs(joined(net), x, rows);
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
