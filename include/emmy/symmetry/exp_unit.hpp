// Units that are an exponential: a shift before it is a factor behind it.
#pragma once

#include <emmy/symmetry/rescaling.hpp>

namespace emmy {

// b_j -> b_j + a, out_j -> e^(-p/q a) out_j leaves the net's function as it is where Exp makes unit j of what has the bias b_j,
// and only layers that are homogeneous of degree p/q are between it and the next affine one. b_j: of a Dense, a
// convolution, a norm.
// Site: the last layer before the next affine one (the Exp in Dense, Exp, Dense). Charge of unit j, of a linear and a
// quadratic part: 2 b_j - (p/q) |out_j|^2. Noether identity: g_b[j] = (p/q) <g_out_j, out_j>. Law of gradient descent with
// decay: H' = H - 2 eta lam b + p/q ((2 eta lam - eta^2 lam^2) |out|^2 - eta^2 |g_out|^2) - 2 eta^2 lam g_b, so that without
// decay it only falls. Source: theory.md section 1 #5, section 2. Test: tests/symmetry/symmetry_test.cpp,
// tests/noether/ledger_test.cpp.
template <class Site>
struct ExpUnit {
  static constexpr Kind kKind = Kind::exp_unit;
  using site = Site;
};

namespace detail {

// The layer whose bias shifts the units, and the only affine one that reads them.
template <class Net, int Site>
consteval Hidden shifted_units() {
  const auto& facts = kFacts<Net>.node;
  Hidden h = units_before<Net, Site>();
  if (h.consumer < 0 || !facts[h.consumer].takes) return {};
  for (int i = Site; i >= 0; i = facts[i].from - 1) {
    if (facts[i].from == 0 || kPlan<Net>.tensor[facts[i].from].consumers != 1) return {};
    if (facts[i].exponential) {
      h.producer = facts[i].from - 1;
      return h;
    }
    if (!facts[i].homogeneous) return {};
    h.degree.numerator *= facts[i].degree.numerator;
    h.degree.denominator *= facts[i].degree.denominator;
  }
  return {};
}

// The incoming part that is a plain bias, -1 where there is none. That of a state comes back, through an activation.
template <class Net, int Node>
consteval int bias_part() {
  if (kIsRecurrent<typename node_at<Net, Node>::layer>) return -1;
  constexpr auto in = incoming_of<typename node_at<Net, Node>::layer>();
  for (int i = 0; i < in.kCount; ++i)
    if (kPlan<Net>.block[kPlan<Net>.first_block[Node] + in.part[i].block].role == Role::bias) return i;
  return -1;
}

template <class Net, int Site>
consteval bool can_shift() {
  constexpr Hidden h = shifted_units<Net, Site>();
  if constexpr (h.producer < 0) return false;
  else
    return kPlan<Net>.needs_delta[h.producer + 1] && bias_part<Net, h.producer>() >= 0 &&
           outgoing_of<typename node_at<Net, h.consumer>::layer>().kCount > 0;
}

}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(ExpUnit<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::can_shift<Net, kSite>(),
                "emmy: this net has no exponential units at this site: ExpUnit needs a layer with a bias, Exp, only "
                "homogeneous layers behind it, and Site the last layer before the next affine one");
  constexpr detail::Hidden h = detail::shifted_units<Net, kSite>();
  constexpr auto bias =
      detail::incoming_of<typename node_at<Net, h.producer>::layer>().part[detail::bias_part<Net, h.producer>()];
  Charges<1> c;
  c.charge[0].units = node_at<Net, h.producer>::out::kChannels;
  c.charge[0].incoming_node = h.producer;
  c.charge[0].outgoing_node = h.consumer;
  c.charge[0].add({kPlan<Net>.first_block[h.producer] + bias.block, bias.axis, {2, 1}, true, 1, 1});
  detail::add_outgoing<Net, h.consumer>(c.charge[0], h.degree);
  return c;
}

}  // namespace emmy
