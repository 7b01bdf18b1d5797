// Balance of two linear layers: a whole matrix of charges.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// W -> W A, b -> b A, V -> A^-1 V for any invertible A leaves (x W + b) V as it is: two affine layers with nothing between,
// of which the second has windows of one position; the two of a LoRA adapter too.
// Site: the first of the two. With units i, j of the first: charge matrix Q = V V' - W' W - b' b, symmetric; its diagonal is that of
// Rescaling<Site> with the other sign. Noether identity, all of it: g_V V' = (g_W' W + g_b' b)'. Its antisymmetric part are
// rotations, whose charge is the angular momentum J = A - A', A = m_W' W + m_b' b + m_V V', m the momentum: heavy ball
// J' = beta J, with decoupled decay beta (1 - eta lam) J, for equal rates of all blocks (angular_factor, optim/momentum.hpp).
// Too many numbers for the update sweep: noether/balance.hpp measures them, when asked. Source: theory.md section 1 #6, #7, #9,
// section 2. Test: tests/noether/balance_test.cpp.
template <class Site>
struct Balance {
  static constexpr Kind kKind = Kind::balance;
  using site = Site;
};

namespace detail {

template <class Net, int Node>
inline constexpr bool kTrainsPlainly = [] {
  using L = typename node_at<Net, Node>::layer;
  return kIsAffine<L> && kHasPlainWeights<L> && !kIsFrozen<L>;
}();

// The layer that Node is balanced with, -1 where there is none.
template <class Net, int Node>
consteval int balanced_with() {
  constexpr int kReader = only_consumer<Net>(Node + 1);
  if constexpr (kReader < 0) return -1;
  else if constexpr (!kTrainsPlainly<Net, Node> || !kTrainsPlainly<Net, kReader>) return -1;
  else return kWindowOf<typename node_at<Net, kReader>::layer> == 1 ? kReader : -1;
}

template <class Net, int Node = 0>
consteval auto all_balances() {
  if constexpr (Node == Net::kNodes) return Symmetries<>{};
  else if constexpr (balanced_with<Net, Node>() < 0) return all_balances<Net, Node + 1>();
  else return Symmetries<Balance<typename node_at<Net, Node>::site>>{} + all_balances<Net, Node + 1>();
}

}  // namespace detail

// The blocks of a balance matrix: unit i of a part is row or column i of its block, and Q[i, j] the sum over parts of weight
// times the product of lines i and j.
template <class Net, class Site>
consteval Charge matrix_of(Balance<Site>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  static_assert(kSite >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(
      detail::balanced_with<Net, kSite>() >= 0,
      "emmy: this net has no two linear layers at this site: Balance needs two layers with plain weights, both "
      "trained, the second a Dense that reads nothing but the first, at once");
  constexpr int kNext = detail::balanced_with<Net, kSite>();
  constexpr auto in = detail::incoming_of<typename node_at<Net, kSite>::layer>();
  constexpr auto out = detail::outgoing_of<typename node_at<Net, kNext>::layer>();
  Charge c;
  c.units = node_at<Net, kSite>::out::kChannels;
  c.incoming_node = kSite;
  c.outgoing_node = kNext;
  for (int i = 0; i < out.kCount; ++i)
    c.add({kPlan<Net>.first_block[kNext] + out.part[i].block, out.part[i].axis, {out.part[i].sign, 1}, false});
  for (int i = 0; i < in.kCount; ++i)
    c.add({kPlan<Net>.first_block[kSite] + in.part[i].block, in.part[i].axis, {-in.part[i].sign, 1}, true});
  return c;
}

// Symmetries<Balance<Layer<0>>, Balance<Layer<1>>> for Input<5>, Dense<4>, Dense<3>, Dense<2>.
template <class Net>
using balances_of = decltype(detail::all_balances<Net>());

}  // namespace emmy
