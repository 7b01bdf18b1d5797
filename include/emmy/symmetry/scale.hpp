// Scale of what a norm reads.
#pragma once

#include <emmy/symmetry/rescaling.hpp>

namespace emmy {

// W -> c W, b -> c b for c > 0 leaves a net's function as it is where a norm alone reads x W + b, through positively
// homogeneous layers of degree p/q or at once. The bias belongs to it; before a norm behind a norm the weights are the
// gains and biases of the first. Recurrent weights Wh stay: they meet a scaled state to make one.
// Site: the last layer before the norm (the Dense in Dense, LayerNorm). Charge, one for all units: |W|^2 + |b|^2. Noether
// identity: <g, W> + <g, b> = p/q N, N = epsilon sum_r s_r^2 sum_c d[r, c] n[r, c] what the epsilon of the norm makes
// (kernels/norm.hpp), booked as Cause::epsilon.
// A BatchNorm does not see the scale of a single unit: a charge for each, |W[:, j]|^2 + b_j^2 (where b is dead besides,
// Translation, so is |W[:, j]|^2 by itself), of a recurrent layer with its Wh as in Rescaling, and N of a unit
// epsilon s_j^2 sum_r d[r, j] n[r, j] (kernels/batch_norm.hpp), of all positions where a Flatten is between.
// Source: theory.md section 1 #10-#12.
template <class Site>
struct Scale {
  static constexpr Kind kKind = Kind::scale;
  using site = Site;
};

namespace detail {

template <class Net, int Site>
consteval Hidden normed_units() {
  const Hidden h = units_behind<Net, Site>();
  return h.consumer >= 0 && kFacts<Net>.node[h.consumer].ignores_scale ? h : Hidden{};
}

template <class Net, int Site>
consteval bool can_scale() {
  constexpr Hidden h = normed_units<Net, Site>();
  if constexpr (h.producer < 0) return false;
  else
    return kPlan<Net>.needs_delta[h.producer + 1] && incoming_of<typename node_at<Net, h.producer>::layer>().kCount > 0;
}

}  // namespace detail

template <class Net, class Site>
consteval auto charges_of(Scale<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(detail::can_scale<Net, kSite>(),
                "emmy: this net has no scale symmetry at this site: a norm alone must read it, and only positively "
                "homogeneous layers may be between it and the layer with weights below");
  constexpr detail::Hidden h = detail::normed_units<Net, kSite>();
  constexpr auto in = detail::incoming_of<typename node_at<Net, h.producer>::layer>();
  Charges<1> c;
  using Norm = typename node_at<Net, h.consumer>::layer;
  constexpr bool kByUnit = kIsUnitInvariant<Norm>;
  c.charge[0].units = kByUnit ? node_at<Net, h.producer>::out::kChannels : 1;
  c.charge[0].is_whole = !kByUnit;
  c.charge[0].by_unit = kByUnit;
  if (kByUnit) c.charge[0].epsilon_lines = node_at<Net, h.consumer>::in::kChannels / c.charge[0].units;
  c.charge[0].incoming_node = h.producer;
  c.charge[0].outgoing_node = h.consumer;
  c.charge[0].invariant = kInvariants<Net, h.consumer>;
  c.charge[0].epsilons = h.degree;
  constexpr auto again = detail::recurring_of<typename node_at<Net, h.producer>::layer>();
  if constexpr (kByUnit) {
    detail::add_incoming<Net, h.producer>(c.charge[0]);
    detail::add_recurring<Net, h.producer>(c.charge[0]);
    return c;
  }
  for (int i = 0; i < in.kCount; ++i) {
    bool stays = false;  // what its own units come in by and go out by
    for (int k = 0; k < again.kCount; ++k) stays = stays || again.part[k].block == in.part[i].block;
    if (stays) continue;
    const int block = kPlan<Net>.first_block[h.producer] + in.part[i].block;
    const auto& b = kPlan<Net>.block[block];
    c.charge[0].add(
        {block, in.part[i].axis, {in.part[i].sign, 1}, true, in.part[i].axis == Axis::row ? b.rows : b.cols});
  }
  return c;
}

}  // namespace emmy
