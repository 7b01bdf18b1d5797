// The ledger: how each charge moved, cause by cause, down to rounding. Plain data; the text that fills it is in
// booking.hpp.
#pragma once

#include <cstddef>
#include <type_traits>

#include <emmy/noether/watch.hpp>

namespace emmy {

// Why a charge moved, in the booking order of theory.md section 2.
enum class Cause : unsigned char {
  decay,     // all that vanishes without weight decay
  momentum,  // what then vanishes without memory
  breaking,  // first order motion not along the gradient: preconditioners, unequal rates, frozen blocks, clipping by tensor
  discretisation,  // second order of the plain step: eta^2 B(g, g)
  noether,         // -2 eta c N: 0 for a right gradient of a symmetric loss
  rounding,        // measured change minus all of the above
  unmeasured,      // change between measured steps (Every<N>)
  epsilon,         // -2 eta c N_eps of a norm, which is not quite scale invariant (Scale); only kept by nets with norms
};
inline constexpr int kCauses = 8;
template <class Net>
inline constexpr int kKeptCauses = kInvariants<Net> != 0 ? kCauses : kCauses - 1;

// Change of a charge by cause.
template <class S>
struct Budget {
  S amount[kCauses];

  EMMY_INLINE constexpr S& operator[](Cause c) noexcept { return amount[static_cast<int>(c)]; }
  EMMY_INLINE constexpr const S& operator[](Cause c) const noexcept { return amount[static_cast<int>(c)]; }
  // The whole drift: after - before.
  EMMY_INLINE constexpr S drift() const noexcept {
    S sum = 0;
    for (int c = 0; c < kCauses; ++c) sum += amount[c];
    return sum;
  }
};

// Worst cases since the last reset, of one charge or of the check sums. A ratio above 1 is a fault, not rounding.
template <class S>
struct Extremes {
  S residual = 0;        // |measured change - budget|
  S residual_ratio = 0;  // the same over its rounding bound
  S noether = 0;         // |N|, N = B(g, theta) (linear charges: half the sum of g)
  S noether_ratio = 0;   // the same over its rounding bound
  S relative = 0;        // residual over the sum of squares that it comes from (linear: of absolute values)
};

// What is kept of each unit, in an array a quantity so that a vector of units is booked at once. r is the number of
// roundings that a term of a sum meets.
enum class PerUnit : int {
  // While a step is booked: the charge before and after it, what was booked and the Noether residual; the same of the
  // plain sum of its weights, a check sum and no charge;
  before,
  after,
  booked,
  noether,
  sum_before,
  sum_after,
  sum_booked,
  // of its entries |theta|^2, and (2r+10) |theta|^2, (r+3) |u|^2, (r+3) |g|^2; what scales the rounding of its residual.
  size,
  weight,
  motion,
  gradient,
  activity,
  // At the end of the last measured step; B(buf, theta), or the sum of buf (Predict and Measure); change by cause since the last
  // reset, an array each.
  charge,
  sum,
  memory,
  total
};
inline constexpr int kStepArrays = static_cast<int>(PerUnit::charge);

// What modes Predict and Measure keep of a step in the place of PerUnit's first arrays, until it is closed: the plain and
// the whole part of |u|^2 by the sign of the weights, and the same of |theta'|^2 (of a linear charge the signed sums of
// weights and, as `lost`, squares), with Every<N> of |theta|^2 too. From one step to the next: sum of all |theta|^2, bound of
// the error of `memory`.
enum class PerUnitLaw : int {
  plain_won,
  plain_lost,
  moved_won,
  moved_lost,
  won,
  lost,
  size,
  doubt,
  before_won,
  before_lost
};
inline constexpr int kLawArrays = static_cast<int>(PerUnitLaw::before_lost) + 1;
static_assert(kLawArrays <= kStepArrays);

// What mode Kinetic keeps besides: of a step the sum of the second moments, which at its end becomes the number that stands
// for the preconditioner of the unit, and B(d, theta), d the gradient with memory; since the last reset both parts of
// KineticSplit.
enum class PerUnitKinetic : int { reference, along, memory, kinetic };
inline constexpr int kKineticArrays = 4;

// The first order motion -2 B(u, theta) of a charge under a rule u = eta pre d, c the number that stands for pre in a unit:
// memory = -2 eta c B(d, theta), kinetic = -2 eta B((pre - c) d, theta), kinetic symmetry breaking. Another split than that
// of the causes, which first take out all that is there without memory.
template <class S>
struct KineticSplit {
  S memory, kinetic;
};

// A vector that begins at the last units of an array ends in the next one: there it adds zeros. On x86 the arrays are
// aligned: a long vector that crosses a cache line waits.
template <class S, int Units, int Causes, bool Split = false>
struct UnitArrays {
  static constexpr int kFirstKinetic = static_cast<int>(PerUnit::total) + Causes;
#if defined(__x86_64__) || defined(__i386__)
  static constexpr int kStride = padded<S>(Units);
  static constexpr std::size_t kAligned = kAlign<S>;
#else
  static constexpr int kStride = Units;
  static constexpr std::size_t kAligned = alignof(S);
#endif
  alignas(kAligned) S data[(kFirstKinetic + (Split ? kKineticArrays : 0)) * kStride + padded<S>(1) - 1];

  EMMY_INLINE constexpr S* operator[](PerUnitKinetic quantity) noexcept requires Split {
    return data + (kFirstKinetic + static_cast<int>(quantity)) * kStride;
  }
  EMMY_INLINE constexpr const S* operator[](PerUnitKinetic quantity) const noexcept requires Split {
    return data + (kFirstKinetic + static_cast<int>(quantity)) * kStride;
  }

  EMMY_INLINE constexpr S* operator[](PerUnitLaw quantity) noexcept {
    return data + static_cast<int>(quantity) * kStride;
  }
  EMMY_INLINE constexpr const S* operator[](PerUnitLaw quantity) const noexcept {
    return data + static_cast<int>(quantity) * kStride;
  }
  EMMY_INLINE constexpr S* operator[](PerUnit quantity) noexcept { return data + static_cast<int>(quantity) * kStride; }
  EMMY_INLINE constexpr const S* operator[](PerUnit quantity) const noexcept {
    return data + static_cast<int>(quantity) * kStride;
  }
  EMMY_INLINE constexpr S* total(int cause) noexcept { return (*this)[PerUnit::total] + cause * kStride; }
  EMMY_INLINE constexpr const S* total(int cause) const noexcept { return (*this)[PerUnit::total] + cause * kStride; }
};

// What the ledger needs to know of one tensor: the largest Euclidean norm and the largest sum of |v| of a row.
template <class S>
struct TensorFacts {
  S row_norm, row_sum;
};

// What the norms of a net told of this step, and the reference share of the gradient (BlockTerms::share).
template <class S, int Count>
struct Invariances {
  S along[Count], along_error[Count], across_error[Count];  // Invariance, one after the other
  S share;
};
template <class S>
struct Invariances<S, 0> {};

// What the bounds of mode Measure are made of.
template <class S, int Nodes, int Blocks>
struct Slack {
  S seen[Nodes], delta[Nodes];  // of each layer the sums of x^2 and dy^2
  S partner[Blocks];            // BlockTerms::partner
};
struct NoSlack {};

// Residuals of the last step over their bounds as mode Measure leaves them, a lane each, over / under. Only who asks divides.
template <class S>
struct Quotients {
  alignas(kAlign<S>) S over[padded<S>(1)];
  alignas(kAlign<S>) S under[padded<S>(1)];

  EMMY_INLINE constexpr S largest() const noexcept {
    S most = 0;
    for (int i = 0; i < padded<S>(1); ++i)
      if (over[i] > S(0) && !(over[i] <= most * under[i])) most = over[i] / under[i];
    return most;
  }
};
struct NoQuotients {};

// What a mode by law booked for a charge in the last step, in lanes that only who asks adds up.
inline constexpr int kCountByLaw = 5;
inline constexpr Cause kCausesByLaw[kCountByLaw] = {Cause::decay, Cause::momentum, Cause::discretisation,
                                                    Cause::rounding, Cause::unmeasured};
template <class S>
struct BookedByLaw {
  alignas(kAlign<S>) S amount[kCountByLaw][padded<S>(1)];
};
template <class S, int Charges>
struct StepByLaw {
  BookedByLaw<S> charge[Charges > 0 ? Charges : 1];
  unsigned booked;  // what kinds of amounts the last step had; all others are 0
};
struct NotByLaw {};

namespace detail {
template <class Net>
consteval int activity_offset(int tensor) {
  int at = 0;
  for (int t = 0; t < tensor; ++t) {
    const int channels = kPlan<Net>.tensor[t].channels;
    // Of another shape only the root is looked at.
    at +=
        channels == kPlan<Net>.tensor[kPlan<Net>.tensor[t].root].channels ? padded<typename Net::scalar>(channels) : 0;
  }
  return at;
}
}  // namespace detail

// Where the channels of a tensor start in `act_abs` and `delta_abs`.
template <class Net, int Tensor>
inline constexpr int kActivity = detail::activity_offset<Net>(Tensor);

// Watches Spec (Watch<...> or WatchAll) of Net. constinit-able; one ledger belongs to one trainer.
template <class Net, class Spec = WatchAll, class Mode = Audit>
struct Ledger {
  using scalar = typename Net::scalar;
  using net = Net;
  using spec = Spec;
  using symmetries = typename detail::Watched<Net, Spec>::list;  // Symmetries<...>, in the order of their charges
  using mode = Mode;
  static constexpr int kUnits = kCharges<Net, Spec>.units;
  static constexpr int kChargeCount = kCharges<Net, Spec>.kCharges;

  // The residual of the last measured step over its rounding bound, the worst of all charges, Noether identities and
  // check sums: at most 1 for sound hardware and right kernels. Infinity for a residual where none can be.
  EMMY_INLINE constexpr scalar health() const noexcept {
    if constexpr (kMeasuresByLaw<Mode>) return last_quotients.largest();
    else return last_ratio;
  }
  // The worst since the last reset.
  EMMY_INLINE constexpr scalar worst_health() const noexcept {
    scalar worst = worst_ratio;
    if constexpr (kMeasuresByLaw<Mode>)
      for (const Extremes<scalar>& e : extreme) worst = larger(worst, e.residual_ratio);
    return worst;
  }

  // The number of charges of a watched symmetry, the value of one, and its budget since the last reset.
  template <class Symmetry>
  static constexpr int kUnitsOf = kCharges<Net, Spec>.symmetry_unit[detail::index_in<Symmetry>(symmetries{}) + 1] -
                                  kCharges<Net, Spec>.symmetry_unit[detail::index_in<Symmetry>(symmetries{})];
  template <class Symmetry>
  EMMY_INLINE constexpr scalar charge(int unit) const noexcept {
    return units[PerUnit::charge][first<Symmetry>() + unit];
  }
  template <class Symmetry>
  EMMY_INLINE constexpr Budget<scalar> total(int unit) const noexcept {
    Budget<scalar> budget{};
    for (int c = 0; c < kKeptCauses<Net>; ++c) budget.amount[c] = units.total(c)[first<Symmetry>() + unit];
    return budget;
  }
  template <class Symmetry>
  EMMY_INLINE constexpr KineticSplit<scalar> kinetic(int unit) const noexcept {
    static_assert(kKinetic<Mode>,
                  "emmy: the kinetic split is kept by Ledger<Net, Spec, Kinetic> and Every<N, Kinetic>");
    return {units[PerUnitKinetic::memory][first<Symmetry>() + unit],
            units[PerUnitKinetic::kinetic][first<Symmetry>() + unit]};
  }
  // The budget of all units together.
  template <class Symmetry>
  EMMY_INLINE constexpr Budget<scalar> total() const noexcept {
    Budget<scalar> sum{};
    for (int u = 0; u < kUnitsOf<Symmetry>; ++u)
      for (int c = 0; c < kCauses; ++c) sum.amount[c] += total<Symmetry>(u).amount[c];
    return sum;
  }
  // The last measured step, all units of the symmetry together.
  template <class Symmetry>
  EMMY_INLINE constexpr Budget<scalar> step() const noexcept {
    Budget<scalar> sum{};
    for (int c = 0; c < kChargeCount; ++c)
      if (kCharges<Net, Spec>.unit[c] >= first<Symmetry>() &&
          kCharges<Net, Spec>.unit[c] < first<Symmetry>() + kUnitsOf<Symmetry>)
        add_step(c, sum);
    return sum;
  }
  // Worst cases of the symmetry since the last reset.
  template <class Symmetry>
  EMMY_INLINE constexpr Extremes<scalar> extremes() const noexcept {
    Extremes<scalar> worst{};
    for (int c = 0; c < kChargeCount; ++c) {
      if (kCharges<Net, Spec>.unit[c] < first<Symmetry>() ||
          kCharges<Net, Spec>.unit[c] >= first<Symmetry>() + kUnitsOf<Symmetry>)
        continue;
      const Extremes<scalar>& e = extreme[c];
      worst = {larger(worst.residual, e.residual), larger(worst.residual_ratio, e.residual_ratio),
               larger(worst.noether, e.noether), larger(worst.noether_ratio, e.noether_ratio),
               larger(worst.relative, e.relative)};
    }
    return worst;
  }

  // Forgets totals and worst cases; the charges stay.
  EMMY_INLINE constexpr void reset() noexcept {
    for (int c = 0; c < kKeptCauses<Net>; ++c)
      for (int u = 0; u < kUnits; ++u) units.total(c)[u] = 0;
    if constexpr (kKinetic<Mode>)
      for (int u = 0; u < kUnits; ++u) units[PerUnitKinetic::memory][u] = units[PerUnitKinetic::kinetic][u] = 0;
    for (auto& e : extreme) e = {};
    for (auto& b : last) b = {};
    by_law = {};
    last_ratio = worst_ratio = 0;
    last_quotients = {};
    steps = measured = 0;
  }
  // Say so after the weights were changed from outside (loaded, projected, snapped): the next step takes them as they
  // are instead of reporting a fault.
  EMMY_INLINE constexpr void resync() noexcept { known = false; }

  UnitArrays<scalar, (kUnits > 0 ? kUnits : 1), kKeptCauses<Net>, kKinetic<Mode>> units;
  Budget<scalar> last[kChargeCount > 0 ? kChargeCount : 1];  // by law that of an epsilon alone
  [[no_unique_address]] std::conditional_t<kByLaw<Mode>, StepByLaw<scalar, kChargeCount>, NotByLaw> by_law;
  Extremes<scalar> extreme[kChargeCount > 0 ? kChargeCount : 1];
  TensorFacts<scalar> act[kPlan<Net>.kTensors], delta[kPlan<Net>.kTensors];
  alignas(kAlign<scalar>) scalar act_abs[detail::activity_offset<Net>(kPlan<Net>.kTensors)];
  alignas(kAlign<scalar>) scalar delta_abs[detail::activity_offset<Net>(kPlan<Net>.kTensors)];
  scalar last_ratio, worst_ratio;
  long long steps, measured;
  bool known;        // are the recorded charges those of the current weights?
  bool translating;  // did the last loss keep the translation symmetry?
  bool turned;       // ... as one before it did not, so that these charges were not followed?
  bool
      unbounded;  // the last step had no activations to bound its Noether residuals with (`apply`); Measure then claims nothing
  [[no_unique_address]] Invariances<scalar, kInvariants<Net>> invariances;
  [[no_unique_address]] std::conditional_t<kMeasuresByLaw<Mode>, Slack<scalar, Net::kNodes, kPlan<Net>.kBlocks>,
                                           NoSlack>
      slack;
  [[no_unique_address]] std::conditional_t<kMeasuresByLaw<Mode>, Quotients<scalar>, NoQuotients> last_quotients;

  template <class Symmetry>
  static consteval int first() {
    constexpr int kIndex = detail::index_in<Symmetry>(typename detail::Watched<Net, Spec>::list{});
    static_assert(kIndex >= 0, "emmy: this ledger does not watch this symmetry; add it to Watch<...> or use WatchAll");
    return kCharges<Net, Spec>.symmetry_unit[kIndex];
  }
  EMMY_INLINE constexpr void add_step(int c, Budget<scalar>& sum) const noexcept {
    for (int k = 0; k < kCauses; ++k) sum.amount[k] += last[c].amount[k];
    if constexpr (kByLaw<Mode>)
      for (int k = 0; k < kCountByLaw; ++k)
        for (const scalar lane : by_law.charge[c].amount[k]) sum[kCausesByLaw[k]] += lane;
  }
  EMMY_INLINE static constexpr scalar larger(scalar a, scalar b) noexcept { return a > b ? a : b; }
};

// Trains without a ledger.
struct NoLedger {};

template <class Led>
inline constexpr bool kIsLedger = !__is_same(Led, NoLedger);

}  // namespace emmy
