// Balance of two linear layers, or of two sides of an attention head: a whole matrix of charges.
#pragma once

#include <emmy/symmetry/symmetry.hpp>

namespace emmy {

// W -> W A, b -> b A, V -> A^-1 V for any invertible A leaves (x W + b) V as it is: two affine layers with nothing between,
// of which the second has windows of one position, or is an Rnn or a Gru, each of whose gates has a V; the two of a LoRA adapter too.
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

// Balance<QueryKey<Site, Head>>: the two sides of q k' of a head, a column of Wq, bq against one of Wk, bk. With W = [Wk; bk] and
// [Wq; bq]' in the place of V all of the above holds. With rotary positions A must turn with them, so that of each plane of columns
// 2m and 2m + 1 one complex number is left: Q is there |q plane|^2 - |k plane|^2 at [2m, 2m] and [2m + 1, 2m + 1], 0 elsewhere,
// and J has one number, [2m, 2m + 1]. Test: tests/noether/attention_test.cpp. Source: theory.md section 1 #16, #19.
template <class Site, int Head>
struct QueryKey {};
// Balance<ValueOutput<Site, Head>>: columns of Wv, bv against rows of Wo, as V the first with its sign. #17.
template <class Site, int Head>
struct ValueOutput {};
template <class Site, int Head>
struct Balance<QueryKey<Site, Head>> {
  static constexpr Kind kKind = Kind::balance;
  using site = Site;
};
template <class Site, int Head>
struct Balance<ValueOutput<Site, Head>> {
  static constexpr Kind kKind = Kind::balance;
  using site = Site;
};

namespace detail {

template <class Net, int Node>
inline constexpr bool kTrainsPlainly = [] {
  using L = typename node_at<Net, Node>::layer;
  return kIsAffine<L> && kHasPlainWeights<L> && !kIsFrozen<L>;
}();

// Does it meet each unit of what it reads by a row, or by one a gate?
template <class Net, int Node>
inline constexpr bool kReadsPlainly = [] {
  using L = typename node_at<Net, Node>::layer;
  if constexpr (kIsRecurrent<L>) return !kIsComposed<L> && !kIsFrozen<L>;
  else return kTrainsPlainly<Net, Node> && kWindowOf<L> == 1;
}();

// The layer that Node is balanced with, -1 where there is none.
template <class Net, int Node>
consteval int balanced_with() {
  constexpr int kReader = only_consumer<Net>(Node + 1);
  if constexpr (kReader < 0) return -1;
  else return kTrainsPlainly<Net, Node> && kReadsPlainly<Net, kReader> ? kReader : -1;
}

// Heads that a trained layer balances.
template <class Net, int Node>
inline constexpr int kBalancedHeads = [] {
  using L = typename node_at<Net, Node>::layer;
  return kIsFrozen<L> ? 0 : kHeadsOf<L>;
}();

template <class Net, int Node, int Head = 0>
consteval auto balances_of_heads() {
  using Site = typename node_at<Net, Node>::site;
  if constexpr (Head == kBalancedHeads<Net, Node>) return Symmetries<>{};
  else
    return Symmetries<Balance<QueryKey<Site, Head>>, Balance<ValueOutput<Site, Head>>>{} +
           balances_of_heads<Net, Node, Head + 1>();
}

template <class Net, int Node = 0>
consteval auto all_balances() {
  if constexpr (Node == Net::kNodes) return Symmetries<>{};
  else if constexpr (balanced_with<Net, Node>() < 0)
    return balances_of_heads<Net, Node>() + all_balances<Net, Node + 1>();
  else return Symmetries<Balance<typename node_at<Net, Node>::site>>{} + all_balances<Net, Node + 1>();
}

// The matrix of the parts of a head of node Site.
template <class Net, int Site, int Head, class Parts>
consteval Charge matrix_of_head(Parts parts) {
  Charge c;
  c.units = node_at<Net, Site>::layer::kHeadSize;
  c.incoming_node = c.outgoing_node = Site;
  for (const PairPart& p : parts.part) {
    ChargePart part{kPlan<Net>.first_block[Site] + p.block, p.axis, {p.sign, 1}, p.sign < 0};
    part.first = p.first, part.count = p.count;
    c.add(part);
  }
  return c;
}
template <class Net, int Site, int Head>
consteval void check_head() {
  static_assert(Site >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  static_assert(Head >= 0 && Head < kBalancedHeads<Net, Site>,
                "emmy: this layer has no such head: QueryKey and ValueOutput name a trained Attention and one of its "
                "heads, counted from 0");
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
      "trained, the second a Dense, an Rnn or a Gru that reads nothing but the first, at once");
  constexpr int kNext = detail::balanced_with<Net, kSite>();
  constexpr auto in = detail::incoming_of<typename node_at<Net, kSite>::layer>();
  constexpr auto out = detail::outgoing_of<typename node_at<Net, kNext>::layer>();
  Charge c;
  c.units = node_at<Net, kSite>::out::kChannels;
  c.incoming_node = kSite;
  c.outgoing_node = kNext;
  for (int i = 0; i < out.kCount; ++i) {
    const int block = kPlan<Net>.first_block[kNext] + out.part[i].block,
              gates = kGatesOf<typename node_at<Net, kNext>::layer>;
    for (int gate = 0; gate < gates; ++gate) {
      ChargePart part{block, out.part[i].axis, {out.part[i].sign, 1}, false};
      if (gates > 1) part.first = gate * c.units, part.count = c.units;
      c.add(part);
    }
  }
  for (int i = 0; i < in.kCount; ++i)
    c.add({kPlan<Net>.first_block[kSite] + in.part[i].block, in.part[i].axis, {-in.part[i].sign, 1}, true});
  return c;
}

template <class Net, class Site, int Head>
consteval Charge matrix_of(Balance<QueryKey<Site, Head>>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  detail::check_head<Net, kSite, Head>();
  using N = node_at<Net, kSite>;
  using L = typename N::layer;
  Charge c = detail::matrix_of_head<Net, kSite, Head>(query_key(L{}, typename N::in{}, Head));
  c.by_plane = L::kOptions.rotates;
  return c;
}
template <class Net, class Site, int Head>
consteval Charge matrix_of(Balance<ValueOutput<Site, Head>>) {
  constexpr int kSite = kNodeOf<Net, Site>;
  detail::check_head<Net, kSite, Head>();
  using N = node_at<Net, kSite>;
  return detail::matrix_of_head<Net, kSite, Head>(value_output(typename N::layer{}, typename N::in{}, Head));
}

// Symmetries<Balance<Layer<0>>, Balance<Layer<1>>> for Input<5>, Dense<4>, Dense<3>, Dense<2>.
template <class Net>
using balances_of = decltype(detail::all_balances<Net>());

}  // namespace emmy
