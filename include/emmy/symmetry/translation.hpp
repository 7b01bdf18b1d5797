// Translation: softmax and LayerNorm do not see a number added to all channels, BatchNorm none added to one of them.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// W[i, :] -> W[i, :] + a, b -> b + a leaves softmax(x W + b) as it is, and LayerNorm(x W + b). Site: the last Dense or
// convolution, or one that a LayerNorm alone reads, at once or through means over positions (AvgPool, GlobalAvgPool, Last); through
// MaxPool b alone. Charges: for input i the sum over outputs of W[i, :], and the sum of b (the last unit).
// Noether identity: the same sums of the gradient are 0. The last one needs a loss that does not see the shift
// (CrossEntropy).
// BatchNorm(x W + b) stays as it is when a number is added to b_j: biases that it alone reads, of an affine layer or a norm,
// through pools too, are dead. Charges: b_j itself, of every unit; its gradient is 0. Source: theory.md section 1 #10, #11, #15.
template <class Site>
struct Translation {
  static constexpr Kind kKind = Kind::translation;
  using site = Site;
};

namespace detail {
// The layer's biases, one a unit: their number among the blocks of the net, -1 where it has none.
template <class Net, int Node>
consteval int bias_of() {
  using L = typename node_at<Net, Node>::layer;
  constexpr int kLast = kPlan<Net>.first_block[Node + 1] - 1;
  if constexpr ((!kIsAffine<L> && !kIsNorm<L>) || kLast < kPlan<Net>.first_block[Node]) return -1;
  else return kPlan<Net>.block[kLast].role == Role::bias ? kLast : -1;
}
// Who reads what node Node makes, at once or through pools: its number, that of all nodes where these are the outputs, -1 where
// it is read twice; and whether pools on the way are means, which pass on what differs from position to position.
struct ShiftReader {
  int node;
  bool averages;
};
template <class Net, int Node>
consteval ShiftReader reader_of_shift() {
  ShiftReader r{Node, true};
  do {
    if (r.node == Net::kNodes - 1) return {Net::kNodes, r.averages};
    r.node = only_consumer<Net>(r.node + 1);
    if (r.node >= 0 && kFacts<Net>.node[r.node].shifts) r.averages = r.averages && kFacts<Net>.node[r.node].averages;
  } while (r.node >= 0 && kFacts<Net>.node[r.node].shifts);
  return r;
}
// Does a BatchNorm alone read it, biases and all?
template <class Net, int Node>
consteval bool has_dead_biases() {
  constexpr int kReader = reader_of_shift<Net, Node>().node;
  if constexpr (kReader < 0 || kReader == Net::kNodes) return false;
  else
    return kIsUnitInvariant<typename node_at<Net, kReader>::layer> && kPlan<Net>.needs_delta[Node + 1] &&
           bias_of<Net, Node>() >= 0;
}
// A plain Dense makes what is shifted: its rows are the weights themselves.
template <class Net, int Node>
consteval bool can_translate() {
  using L = typename node_at<Net, Node>::layer;
  constexpr ShiftReader kReader = reader_of_shift<Net, Node>();
  if constexpr (has_dead_biases<Net, Node>()) return true;
  else if constexpr (!kIsAffine<L> || !kHasPlainWeights<L> || kReader.node < 0) return false;
  else if constexpr (!kReader.averages && bias_of<Net, Node>() < 0) return false;
  else if constexpr (kReader.node == Net::kNodes) return true;
  else return kShiftInvariant<typename node_at<Net, kReader.node>::layer> && kPlan<Net>.needs_delta[Node + 1];
}
}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(Translation<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::can_translate<Net, kSite>(),
                "emmy: this net has no translation symmetry at this site: Translation needs a plain Dense, the last "
                "layer or alone read by a LayerNorm, or biases that a BatchNorm alone reads, at once or through pools");
  constexpr detail::ShiftReader kShift = detail::reader_of_shift<Net, kSite>();
  constexpr int kReader = kShift.node;
  if constexpr (detail::has_dead_biases<Net, kSite>()) {
    constexpr int kBias = detail::bias_of<Net, kSite>();
    Charges<1> c;
    c.charge[0].units = kPlan<Net>.block[kBias].cols;
    c.charge[0].power = 1;
    c.charge[0].incoming_node = c.charge[0].outgoing_node = kSite;
    c.charge[0].invariant = kInvariants<Net, kReader>;
    c.charge[0].by_unit = true;
    c.charge[0].add({kBias, Axis::column, {1, 1}, true, 1, 1});
    return c;
  } else {
    constexpr int kFirst = kShift.averages ? kPlan<Net>.first_block[kSite] : detail::bias_of<Net, kSite>();
    constexpr int kBlocks = kPlan<Net>.first_block[kSite + 1] - kFirst;
    Charges<kBlocks> c;
    for (int b = 0; b < kBlocks; ++b) {
      c.charge[b].units = kPlan<Net>.block[kFirst + b].rows;
      c.charge[b].power = 1;
      c.charge[b].incoming_node = c.charge[b].outgoing_node = kSite;
      if (kReader == Net::kNodes) c.charge[b].of_loss = true;
      else c.charge[b].invariant = kInvariants<Net, kReader>;
      c.charge[b].add({kFirst + b, Axis::row, {1, 1}, false, 1, 1});
    }
    return c;
  }
}

}  // namespace emmy
