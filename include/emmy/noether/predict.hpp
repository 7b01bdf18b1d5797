// Predicted charges: the exact discrete laws of theory.md section 2, with the Noether identity taken for granted.
//
//   k = 1 - eta lam, u = eta m, P = B(buf, theta):  B(u, theta) = eta beta P
//   Q' = k^2 Q - 2 k eta beta P + |u|^2        P' = k beta P - |u|^2 / eta + stored (k Q - eta beta P)
// stored: what coupled decay puts into the buffer. Without memory beta = 0, u = a0 g. A linear charge C with Pc = sum buf:
// C' = k C - eta beta Pc, Pc' = beta Pc + stored C. Only |g|^2 and |u|^2 come from the step; the weights are read once,
// at the first step and after resync(). So a fault in weights or gradients shows nowhere: `health` stays 0.
// The laws need one (k, eta) for both sides of a charge: a rule that has them overloads law_rates (optim/rule.hpp). Test: tests/noether/predict_test.cpp.
#pragma once

#include <emmy/noether/booking.hpp>

namespace emmy {

template <class Led>
inline constexpr bool kPredicts = false;
template <class Net, class Spec>
inline constexpr bool kPredicts<Ledger<Net, Spec, Predict>> = true;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Charges and memories from the weights themselves.
template <class Net, class Spec, class Mode, class S>
EMMY_OUTLINE void read_charges(Ledger<Net, Spec, Mode>& ledger, const S* theta, const S* buf) noexcept {
  for (auto& r : ledger.record) r.charge = r.memory = S(0);
  for_each_part<Net, Spec>(
      [&]<int At, int Index>(std::integral_constant<int, At>, std::integral_constant<int, Index>) EMMY_LAMBDA {
        constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
        if constexpr (Index < charge.parts) {
          if (kCharges<Net, Spec>.kind[At] == Kind::translation && !ledger.translating) return;
          constexpr ChargePart part = charge.part[Index];
          constexpr auto block = kPlan<Net>.block[part.block];
          const S weight = S(part.weight.numerator) / S(part.weight.denominator);
          for (int i = 0; i < block.rows; ++i)
            for (int o = 0; o < block.cols; ++o) {
              auto& record = ledger.record[kCharges<Net, Spec>.unit[At] + (part.axis == Axis::row ? i : o)];
              const S t = theta[block.offset + i * block.stride + o],
                      b = buf == nullptr ? S(0) : buf[block.offset + i * block.stride + o];
              record.charge += weight * (charge.power == 2 ? t * t : t);
              record.memory += weight * (charge.power == 2 ? b * t : b);
            }
        }
      });
  ledger.known = true;
}

// Adds what one line of a block gives to |g|^2 (in `booked`, times a0^2) and |u|^2 (in `size`) of its charges.
template <int Block, Axis Line, bool Memoryless, class Net, class Spec, class S>
EMMY_INLINE void predict_line(Ledger<Net, Spec, Predict>& ledger, int unit, const Sums<S>& m,
                              const BlockTerms<S>& b) noexcept {
  for_each_part<Net, Spec>(
      [&]<int At, int Index>(std::integral_constant<int, At>, std::integral_constant<int, Index>) EMMY_LAMBDA {
        constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
        constexpr ChargePart part = charge.part[Index];
        if constexpr (Index < charge.parts && part.block == Block && part.axis == Line && charge.power == 2) {
          const S weight = S(part.weight.numerator) / S(part.weight.denominator);
          auto& now = ledger.now[kCharges<Net, Spec>.unit[At] + unit];
          now.booked += weight * b.a0 * b.a0 * m.gg;
          now.size += weight * (Memoryless ? b.a0 * b.a0 * m.gg : m.uu);
        }
      });
}

// Moves every charge by its law.
template <class Net, class Spec, class Rule>
EMMY_OUTLINE void end_prediction(Ledger<Net, Spec, Predict>& ledger, const Rule& rule) noexcept {
  using S = typename Net::scalar;
  static_assert(
      requires { law_rates(rule); },
      "emmy: this rule has no closed law with equal rates on both sides of a charge; use Measure or Every<N> instead "
      "of Predict");
  if constexpr (requires { law_rates(rule); }) {
    const auto r = law_rates(rule);
    const S km1 = r.k - S(1);
    for (int c = 0; c < kCharges<Net, Spec>.kCharges; ++c) {
      if (kCharges<Net, Spec>.kind[c] == Kind::translation && !ledger.translating) continue;
      const bool quadratic = kCharges<Net, Spec>.charge[c].power == 2;
      if (!Rule::kHasMemory && !quadratic && km1 == S(0)) continue;  // it stays
      S shrunk = 0, second = 0;                                      // of all units, without memory
      for (int u = kCharges<Net, Spec>.unit[c]; u < kCharges<Net, Spec>.unit[c + 1]; ++u) {
        UnitRecord<S>& record = ledger.record[u];
        const S q = record.charge, gg = ledger.now[u].booked, uu = ledger.now[u].size;
        ledger.now[u].booked = ledger.now[u].size = S(0);  // for the next step
        if constexpr (!Rule::kHasMemory) {                 // buf = 0
          const S decay = quadratic ? km1 * (r.k + S(1)) * q : km1 * q;
          record.charge = q + (decay + gg);
          record.total[Cause::decay] += decay;
          record.total[Cause::discretisation] += gg;
          shrunk += decay;
          second += gg;
          continue;
        }
        const S ut = r.eta * r.beta * record.memory;
        S cause[3];  // decay, momentum, discretisation
        if (quadratic) {
          cause[0] = km1 * (r.k + S(1)) * q - S(2) * km1 * ut;
          cause[1] = uu - gg - S(2) * ut;
          cause[2] = gg;
          const S through = r.eta > S(0) ? uu / r.eta : S(0);
          record.memory = r.k * r.beta * record.memory - through + r.stored * (r.k * q - ut);
        } else {
          cause[0] = km1 * q;
          cause[1] = -ut;
          cause[2] = S(0);
          record.memory = r.beta * record.memory + r.stored * q;
        }
        record.charge = q + (cause[0] + cause[1] + cause[2]);
        constexpr Cause kOf[3] = {Cause::decay, Cause::momentum, Cause::discretisation};
        for (int i = 0; i < 3; ++i) {
          record.total[kOf[i]] += cause[i];
          ledger.last[c][kOf[i]] += cause[i];
        }
      }
      ledger.last[c][Cause::decay] += shrunk;
      ledger.last[c][Cause::discretisation] += second;
    }
    ++ledger.measured;
  }
}

}  // namespace emmy::inline EMMY_TARGET
