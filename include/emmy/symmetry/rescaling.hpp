// Rescaling of hidden units, and of the factors of a parametrised layer.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// in_j -> c in_j, b_j -> c b_j, out_j -> c^(-p/q) out_j for c > 0 leaves the net's function as it is when the units
// between two affine layers are positively homogeneous of degree p/q (ReLU, leaky, PowerRelu, linear; pools and Flatten
// too). A norm makes units as well: in_j is its gain. The units of a convolution are its channels, out_j all weights that
// channel j meets: several rows, or its column of a depthwise one.
// Site: the last layer before the next affine one (Layer<1> in Dense, Relu, Dense; the Dense itself in Dense, Dense), or of
// a branch that is multiplied by another one (the up projection of a Glu, whose gate takes no part).
// A recurrent unit meets its own layer's weights as well: row j of Wh goes out like out_j, with degree 1, and column j of Wh
// comes in, so that Wh[j, j] counts on either side and cancels.
// Charge of unit j: |in_j|^2 + b_j^2 - (p/q) |out_j|^2. Noether identity: the same with <g, theta> in place of squares
// (without the power 2). Source: theory.md section 1 #1-#4, #20-#23, #26.
template <class Site>
struct Rescaling {
  static constexpr Kind kKind = Kind::rescaling;
  using site = Site;
};

// A parametrised layer's factors: W[:, j] = u_j z[:, j] is unchanged by u -> c u, z -> z / c. Site: that layer.
// Charge: u_j^2 - |z_j|^2 (with the factored bias). Of factors by element or block: |U[i, :]|^2 - |Z[i, :]|^2 of each row. Of a WeightNorm, v -> c v alone: |v_j|^2. Source: theory.md section 1 #14, #26.
template <class Site>
struct FactorBalance {
  static constexpr Kind kKind = Kind::factor_balance;
  using site = Site;
};

namespace detail {

struct Hidden {
  int producer = -1, consumer = -1;
  Ratio degree{1, 1};
};

// The only layer that reads the units that node Site ends. A product passes a factor of one of its sides on, through
// homogeneous layers too.
template <class Net, int Site>
consteval Hidden units_before() {
  const auto& facts = kFacts<Net>.node;
  Hidden h;
  bool multiplied = false;
  h.consumer = only_consumer<Net>(Site + 1);
  while (h.consumer >= 0) {
    const auto& reader = facts[h.consumer];
    multiplied = multiplied || reader.multiplies;
    if (!reader.multiplies && !(multiplied && reader.homogeneous)) break;
    h.degree.numerator *= reader.degree.numerator;
    h.degree.denominator *= reader.degree.denominator;
    h.consumer = only_consumer<Net>(h.consumer + 1);
  }
  return h;
}

// ... and the layer whose weights make them, if every layer between is homogeneous.
template <class Net, int Site>
consteval Hidden units_behind() {
  const auto& facts = kFacts<Net>.node;
  Hidden h = units_before<Net, Site>();
  if (h.consumer < 0) return {};
  for (int i = Site; i >= 0; i = facts[i].from - 1) {
    if (facts[i].scales) {
      h.producer = i;
      return h;
    }
    if (!facts[i].homogeneous || facts[i].from == 0 || kPlan<Net>.tensor[facts[i].from].consumers != 1) return {};
    h.degree.numerator *= facts[i].degree.numerator;
    h.degree.denominator *= facts[i].degree.denominator;
  }
  return {};
}

template <class Net, int Site>
consteval Hidden hidden_units() {
  const Hidden h = units_behind<Net, Site>();
  return h.consumer >= 0 && kFacts<Net>.node[h.consumer].takes ? h : Hidden{};
}

// Below the first layer that trains no delta is ever made, so nobody could measure the charge: frozen units have none.
template <class Net, int Site>
consteval bool can_rescale() {
  constexpr Hidden h = hidden_units<Net, Site>();
  if constexpr (h.producer < 0) return false;
  else
    return kPlan<Net>.needs_delta[h.producer + 1] &&
           incoming_of<typename node_at<Net, h.producer>::layer>().kCount > 0 &&
           outgoing_of<typename node_at<Net, h.consumer>::layer>().kCount > 0;
}

// The weights of node Producer that make its units ...
template <class Net, int Producer>
consteval void add_incoming(Charge& charge) {
  constexpr auto in = incoming_of<typename node_at<Net, Producer>::layer>();
  for (int i = 0; i < in.kCount; ++i)
    charge.add({kPlan<Net>.first_block[Producer] + in.part[i].block, in.part[i].axis, {in.part[i].sign, 1}, true});
}
// ... and those of its own that they meet.
template <class Net, int Producer>
consteval void add_recurring(Charge& charge) {
  constexpr auto again = recurring_of<typename node_at<Net, Producer>::layer>();
  for (int i = 0; i < again.kCount; ++i)
    charge.add(
        {kPlan<Net>.first_block[Producer] + again.part[i].block, again.part[i].axis, {-again.part[i].sign, 1}, false});
}

// The weights of node Consumer that its units meet, all lines of each; less the degree of what is between.
template <class Net, int Consumer>
consteval void add_outgoing(Charge& charge, Ratio degree) {
  constexpr auto out = outgoing_of<typename node_at<Net, Consumer>::layer>();
  for (int i = 0; i < out.kCount; ++i) {
    const int block = kPlan<Net>.first_block[Consumer] + out.part[i].block;
    const auto& b = kPlan<Net>.block[block];
    charge.add({block,
                out.part[i].axis,
                {-out.part[i].sign * degree.numerator, degree.denominator},
                false,
                (out.part[i].axis == Axis::row ? b.rows : b.cols) / charge.units});
  }
}

template <class Net, int Node>
consteval bool has_factors() {
  return kPlan<Net>.needs_delta[Node + 1] && internal_of<typename node_at<Net, Node>::layer>().kCount > 0;
}

}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(Rescaling<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(
      detail::can_rescale<Net, kSite>(),
      "emmy: this net has no rescaling symmetry at this site: its units must be positively homogeneous (Relu, "
      "LeakyRelu, PowerRelu, Identity, MaxPool, AvgPool, GlobalAvgPool, Flatten, Last or none) between two layers, "
      "the first affine, a norm or an Rnn of such units, the second affine or recurrent, and Site the last layer "
      "before the second");
  constexpr detail::Hidden h = detail::hidden_units<Net, kSite>();
  Charges<1> c;
  c.charge[0].units = node_at<Net, h.producer>::out::kChannels;
  c.charge[0].incoming_node = h.producer;
  c.charge[0].outgoing_node = h.consumer;
  detail::add_incoming<Net, h.producer>(c.charge[0]);
  detail::add_outgoing<Net, h.consumer>(c.charge[0], h.degree);
  detail::add_recurring<Net, h.producer>(c.charge[0]);
  return c;
}

template <class Net, class Site>
consteval auto charges_of(FactorBalance<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::has_factors<Net, kSite>(),
                "emmy: this layer has no factors to balance: FactorBalance needs a Parametrized<...> product (not "
                "DiagonalProduct), Constrained or WeightNorm");
  constexpr auto inner = detail::internal_of<typename node_at<Net, kSite>::layer>();
  Charges<1> c;
  c.charge[0].incoming_node = c.charge[0].outgoing_node = kSite;
  bool by_output = true;  // a factor for each output acts before the activation, one for each input after it
  for (int i = 0; i < inner.kCount; ++i) by_output = by_output && inner.part[i].axis == Axis::column;
  for (int i = 0; i < inner.kCount; ++i) {
    const int block = kPlan<Net>.first_block[kSite] + inner.part[i].block;
    const auto& b = kPlan<Net>.block[block];
    const int lines = inner.part[i].axis == Axis::column ? b.cols : b.rows;
    if (i == 0) c.charge[0].units = lines;  // other parts may have several lines a unit
    c.charge[0].add({block, inner.part[i].axis, {inner.part[i].sign, 1}, by_output, lines / c.charge[0].units});
  }
  return c;
}

}  // namespace emmy
