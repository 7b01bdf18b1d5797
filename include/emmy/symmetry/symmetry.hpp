// Symmetries as types, and the charges they conserve.
//
// A symmetry is an empty type that names a site of the net and an action on its weights. It knows no optimizer, loss or
// batch. `charges_of<Net>(symmetry)` gives its charges: for unit j
//   Q_j = sum over parts of weight * (sum over the entries of unit j of theta^power), power 2 or 1
// A part is one block of weights seen along one axis; where it has more lines than there are units, the lines j, units + j,
// 2 units + j ... are those of unit j (rows of a convolution, or behind a Flatten: position by position). All continuous
// symmetries of a net follow from the traits of its layers (layers/layer.hpp): symmetries_of<Net>.
// Source: theory.md section 1. Test: tests/symmetry/symmetry_test.cpp.
#pragma once

#include <emmy/net/plan.hpp>

namespace emmy {

struct ChargePart {
  int block;         // of the net
  Axis axis;         // column: unit = column of the block; row: unit = row
  Ratio weight;      // +1 incoming, -p/q outgoing
  bool is_incoming;  // its gradient comes from the deltas of this unit, else from its activations
  int lines = 1;     // of the block that a unit has
  int power = 2;
  int first = 0, count = 0;  // of a balance matrix: the rows, or a bias' columns, that it looks at; 0: all
  friend constexpr bool operator==(const ChargePart&, const ChargePart&) = default;
};
struct Charge {
  static constexpr int kMaxParts = 8;
  int units = 0;
  int power = 2;  // the highest of its parts
  int parts = 0;
  int incoming_node = -1, outgoing_node = -1;
  // The layer that makes it a symmetry, if one does, by the number of its first invariance (kInvariants), one for all units or
  // each its own; B(g, theta) is so many times what its epsilon makes, of so many of its channels.
  int invariant = -1, epsilon_lines = 1;
  bool by_unit = false;
  Ratio epsilons{0, 1};
  bool of_loss = false;   // only where the loss does not see it
  bool is_whole = false;  // one unit of all lines of its parts
  bool by_plane = false;  // of a balance matrix: what commutes with a turn of the units 2m and 2m + 1
  ChargePart part[kMaxParts] = {};

  constexpr void add(ChargePart p) { part[parts++] = p; }
  // Has it a linear part and a quadratic one?
  constexpr bool is_mixed() const noexcept {
    for (int p = 0; p < parts; ++p)
      if (part[p].power != power) return true;
    return false;
  }
  // The unit that a part's line belongs to.
  EMMY_INLINE constexpr int unit_of(const ChargePart& p, int line) const noexcept {
    return p.lines == 1 ? line : line % units;
  }
};
template <int Count>
struct Charges {
  static constexpr int kCount = Count;
  Charge charge[Count > 0 ? Count : 1] = {};
};

// The generator of a site's action, for messages and reports.
enum class Kind : unsigned char { rescaling, factor_balance, translation, scale, exp_unit, balance };

template <class... Symmetry>
struct Symmetries {
  static constexpr int kCount = sizeof...(Symmetry);
};

namespace detail {

// What a symmetry search needs to know of each node.
struct NodeFacts {
  // takes: its weights take the scale of its inputs; scales: its own weights can scale its units; multiplies: two tensors
  bool takes, homogeneous, scales, ignores_scale, exponential, multiplies;
  bool shifts, averages;  // kShifts, kAverages
  int inner_block;        // kInnerBlock, -1: none
  int from, skip;
  Ratio degree;
};
template <class L>
consteval Ratio degree_of() {
  if constexpr (kIsHomogeneous<L>) return L::kDegree;
  else return {1, 1};
}
template <class L>
inline constexpr bool kScalesUnits = kIsAffine<L> || requires {
  incoming(L{});
};
template <class L>
inline constexpr bool kTakesScale = kIsAffine<L> || requires {
  outgoing(L{});
};
template <class... N>
struct FactsOf {
  NodeFacts node[sizeof...(N)];
};
template <class... N>
consteval auto facts_of(Nodes<N...>) {
  return FactsOf<N...>{
      {{kTakesScale<typename N::layer>, kIsByChannel<typename N::layer> && kIsHomogeneous<typename N::layer>,
        kScalesUnits<typename N::layer>, kIsScaleInvariant<typename N::layer>, kIsExponential<typename N::layer>,
        __is_same(typename N::layer, Multiply), kPassesShifts<typename N::layer>, kPassesAverages<typename N::layer>,
        kInnerBlockOf<typename N::layer>, N::kFrom, N::kSkip, degree_of<typename N::layer>()}...}};
}
template <class Net>
inline constexpr auto kFacts = facts_of(typename Net::nodes{});

// The only node that reads tensor t, -1 where there are several or none.
template <class Net>
consteval int only_consumer(int t) {
  if (kPlan<Net>.tensor[t].consumers != 1) return -1;
  for (int i = 0; i < Net::kNodes; ++i)
    if (kFacts<Net>.node[i].from == t || kFacts<Net>.node[i].skip == t) return i;
  return -1;
}

template <class L>
consteval auto incoming_of() {
  if constexpr (requires { incoming(L{}); }) return incoming(L{});
  else return Parts<0>{};
}
template <class L>
consteval auto outgoing_of() {
  if constexpr (requires { outgoing(L{}); }) return outgoing(L{});
  else return Parts<0>{};
}
template <class L>
consteval auto recurring_of() {
  if constexpr (requires { recurring(L{}); }) return recurring(L{});
  else return Parts<0>{};
}
template <class L>
consteval auto internal_of() {
  if constexpr (requires { internal(L{}); }) return internal(L{});
  else return Parts<0>{};
}

template <class... A, class... B>
consteval Symmetries<A..., B...> operator+(Symmetries<A...>, Symmetries<B...>) {
  return {};
}

}  // namespace detail
}  // namespace emmy
