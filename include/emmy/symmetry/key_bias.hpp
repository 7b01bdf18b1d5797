// Key bias: softmax does not see a number added to all keys.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// bk -> bk + a leaves an Attention without rotary positions as it is: every score of a row moves by q a. Charge: each entry of bk,
// head after head. Noether identity: its gradient is 0, so without decay it never moves. With Rope it does: no symmetry.
// Source: theory.md section 1 #18. Test: tests/noether/attention_test.cpp.
template <class Site>
struct KeyBias {
  static constexpr Kind kKind = Kind::translation;
  using site = Site;
};

namespace detail {
template <class Net, int Node>
consteval bool has_dead_key_bias() {
  using L = typename node_at<Net, Node>::layer;
  if constexpr (requires { requires L::kDeadKeyBias; }) return kPlan<Net>.needs_delta[Node + 1];
  else return false;
}
}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(KeyBias<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::has_dead_key_bias<Net, kSite>(),
                "emmy: this net has no dead key bias at this site: KeyBias needs an Attention with biases and without "
                "Rope, which lets softmax see them");
  constexpr int kBlock = kPlan<Net>.first_block[kSite] + node_at<Net, kSite>::layer::kKeyBias;
  Charges<1> c;
  c.charge[0].units = kPlan<Net>.block[kBlock].cols;
  c.charge[0].power = 1;
  c.charge[0].incoming_node = c.charge[0].outgoing_node = kSite;
  c.charge[0].add({kBlock, Axis::column, {1, 1}, false, 1, 1});
  return c;
}

}  // namespace emmy
