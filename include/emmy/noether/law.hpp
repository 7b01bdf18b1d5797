// Charges by the exact discrete laws of theory.md section 2, with the Noether identity taken for granted: modes Predict and
// Measure.
//
//   k = 1 - eta lam, u = eta m, P = B(buf, theta):  U = B(u, theta) = eta beta P + a0 N
//   Q' = k^2 Q - 2 k U + |u|^2        P' = (k U - |u|^2) / eta + stored (k Q - U)
// N: what the epsilon of a norm makes of B(g, theta) (Scale), else 0.
// stored: what coupled decay puts into the buffer. Without memory beta = 0, u = a0 g. A linear charge C with Pc = sum buf:
// C' = k C - eta beta Pc, Pc' = beta Pc + stored C. Only |g|^2 and |u|^2 come from the step; the weights are read once,
// at the first step and after resync().
//
// Predict takes Q' for the charge: a fault in weights or gradients shows nowhere, `health` stays 0. Measure sums the weights
// as they are written and takes that; what is left of Q' is the residual, and a fault where it is beyond its bound
//   w_r [(1 + 1 / sqrt 2) ((2r+10) max |theta|^2 + (r+3) |u|^2) + 2 (a0 + k eta beta doubt) ...]
// the first part as in booking.hpp, with sqrt 2 a b <= (a^2 + b^2) / sqrt 2; the rest is what rounding may make of N:
// |N| <= w_r sum_b c_b |theta_b|, c_b = terms sqrt(sum of x^2 sum of dy^2) over all rows (theory.md section 2 with Cauchy-Schwarz),
// and of U, where P carries the errors of the steps before: doubt' = k beta doubt + those of this step / eta.
// The laws need one (k, eta) for both sides of a charge: a rule that has them overloads law_rates (optim/rule.hpp).
// Test: tests/noether/predict_test.cpp.
#pragma once

#include <emmy/noether/booking_by_law.hpp>
#include <emmy/noether/closing.hpp>

namespace emmy {

// Has one of them a linear part and a quadratic one?
template <class Net, class Spec>
inline constexpr bool kHasMixed = [] {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    if (charge.is_mixed()) return true;
  return false;
}();

// Do weights of one of them stay, so that (k, eta) is not one on both sides?
template <class Net, class Spec>
inline constexpr bool kHasFrozenParts = [] {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    for (int p = 0; p < charge.parts; ++p)
      if (!kPlan<Net>.block[charge.part[p].block].trained) return true;
  return false;
}();

// Is it a ledger of mode Predict, of mode Measure, of one of them? Does it read charges before the step?
template <class Led>
inline constexpr bool kPredicts = false;
template <class Net, class Spec>
inline constexpr bool kPredicts<Ledger<Net, Spec, Predict>> = true;
template <class Led>
inline constexpr bool kMeasuresLaw = false;
template <class Net, class Spec, class Mode>
inline constexpr bool kMeasuresLaw<Ledger<Net, Spec, Mode>> = kMeasuresByLaw<Mode>;
template <class Led>
inline constexpr bool kReadsCharges = false;
template <class Net, class Spec, class Mode>
inline constexpr bool kReadsCharges<Ledger<Net, Spec, Mode>> = kReadsBefore<Mode>;
template <class Led>
inline constexpr bool kFollowsLaw = kPredicts<Led> || kMeasuresLaw<Led>;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// sum += term with the rounding error of the sum kept in `lost` (Kahan).
template <class S>
EMMY_INLINE void add_exactly(S term, S& sum, S& lost) noexcept {
  const S y = term - lost, t = sum + y;
  lost = (t - sum) - y;
  sum = t;
}
}  // namespace inner

// Charges and memories from the weights themselves.
template <class Net, class Spec, class Mode, class S>
EMMY_OUTLINE void read_charges(Ledger<Net, Spec, Mode>& ledger, const S* theta, const S* buf) noexcept {
  auto& units = ledger.units;
  const bool all = !ledger.known;  // else those alone that the last loss did not keep
  for (int c = 0; c < ledger.kChargeCount; ++c)
    for (int u = kCharges<Net, Spec>.unit[c]; u < kCharges<Net, Spec>.unit[c + 1]; ++u) {
      if (!all && !kCharges<Net, Spec>.charge[c].of_loss) continue;
      for (int k = 0; k < kLawArrays; ++k) units.data[k * units.kStride + u] = S(0);
      units[PerUnit::charge][u] = units[PerUnit::memory][u] = S(0);
    }
  S *lost = units[PerUnitLaw::won], *lost_memory = units[PerUnitLaw::lost];
  for_each_part<Net, Spec>([&]<int At, int Index>(std::integral_constant<int, At>,
                                                  std::integral_constant<int, Index>) EMMY_LAMBDA {
    constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
    if constexpr (Index < charge.parts) {
      if (charge.of_loss ? !ledger.translating : !all) return;
      constexpr ChargePart part = charge.part[Index];
      constexpr auto block = kPlan<Net>.block[part.block];
      const S weight = S(part.weight.numerator) / S(part.weight.denominator);
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) {
          const int unit = charge.is_whole
                               ? kCharges<Net, Spec>.unit[At]
                               : kCharges<Net, Spec>.unit[At] + charge.unit_of(part, part.axis == Axis::row ? i : o);
          const S t = theta[block.at(i, o)], b = buf == nullptr ? S(0) : buf[block.at(i, o)];
          const S memory = charge.power == 2 ? b * t : b;
          inner::add_exactly(weight * (charge.power == 2 ? t * t : t), units[PerUnit::charge][unit], lost[unit]);
          inner::add_exactly(weight * memory, units[PerUnit::memory][unit], lost_memory[unit]);
          units[PerUnitLaw::size][unit] += magnitude(weight) * t * t;
          units[PerUnitLaw::doubt][unit] += S(4) * magnitude(weight * memory);
        }
    }
  });
  for (int c = 0; c < ledger.kChargeCount; ++c)
    if (all || kCharges<Net, Spec>.charge[c].of_loss)
      for (int u = kCharges<Net, Spec>.unit[c]; u < kCharges<Net, Spec>.unit[c + 1]; ++u)
        lost[u] = lost_memory[u] = S(0);
  ledger.known = true;
  ledger.turned = false;
}

namespace inner {
// f(constant<index>) for every part of a charge, unrolled: what it computes of constants is one.
template <int C, class Net, class Spec, class F>
EMMY_INLINE void for_parts(F&& f) noexcept {
  [&]<int... P>(std::integer_sequence<int, P...>) EMMY_LAMBDA { (f(std::integral_constant<int, P>{}), ...); }
  (std::make_integer_sequence<int, kCharges<Net, Spec>.charge[C].parts>{});
}

// over / under becomes the larger of itself and a / b by lane, without a division. No denominator is 0.
template <class V>
EMMY_INLINE void keep_larger(V& over, V& under, V a, V b) noexcept {
  const auto stays = simd::less_equal(simd::mul(a, under), simd::mul(over, b));
  over = simd::select(stays, over, a), under = simd::select(stays, under, b);
}

// What rounding can make of 2 N of a charge, squared, but for the squares of its weights and of roundoff. Batch: 0 for
// gradients from elsewhere.
template <int C, int Batch, class Net, class Spec, class Mode>
EMMY_INLINE typename Net::scalar slack_of(const Ledger<Net, Spec, Mode>& ledger) noexcept {
  using S = typename Net::scalar;
  S all = S(-0.0);
  for_parts<C, Net, Spec>([&](auto index) EMMY_LAMBDA {
    constexpr const Charge& charge = kCharges<Net, Spec>.charge[C];
    constexpr ChargePart part = charge.part[decltype(index)::value];
    constexpr auto block = kPlan<Net>.block[part.block];
    using N = node_at<Net, block.node>;
    constexpr S kWeight = S(part.weight.numerator) / S(part.weight.denominator);
    const auto& slack = ledger.slack;
    constexpr S rows = S(Batch * N::out::kPositions);
    const S seen = slack.seen[block.node], delta = slack.delta[block.node];
    S square;
    if constexpr (charge.power == 2) {
      constexpr int kWindow = kWindowOf<typename N::layer>;
      constexpr int kTerms = kWindow * (part.is_incoming ? N::in::kChannels : N::out::kChannels) +
                             (kIsComposed<typename N::layer> ? block.rows * block.cols : 0) +
                             detail::kMostRoundings<Net>;
      const S partner = kHasPlainWeights<typename N::layer> ? S(1) : slack.partner[part.block],
              terms = S(4) * (S(kTerms) + rows) * partner;
      square = S(kWindow) * terms * terms * (seen * delta);
    } else if constexpr (charge.by_unit) {
      square = (rows + S(16)) * (rows + S(16)) * rows * delta;
    } else {
      // The deltas of a row add up to 0 but for rounding, theirs and that of a softmax or a norm.
      S own = S(2) * S(block.cols) + S(16);  // times 1 / batch, at most 1
      if constexpr (charge.invariant >= 0) own = ledger.invariances.across_error[charge.invariant];
      constexpr S kTerms = rows + S(block.turned ? block.cols : block.width);
      square = S(2) * kTerms * kTerms * S(block.cols) * (seen * delta) + S(2) * rows * own * own * seen;
    }
    all += magnitude(kWeight) * square;
  });
  return all;
}

// Below this rate u tells nothing of the gradient that the buffer took in.
template <class S>
inline constexpr S kLeastRate = S(0x1p-60);
// Moves the units of charge C by their law, and books what it leaves of what was measured; over / under: the worst of that over
// its bound, and of its square.
template <int C, int Batch, class Rule, class Net, class Spec, class Mode, class Rates, class Decays, class Squares,
          class V>
EMMY_INLINE void follow_law(Ledger<Net, Spec, Mode>& ledger, Rates r, Decays decays, typename Net::scalar share,
                            const Squares& plain_squares, V& over, V& under, V& over_square, V& under_square) noexcept {
  using S = typename Net::scalar;
  constexpr const Charge& charge = kCharges<Net, Spec>.charge[C];
  constexpr bool kMeasured = kMeasuresByLaw<Mode>, kReads = kReadsBefore<Mode>, kQuadratic = charge.power == 2;
  constexpr int kFirst = kCharges<Net, Spec>.unit[C], kUnits = kCharges<Net, Spec>.unit[C + 1] - kFirst;
  const int lanes = static_cast<int>(simd::lanes<S>());
  const S km1 = r.k - S(1), per_eta = Rule::kHasMemory && r.eta >= kLeastRate<S> ? S(1) / r.eta : S(0);
  const bool stays = !kMeasured && !Rule::kHasMemory && !kQuadratic && !decays;
  if ((charge.of_loss && !ledger.translating) || stays) return;
  auto& units = ledger.units;
  const auto times = [](S factor, V v) EMMY_LAMBDA { return simd::mul(simd::set(factor), v); };
  const V none = simd::zero<S>();
  const V nothing = simd::set(S(-0.0));  // the compiler leaves out a sum with it
  V decayed = nothing, carried = nothing, second = nothing, rounded = nothing, between = nothing;  // of all units
  [[maybe_unused]] const bool follows = ledger.known && !(charge.of_loss && ledger.turned);
  constexpr bool kHasNorms = kInvariants<Net> != 0, kByNorms = kHasNorms && (kQuadratic || charge.by_unit);
  // Squares are compared of a linear charge without memory: no roots.
  constexpr bool kSquared = !kQuadratic && !Rule::kHasMemory && !kByNorms;
  // Then, and of a quadratic one, the bound is linear in the squares that it is made of.
  constexpr bool kAffine = !Rule::kHasMemory && !kByNorms;
  [[maybe_unused]] S of_rounding = 0, of_linear = 0, of_weights = 0, of_motion = 0;
  if constexpr (kMeasured) {
    of_rounding = share * share * slack_of<C, Batch>(ledger) + kLostToSquares<S> * kLostToSquares<S>;
    S roundings = 0;  // of a term
    for_parts<C, Net, Spec>([&](auto index) EMMY_LAMBDA {
      constexpr ChargePart part = kCharges<Net, Spec>.charge[C].part[decltype(index)::value];
      roundings = larger(roundings, part_terms<S>(charge, part, kPlan<Net>.block[part.block]).r);
      of_linear += S(2) * squared_terms<S>(charge, part, kPlan<Net>.block[part.block]);
    });
    of_weights = S(2) * roundings + S(10), of_motion = roundings + S(3);
    constexpr S kUnit = kRoundoff<S>, kBoth = S(1.7072);
    if constexpr (kAffine && kQuadratic) {
      of_rounding = kUnit / of_weights * of_rounding + kLostToZero<S>;
      of_weights *= kUnit * (kBoth + S(0.25)), of_motion *= kUnit * kBoth;
    } else if constexpr (kAffine) {
      of_rounding = S(5) * kUnit * kUnit * of_rounding + kLostToZero<S>;
      of_linear *= S(1.25) * kUnit * kUnit, of_weights *= of_linear, of_motion *= of_linear;
    } else if constexpr (!kQuadratic) {
      of_rounding = root(of_rounding);
    }
  }
  Extremes<S>& extreme = ledger.extreme[C];
  // Beyond these is a record: of what is compared, its size or its square.
  [[maybe_unused]] V most = none, most_ratio = none, most_relative = none;
  [[maybe_unused]] const auto limit = [&]() EMMY_LAMBDA {
    const auto power = [](bool square, S v) EMMY_LAMBDA { return simd::set(square ? v * v : v); };
    most = power(kSquared, extreme.residual), most_ratio = power(kSquared, extreme.residual_ratio);
    most_relative = power(!kQuadratic, extreme.relative);
  };
  if constexpr (kMeasured) limit();
  const auto follow = [&](int u, int n) EMMY_LAMBDA {
    const auto own = [&](const S* p) EMMY_LAMBDA { return load_units(p + kFirst + u, n); };
    const auto put = [&](V v, S* p) EMMY_LAMBDA { store_units(v, p + kFirst + u, n); };
    const auto take = [&](PerUnitLaw of, auto lost) EMMY_LAMBDA {  // and clear it where the next step adds to it
      const V v = own(units[of]);
      if constexpr (!kMeasured || kSettingPart<Net, Spec, C, decltype(lost)::value> < 0) put(none, units[of]);
      return v;
    };
    constexpr std::bool_constant<false> kWon{};
    [[maybe_unused]] constexpr std::bool_constant<kQuadratic> kLost{};
    const auto book = [&](Cause cause, V amount, V& sum) EMMY_LAMBDA {
      S* total = units.total(static_cast<int>(cause));
      put(simd::add(own(total), amount), total);
      sum = simd::add(sum, amount);
    };
    V q = own(units[PerUnit::charge]), size_before = none;
    if constexpr (kReads) {
      const V last = q, won = take(PerUnitLaw::before_won, kWon), lost = take(PerUnitLaw::before_lost, kLost);
      q = kQuadratic ? simd::sub(won, lost) : won, size_before = kQuadratic ? simd::add(won, lost) : lost;
      if (follows) book(Cause::unmeasured, simd::sub(q, last), between);
    } else if constexpr (kMeasured) {
      size_before = own(units[PerUnitLaw::size]);
    }
    V of_epsilon = none;  // a0 N
    if constexpr (kHasNorms)
      of_epsilon =
          times(ledger.invariances.share, of_norm(charge, static_cast<const S*>(ledger.invariances.along), u, n));
    // |u|^2 of the plain step and of the whole one, signed and as sizes.
    V gg = none, uu = none, moved = none;
    if constexpr (!__is_same(Squares, FromBooks)) {
      static_assert(!kMeasured && !Rule::kHasMemory);
      if constexpr (kQuadratic) gg = plain_squares.template of<C>(u, n);
    } else if constexpr (kQuadratic || kMeasured) {
      const V won = take(PerUnitLaw::plain_won, kWon);
      if constexpr (kMeasured && kQuadratic) {
        const V lost = take(PerUnitLaw::plain_lost, kLost);
        gg = simd::sub(won, lost), moved = simd::add(won, lost);
      } else {
        gg = won, moved = won;
      }
      uu = gg;
      if constexpr (Rule::kHasMemory) {
        uu = take(PerUnitLaw::moved_won, kWon), moved = uu;
        if constexpr (kMeasured && kQuadratic) {
          const V lost = take(PerUnitLaw::moved_lost, kLost);
          moved = simd::add(uu, lost), uu = simd::sub(uu, lost);
        }
      }
    }
    V law = q;
    if (decays) {
      V decay = times(kQuadratic ? km1 * (r.k + S(1)) : km1, q);
      if constexpr (kQuadratic && kHasNorms) decay = simd::neg_mul_add(simd::set(S(2) * km1), of_epsilon, decay);
      if constexpr (kQuadratic && Rule::kHasMemory)
        decay = simd::neg_mul_add(simd::set(S(2) * km1 * r.eta * r.beta), own(units[PerUnit::memory]), decay);
      book(Cause::decay, decay, decayed);
      law = simd::add(law, decay);
    }
    if constexpr (Rule::kHasMemory) {  // else buf = 0
      const V memory = own(units[PerUnit::memory]), ut = times(r.eta * r.beta, memory);
      V momentum = simd::neg(ut);
      if constexpr (kQuadratic) {
        momentum = simd::neg_mul_add(simd::set(S(2)), ut, simd::sub(uu, gg));
        put(simd::mul_add(
                simd::set(r.stored), simd::sub(times(r.k, q), simd::add(ut, of_epsilon)),
                simd::mul_add(simd::set(per_eta), simd::sub(times(r.k, of_epsilon), uu), times(r.k * r.beta, memory))),
            units[PerUnit::memory]);
      } else {
        put(simd::mul_add(simd::set(r.stored), q, times(r.beta, memory)), units[PerUnit::memory]);
      }
      book(Cause::momentum, momentum, carried);
      law = simd::add(law, momentum);
    }
    if constexpr (kQuadratic) {
      book(Cause::discretisation, gg, second);
      law = simd::add(law, kHasNorms ? simd::neg_mul_add(simd::set(S(2)), of_epsilon, gg) : gg);
    }
    if constexpr (!kMeasured) {
      put(law, units[PerUnit::charge]);
    } else {
      const V won = take(PerUnitLaw::won, kWon), lost = take(PerUnitLaw::lost, kLost),
              size = kQuadratic ? simd::add(won, lost) : lost, after = kQuadratic ? simd::sub(won, lost) : won,
              largest = simd::max(size, size_before);
      put(after, units[PerUnit::charge]);
      if constexpr (!kReads) put(size, units[PerUnitLaw::size]);
      const V squares = simd::mul_add(simd::set(of_weights), largest, times(of_motion, moved));
      V of_noether = simd::set(of_rounding), bound = simd::add(squares, of_noether);
      if constexpr (!kAffine && kQuadratic) of_noether = simd::sqrt(times(of_rounding, largest));
      if constexpr (kByNorms)
        of_noether = simd::mul_add(
            simd::set(S(2) * ledger.invariances.share),
            kQuadratic ? of_norm(charge, static_cast<const S*>(ledger.invariances.along_error), u, n)
                       : load_units(ledger.invariances.across_error + (charge.by_unit ? charge.invariant : 0) + u, n),
            of_noether);
      if constexpr (!kAffine)
        bound = kQuadratic ? simd::mul_add(simd::set(S(1.7072)), squares, of_noether)
                           : simd::add(simd::sqrt(times(of_linear, squares)), of_noether);
      if constexpr (Rule::kHasMemory) {
        const V doubt = own(units[PerUnitLaw::doubt]);
        bound = simd::mul_add(simd::set(S(2) * magnitude(r.k) * r.eta * r.beta), doubt, bound);
        // What this step adds: of |u|^2 / eta and of theta u / eta, of a linear charge of u / eta; of what decay stores.
        const V stored = kQuadratic ? times(of_motion + S(5), largest) : simd::sqrt(times(of_linear, largest)),
                added = kQuadratic ? simd::mul_add(simd::set(S(8)), simd::sqrt(simd::mul(largest, moved)),
                                                   times(of_motion + S(5), moved))
                                   : simd::sqrt(times(of_linear, moved));
        put(simd::mul_add(
                simd::set(magnitude(r.k) * r.beta), doubt,
                simd::mul_add(simd::set(per_eta), simd::add(of_noether, added), times(magnitude(r.stored), stored))),
            units[PerUnitLaw::doubt]);
      }
      if constexpr (!kAffine) bound = simd::mul_add(simd::set(kRoundoff<S>), bound, simd::set(kLostToZero<S>));
      const V residual = simd::sub(after, law);
      book(Cause::rounding, residual, rounded);
      if constexpr (Batch == 0) return;  // nothing is claimed
      const V off = kSquared ? simd::mul(residual, residual) : simd::abs(residual);
      const auto keep = [&](V v) EMMY_LAMBDA {
        if constexpr (kSquared) keep_larger(over_square, under_square, v, bound);
        else keep_larger(over, under, v, bound);
      };
      keep(off);
      // Records are rare, and products cost less than quotients. What is no number is within no limit.
      const V of_bound = simd::min(most, simd::mul(most_ratio, bound)), of_size = simd::mul(most_relative, size);
      bool within;
      if constexpr (kSquared || kQuadratic) within = simd::all<V>(simd::less_equal(off, simd::min(of_bound, of_size)));
      else
        within = simd::all<V>(simd::less_equal(off, of_bound)) &&
                 simd::all<V>(simd::less_equal(simd::mul(off, off), of_size));
      if (!within) {
        const V endless = simd::set(S(__builtin_inf()));
        const auto known = [&](V v) EMMY_LAMBDA {
          return simd::select(simd::less_equal(v, endless), v, endless);
        };  // a fault
        keep(known(off));
        const V size_of = known(simd::abs(residual)),
                relative = known(simd::div(size_of, kQuadratic ? size : simd::sqrt(size)));
        const auto raise = [](S& record, V v) EMMY_LAMBDA { record = larger(record, simd::max_lane(v)); };
        raise(extreme.residual, size_of);
        raise(extreme.residual_ratio, known(simd::div(size_of, kSquared ? simd::sqrt(bound) : bound)));
        raise(extreme.relative, simd::select(simd::less(none, size), relative, none));
        limit();
      }
    }
  };
  int u = 0;
  for (; u + lanes <= kUnits; u += lanes) follow(u, lanes);
  if (u < kUnits) follow(u, kUnits - u);
  const auto put_step = [&](int cause, V amount)
                            EMMY_LAMBDA { simd::store(amount, ledger.by_law.charge[C].amount[cause]); };
  if (decays) put_step(0, decayed);
  if constexpr (Rule::kHasMemory) put_step(1, carried);
  if constexpr (kQuadratic) put_step(2, second);
  if constexpr (kMeasured) put_step(3, rounded);
  if constexpr (kReads) put_step(4, between);
  book_epsilon(ledger, C);
}
}  // namespace inner

// Closes the books of a step by the laws. Batch: 0 for gradients from elsewhere. squares: of<C>(unit, n), the |u|^2 of n
// units of charge C, signed, where the sweeps did not book them.
template <int Batch, class Net, class Spec, class Mode, class Rule, class Squares = FromBooks>
EMMY_OUTLINE void end_by_law(Ledger<Net, Spec, Mode>& ledger, const Rule& rule, typename Net::scalar share,
                             const Squares& squares = {}) noexcept {
  static_assert(
      requires { law_rates(rule); },
      "emmy: this rule has no closed law with equal rates on both sides of a charge; use Audit or Every<N, Audit> "
      "instead of Predict and Measure");
  static_assert(!kHasMixed<Net, Spec>,
                "emmy: the law of an ExpUnit needs the gradient of its bias, which Predict and Measure do not read: "
                "Watch<...> the "
                "other symmetries, or use Audit or Every<N, Audit>");
  static_assert(
      !kHasFrozenParts<Net, Spec>,
      "emmy: a charge of this net has frozen weights, whose law Predict and Measure do not know: Watch<...> the "
      "other symmetries, or use Audit or Every<N, Audit>");
  static_assert(!kReadsBefore<Mode> || !Rule::kHasMemory,
                "emmy: the law of a rule with momentum follows every step: take Measure, or Every<N, Audit>");
  if constexpr (requires { law_rates(rule); }) {
    using S = typename Net::scalar;
    auto over = simd::zero<S>(), under = simd::set(S(1)), over_square = over, under_square = under;
    const auto r = law_rates(rule);
    const bool decays = r.k != S(1);
    // Of what is not booked of this step, nothing may be left of another one.
    const unsigned books = decays | unsigned{Rule::kHasMemory} << 1 | unsigned{ledger.translating} << 2;
    if (books != ledger.by_law.booked) {
      for (auto& charge : ledger.by_law.charge) charge = {};
      ledger.by_law.booked = books;
    }
    const auto follow = [&](auto which) EMMY_LAMBDA {
      [&]<int... C>(std::integer_sequence<int, C...>) EMMY_LAMBDA {
        (inner::follow_law<C, Batch, Rule>(ledger, r, which, share, squares, over, under, over_square, under_square),
         ...);
      }
      (std::make_integer_sequence<int, kCharges<Net, Spec>.kCharges>{});
    };
    if constexpr (simd::kRegisters < 32) follow(decays);  // one text, asked at each vector
    else if (decays) follow(std::true_type{});
    else follow(std::false_type{});
    if constexpr (kMeasuresByLaw<Mode>) {
      inner::keep_larger(over, under, simd::sqrt(over_square), simd::sqrt(under_square));
      simd::store(over, ledger.last_quotients.over);
      simd::store(under, ledger.last_quotients.under);
    }
    if constexpr (kReadsBefore<Mode>) ledger.known = true, ledger.turned = false;
    // What the buffer took in unseen: the next step reads it.
    if (Rule::kHasMemory && (ledger.unbounded || r.eta < inner::kLeastRate<S>)) ledger.known = false;
    ++ledger.measured;
  }
}

}  // namespace emmy::inline EMMY_TARGET
