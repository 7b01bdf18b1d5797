// Balance matrices, measured when asked: they have width^2 entries, too many for the update sweep.
//
// Per part of the matrix, a block with theta' = k theta - u, u = c g + d m, m the momentum, u0 = a0 g, reference share e and
// weight s, and X * Y the symmetric part of the products of the lines of X with those of Y:
//   decay = s ((k^2-1) T*T - 2 (k-1) U*T)      momentum = s (2 (a0 G*T - U*T) + U*U - a0^2 G*G)
//   breaking = 2 s (e - a0) G*T                discretisation = s a0^2 G*G            noether = -2 s e G*T
//   U*T = c G*T + d M*T                        U*U = c^2 G*G + d^2 M*M + 2 c d M*G
// as for the sums of the ledger (noether/booking.hpp), which these are on the diagonal. Rounding bound of entry i, j, w_r
// the unit roundoff, r roundings a term, a_i^2 = sum_b |s| (2r+20) (|theta_i|^2 + |theta'_i|^2) and b_i^2 = sum_b |s| (r+20)
// (|c| |g_i| + |d| |m_i|)^2:   w_r (a_i a_j + (a_i b_j + a_j b_i) / sqrt(2) + b_i b_j).
// Source: theory.md section 2. Test: tests/noether/balance_test.cpp.
#pragma once

#include <emmy/kernels/gram.hpp>
#include <emmy/noether/booking.hpp>
#include <emmy/symmetry/balance.hpp>

namespace emmy {

// The matrix of Balance<Site>, its change by cause, and its angular momentum. begin_balance before a step, end_balance after
// it (train/balance.hpp); between two measured steps the change is booked as unmeasured. constinit-able.
template <class Net, class Site>
struct BalanceLedger {
  using scalar = typename Net::scalar;
  using S = scalar;
  static constexpr Charge kMatrix = matrix_of<Net>(Balance<Site>{});
  static constexpr int kUnits = kMatrix.units, kStride = padded<S>(kUnits);
  struct Matrix {
    alignas(kAlign<S>) S data[kUnits * kStride];
    EMMY_INLINE constexpr const S& operator()(int i, int j) const noexcept { return data[i * kStride + j]; }
  };

  // Q[i, j] and J[i, j] as of the last call.
  EMMY_INLINE constexpr S charge(int i, int j) const noexcept { return now(i, j); }
  EMMY_INLINE constexpr S angular(int i, int j) const noexcept { return turning(i, j); }
  // Of the last step, and since the last reset.
  EMMY_INLINE constexpr Budget<S> step(int i, int j) const noexcept { return budget(last, i, j); }
  EMMY_INLINE constexpr Budget<S> total(int i, int j) const noexcept { return budget(sum, i, j); }
  // The residual of the last step over its rounding bound, the worst entry: at most 1.
  EMMY_INLINE constexpr S health() const noexcept { return last_ratio; }
  EMMY_INLINE constexpr S worst_health() const noexcept { return worst_ratio; }

  EMMY_INLINE constexpr void reset() noexcept {
    for (Matrix& m : sum) m = {};
    extremes = {};
    last_ratio = worst_ratio = 0;
    measured = 0;
  }
  // Say so after the weights were changed from outside: the next step takes them as they are.
  EMMY_INLINE constexpr void resync() noexcept { known = false; }

  static constexpr int kBooked = static_cast<int>(Cause::unmeasured) + 1;  // all causes but epsilon
  Matrix now, turning;
  Matrix last[kBooked], sum[kBooked];
  Matrix before, booked, noether, work;  // of a step; noether: g_V V' - (g_W' W + g_b' b)', not yet its symmetric part
  alignas(kAlign<S>) S size[kStride], weight[kStride], motion[kStride];  // |theta_i|^2 + |theta'_i|^2, a_i^2, b_i^2
  S share;                                                               // e
  Extremes<S> extremes;  // noether: the largest |entry| of the identity, of both parts
  S last_ratio, worst_ratio;
  long long measured;
  bool known;

 private:
  EMMY_INLINE static constexpr Budget<S> budget(const Matrix* from, int i, int j) noexcept {
    Budget<S> all{};
    for (int c = 0; c < kBooked; ++c) all.amount[c] = from[c](i, j);
    return all;
  }
};

// How one block moves: theta' = k theta - (gradient g + memory m), without memory and decay -a0 g.
template <class S>
struct BlockMotion {
  S k, a0, gradient, memory;
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// m = (m + m') / 2, Units x Units.
template <int Units, class S>
EMMY_INLINE void symmetrise(S* m) noexcept {
  constexpr int kStride = padded<S>(Units);
  for (int i = 0; i < Units; ++i)
    for (int j = 0; j < i; ++j)
      m[i * kStride + j] = m[j * kStride + i] = S(0.5) * (m[i * kStride + j] + m[j * kStride + i]);
}

// Of m, Units x Units, what commutes with turns of the units 2m and 2m + 1, doubled: [[a + d, b - c], [c - b, a + d]] of each
// [[a, b], [c, d]] on the diagonal.
template <int Units, class S>
EMMY_INLINE void keep_planes(S* m) noexcept {
  constexpr int kStride = padded<S>(Units);
  for (int i = 0; i < Units; i += 2) {
    S *even = m + i * kStride, *odd = even + kStride;
    const S along = even[i] + odd[i + 1], across = even[i + 1] - odd[i];
    clear(even, 2 * kStride);
    even[i] = odd[i + 1] = along;
    even[i + 1] = across;
    odd[i] = -across;
  }
}

// One part of a balance matrix, everything of the net that it looks at.
template <class Net, class Site, int Index>
struct BalancePart {
  using Led = BalanceLedger<Net, Site>;
  using S = typename Net::scalar;
  static constexpr ChargePart kPart = Led::kMatrix.part[Index];
  static constexpr auto kBlock = kPlan<Net>.block[kPart.block];
  static constexpr int kUnits = Led::kUnits, kSize = kUnits * Led::kStride;
  static constexpr int kCols = kBlock.line_length();
  static constexpr S kWeight = S(kPart.weight.numerator);

  // ledger.work = the products of the lines of a with those of b, both in the layout of the weights.
  EMMY_INLINE static void products(Led& ledger, const S* a, const S* b) noexcept {
    constexpr bool kOfBias = kPart.count > 0 && kBlock.role == Role::bias;  // some of its columns
    constexpr int kFrom = kBlock.offset + kPart.first * (kOfBias ? 1 : kBlock.width);
    if constexpr (kOfBias) {
      alignas(kAlign<S>) S own[2][Led::kStride] = {};
      for (int i = 0; i < kUnits; ++i) own[0][i] = a[kFrom + i], own[1][i] = b[kFrom + i];
      gram_of_columns<1, kUnits>(own[0], own[1], ledger.work.data);
    } else if constexpr (kBlock.in_memory(kPart.axis) == Axis::row) {
      gram_of_rows<kUnits, kCols>(a + kFrom, b + kFrom, ledger.work.data);
    } else {
      gram_of_columns<(kPart.count > 0 ? kPart.count : kBlock.lines), kUnits>(a + kFrom, b + kFrom, ledger.work.data);
    }
    if (a == b) symmetrise<kUnits>(ledger.work.data);
    if constexpr (Led::kMatrix.by_plane) keep_planes<kUnits>(ledger.work.data);
  }
  EMMY_INLINE static S roundings() noexcept { return line_terms<S>(kBlock, kPart.axis, 1).r; }
  EMMY_INLINE static void add_to(Led& ledger, typename Led::Matrix& to, S factor) noexcept {
    add_scaled(factor * kWeight, ledger.work.data, kSize, to.data);
  }
  // Weights as they are: their part of the matrix and of the bounds.
  EMMY_INLINE static void add_weights(Led& ledger, const S* theta, typename Led::Matrix& to) noexcept {
    products(ledger, theta, theta);
    add_to(ledger, to, S(1));
    for (int i = 0; i < kUnits; ++i) {
      const S square = magnitude(kWeight) * ledger.work(i, i);
      ledger.size[i] += square;
      ledger.weight[i] += (S(2) * roundings() + S(20)) * square;
    }
  }
  // J takes both sides with the same sign.
  EMMY_INLINE static void add_angular(Led& ledger, const S* buf, const S* theta) noexcept {
    products(ledger, buf, theta);
    const S half = S(Led::kMatrix.by_plane ? 0.5 : 1);  // keep_planes doubles
    for (int i = 0; i < kUnits; ++i)
      for (int j = 0; j < kUnits; ++j)
        ledger.turning.data[i * Led::kStride + j] += half * (ledger.work(i, j) - ledger.work(j, i));
  }
};

template <class Net, class Site, class F>
EMMY_INLINE void for_balance_parts(BalanceLedger<Net, Site>&, F&& f) noexcept {
  [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA { (f(BalancePart<Net, Site, I>{}), ...); }
  (std::make_integer_sequence<int, BalanceLedger<Net, Site>::kMatrix.parts>{});
}

// Books what a step will do to one part: theta, g and buf (null without memory) in the layout of the weights.
template <class Part, class Led, class S>
EMMY_OUTLINE void book_balance(Part, Led& ledger, const S* theta, const S* g, const S* buf,
                               const BlockMotion<S>& b) noexcept {
  constexpr int kUnits = Led::kUnits;
  const auto add = [&](Cause cause, S factor)
                       EMMY_LAMBDA { Part::add_to(ledger, ledger.last[static_cast<int>(cause)], factor); };
  const auto booked = [&](S factor) EMMY_LAMBDA { Part::add_to(ledger, ledger.booked, factor); };
  const auto length = [&](int i) EMMY_LAMBDA { return root(ledger.work(i, i)); };
  S moved[kUnits];  // |c| |g_i| + |d| |m_i|
  const S km1 = b.k - S(1);

  Part::add_weights(ledger, theta, ledger.before);
  add(Cause::decay, km1 * (b.k + S(1)));
  booked(km1 * (b.k + S(1)));

  Part::products(ledger, g, theta);
  for (int i = 0; i < kUnits; ++i)
    for (int j = 0; j < kUnits; ++j)
      ledger.noether.data[i * Led::kStride + j] += Part::kWeight > 0 ? ledger.work(i, j) : -ledger.work(j, i);
  symmetrise<kUnits>(ledger.work.data);
  add(Cause::decay, S(-2) * km1 * b.gradient);
  add(Cause::momentum, S(2) * (b.a0 - b.gradient));
  add(Cause::breaking, S(2) * (ledger.share - b.a0));
  add(Cause::noether, S(-2) * ledger.share);
  booked(S(-2) * b.k * b.gradient);

  Part::products(ledger, g, g);
  for (int i = 0; i < kUnits; ++i) moved[i] = magnitude(b.gradient) * length(i);
  add(Cause::momentum, b.gradient * b.gradient - b.a0 * b.a0);
  add(Cause::discretisation, b.a0 * b.a0);
  booked(b.gradient * b.gradient);

  if (buf != nullptr) {
    Part::add_angular(ledger, buf, theta);
    symmetrise<kUnits>(ledger.work.data);
    add(Cause::decay, S(-2) * km1 * b.memory);
    add(Cause::momentum, S(-2) * b.memory);
    booked(S(-2) * b.k * b.memory);

    Part::products(ledger, buf, buf);
    for (int i = 0; i < kUnits; ++i) moved[i] += magnitude(b.memory) * length(i);
    add(Cause::momentum, b.memory * b.memory);
    booked(b.memory * b.memory);

    Part::products(ledger, buf, g);
    symmetrise<kUnits>(ledger.work.data);
    add(Cause::momentum, S(2) * b.memory * b.gradient);
    booked(S(2) * b.memory * b.gradient);
  }
  for (int i = 0; i < kUnits; ++i)
    ledger.motion[i] += magnitude(Part::kWeight) * (Part::roundings() + S(20)) * moved[i] * moved[i];
}

template <class Net, class Site>
EMMY_INLINE void open_balance(BalanceLedger<Net, Site>& ledger, typename Net::scalar share) noexcept {
  ledger.before = ledger.booked = ledger.noether = ledger.turning = {};
  for (auto& m : ledger.last) m = {};
  for (int i = 0; i < ledger.kStride; ++i) ledger.size[i] = ledger.weight[i] = ledger.motion[i] = 0;
  ledger.share = share;
}

// Closes the books of a step: residuals, bounds and worst cases of every entry.
template <class Net, class Site>
EMMY_OUTLINE void close_balance(BalanceLedger<Net, Site>& ledger, const typename Net::scalar* theta,
                                const typename Net::scalar* buf) noexcept {
  using S = typename Net::scalar;
  using Led = BalanceLedger<Net, Site>;
  const typename Led::Matrix seen = ledger.now;
  ledger.now = ledger.turning = {};
  for_balance_parts(ledger, [&](auto part) EMMY_LAMBDA {
    part.add_weights(ledger, theta, ledger.now);
    if (buf != nullptr) part.add_angular(ledger, buf, theta);
  });
  alignas(kAlign<S>) S a[Led::kStride], b[Led::kStride], length[Led::kStride];
  for (int i = 0; i < Led::kStride; i += static_cast<int>(simd::lanes<S>())) {
    simd::store(simd::sqrt(simd::load(ledger.weight + i)), a + i);
    simd::store(simd::sqrt(simd::load(ledger.motion + i)), b + i);
    simd::store(simd::sqrt(simd::load(ledger.size + i)), length + i);
  }
  auto residuals = simd::zero<S>(), ratios = residuals, relatives = residuals, noethers = residuals;
  for (int i = 0; i < Led::kUnits; ++i) {
    const S ai = a[i], bi = b[i], half = S(0.70710678118654752);
    for (int j = 0; j < Led::kStride; j += static_cast<int>(simd::lanes<S>())) {
      const int at = i * Led::kStride + j;
      const auto own = [&](const typename Led::Matrix& m) EMMY_LAMBDA { return simd::load(m.data + at); };
      const auto put = [&](Cause cause, auto v)
                           EMMY_LAMBDA { simd::store(v, ledger.last[static_cast<int>(cause)].data + at); };
      const auto before = own(ledger.before);
      const auto residual = simd::sub(simd::sub(own(ledger.now), before), own(ledger.booked));
      // (a_i + b_i / sqrt 2) a_j + (b_i + a_i / sqrt 2) b_j
      const auto bound =
          simd::mul(simd::set(kRoundoff<S>), simd::mul_add(simd::set(ai + half * bi), simd::load(a + j),
                                                           simd::mul(simd::set(bi + half * ai), simd::load(b + j))));
      const auto sized = simd::mul(simd::set(length[i]), simd::load(length + j));
      residuals = simd::max(residuals, simd::abs(residual));
      ratios = simd::max(ratios, ratio(residual, bound));
      relatives = simd::max(relatives, simd::select(simd::less(simd::zero<S>(), sized),
                                                    simd::div(simd::abs(residual), sized), simd::zero<S>()));
      noethers = simd::max(noethers, simd::abs(own(ledger.noether)));
      put(Cause::rounding, residual);
      if (ledger.known) put(Cause::unmeasured, simd::sub(before, own(seen)));
    }
  }
  for (int c = 0; c < Led::kBooked; ++c)
    add_scaled(S(1), ledger.last[c].data, Led::kUnits * Led::kStride, ledger.sum[c].data);
  Extremes<S>& worst = ledger.extremes;
  ledger.last_ratio = simd::max_lane(ratios);
  worst = {larger(worst.residual, simd::max_lane(residuals)), larger(worst.residual_ratio, ledger.last_ratio),
           larger(worst.noether, simd::max_lane(noethers)), S(0), larger(worst.relative, simd::max_lane(relatives))};
  ledger.worst_ratio = larger(ledger.worst_ratio, ledger.last_ratio);
  ledger.known = true;
  ++ledger.measured;
}

}  // namespace inner

}  // namespace emmy::inline EMMY_TARGET
