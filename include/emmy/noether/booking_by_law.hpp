// Booking by law (modes Predict and Measure): from the sums of one line of a block to those of its charges, which law.hpp closes.
// Test: tests/noether/predict_test.cpp.
#pragma once

#include <emmy/noether/booking.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Which of its parts is booked first of those that go to the same sums (`lost`: of negative weight) and so sets them, where the
// others add: -1 where none does, since a unit has several lines or the order is not that of the blocks.
consteval bool is_lost(const Charge& charge, const ChargePart& part) {
  return charge.power == 2 && part.weight.numerator < 0;
}
template <class Net, class Spec, int C>
consteval int setting_part(bool lost) {
  const Charge& charge = kCharges<Net, Spec>.charge[C];
  const auto& blocks = kPlan<Net>.block;
  int first = -1;
  for (int p = 0; p < charge.parts; ++p)
    if (is_lost(charge, charge.part[p]) == lost && (first < 0 || charge.part[p].block < charge.part[first].block))
      first = p;
  if (first < 0 || charge.is_whole) return -1;
  const ChargePart& own = charge.part[first];
  const PlannedBlock& block = blocks[own.block];
  const int lines = own.axis == Axis::row ? block.rows : block.cols;
  if (own.lines != 1 || lines != charge.units) return -1;
  for (int p = 0; p < charge.parts; ++p) {
    const ChargePart& other = charge.part[p];
    if (p == first || is_lost(charge, other) != lost) continue;
    if (other.block == own.block || (blocks[other.block].node == block.node && other.axis != own.axis)) return -1;
  }
  return first;
}
template <class Net, class Spec, int C, bool Lost>
inline constexpr int kSettingPart = setting_part<Net, Spec, C>(Lost);
}  // namespace inner

// Where a law takes |u|^2 of the plain step from: the books of the sweeps. Or from who calls it (train/chain_step.hpp).
struct FromBooks {};

// Adds what `count` lines of a block give to the sums of their charges (PerUnitLaw). sums: those of a MeterType, `stride`
// apart.
template <int Block, Axis Line, class MeterType, class Net, class Spec, class Mode, class S>
EMMY_INLINE void book_by_law(Ledger<Net, Spec, Mode>& ledger, int line, int count, const S* sums, int stride,
                             const BlockTerms<S>& b) noexcept {
  constexpr bool kMeasured = kMeasuresByLaw<Mode>;
  using V = simd::Vec<S>;
  for_each_part<Net, Spec>([&]<int At, int Index>(std::integral_constant<int, At>,
                                                  std::integral_constant<int, Index>) EMMY_LAMBDA {
    constexpr const Charge& charge = kCharges<Net, Spec>.charge[At];
    constexpr ChargePart part = charge.part[Index];
    if constexpr (Index < charge.parts && part.block == Block && part.axis == Line &&
                  (kMeasured || charge.power == 2)) {
      if (kMeasured && charge.of_loss && !ledger.translating) return;
      constexpr auto kBlock = kPlan<Net>.block[Block];
      constexpr int kLines = Line == Axis::row ? kBlock.rows : kBlock.cols,
                    kRun = part.lines > 1 && !charge.is_whole ? charge.units : kLines;
      constexpr S kWeight = S(part.weight.numerator) / S(part.weight.denominator),
                  kSize = kWeight < S(0) ? -kWeight : kWeight;
      // By sign only where the whole is wanted too.
      constexpr bool kLost = kMeasured && charge.power == 2 && kWeight < S(0);
      for_runs<kRun, kLines>(line, count, [&](int first, int n) EMMY_LAMBDA {
        const int unit = kCharges<Net, Spec>.unit[At] + charge.unit_of(part, line + first);
        for (int i = 0; i < n; i += static_cast<int>(simd::lanes<S>())) {
          const auto sum = [&](int product) EMMY_LAMBDA {
            const S* p = sums + product * stride + first + i;
            if constexpr (kLines == 1) return first_lane(*p);
            else if constexpr (charge.is_whole) return first_lane(simd::sum(simd::load(p)));
            else return kRun == kLines ? simd::load(p) : load_units(p, n - i);
          };
          const int at = charge.is_whole ? unit : unit + i;
          constexpr bool kSets = kMeasured && inner::kSettingPart<Net, Spec, At, kLost> == Index;
          const auto add = [&](PerUnitLaw to, S factor, V v) EMMY_LAMBDA {
            S* const own = ledger.units[to] + at;
            v = simd::mul(simd::set(factor), v);
            if constexpr (kSets) store_units(v, own, n - i);
            else add_to(own, v);
          };
          constexpr S kOf = kMeasured ? kSize : kWeight;
          add(kLost ? PerUnitLaw::plain_lost : PerUnitLaw::plain_won, kOf * b.a0 * b.a0, sum(MeterType::place(kGg)));
          if constexpr (MeterType::kMotion != Motion::plain)
            add(kLost ? PerUnitLaw::moved_lost : PerUnitLaw::moved_won, kOf, sum(MeterType::place(kUu)));
          if constexpr (kMeasured) {
            add(kLost || charge.power == 1 ? PerUnitLaw::lost : PerUnitLaw::won, kSize, sum(MeterType::place(kNn)));
            if constexpr (charge.power == 1) add(PerUnitLaw::won, kWeight, sum(MeterType::place(kN1)));
          }
          if constexpr (kReadsBefore<Mode>) {
            add(kLost || charge.power == 1 ? PerUnitLaw::before_lost : PerUnitLaw::before_won, kSize,
                sum(MeterType::place(kTt)));
            if constexpr (charge.power == 1) add(PerUnitLaw::before_won, kWeight, sum(MeterType::place(kT1)));
          }
        }
      });
    }
  });
}

}  // namespace emmy::inline EMMY_TARGET
