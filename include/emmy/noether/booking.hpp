// Booking: from the sums of one line of a block to the causes of its charges. Linear in the sums, so every block books
// its rows and columns as its sweep ends and no sum crosses layers.
//
// Quadratic charge, block with theta' = k theta - u, u0 = a0 g, reference share e = eta_ref (1 - tau) c, weight s:
//   decay = s ((k^2-1) tt - 2 (k-1) ut)      momentum = s (2 (a0 gt - ut) + uu - a0^2 gg)
//   breaking = 2 s (e - a0) gt               discretisation = s a0^2 gg               noether = -2 s e gt
// They add up to s ((k^2-1) tt - 2 k ut + uu), the exact change. Linear charge: the same with first order only.
// Rounding bound of a unit's charge, w_r the unit roundoff, r roundings a term, a^2 = sum_b |s| (2r+10) max(tt, nn),
// b^2 = sum_b |s| (r+3) uu:   w_r (a^2 + sqrt(2) a b + b^2), and of a plain sum of n terms  w_r R (a + b / sqrt(2)),
// R^2 = sum_b (2r+6) n. (The terms of theory.md with |sum u theta| <= sqrt(tt uu) and Cauchy-Schwarz over the blocks:
// a bound a little wider for two square roots a unit.)
// Bound of the Noether residual: each side is a sum over batch rows of delta times pre-activation; its scale is
// sum_r |delta_r| max_r |(x_r, 1)| |w| (incoming), sum_r |a_r| max_r |dy_r| |w| (outgoing), times the terms of each sum.
// Source: theory.md section 2 (booking order, rounding bound). Test: tests/noether/ledger_test.cpp.
#pragma once

#include <utility>

#include <emmy/kernels/update_sweep.hpp>
#include <emmy/noether/ledger.hpp>

namespace emmy {

// One block's numbers for one step.
template <class S>
struct BlockTerms {
  S k, a0;    // theta' = k theta - u, u0 = a0 g
  S share;    // e: what a0 is for a block that follows the reference rule
  S partner;  // bound of |w| / |theta| for a factor of a parametrised layer, else 1
};

template <class S>
inline constexpr S kRoundoff = sizeof(S) == 4 ? S(0x1p-24) : S(0x1p-53);

// Is this the step that the ledger measures?
template <class Led>
EMMY_INLINE bool measuring(const Led&) noexcept {
  return true;
}
template <class Net, class Spec, int N>
EMMY_INLINE bool measuring(const Ledger<Net, Spec, Every<N>>& ledger) noexcept {
  return ledger.steps % N == 0;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class S>
EMMY_INLINE S root(S x) noexcept {
  S r;
  simd::store_first(simd::sqrt(simd::set(x)), &r, 1);
  return r;
}
template <class S>
EMMY_INLINE S magnitude(S x) noexcept {
  if constexpr (sizeof(S) == 4) return __builtin_fabsf(x);
  else return __builtin_fabs(x);
}
template <class S>
EMMY_INLINE S larger(S a, S b) noexcept {
  return a > b ? a : b;
}
// |residual| over its bound: 0 for none, infinity where the bound allows none or the residual is not a number.
template <class S>
EMMY_INLINE S ratio(S residual, S bound) noexcept {
  const S a = magnitude(residual);
  if (a <= S(0)) return S(0);
  const S q = a / bound;
  return q >= S(0) ? q : S(__builtin_inf());
}

// Terms of a line of a block, and the roundings that a term of its sum meets.
template <class S>
struct LineTerms {
  S n, r;
};
template <class S>
EMMY_INLINE LineTerms<S> line_terms(const PlannedBlock& block, Axis line) noexcept {
  const S terms = S(line == Axis::column ? block.rows : block.cols);
  if (block.in_memory(line) == Axis::column) return {terms, S(block.lines + 2)};
  return {terms, S(block.width / static_cast<int>(simd::lanes<S>()) + 8)};
}

// Adds one part of a unit's charge.
template <int Power, bool Memoryless, class S>
EMMY_INLINE void book_part(UnitStep<S>& now, Budget<S>& step, Budget<S>& total, S weight, const Sums<S>& m,
                           const BlockTerms<S>& b, S r) noexcept {
  const S km1 = b.k - S(1), scale = magnitude(weight);
  const S ut = Memoryless ? b.a0 * m.gt : m.ut, uu = Memoryless ? b.a0 * b.a0 * m.gg : m.uu,
          u1 = Memoryless ? b.a0 * m.g1 : m.u1;
  const S largest = larger(m.tt, m.nn);
  S cause[5];
  if constexpr (Power == 2) {
    cause[0] = weight * (km1 * (b.k + S(1)) * m.tt - S(2) * km1 * ut);
    cause[1] = weight * (S(2) * (b.a0 * m.gt - ut) + uu - b.a0 * b.a0 * m.gg);
    cause[2] = weight * S(2) * (b.share - b.a0) * m.gt;
    cause[3] = weight * b.a0 * b.a0 * m.gg;
    cause[4] = weight * S(-2) * b.share * m.gt;
    now.before += weight * m.tt;
    now.after += weight * m.nn;
    now.booked += weight * (km1 * (b.k + S(1)) * m.tt - S(2) * b.k * ut + uu);
    now.noether += weight * m.gt;
    now.sum_before += m.t1;
    now.sum_after += m.n1;
    now.sum_booked += km1 * m.t1 - u1;
  } else {
    cause[0] = weight * km1 * m.t1;
    cause[1] = weight * (b.a0 * m.g1 - u1);
    cause[2] = weight * (b.share - b.a0) * m.g1;
    cause[3] = S(0);
    cause[4] = -weight * b.share * m.g1;
    now.before += weight * m.t1;
    now.after += weight * m.n1;
    now.booked += weight * (km1 * m.t1 - u1);
    now.noether += weight * m.g1 * S(0.5);
  }
  now.size += scale * largest;
  now.weight += scale * (S(2) * r + S(10)) * largest;
  now.motion += scale * (r + S(3)) * uu;
  now.gradient += scale * (r + S(3)) * m.gg;
  for (int c = 0; c < 5; ++c) {
    step.amount[c] += cause[c];
    total.amount[c] += cause[c];
  }
}

// This part's share of `activity`: for a quadratic charge the square of (terms x scale), for a linear one the scale of
// the residual itself.
template <class Net, int Block, bool Incoming, int Power, class Led, class S>
EMMY_INLINE S activity_of(const Led& ledger, int unit, S partner, S batch) noexcept {
  constexpr auto block = kPlan<Net>.block[Block];
  using N = node_at<Net, block.node>;
  constexpr int kIn = kPlan<Net>.tensor[N::kFrom].root, kOut = kPlan<Net>.tensor[block.node + 1].root;
  const S rows = batch * S(N::in::kPositions);
  if constexpr (Power == 1) {
    // The deltas of a row add up to 0 but for the rounding of p, which is absolute: p is up to 1.
    const S activity = block.role == Role::bias ? rows : ledger.act_abs[kActivity<Net, kIn> + unit];
    return activity * ((S(2) * S(block.cols) + S(16)) / batch + (rows + S(block.stride)) * ledger.delta[kOut].row_sum);
  } else {
    const S terms = S(2) * (S(Incoming ? N::in::kChannels : N::out::kChannels) + rows) + S(16);
    const S scale = Incoming ? ledger.delta_abs[kActivity<Net, kOut> + unit] * (S(1) + ledger.act[kIn].row_norm)
                             : ledger.act_abs[kActivity<Net, kIn> + unit] * ledger.delta[kOut].row_norm;
    return terms * scale * partner * terms * scale * partner;
  }
}

// f(constant<charge>, constant<part>) for every part of every charge.
template <class Net, class Spec, class F>
EMMY_INLINE void for_each_part(F&& f) noexcept {
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
    (f(std::integral_constant<int, I / Charge::kMaxParts>{}, std::integral_constant<int, I % Charge::kMaxParts>{}),
     ...);
  }
  (std::make_integer_sequence<int, kCharges<Net, Spec>.kCharges * Charge::kMaxParts>{});
}

// Books one line (unit `unit` along Line) of block Block into every charge that it is part of.
template <int Block, Axis Line, bool Memoryless, class Net, class Spec, class Mode, class S>
EMMY_OUTLINE void book_line(Ledger<Net, Spec, Mode>& ledger, int unit, const Sums<S>& m, const BlockTerms<S>& b,
                            S batch) noexcept {
  const S r = line_terms<S>(kPlan<Net>.block[Block], Line).r;
  for_each_part<Net, Spec>([&]<int At, int Index>(std::integral_constant<int, At>,
                                                  std::integral_constant<int, Index>) EMMY_LAMBDA {
    constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
    constexpr ChargePart part = charge.part[Index];
    if constexpr (Index < charge.parts && part.block == Block && part.axis == Line) {
      if (kCharges<Net, Spec>.kind[At] == Kind::translation && !ledger.translating) return;
      const S weight = S(part.weight.numerator) / S(part.weight.denominator);
      const int at = kCharges<Net, Spec>.unit[At] + unit;
      book_part<charge.power, Memoryless>(ledger.now[at], ledger.last[At], ledger.record[at].total, weight, m, b, r);
      ledger.now[at].activity +=
          magnitude(weight) * activity_of<Net, Block, part.is_incoming, charge.power>(ledger, unit, b.partner, batch);
    }
  });
}

template <class Net, class Spec, class Mode>
EMMY_INLINE void begin_step(Ledger<Net, Spec, Mode>& ledger) noexcept {
  for (auto& now : ledger.now) now = {};
  for (auto& step : ledger.last) step = {};
  ledger.last_ratio = 0;
}

// A row of a weight gradient against the sum it must have: sum_o dW[i, o] = sum_r x[r, i] sum_o dy[r, o]. Holds for any
// activation and any loss, and covers the biases that no charge sees.
template <class Net, class Spec, class Mode, class S>
EMMY_INLINE void check_row(Ledger<Net, Spec, Mode>& ledger, S got, S want, S bound) noexcept {
  ledger.last_ratio = larger(ledger.last_ratio, ratio(got - want, bound));
}

// The rounding bounds of one unit: of its charge, its plain sum and its Noether residual.
template <class S>
struct UnitBounds {
  S charge, sum, noether;
};
// terms: R of the head of this file.
template <class S>
EMMY_INLINE UnitBounds<S> bounds_of(const UnitStep<S>& now, int power, S terms) noexcept {
  constexpr S kRoot2 = S(1.4142135623730951), w = kRoundoff<S>;
  const S a = root(now.weight), b = root(now.motion);
  const S sum = w * terms * (a + b / kRoot2);
  if (power == 1) return {sum, sum, w * now.activity};
  return {w * (now.weight + kRoot2 * a * b + now.motion), sum,
          w * (root(now.activity * now.size) + a * root(now.gradient))};
}

// R of a charge: every unit of it has the same lines.
template <class S>
EMMY_INLINE S terms_of(const Charge& charge, const PlannedBlock* blocks) noexcept {
  S square = 0;
  for (int p = 0; p < charge.parts; ++p) {
    const LineTerms<S> line = line_terms<S>(blocks[charge.part[p].block], charge.part[p].axis);
    square += (S(2) * line.r + S(6)) * line.n;
  }
  return root(square);
}

// Closes the books of a step: residuals, bounds, worst cases, and whether the weights are those that the last step left.
template <class Net, class Spec, class Mode>
EMMY_OUTLINE void end_step(Ledger<Net, Spec, Mode>& ledger) noexcept {
  using S = typename Net::scalar;
  constexpr int kRoundingCause = static_cast<int>(Cause::rounding),
                kUnmeasuredCause = static_cast<int>(Cause::unmeasured);
  for (int c = 0; c < kCharges<Net, Spec>.kCharges; ++c) {
    if (kCharges<Net, Spec>.kind[c] == Kind::translation && !ledger.translating) continue;
    const Charge& charge = kCharges<Net, Spec>.charge[c];
    const S terms = terms_of<S>(charge, kPlan<Net>.block);
    Extremes<S>& worst = ledger.extreme[c];
    for (int u = kCharges<Net, Spec>.unit[c]; u < kCharges<Net, Spec>.unit[c + 1]; ++u) {
      const UnitStep<S>& now = ledger.now[u];
      UnitRecord<S>& record = ledger.record[u];
      if (ledger.known) {
        // Measure: the same weights summed in the same order give the same bits.
        const S moved = now.before - record.charge;
        if constexpr (__is_same(Mode, Measure)) {
          ledger.last_ratio = larger(ledger.last_ratio, ratio(moved, S(0)));
          ledger.last_ratio = larger(ledger.last_ratio, ratio(now.sum_before - record.sum, S(0)));
        } else {
          record.total.amount[kUnmeasuredCause] += moved;
          ledger.last[c].amount[kUnmeasuredCause] += moved;
        }
      }
      const UnitBounds<S> bound = bounds_of(now, charge.power, terms);
      const S residual = now.after - now.before - now.booked;
      const S of_charge = ratio(residual, bound.charge),
              of_noether = ledger.unbounded ? S(0) : ratio(now.noether, bound.noether);
      const S of_sum = ratio(now.sum_after - now.sum_before - now.sum_booked, bound.sum);
      worst.residual = larger(worst.residual, magnitude(residual));
      worst.residual_ratio = larger(worst.residual_ratio, of_charge);
      worst.noether = larger(worst.noether, magnitude(now.noether));
      worst.noether_ratio = larger(worst.noether_ratio, of_noether);
      if (now.size > S(0))
        worst.relative = larger(worst.relative, magnitude(residual) / (charge.power == 2 ? now.size : root(now.size)));
      ledger.last_ratio = larger(ledger.last_ratio, larger(of_charge, larger(of_noether, of_sum)));
      record.total.amount[kRoundingCause] += residual;
      ledger.last[c].amount[kRoundingCause] += residual;
      record.charge = now.after;
      record.sum = now.sum_after;
    }
  }
  ledger.worst_ratio = larger(ledger.worst_ratio, ledger.last_ratio);
  ledger.known = true;
  ++ledger.measured;
}

}  // namespace emmy::inline EMMY_TARGET
