// Translation of the logits: softmax does not see a number added to all of them.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// W[i, :] -> W[i, :] + a, b -> b + a leaves softmax(x W + b) as it is. Site: the last Dense. Charges: for input i the
// sum over classes of W[i, :], and the sum of b (the last unit). Noether identity: the same sums of the gradient are 0.
// Needs a loss that does not see the shift (CrossEntropy). Source: theory.md section 1 #15.
template <class Site>
struct Translation {
  static constexpr Kind kKind = Kind::translation;
  using site = Site;
};

namespace detail {
// A plain Dense makes the logits: its rows are the weights themselves.
template <class Net, int Node>
consteval bool can_translate() {
  using L = typename node_at<Net, Node>::layer;
  if constexpr (Node != Net::kNodes - 1 || !kIsAffine<L>) return false;
  else return requires {
      requires L::kPlainWeights;
    };
}
}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(Translation<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(
      detail::can_translate<Net, kSite>(),
      "emmy: this net has no translation symmetry at this site: Translation needs the last layer, a plain Dense");
  constexpr int kFirst = kPlan<Net>.first_block[kSite];
  constexpr int kBlocks = kPlan<Net>.first_block[kSite + 1] - kFirst;
  Charges<kBlocks> c;
  for (int b = 0; b < kBlocks; ++b) {
    c.charge[b].units = kPlan<Net>.block[kFirst + b].rows;
    c.charge[b].power = 1;
    c.charge[b].incoming_node = c.charge[b].outgoing_node = kSite;
    c.charge[b].add({kFirst + b, Axis::row, {1, 1}, false});
  }
  return c;
}

// A loss may use the translation symmetry if adding a number to all logits leaves it as it is.
template <class Loss>
inline constexpr bool kShiftInvariant = requires {
  requires Loss::kShiftInvariant;
};

}  // namespace emmy
