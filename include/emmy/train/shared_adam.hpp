// Adam with one second moment for all weights that the symmetries of a net tie together.
//
// A charge keeps its law under a preconditioner that is one number over the whole unit: v = b2 v + (1 - b2) (mean of g^2 over
// the unit). Where units overlap (a weight between two hidden layers is in the outgoing side of one and in the incoming side
// of another) they share one v: so there is a number for each connected component of overlapping units. With one hidden layer
// that is a number a unit, and one for the biases of the outputs whose sum the loss does not see; with more, one for the
// chain. Blocks in no charge keep a number a weight. 64-32-10: 33 numbers instead of 2,410.
// Source: theory.md section 2 (symmetry-keeping variant). Test: tests/optim/adam_test.cpp.
#pragma once

#include <emmy/noether/watch.hpp>
#include <emmy/optim/adam.hpp>

namespace emmy {

namespace detail {

// How the weights of a block share: each row or each column (of the block, not of memory) has one component, or all weights
// have the first; or none: a number a weight from `first` on.
enum class Shared : unsigned char { by_weight, by_row, by_column, whole };
struct SharingOfBlock {
  Shared how = Shared::by_weight;
  int first = 0;             // by_weight: where its numbers start
  int charge = 0, part = 0;  // the part that names the unit of each line
};
template <int Units, int Blocks>
struct Sharing {
  int component[Units] = {};  // of a unit
  int entries[Units] = {};    // of a component
  int components = 0, count = 0;
  SharingOfBlock block[Blocks] = {};
};

template <class Net, class Spec>
consteval auto make_sharing() {
  constexpr auto& table = kCharges<Net, Spec>;
  constexpr auto& plan = kPlan<Net>;
  constexpr int kUnits = table.units > 0 ? table.units : 1;
  Sharing<kUnits, (plan.kBlocks > 0 ? plan.kBlocks : 1)> sharing{};
  int parent[kUnits];
  for (int u = 0; u < kUnits; ++u) parent[u] = u;
  const auto root = [&](int u) {
    while (parent[u] != u) u = parent[u] = parent[parent[u]];
    return u;
  };
  const auto unit = [&](int c, int p, int line) {
    const Charge& charge = table.charge[c];
    return table.unit[c] + (charge.is_whole ? 0 : charge.unit_of(charge.part[p], line));
  };
  for (int b = 0; b < plan.kBlocks; ++b) {
    const PlannedBlock& block = plan.block[b];
    SharingOfBlock& own = sharing.block[b];
    bool rows = false, columns = false;
    const auto for_parts = [&](auto f) {
      for (int c = 0; c < table.kCharges; ++c)
        for (int p = 0; p < table.charge[c].parts; ++p)
          if (table.charge[c].part[p].block == b) f(c, p, table.charge[c].part[p].axis);
    };
    for_parts([&](int c, int p, Axis axis) {
      (axis == Axis::row ? rows : columns) = true;
      own.charge = c, own.part = p;
    });
    if (!rows && !columns) continue;
    own.how = rows && columns ? Shared::whole : rows ? Shared::by_row : Shared::by_column;
    for_parts([&](int c, int p, Axis axis) {
      const int lines = axis == Axis::row ? block.rows : block.cols;
      for (int line = 0; line < lines; ++line)
        parent[root(unit(c, p, line))] = root(unit(own.charge, own.part, own.how == Shared::whole ? 0 : line));
    });
  }
  int number[kUnits];
  for (int u = 0; u < kUnits; ++u) number[u] = -1;
  for (int u = 0; u < table.units; ++u) {
    int& n = number[root(u)];
    if (n < 0) n = sharing.components++;
    sharing.component[u] = n;
  }
  sharing.count = sharing.components;
  for (int b = 0; b < plan.kBlocks; ++b) {
    const PlannedBlock& block = plan.block[b];
    SharingOfBlock& own = sharing.block[b];
    if (own.how == Shared::by_weight) {
      own.first = sharing.count = padded<typename Net::scalar>(sharing.count);
      sharing.count += block.size();
    } else if (block.trained) {
      const int lines = own.how == Shared::whole ? 1 : own.how == Shared::by_row ? block.rows : block.cols;
      for (int line = 0; line < lines; ++line)
        sharing.entries[sharing.component[unit(own.charge, own.part, line)]] += block.rows * block.cols / lines;
    }
  }
  return sharing;
}
}  // namespace detail

template <class Net, class Spec>
inline constexpr auto kSharing = detail::make_sharing<Net, Spec>();

// Spec: the symmetries that shall be kept, all of the net or Watch<...>.
template <class Net, class Spec = WatchAll>
struct SharedAdam {
  using scalar = typename Net::scalar;
  using net = Net;
  static constexpr bool kHasMemory = true, kClips = false, kPreconditioned = true;
  static constexpr auto& kTable = kCharges<Net, Spec>;
  static constexpr auto& kShared = kSharing<Net, Spec>;
  static constexpr int kSecondMoments = kShared.count;
  scalar learning_rate = scalar(0.001);
  scalar beta1 = scalar(0.9);
  scalar beta2 = scalar(0.999);
  scalar epsilon = scalar(1e-8);
  scalar weight_decay = scalar(0);

  EMMY_INLINE constexpr BasicAdam<scalar> plain() const noexcept {
    return {learning_rate, beta1, beta2, epsilon, weight_decay};
  }
};
template <class Net, class Spec>
EMMY_INLINE constexpr bool valid(const SharedAdam<Net, Spec>& r) noexcept {
  return valid(r.plain());
}
template <class Net, class Spec>
EMMY_INLINE constexpr auto coefficients(const SharedAdam<Net, Spec>& r, typename Net::scalar clip) noexcept {
  auto c = coefficients(r.plain(), clip);
  c.mean_of = typename Net::scalar(kPlan<Net>.params);
  return c;
}
template <class Rule>
inline constexpr bool kSharesMoments = kSecondMoments<Rule> > 0;
namespace detail {
template <class Rule, class Net>
inline constexpr bool kMomentsFit = [] {
  if constexpr (RuleAround<Rule>) return kMomentsFit<decltype(Rule::rule), Net>;
  else if constexpr (kSharesMoments<Rule>) return __is_same(typename Rule::net, Net);
  else return true;
}();
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class Net, class Spec, class V>
EMMY_INLINE V reference_scale(const SharedAdam<Net, Spec>& r, V mean) noexcept {
  return reference_scale(r.plain(), mean);
}

}  // namespace emmy::inline EMMY_TARGET
