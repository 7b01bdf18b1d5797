// Predicted charges: the exact discrete laws of theory.md section 2, with the Noether identity taken for granted.
//
//   k = 1 - eta lam, u = eta m, P = B(buf, theta):  U = B(u, theta) = eta beta P + a0 N
//   Q' = k^2 Q - 2 k U + |u|^2        P' = (k U - |u|^2) / eta + stored (k Q - U)
// N: what the epsilon of a norm makes of B(g, theta) (Scale), else 0.
// stored: what coupled decay puts into the buffer. Without memory beta = 0, u = a0 g. A linear charge C with Pc = sum buf:
// C' = k C - eta beta Pc, Pc' = beta Pc + stored C. Only |g|^2 and |u|^2 come from the step; the weights are read once,
// at the first step and after resync(). So a fault in weights or gradients shows nowhere: `health` stays 0.
// The laws need one (k, eta) for both sides of a charge: a rule that has them overloads law_rates (optim/rule.hpp). Test: tests/noether/predict_test.cpp.
#pragma once

#include <emmy/noether/closing.hpp>

namespace emmy {

// Has one of them a linear part and a quadratic one?
template <class Net, class Spec>
inline constexpr bool kHasMixed = [] {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    if (charge.is_mixed()) return true;
  return false;
}();

template <class Led>
inline constexpr bool kPredicts = false;
template <class Net, class Spec>
inline constexpr bool kPredicts<Ledger<Net, Spec, Predict>> = true;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Charges and memories from the weights themselves.
template <class Net, class Spec, class Mode, class S>
EMMY_OUTLINE void read_charges(Ledger<Net, Spec, Mode>& ledger, const S* theta, const S* buf) noexcept {
  for (int u = 0; u < ledger.kUnits; ++u) ledger.units[PerUnit::charge][u] = ledger.units[PerUnit::memory][u] = S(0);
  for_each_part<Net, Spec>(
      [&]<int At, int Index>(std::integral_constant<int, At>, std::integral_constant<int, Index>) EMMY_LAMBDA {
        constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
        if constexpr (Index < charge.parts) {
          if (charge.of_loss && !ledger.translating) return;
          constexpr ChargePart part = charge.part[Index];
          constexpr auto block = kPlan<Net>.block[part.block];
          const S weight = S(part.weight.numerator) / S(part.weight.denominator);
          for (int i = 0; i < block.rows; ++i)
            for (int o = 0; o < block.cols; ++o) {
              const int unit = kCharges<Net, Spec>.unit[At] + charge.unit_of(part, part.axis == Axis::row ? i : o);
              const S t = theta[block.offset + i * block.stride + o],
                      b = buf == nullptr ? S(0) : buf[block.offset + i * block.stride + o];
              ledger.units[PerUnit::charge][unit] += weight * (charge.power == 2 ? t * t : t);
              ledger.units[PerUnit::memory][unit] += weight * (charge.power == 2 ? b * t : b);
            }
        }
      });
  ledger.known = true;
}

// Adds what `count` lines of a block give to |g|^2 (in `booked`, times a0^2) and, for a rule with memory, |u|^2 (in `size`)
// of their charges. sums: those of a light meter, `stride` apart.
template <int Block, Axis Line, Motion How, class Net, class Spec, class S>
EMMY_INLINE void predict_lines(Ledger<Net, Spec, Predict>& ledger, int line, int count, const S* sums, int stride,
                               const BlockTerms<S>& b) noexcept {
  for_each_part<Net, Spec>([&]<int At, int Index>(std::integral_constant<int, At>,
                                                  std::integral_constant<int, Index>) EMMY_LAMBDA {
    constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
    constexpr ChargePart part = charge.part[Index];
    if constexpr (Index < charge.parts && part.block == Block && part.axis == Line && charge.power == 2) {
      constexpr auto kBlock = kPlan<Net>.block[Block];
      constexpr int kRun = detail::kRunOf<Net, Spec, At, Index>, kLines = Line == Axis::row ? kBlock.rows : kBlock.cols;
      const S weight = S(part.weight.numerator) / S(part.weight.denominator);
      for_runs<kRun, kLines>(line, count, [&](int first, int n) EMMY_LAMBDA {
        const int unit = kCharges<Net, Spec>.unit[At] + charge.unit_of(part, line + first);
        for (int i = 0; i < n; i += static_cast<int>(simd::lanes<S>())) {
          const auto sum = [&](int product) EMMY_LAMBDA {
            const S* p = sums + product * stride + first + i;
            if constexpr (charge.is_whole) return first_lane(simd::sum(simd::load(p)));
            else return kRun == kLines ? simd::load(p) : load_units(p, n - i);
          };
          const int at = charge.is_whole ? unit : unit + i;
          add_to(ledger.units[PerUnit::booked] + at, simd::mul(simd::set(weight * b.a0 * b.a0), sum(0)));
          if constexpr (How != Motion::plain)
            add_to(ledger.units[PerUnit::size] + at, simd::mul(simd::set(weight), sum(1)));
        }
      });
    }
  });
}

// Moves every charge by its law.
template <class Net, class Spec, class Rule>
EMMY_OUTLINE void end_prediction(Ledger<Net, Spec, Predict>& ledger, const Rule& rule) noexcept {
  using S = typename Net::scalar;
  using V = simd::Vec<S>;
  static_assert(
      requires { law_rates(rule); },
      "emmy: this rule has no closed law with equal rates on both sides of a charge; use Measure or Every<N> instead "
      "of Predict");
  static_assert(
      !kHasMixed<Net, Spec>,
      "emmy: the law of an ExpUnit needs the gradient of its bias, which Predict does not read: Watch<...> the "
      "other symmetries, or use Measure or Every<N>");
  if constexpr (requires { law_rates(rule); }) {
    const auto r = law_rates(rule);
    const S km1 = r.k - S(1), per_eta = r.eta > S(0) ? S(1) / r.eta : S(0);
    auto& units = ledger.units;
    const auto times = [](S factor, V v) EMMY_LAMBDA { return simd::mul(simd::set(factor), v); };
    for (int c = 0; c < kCharges<Net, Spec>.kCharges; ++c) {
      const Charge& charge = kCharges<Net, Spec>.charge[c];
      if (charge.of_loss && !ledger.translating) continue;
      const bool quadratic = charge.power == 2;
      if (!Rule::kHasMemory && !quadratic && km1 == S(0)) continue;  // it stays
      const int last = kCharges<Net, Spec>.unit[c + 1];
      V decayed = simd::zero<S>(), carried = decayed, second = decayed;  // of all units
      for (int u = kCharges<Net, Spec>.unit[c]; u < last; u += static_cast<int>(simd::lanes<S>())) {
        const int n = last - u;
        const auto own = [&](const S* p) EMMY_LAMBDA { return load_units(p + u, n); };
        const auto put = [&](V v, S* p) EMMY_LAMBDA { store_units(v, p + u, n); };
        const auto book = [&](Cause cause, V amount, V& sum) EMMY_LAMBDA {
          S* total = units.total(static_cast<int>(cause));
          put(simd::add(own(total), amount), total);
          sum = simd::add(sum, amount);
        };
        const V q = own(units[PerUnit::charge]), none = simd::zero<S>();
        V of_epsilon = none;  // a0 N
        if constexpr (kInvariants<Net> != 0)
          of_epsilon = times(ledger.invariances.share, of_norm(charge, static_cast<const S*>(ledger.invariances.along),
                                                               u - kCharges<Net, Spec>.unit[c], n));
        V decay = times(quadratic ? km1 * (r.k + S(1)) : km1, q), momentum = none, gg = none;
        if (quadratic) decay = simd::neg_mul_add(simd::set(S(2) * km1), of_epsilon, decay);
        if (quadratic) {
          gg = own(units[PerUnit::booked]);
          put(none, units[PerUnit::booked]);  // for the next step
        }
        if constexpr (Rule::kHasMemory) {  // else buf = 0
          const V memory = own(units[PerUnit::memory]), ut = times(r.eta * r.beta, memory);
          if (quadratic) {
            const V uu = own(units[PerUnit::size]);
            put(none, units[PerUnit::size]);
            decay = simd::neg_mul_add(simd::set(S(2) * km1), ut, decay);
            momentum = simd::neg_mul_add(simd::set(S(2)), ut, simd::sub(uu, gg));
            const V moved = simd::add(ut, of_epsilon);
            put(simd::mul_add(simd::set(r.stored), simd::sub(times(r.k, q), moved),
                              simd::mul_add(simd::set(per_eta), simd::sub(times(r.k, of_epsilon), uu),
                                            times(r.k * r.beta, memory))),
                units[PerUnit::memory]);
          } else {
            momentum = simd::neg(ut);
            put(simd::mul_add(simd::set(r.stored), q, times(r.beta, memory)), units[PerUnit::memory]);
          }
          book(Cause::momentum, momentum, carried);
        }
        const V along = times(S(-2), of_epsilon);
        put(simd::add(q, simd::add(simd::add(decay, momentum), simd::add(gg, along))), units[PerUnit::charge]);
        if (km1 != S(0)) book(Cause::decay, decay, decayed);
        book(Cause::discretisation, gg, second);
      }
      ledger.last[c][Cause::decay] += simd::sum(decayed);
      ledger.last[c][Cause::momentum] += simd::sum(carried);
      ledger.last[c][Cause::discretisation] += simd::sum(second);
      book_epsilon(ledger, c);
    }
    ++ledger.measured;
  }
}

}  // namespace emmy::inline EMMY_TARGET
