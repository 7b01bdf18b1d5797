// Booking: from the sums of one line of a block to the causes of its charges. Linear in the sums, so every block books
// its rows and columns as its sweep ends and no sum crosses layers.
//
// Quadratic charge, block with theta' = k theta - u, u0 = a0 g, reference share e = eta_ref (1 - tau) c, weight s:
//   decay = s ((k^2-1) tt - 2 (k-1) ut)      momentum = s (2 (a0 gt - ut) + uu - a0^2 gg)
//   breaking = 2 s (e - a0) gt               discretisation = s a0^2 gg               noether = -2 s e gt
// They add up to s ((k^2-1) tt - 2 k ut + uu), the exact change. Linear charge: the same with first order only.
// A general u0 is no multiple of g: u0t and u0u0 stand where a0 gt and a0^2 gg are. With a preconditioner e = eta c, c the
// number of the unit, known when all its blocks have been swept: breaking and noether get their 2 e N at the end.
// Rounding bound of a unit's charge, w_r the unit roundoff, r roundings a term, a^2 = sum_b |s| (2r+10) max(tt, nn),
// b^2 = sum_b |s| (r+3) uu:   w_r (a^2 + sqrt(2) a b + b^2), and of a plain sum of n terms  w_r R (a + b / sqrt(2)),
// R^2 = sum_b (2r+6) n. (The terms of theory.md with |sum u theta| <= sqrt(tt uu) and Cauchy-Schwarz over the blocks:
// a bound a little wider for two square roots a unit.)
// A mixed charge (a bias, weights) adds both bounds up; a linear part counts as entries of size 1 as well.
// Bound of the Noether residual: each side is a sum over batch rows of delta times pre-activation; its scale is
// sum_r |delta_r| max_r |(x_r, 1)| |w| (incoming), sum_r |a_r| max_r |dy_r| |w| (outgoing), times the terms of each sum.
// Of a norm x_r is what it makes before its gain; of a convolution x_r is a window, an outgoing unit several rows, each of
// which brings its own scale, or of a depthwise one a column, with the taps' square root of that scale.
// A norm's epsilon makes N_eps of B(g, theta): epsilon = -2 s e N_eps, taken out of noether and of the residual, whose
// bound takes in the rounding of the norm's own sums (Invariance).
// Source: theory.md section 2 (booking order, rounding bound). Test: tests/noether/ledger_test.cpp, identity_test.cpp.
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

namespace detail {
// The tensor whose values the rows of a block meet: what the layer reads, or, of recurrent weights and the last ones of
// attention, what it makes.
template <class Net>
EMMY_INLINE constexpr int met_by(int block) noexcept {
  const int node = kPlan<Net>.block[block].node;
  const auto& tensor = kPlan<Net>.tensor;
  if (kFacts<Net>.node[node].inner_block == block - kPlan<Net>.first_block[node]) return tensor[node + 1].root;
  return tensor[kFacts<Net>.node[node].from].root;
}
// Lines of a part that follow each other in its units and in the channels that they are made of; beyond them either starts
// again (a window, or the positions behind a Flatten).
template <class Net>
consteval int run_of(const Charge& charge, const ChargePart& part) {
  const PlannedBlock& block = kPlan<Net>.block[part.block];
  const int lines = part.axis == Axis::row ? block.rows : block.cols;
  if (part.is_incoming || block.role == Role::bias) return lines;
  const int channels = kPlan<Net>.tensor[met_by<Net>(part.block)].channels;
  const int run = part.lines > 1 ? charge.units : channels;
  return run < lines ? run : lines;
}
template <class Net, class Spec, int At, int Index>
inline constexpr int kRunOf = run_of<Net>(kCharges<Net, Spec>.charge[At], kCharges<Net, Spec>.charge[At].part[Index]);
// The least whole number whose square is at least N.
template <int N>
inline constexpr int kRootAbove = [] {
  int root = 1;
  while (root * root < N) ++root;
  return root;
}();
// Of a value in any layer without weights.
template <class Net>
inline constexpr int kMostRoundings = []<int... I>(std::integer_sequence<int, I...>) {
  int most = 0;
  const auto meet = [&](int own) { most = own > most ? own : most; };
  (meet(kRoundingsOf<typename node_at<Net, I>::layer, typename node_at<Net, I>::in>), ...);
  return most;
}
(std::make_integer_sequence<int, Net::kNodes>{});
}  // namespace detail

// Is this the step that the ledger measures?
template <class Led>
EMMY_INLINE bool measuring(const Led&) noexcept {
  return true;
}
template <class Net, class Spec, int N, class How>
EMMY_INLINE bool measuring(const Ledger<Net, Spec, Every<N, How>>& ledger) noexcept {
  return ledger.steps % N == 0;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class S>
EMMY_INLINE S magnitude(S x) noexcept {
  if constexpr (sizeof(S) == 4) return __builtin_fabsf(x);
  else return __builtin_fabs(x);
}
// a*b + c, fused where that is one instruction.
template <class S>
EMMY_INLINE S fused_mul_add(S a, S b, S c) noexcept {
  if constexpr (EMMY_FUSES_F32 && sizeof(S) == 4) return __builtin_fmaf(a, b, c);
  else if constexpr (EMMY_FUSES_F64 && sizeof(S) == 8) return __builtin_fma(a, b, c);
  else return a * b + c;
}
template <class S>
EMMY_INLINE S larger(S a, S b) noexcept {
  return a > b ? a : b;
}
// |residual| over its bound: 0 for none, infinity where the bound allows none or the residual is not a number.
template <class V>
EMMY_INLINE V ratio(V residual, V bound) noexcept {
  using S = simd::Scalar<V>;
  const V a = simd::abs(residual), q = simd::div(a, simd::add(bound, simd::set(kLostToZero<S>))),
          none = simd::zero<S>();
  const V known = simd::select(simd::less_equal(none, q), q, simd::set(S(__builtin_inf())));
  return simd::select(simd::less_equal(a, none), none, known);
}

// A one in each of the first n lanes.
template <class T>
struct Ones {
  alignas(kAlign<T>) T value[padded<T>(1)];
};
template <class T>
inline constexpr Ones<T> kOnes = [] {
  Ones<T> ones{};
  for (auto& one : ones.value) one = T(1);
  return ones;
}();
template <class T, class V>
EMMY_INLINE void add_to(T* p, V v) noexcept {
  simd::store(simd::add(simd::load(p), v), p);
}

// Terms of a unit's lines in a block, and the roundings that a term of its sum meets: those of a line and those of adding
// lines up.
template <class S>
struct LineTerms {
  S n, r;
};
template <class S>
EMMY_INLINE LineTerms<S> line_terms(const PlannedBlock& block, Axis line, int lines) noexcept {
  const S terms = S(lines * (line == Axis::column ? block.rows : block.cols));
  if (block.in_memory(line) == Axis::column) return {terms, S(block.lines + 1 + lines)};
  return {terms, S(block.width / static_cast<int>(simd::lanes<S>()) + 7 + lines)};
}

// The same of a part. Lines of a whole charge are also added up across lanes.
template <class S>
EMMY_INLINE LineTerms<S> part_terms(const Charge& charge, const ChargePart& part, const PlannedBlock& block) noexcept {
  LineTerms<S> terms = line_terms<S>(block, part.axis, part.lines);
  if (charge.is_whole) terms.r += S(8);
  return terms;
}

// f(first, n) for the runs in `count` lines from `line` on, `first` counted from there.
template <int Run, int Lines, class F>
EMMY_INLINE void for_runs(int line, int count, F&& f) noexcept {
  if constexpr (Run == Lines) {
    f(0, count);
  } else {
    for (int first = 0; first < count;) {
      const int left = Run - (line + first) % Run, n = count - first < left ? count - first : left;
      f(first, n);
      first += n;
    }
  }
}

// Adds one part of the charges of a vector of units from `at` on: p their sums, `stride` apart. What lies beyond the units
// has sums of zero, so that what is added there changes nothing; Partial: beyond n others follow; Whole: all lines are of
// one unit.
template <int Power, bool Mixed, Motion How, bool Preconditioned, bool Partial, bool Whole, class Units, class S>
EMMY_INLINE void book_part(Units& units, Budget<S>& step, int at, S weight, const S* p, int n, int stride,
                           const BlockTerms<S>& b, S r) noexcept {
  using V = simd::Vec<S>;
  const S km1 = b.k - S(1), scale = magnitude(weight);
  const auto sum = [&](LineSum product) EMMY_LAMBDA {
    if constexpr (Whole) return first_lane(simd::sum(simd::load(p + product * stride)));
    else if constexpr (Partial) return load_units(p + product * stride, n);
    else return simd::load(p + product * stride);
  };
  const auto times = [](S factor, V v) EMMY_LAMBDA { return simd::mul(simd::set(factor), v); };
  const auto cause = [&](Cause c, V amount) EMMY_LAMBDA {
    add_to(units.total(static_cast<int>(c)) + at, amount);
    step[c] += simd::sum(amount);
  };
  constexpr bool kPlain = How == Motion::plain, kGeneral = How == Motion::general;
  const V tt = sum(kTt), nn = sum(kNn), gt = sum(kGt), gg = sum(kGg), t1 = sum(kT1), n1 = sum(kN1), g1 = sum(kG1);
  const V ut = kPlain ? times(b.a0, gt) : sum(kUt), uu = kPlain ? times(b.a0 * b.a0, gg) : sum(kUu),
          u1 = kPlain ? times(b.a0, g1) : sum(kU1);
  if constexpr (Power == 2) {
    V booked = simd::neg_mul_add(simd::set(S(2) * b.k), ut, uu);
    if (km1 != S(0)) {
      const V decay = times(km1 * (b.k + S(1)), tt);
      booked = simd::add(booked, decay);
      cause(Cause::decay, times(weight, simd::neg_mul_add(simd::set(S(2) * km1), ut, decay)));
    }
    if constexpr (kGeneral)
      cause(Cause::momentum,
            times(weight, simd::mul_add(simd::set(S(2)), simd::sub(sum(kU0t), ut), simd::sub(uu, sum(kU0u0)))));
    else if constexpr (!kPlain)
      cause(Cause::momentum,
            times(weight, simd::neg_mul_add(simd::set(b.a0 * b.a0), gg,
                                            simd::mul_add(simd::set(S(2)), simd::sub(times(b.a0, gt), ut), uu))));
    if constexpr (kGeneral) {
      const V along = Preconditioned ? simd::zero<S>() : times(b.share, gt);
      cause(Cause::breaking, times(weight * S(2), simd::sub(along, sum(kU0t))));
      cause(Cause::discretisation, times(weight, sum(kU0u0)));
    } else {
      if (b.share != b.a0) cause(Cause::breaking, times(weight * S(2) * (b.share - b.a0), gt));
      cause(Cause::discretisation, times(weight * b.a0 * b.a0, gg));
    }
    if constexpr (Preconditioned) {
      add_to(units[PerUnitKinetic::along] + at, times(weight, sum(kDt)));
      add_to(units[PerUnitKinetic::kinetic] + at, times(weight * S(-2), ut));
    } else {
      cause(Cause::noether, times(weight * S(-2) * b.share, gt));
    }
    add_to(units[PerUnit::before] + at, times(weight, tt));
    add_to(units[PerUnit::after] + at, times(weight, nn));
    add_to(units[PerUnit::booked] + at, times(weight, booked));
    add_to(units[PerUnit::noether] + at, times(weight, gt));
    add_to(units[PerUnit::sum_before] + at, t1);
    add_to(units[PerUnit::sum_after] + at, n1);
    add_to(units[PerUnit::sum_booked] + at, simd::sub(times(km1, t1), u1));
  } else {
    const V booked = times(weight, simd::sub(times(km1, t1), u1));
    if (km1 != S(0)) cause(Cause::decay, times(weight * km1, t1));
    if constexpr (kGeneral) {
      const V along = Preconditioned ? simd::zero<S>() : times(b.share, g1);
      cause(Cause::momentum, times(weight, simd::sub(sum(kU01), u1)));
      cause(Cause::breaking, times(weight, simd::sub(along, sum(kU01))));
    } else {
      if constexpr (!kPlain) cause(Cause::momentum, times(weight, simd::sub(times(b.a0, g1), u1)));
      if (b.share != b.a0) cause(Cause::breaking, times(weight * (b.share - b.a0), g1));
    }
    if constexpr (Preconditioned) add_to(units[PerUnitKinetic::kinetic] + at, times(-weight, u1));
    else cause(Cause::noether, times(-weight * b.share, g1));
    add_to(units[PerUnit::before] + at, times(weight, t1));
    add_to(units[PerUnit::after] + at, times(weight, n1));
    add_to(units[PerUnit::booked] + at, booked);
    add_to(units[PerUnit::noether] + at, times(weight * S(0.5), g1));
  }
  if constexpr (Preconditioned) add_to(units[PerUnitKinetic::reference] + at, sum(kV1));
  const V largest = simd::max(tt, nn);
  add_to(units[PerUnit::size] + at, times(scale, Mixed ? simd::add(largest, load_units(kOnes<S>.value, n)) : largest));
  add_to(units[PerUnit::weight] + at, times(scale * (S(2) * r + S(10)), largest));
  add_to(units[PerUnit::motion] + at, times(scale * (r + S(3)), uu));
  add_to(units[PerUnit::gradient] + at, times(scale * (r + S(3)), gg));
}

// This part's share of `activity` for n lines from `line` on, of one run: for a quadratic charge the square of (terms x
// scale), for a linear one the scale of the residual itself.
template <class Net, int Block, bool Incoming, int Power, int Invariant, bool ByUnit, class Led, class S>
EMMY_INLINE simd::Vec<S> activity_of(const Led& ledger, int line, int n, S partner, S batch) noexcept {
  constexpr auto block = kPlan<Net>.block[Block];
  using N = node_at<Net, block.node>;
  constexpr int kIn = detail::met_by<Net>(Block), kOut = kPlan<Net>.tensor[block.node + 1].root;
  constexpr bool kOfStates = kIn == kOut;  // recurrent weights
  constexpr int kWindow = kWindowOf<typename N::layer>;
  // A row of x is a window of so many rows of its tensor, or all of them as one.
  constexpr int kRowsOfX = kOfStates ? 1 : kWindow * kPlan<Net>.tensor[kIn].positions / N::in::kPositions;
  constexpr S kRowsSeen = S(detail::kRootAbove<kRowsOfX>);
  constexpr S kTapsOfUnit = S(kIsByChannel<typename N::layer> ? detail::kRootAbove<kWindow> : 1);
  const S rows = batch * S(N::out::kPositions);
  const auto activity = [&]() EMMY_LAMBDA {
    return load_units(ledger.act_abs + kActivity<Net, kIn> + line % kPlan<Net>.tensor[kIn].channels, n);
  };
  if constexpr (kIsComposed<typename N::layer>) {
    // Its factors meet the gradient of all weights, at most rows (1 + |x|) |dy|.
    const S scale = S(2) * (S(block.rows * block.cols) + rows + S(16)) * rows *
                        (S(1) + kRowsSeen * ledger.act[kIn].row_norm +
                         (kIsRecurrent<typename N::layer> ? ledger.act[kOut].row_norm : S(0))) *
                        ledger.delta[kOut].row_norm * partner +
                    kLostToSquares<S>;
    return simd::mul(simd::set(scale * scale), load_units(kOnes<S>.value, n));
  } else if constexpr (Power == 1 && ByUnit) {
    // The deltas of a column before a BatchNorm add up to 0 but for what rounding makes there and in their sum.
    const auto sum = simd::mul(simd::set(rows + S(16)), load_units(ledger.delta_abs + kActivity<Net, kOut> + line, n));
    return simd::add(sum, load_units(ledger.invariances.across_error + Invariant + line, n));
  } else if constexpr (Power == 1) {
    // The deltas of a row add up to 0 but for the rounding of p, which is absolute: p is up to 1.
    // Those of a row before a norm, but for what rounding makes there.
    S scale = (rows + S(block.turned ? block.cols : block.width)) * ledger.delta[kOut].row_sum;
    if constexpr (Invariant >= 0) scale += ledger.invariances.across_error[Invariant];
    else scale += (S(2) * S(block.cols) + S(16)) / batch;
    if constexpr (block.role == Role::bias) return simd::mul(simd::set(rows * scale), load_units(kOnes<S>.value, n));
    else return simd::mul(simd::set(scale), activity());
  } else {
    const S terms =
        S(2) * (S(kWindow * (Incoming ? N::in::kChannels : N::out::kChannels)) + rows + S(detail::kMostRoundings<Net>));
    // Of what a norm makes of its channels, or of a batch: no value is larger than the root of its rows.
    const S seen = kIsUnitInvariant<typename N::layer> ? root(rows)
                   : kIsNorm<typename N::layer>        ? S(detail::kRootAbove<N::in::kChannels>)
                                                       : kRowsSeen * ledger.act[kIn].row_norm;
    const auto product =
        Incoming ? simd::mul(simd::set(terms * (S(1) + seen) * partner),
                             load_units(ledger.delta_abs + kActivity<Net, kOut> + line, n))
                 : simd::mul(simd::set(terms * kTapsOfUnit * ledger.delta[kOut].row_norm * partner), activity());
    const auto scaled = simd::mul_add(simd::set(kLostToSquares<S>), load_units(kOnes<S>.value, n), product);
    return simd::mul(scaled, scaled);
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

// Books `count` lines of block Block (from number `line` along Line on) into every charge that they are part of. Their sums
// are at sums + product * stride, zero up to a whole vector.
template <int Block, Axis Line, Motion How, bool Preconditioned, class Net, class Spec, class Mode, class S>
EMMY_OUTLINE void book_lines(Ledger<Net, Spec, Mode>& ledger, int line, int count, const S* sums, int stride,
                             const BlockTerms<S>& b, S batch) noexcept {
  const int lanes = static_cast<int>(simd::lanes<S>());
  constexpr auto kBlock = kPlan<Net>.block[Block];
  constexpr int kLines = Line == Axis::row ? kBlock.rows : kBlock.cols;
  for_each_part<Net, Spec>(
      [&]<int At, int Index>(std::integral_constant<int, At>, std::integral_constant<int, Index>) EMMY_LAMBDA {
        constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
        constexpr ChargePart part = charge.part[Index];
        if constexpr (Index < charge.parts && part.block == Block && part.axis == Line) {
          if (charge.of_loss && !ledger.translating) return;
          constexpr int kRun = detail::kRunOf<Net, Spec, At, Index>;
          const S weight = S(part.weight.numerator) / S(part.weight.denominator);
          const S r = part_terms<S>(charge, part, kPlan<Net>.block[Block]).r;
          for_runs<kRun, kLines>(line, count, [&](int first, int n) EMMY_LAMBDA {
            const int unit = kCharges<Net, Spec>.unit[At] + charge.unit_of(part, line + first);
            for (int i = 0; i < n; i += lanes) {
              const int at = charge.is_whole ? unit : unit + i;
              book_part<part.power, part.power != charge.power, How, Preconditioned, kRun != kLines, charge.is_whole>(
                  ledger.units, ledger.last[At], at, weight, sums + first + i, n - i, stride, b, r);
              auto activity = activity_of<Net, Block, part.is_incoming, charge.power, charge.invariant, charge.by_unit>(
                  ledger, line + first + i, n - i, b.partner, batch);
              if constexpr (charge.is_whole) activity = first_lane(simd::sum(activity));
              add_to(ledger.units[PerUnit::activity] + at, simd::mul(simd::set(magnitude(weight)), activity));
            }
          });
        }
      });
}

template <class Net, class Spec, class Mode>
EMMY_INLINE void begin_step(Ledger<Net, Spec, Mode>& ledger) noexcept {
  for (int k = 0; k < kStepArrays * ledger.units.kStride; ++k) ledger.units.data[k] = 0;
  if constexpr (kKinetic<Mode>)
    for (int u = 0; u < ledger.kUnits; ++u)
      ledger.units[PerUnitKinetic::reference][u] = ledger.units[PerUnitKinetic::along][u] = 0;
  for (auto& step : ledger.last) step = {};
  ledger.last_ratio = 0;
}

// n rows of a weight gradient against the sums that they must have: sum_o dW[i, o] = sum_r x[r, i] sum_o dy[r, o]. Holds
// for any activation and any loss, and covers the biases that no charge sees. bound: scale times activity.
template <class Net, class Spec, class Mode, class S>
EMMY_INLINE void check_rows(Ledger<Net, Spec, Mode>& ledger, int n, const S* got, const S* want, S scale,
                            const S* activity) noexcept {
  for (int i = 0; i < n; i += static_cast<int>(simd::lanes<S>())) {
    const auto q = ratio(simd::sub(load_units(got + i, n - i), load_units(want + i, n - i)),
                         simd::mul(simd::set(scale), load_units(activity + i, n - i)));
    ledger.last_ratio = larger(ledger.last_ratio, simd::max_lane(q));
  }
}

}  // namespace emmy::inline EMMY_TARGET
