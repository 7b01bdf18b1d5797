// Closing the books of a step, when all blocks are booked: what a norm's epsilon and a preconditioner made of each charge,
// residuals against their bounds, worst cases. The formulas are at the head of booking.hpp.
// Test: tests/noether/ledger_test.cpp, identity_test.cpp; tests/optim/adam_test.cpp.
#pragma once

#include <emmy/noether/booking.hpp>

namespace emmy::inline EMMY_TARGET {

// R^2 of a charge, part by part: every unit of it has the same lines.
template <class S>
EMMY_INLINE S squared_terms(const Charge& charge, const ChargePart& part, const PlannedBlock& block) noexcept {
  const LineTerms<S> line = part_terms<S>(charge, part, block);
  const Ratio weight = part.power == 1 ? part.weight : Ratio{1, 1};
  return (S(2) * line.r + S(6)) * line.n * magnitude(S(weight.numerator) / S(weight.denominator));
}
template <class S>
EMMY_INLINE S terms_of(const Charge& charge, const PlannedBlock* blocks) noexcept {
  S square = 0;
  for (int p = 0; p < charge.parts; ++p)
    square += squared_terms<S>(charge, charge.part[p], blocks[charge.part[p].block]);
  return root(square);
}

// What a norm's epsilon makes of B(g, theta), or the rounding of the norm, of n units of a charge from `unit` on, from those
// of all norms; zeros where none does.
template <class S>
EMMY_INLINE simd::Vec<S> of_norm(const Charge& charge, const S* all, int unit, int n) noexcept {
  auto sum = simd::zero<S>();
  if (charge.epsilons.numerator == 0) return sum;
  for (int line = 0; line < charge.epsilon_lines; ++line)
    sum = simd::add(sum, load_units(all + charge.invariant + line * charge.units + unit, n));
  return simd::mul(simd::set(S(charge.epsilons.numerator) / S(charge.epsilons.denominator)), sum);
}
template <class Net, class Spec, class Mode>
EMMY_INLINE void book_epsilon(Ledger<Net, Spec, Mode>& ledger, int c) noexcept {
  using S = typename Net::scalar;
  if constexpr (kInvariants<Net> != 0) {
    const Charge& charge = kCharges<Net, Spec>.charge[c];
    if (charge.epsilons.numerator == 0) return;
    for (int u = 0; u < charge.units; u += static_cast<int>(simd::lanes<S>())) {
      const int n = charge.units - u;
      auto moved = simd::mul(simd::set(S(-2) * ledger.invariances.share),
                             of_norm(charge, static_cast<const S*>(ledger.invariances.along), u, n));
      if constexpr (kKinetic<Mode>)
        moved =
            simd::mul(moved, load_units(ledger.units[PerUnitKinetic::reference] + kCharges<Net, Spec>.unit[c] + u, n));
      const auto book = [&](Cause cause, auto amount) EMMY_LAMBDA {
        S* total = ledger.units.total(static_cast<int>(cause)) + kCharges<Net, Spec>.unit[c] + u;
        store_units(simd::add(load_units(total, n), amount), total, n);
        ledger.last[c][cause] += simd::sum(amount);
      };
      book(Cause::epsilon, moved);
      if constexpr (!kByLaw<Mode>) book(Cause::noether, simd::neg(moved));  // of all of B(g, theta), so far
    }
  }
}

// What a preconditioner makes of each charge: breaking, noether and the kinetic split, from the second moments and B(d, theta)
// of all blocks. share: e but for the number of the unit, which replaces the sum of the second moments.
template <class Net, class Spec, class Mode, class Rule, class S>
EMMY_OUTLINE void book_kinetic(Ledger<Net, Spec, Mode>& ledger, const Rule& rule, S share) noexcept {
  auto& units = ledger.units;
  for (int c = 0; c < kCharges<Net, Spec>.kCharges; ++c) {
    const Charge& charge = kCharges<Net, Spec>.charge[c];
    if (charge.of_loss && !ledger.translating) continue;
    int entries = 0;
    for (int p = 0; p < charge.parts; ++p) {
      const PlannedBlock& block = kPlan<Net>.block[charge.part[p].block];
      if (block.trained) entries += block.rows * block.cols / charge.units;
    }
    const auto each = simd::set(entries > 0 ? S(1) / S(entries) : S(0)), twice = simd::set(S(2) * share);
    const int last = kCharges<Net, Spec>.unit[c + 1];
    auto of_step = simd::zero<S>();
    for (int u = kCharges<Net, Spec>.unit[c]; u < last; u += static_cast<int>(simd::lanes<S>())) {
      const int n = last - u;
      const auto add = [&](S* to, auto amount)
                           EMMY_LAMBDA { store_units(simd::add(load_units(to + u, n), amount), to + u, n); };
      S* reference = units[PerUnitKinetic::reference];
      const auto own = reference_scale(rule, simd::mul(each, load_units(reference + u, n)));
      store_units(own, reference + u, n);
      const auto e = simd::mul(twice, own), noether = simd::mul(e, load_units(units[PerUnit::noether] + u, n)),
                 memory = simd::mul(e, load_units(units[PerUnitKinetic::along] + u, n));
      add(units.total(static_cast<int>(Cause::breaking)), noether);
      add(units.total(static_cast<int>(Cause::noether)), simd::neg(noether));
      add(units[PerUnitKinetic::memory], simd::neg(memory));
      add(units[PerUnitKinetic::kinetic], memory);
      of_step = simd::add(of_step, noether);
    }
    ledger.last[c][Cause::breaking] += simd::sum(of_step);
    ledger.last[c][Cause::noether] -= simd::sum(of_step);
  }
}

// Closes the books of a step: residuals, bounds, worst cases, and whether the weights are those that the last step left.
template <class Net, class Spec, class Mode>
EMMY_OUTLINE void end_step(Ledger<Net, Spec, Mode>& ledger) noexcept {
  using S = typename Net::scalar;
  using V = simd::Vec<S>;
  constexpr S kRoot2 = S(1.4142135623730951), kUnit = kRoundoff<S>;
  constexpr int kRoundingCause = static_cast<int>(Cause::rounding),
                kUnmeasuredCause = static_cast<int>(Cause::unmeasured);
  const V endless = simd::set(S(__builtin_inf()));
  auto& units = ledger.units;
  for (int c = 0; c < kCharges<Net, Spec>.kCharges; ++c) {
    const Charge& charge = kCharges<Net, Spec>.charge[c];
    if (charge.of_loss && !ledger.translating) continue;
    const V terms = simd::set(kUnit * terms_of<S>(charge, kPlan<Net>.block));
    const int last = kCharges<Net, Spec>.unit[c + 1];
    V worst = simd::zero<S>(), of_charges = worst, noethers = worst, of_noethers = worst, relatives = worst,
      others = worst, rounding = worst, unmeasured = worst;
    for (int u = kCharges<Net, Spec>.unit[c]; u < last; u += static_cast<int>(simd::lanes<S>())) {
      const int n = last - u;
      const auto own = [&](const S* p) EMMY_LAMBDA { return load_units(p + u, n); };
      const V before = own(units[PerUnit::before]), after = own(units[PerUnit::after]),
              sum_before = own(units[PerUnit::sum_before]), sum_after = own(units[PerUnit::sum_after]);
      if (ledger.known && !(charge.of_loss && ledger.turned)) {
        const V moved = simd::sub(before, own(units[PerUnit::charge]));
        if constexpr (kAuditsAll<Mode>) {
          // The same weights summed in the same order give the same bits.
          const V sum_moved = simd::sub(sum_before, own(units[PerUnit::sum])), none = simd::zero<S>();
          others = simd::max(others, simd::select(simd::equal(moved, none), none, endless));
          others = simd::max(others, simd::select(simd::equal(sum_moved, none), none, endless));
        } else {
          unmeasured = simd::add(unmeasured, moved);
          store_units(simd::add(own(units.total(kUnmeasuredCause)), moved), units.total(kUnmeasuredCause) + u, n);
        }
      }
      // The bounds of the head of this file.
      const V weight = own(units[PerUnit::weight]), motion = own(units[PerUnit::motion]),
              size = own(units[PerUnit::size]), activity = own(units[PerUnit::activity]);
      V noether = own(units[PerUnit::noether]);
      const V a = simd::sqrt(simd::add(weight, simd::set(kLostToSquares<S> * kLostToSquares<S>))),
              b = simd::sqrt(motion);
      const V of_plain_sum = simd::mul(terms, simd::mul_add(simd::set(S(1) / kRoot2), b, a));
      const bool quadratic = charge.power == 2;
      V charge_bound = quadratic && !charge.is_mixed() ? simd::zero<S>() : of_plain_sum;
      if (quadratic)
        charge_bound =
            simd::mul_add(simd::set(kUnit),
                          simd::add(simd::mul_add(simd::mul(simd::set(kRoot2), a), b, weight), motion), charge_bound);
      const V steepness = simd::add(simd::sqrt(own(units[PerUnit::gradient])), simd::set(kLostToSquares<S>));
      V of_identity = quadratic ? simd::mul_add(a, steepness, simd::sqrt(simd::mul(activity, size))) : activity;
      if constexpr (kInvariants<Net> != 0) {
        const S *along = ledger.invariances.along, *error = ledger.invariances.along_error;
        const int unit = u - kCharges<Net, Spec>.unit[c];
        noether = simd::sub(noether, of_norm(charge, along, unit, n));
        of_identity = simd::add(of_identity, of_norm(charge, error, unit, n));
      }
      const V noether_bound = simd::mul(simd::set(kUnit), of_identity);
      const V residual = simd::sub(simd::sub(after, before), own(units[PerUnit::booked]));
      worst = simd::max(worst, simd::abs(residual));
      of_charges = simd::max(of_charges, ratio(residual, charge_bound));
      noethers = simd::max(noethers, simd::abs(noether));
      if (!ledger.unbounded) of_noethers = simd::max(of_noethers, ratio(noether, noether_bound));
      others = simd::max(
          others, ratio(simd::sub(simd::sub(sum_after, sum_before), own(units[PerUnit::sum_booked])), of_plain_sum));
      const V relative = simd::div(simd::abs(residual), quadratic ? size : simd::sqrt(size));
      relatives = simd::max(relatives, simd::select(simd::less(simd::zero<S>(), size), relative, simd::zero<S>()));
      rounding = simd::add(rounding, residual);
      store_units(simd::add(own(units.total(kRoundingCause)), residual), units.total(kRoundingCause) + u, n);
      store_units(after, units[PerUnit::charge] + u, n);
      store_units(sum_after, units[PerUnit::sum] + u, n);
    }
    const S of_charge = simd::max_lane(of_charges), of_noether = simd::max_lane(of_noethers);
    Extremes<S>& extreme = ledger.extreme[c];
    extreme.residual = larger(extreme.residual, simd::max_lane(worst));
    extreme.residual_ratio = larger(extreme.residual_ratio, of_charge);
    extreme.noether = larger(extreme.noether, simd::max_lane(noethers));
    extreme.noether_ratio = larger(extreme.noether_ratio, of_noether);
    extreme.relative = larger(extreme.relative, simd::max_lane(relatives));
    ledger.last_ratio = larger(ledger.last_ratio, larger(of_charge, larger(of_noether, simd::max_lane(others))));
    ledger.last[c].amount[kRoundingCause] += simd::sum(rounding);
    ledger.last[c].amount[kUnmeasuredCause] += simd::sum(unmeasured);
    book_epsilon(ledger, c);
  }
  ledger.worst_ratio = larger(ledger.worst_ratio, ledger.last_ratio);
  ledger.known = true;
  ledger.turned = false;
  ++ledger.measured;
}

}  // namespace emmy::inline EMMY_TARGET
