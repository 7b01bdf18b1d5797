// Which charges a ledger watches, and the table it books by.
#pragma once

#include <emmy/symmetry/symmetries_of.hpp>

namespace emmy {

// Watches the named symmetries; one that the net does not have does not compile.
template <class... Symmetry>
struct Watch {};
// Watches every continuous symmetry of the net, symmetries_of<Net>; Translation of the outputs rests where the loss sees
// the shift.
struct WatchAll {};

// ---- modes, from the one that sees most to the one that sees nothing
// Every step, in the update sweep: each charge before and after it, its Noether identity, check sums of weights and
// gradients.
struct Audit {};
// As Audit, for rules with a preconditioner (Adam, Lion ...): two numbers a unit and step more, to compare the step with
// the gradient times one number a unit, and two totals, the parts of its first order motion (KineticSplit).
struct Kinetic {};
// Every step, in the update sweep, but only what the step leaves: each charge behind it, against what the exact law makes of
// the one before (Predict). Sees weights that changed and gradients that break the identity, as one residual.
struct Measure {};
// The exact laws, fed with |g|^2 (and |u|^2) only: cheaper, but it assumes the symmetry and sees no fault.
struct Predict {};

// Every N-th step as How does it; the change in between is booked as unmeasured. Measure then reads each charge before the
// step too, in the same sweep.
template <int N, class How = Measure>
struct Every {
  static_assert(N > 0, "emmy: Every<N> needs N >= 1");
  static_assert(!__is_same(How, Predict),
                "emmy: Predict follows every step and costs little: take it without Every<N>, or Every<N, Measure>");
};

// Are the charges measured behind the step against their laws? Those before it read in the same sweep?
template <class Mode>
inline constexpr bool kMeasuresByLaw = __is_same(Mode, Measure);
template <int N>
inline constexpr bool kMeasuresByLaw<Every<N, Measure>> = true;
template <class Mode>
inline constexpr bool kReadsBefore = kMeasuresByLaw<Mode> && !__is_same(Mode, Measure);
// Do the charges follow their laws, from the gradient's squares alone?
template <class Mode>
inline constexpr bool kByLaw = __is_same(Mode, Predict) || kMeasuresByLaw<Mode>;

template <class Mode>
inline constexpr bool kKinetic = __is_same(Mode, Kinetic);
template <int N, class How>
inline constexpr bool kKinetic<Every<N, How>> = kKinetic<How>;
// Is every step audited?
template <class Mode>
inline constexpr bool kAuditsAll = __is_same(Mode, Audit) || __is_same(Mode, Kinetic);
namespace detail {

template <class Net, class Spec>
struct Watched;
template <class Net>
struct Watched<Net, WatchAll> {
  using list = symmetries_of<Net>;
  static constexpr bool kAll = true;
};
template <class Net, class... Symmetry>
struct Watched<Net, Watch<Symmetry...>> {
  using list = Symmetries<Symmetry...>;
  static constexpr bool kAll = false;
};

// All charges of the watched symmetries, one after the other.
template <int SymmetryCount, int ChargeCount>
struct ChargeTable {
  static constexpr int kSymmetries = SymmetryCount;
  static constexpr int kCharges = ChargeCount;
  Charge charge[ChargeCount > 0 ? ChargeCount : 1] = {};
  int unit[ChargeCount + 1] = {};             // first unit of a charge
  int symmetry_unit[SymmetryCount + 1] = {};  // first unit of a symmetry
  int units = 0;
};

template <class Net, class... Symmetry>
consteval auto make_charges(Symmetries<Symmetry...>) {
  constexpr int kCharges = (0 + ... + decltype(charges_of<Net>(Symmetry{}))::kCount);
  ChargeTable<sizeof...(Symmetry), kCharges> table{};
  int at = 0, symmetry = 0;
  [[maybe_unused]] const auto add = [&](const auto& list) {  // unused where a net has no symmetry
    table.symmetry_unit[symmetry++] = table.units;
    for (int c = 0; c < list.kCount; ++c) {
      table.unit[at] = table.units;
      table.charge[at++] = list.charge[c];
      table.units += list.charge[c].units;
    }
  };
  (add(charges_of<Net>(Symmetry{})), ...);
  table.unit[kCharges] = table.units;
  table.symmetry_unit[sizeof...(Symmetry)] = table.units;
  return table;
}

template <class Wanted, class... Symmetry>
consteval int index_in(Symmetries<Symmetry...>) {
  int at = 0, found = -1;
  ((__is_same(Wanted, Symmetry) ? void(found = at++) : void(at++)), ...);
  return found;
}

}  // namespace detail

template <class Net, class Spec>
inline constexpr auto kCharges = detail::make_charges<Net>(typename detail::Watched<Net, Spec>::list{});

// Is one of them a symmetry of the loss alone?
template <class Net, class Spec>
inline constexpr bool kWatchesLoss = [] {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    if (charge.of_loss) return true;
  return false;
}();

}  // namespace emmy
