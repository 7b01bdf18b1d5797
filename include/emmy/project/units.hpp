// How one symmetry's units move: their sums, their charges, and the weights that have others. What rebalance.hpp is made of.
#pragma once

#include <emmy/kernels/transcendental.hpp>
#include <emmy/net/companions.hpp>
#include <emmy/project/lines.hpp>

namespace emmy {

namespace detail {

// How a charge's parts move: exponents of t, over a common denominator.
template <const Charge& kTable>
struct Exponents {
  int of[Charge::kMaxParts] = {}, denominator = 1;
  bool is_closed = true, has_out = false, recurs = false, is_mixed = kTable.is_mixed();

  constexpr Exponents() {
    for (int p = 0; p < kTable.parts; ++p) {
      const int own = kTable.part[p].weight.denominator;
      if (denominator % own != 0) denominator *= own;
    }
    for (int p = 0; p < kTable.parts; ++p) {
      of[p] = kTable.part[p].weight.numerator * denominator / kTable.part[p].weight.denominator;
      is_closed = is_closed && (of[p] == 1 || of[p] == -1);
      has_out = has_out || of[p] < 0;
      for (int q = 0; q < p; ++q) recurs = recurs || kTable.part[q].block == kTable.part[p].block;
    }
  }
};
template <const Charge& kTable>
inline constexpr Exponents<kTable> kExponents{};

}  // namespace detail
}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class S>
EMMY_INLINE constexpr S power(S x, int n) noexcept {
  S product = 1;
  for (int i = 0; i < (n < 0 ? -n : n); ++i) product *= x;
  return n < 0 ? S(1) / product : product;
}
template <class S>
EMMY_INLINE S size_of(S x) noexcept {
  return x < S(0) ? -x : x;
}

// What a sweep met: the largest error, and whether all were off by rounding alone.
template <class S>
struct SweepState {
  S tolerance, error;
  bool is_fine;
};

// One symmetry's units: their sums by part, their charges, and how they get others.
template <class Net, class Symmetry>
struct Units {
  using S = typename Net::scalar;
  static constexpr const Charge& kTable = kLines<Net, Symmetry>;
  static constexpr const auto& kE = detail::kExponents<kTable>;
  static constexpr int kCount = kTable.units;
  // What a charge may be off by for rounding alone, over w_r and the squares that it is made of.
  static constexpr S kSlack = [] {
    int terms = 0;
    for (int p = 0; p < kTable.parts; ++p)
      terms += kPlan<Net>.block[kTable.part[p].block].rows * kPlan<Net>.block[kTable.part[p].block].cols;
    return S(4) + S(terms / kCount) / S(64);
  }();
  S sum[kTable.parts][kCount];  // |theta|^2 of a part; of the bias of an exponential unit b
  // For the time of an action Wh[j, j] is out of its block.
  S diagonal[kE.recurs ? kCount : 1];

  template <class F>
  EMMY_INLINE static void for_all_parts(F f) noexcept {
    int part = 0;
    for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { f(lines, part++); });
  }
  static void swap_diagonal(S* data, S* diagonal) noexcept {
    if constexpr (kE.recurs) {
      bool done = false;
      for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA {
        using L = decltype(lines);
        constexpr bool kAgain = [] {
          int times = 0;
          for (int p = 0; p < kTable.parts; ++p) times += kTable.part[p].block == L::kPart.block;
          return times > 1;
        }();
        if (!kAgain || done) return;
        done = true;
        for (int j = 0; j < kCount; ++j) {
          S& own = data[L::kBlock.at(j, j)];
          const S kept = diagonal[j];
          diagonal[j] = own;
          own = kept;
        }
      });
    }
  }
  EMMY_INLINE void take_diagonal(S* data) noexcept {
    for (S& d : diagonal) d = S(0);
    swap_diagonal(data, diagonal);
  }
  EMMY_INLINE void put_diagonal(S* data) noexcept { swap_diagonal(data, diagonal); }

  void measure(const S* theta) noexcept {
    for (auto& part : sum)
      for (S& s : part) s = S(0);
    for_all_parts([&](auto lines, int p) EMMY_LAMBDA {
      if constexpr (decltype(lines)::kPart.power == 2) lines.add_dots(theta, theta, sum[p]);
      else lines.add_sums(theta, sum[p]);
    });
  }
  void measure(const S* theta, int unit) noexcept {
    for_all_parts([&](auto lines, int p) EMMY_LAMBDA {
      S s = 0;
      lines.for_entries(unit, [&](int at) EMMY_LAMBDA { s += theta[at] * theta[at]; });
      sum[p][unit] = s;
    });
  }
  EMMY_INLINE S charge(int u) const noexcept {
    S q = 0;
    for (int p = 0; p < kTable.parts; ++p)
      q += S(kTable.part[p].weight.numerator) / S(kTable.part[p].weight.denominator) * sum[p][u];
    return q;
  }
  // The squares that its charge is made of.
  EMMY_INLINE S scale(int u) const noexcept {
    S q = 0;
    for (int p = 0; p < kTable.parts; ++p)
      q += size_of(S(kTable.part[p].weight.numerator) / S(kTable.part[p].weight.denominator) * sum[p][u]);
    return q;
  }
  EMMY_INLINE S side(int u, bool in) const noexcept {
    S s = 0;
    for (int p = 0; p < kTable.parts; ++p)
      if ((kE.of[p] > 0) == in) s += sum[p][u];
    return s;
  }
  // Can a unit have charge q?
  bool can_have(int u, S q) const noexcept {
    if constexpr (kE.is_mixed) return true;
    const bool in = side(u, true) > S(0), out = side(u, false) > S(0);
    if (!in && !out) return q == S(0);
    return (in || q < S(0)) && (out || q > S(0));
  }

  // What the weights of part p of unit u are multiplied by is t^(e_p); of an exponential unit t is the shift.
  S factor(int u, S q) const noexcept {
    if constexpr (kE.is_mixed) {
      return shift(u, q);
    } else {
      const S a = side(u, true), b = side(u, false);
      if (a == S(0) && b == S(0)) return S(1);
      if constexpr (kE.is_closed) {
        const S root_of = root(q * q + S(4) * a * b);
        return root(q >= S(0) ? (q + root_of) / (S(2) * a) : S(2) * b / (root_of - q));
      } else {
        return by_newton(u, q);
      }
    }
  }
  // sum_p w_p sum_p y^(e_p) = q between bounds of y.
  S by_newton(int u, S q) const noexcept {
    S y = 1, low = 0, high = 0;  // high 0: none yet
    for (int step = 0; step < 200; ++step) {
      S value = -q, slope = 0, size = size_of(q);
      for (int p = 0; p < kTable.parts; ++p) {
        const S weight = S(kE.of[p]) / S(kE.denominator), term = weight * sum[p][u] * power(y, kE.of[p]);
        value += term;
        size += size_of(term);
        slope += S(kE.of[p]) * term;  // times y
      }
      if (size_of(value) <= S(2) * kRoundoff<S> * size) break;
      (value < S(0) ? low : high) = y;
      S next = y - y * value / slope;
      if (!(next > low) || (high > S(0) && !(next < high))) next = high > S(0) ? S(0.5) * (low + high) : S(2) * y;
      if (next == y) break;
      y = next;
    }
    return root(y);
  }
  S shift(int u, S q) const noexcept {
    S s = 0;
    for (int step = 0; step < 100; ++step) {
      S value = -q, slope = 0, size = size_of(q);
      for (int p = 0; p < kTable.parts; ++p) {
        const S weight = S(kTable.part[p].weight.numerator) / S(kTable.part[p].weight.denominator);
        const bool linear = kTable.part[p].power == 1;
        const S term = linear ? weight * (sum[p][u] + s) : weight * sum[p][u] * grown(S(2) * weight * s);
        value += term;
        slope += linear ? weight : S(2) * weight * term;
        size += size_of(term);
      }
      if (size_of(value) <= S(2) * kRoundoff<S> * size) break;
      s -= value / slope;
    }
    return s;
  }
  EMMY_INLINE static S grown(S x) noexcept {
    S e;
    simd::store_first(exp(simd::set(x)), &e, 1);
    return e;
  }

  // What an array of the power `power_of` is multiplied by in part p.
  EMMY_INLINE static S factor_of(int p, S t, int power_of) noexcept {
    if constexpr (kE.is_mixed)
      return grown(S(power_of) * S(kTable.part[p].weight.numerator) / S(kTable.part[p].weight.denominator) * t);
    else return power(t, power_of * kE.of[p]);
  }
  static void move(S* data, const S* t, int power_of) noexcept {
    for_all_parts([&](auto lines, int p) EMMY_LAMBDA {
      if constexpr (decltype(lines)::kPart.power == 1) {
        if (power_of == 1) lines.shift(t, data);  // a gradient does not see a shift
      } else {
        S f[kCount];
        for (int u = 0; u < kCount; ++u) f[u] = factor_of(p, t[u], power_of);
        lines.scale(f, data);
      }
    });
  }
  static void move(S* data, int unit, S t, int power_of) noexcept {
    for_all_parts([&](auto lines, int p) EMMY_LAMBDA {
      const S f = factor_of(p, t, power_of);
      lines.for_entries(unit, [&](int at) EMMY_LAMBDA { data[at] *= f; });
    });
  }

  // The factor of a unit that is further off than is allowed; kStill, what leaves it, for others.
  static constexpr S kStill = kE.is_mixed ? S(0) : S(1);
  EMMY_INLINE S factor_if_off(int u, S q, SweepState<S>& sweep) const noexcept {
    const S off = size_of(charge(u) - q), rounding = kRoundoff<S> * (scale(u) + size_of(q));
    sweep.error = off > sweep.error ? off : sweep.error;
    if (sweep.tolerance < S(0) && off > kSlack * rounding) sweep.is_fine = false;
    if (off <= (sweep.tolerance < S(0) ? rounding : sweep.tolerance)) return kStill;
    const S t = factor(u, q);
    return is_finite(t) && (kE.is_mixed || t > S(0)) ? t : kStill;
  }

  // Puts all units right once; did one move?
  bool sweep(S* theta, const S* target, const Companions<S>& companions, SweepState<S>& state) noexcept {
    bool moved = false;
    if constexpr (kE.recurs) {
      S apart[Companions<S>::kMost][kCount] = {};
      take_diagonal(theta);
      int at = 0;
      for (const auto& c : companions) swap_diagonal(c.data, apart[at++]);
      for (int u = 0; u < kCount; ++u) {
        measure(theta, u);
        const S t = factor_if_off(u, target[u], state);
        if (t == kStill) continue;
        moved = true;
        move(theta, u, t, 1);
        for (const auto& c : companions) move(c.data, u, t, c.power);
      }
      put_diagonal(theta);
      at = 0;
      for (const auto& c : companions) swap_diagonal(c.data, apart[at++]);
    } else {
      S t[kCount];
      measure(theta);
      for (int u = 0; u < kCount; ++u) {
        t[u] = factor_if_off(u, target[u], state);
        moved = moved || t[u] != kStill;
      }
      if (!moved) return false;
      move(theta, t, 1);
      for (const auto& c : companions) move(c.data, t, c.power);
    }
    return moved;
  }

  Status check(S* theta, const S* target) noexcept {
    take_diagonal(theta);
    measure(theta);
    put_diagonal(theta);
    for (int u = 0; u < kCount; ++u) {
      if (!is_finite(scale(u)) || !is_finite(target[u]) || !is_finite(target[u] * target[u])) return Status::not_finite;
      if (!can_have(u, target[u])) return Status::infeasible;
    }
    return Status::ok;
  }
  void look(S* theta, const S* target, SweepState<S>& seen) noexcept {
    take_diagonal(theta);
    measure(theta);
    put_diagonal(theta);
    for (int u = 0; u < kCount; ++u) {
      const S off = size_of(charge(u) - target[u]);
      seen.error = off > seen.error ? off : seen.error;
      if (off > kSlack * kRoundoff<S> * (scale(u) + size_of(target[u]))) seen.is_fine = false;
    }
  }

  // g -= B(g, theta) / |T theta|^2 T theta, unit by unit; returns the largest |B|.
  S straighten(S* theta, S* g) noexcept {
    S own[kCount] = {}, along[kCount] = {}, normal[kCount] = {}, most = 0;
    take_diagonal(theta);
    if constexpr (kE.recurs) swap_diagonal(g, own);
    for_all_parts([&](auto lines, int p) EMMY_LAMBDA {
      using L = decltype(lines);
      const S weight = S(L::kPart.weight.numerator) / S(L::kPart.weight.denominator);
      S product[kCount] = {}, square[kCount] = {};
      if constexpr (L::kPart.power == 2) {
        lines.add_dots(g, theta, product);
        lines.add_dots(theta, theta, square);
      } else {
        lines.add_sums(g, product);
        for (S& s : square) s = S(0.25);  // T theta of 2 b: half its weight
      }
      for (int u = 0; u < kCount; ++u) {
        along[u] += weight * product[u] * (L::kPart.power == 2 ? S(1) : S(0.5));
        normal[u] += weight * weight * square[u];
      }
      static_cast<void>(p);
    });
    for (int u = 0; u < kCount; ++u) {
      most = size_of(along[u]) > most ? size_of(along[u]) : most;
      along[u] = normal[u] > S(0) ? -along[u] / normal[u] : S(0);
    }
    for_all_parts([&](auto lines, int) EMMY_LAMBDA {
      using L = decltype(lines);
      S f[kCount];
      for (int u = 0; u < kCount; ++u)
        f[u] = along[u] * (S(L::kPart.weight.numerator) / S(L::kPart.weight.denominator)) *
               (L::kPart.power == 2 ? S(1) : S(0.5));
      if constexpr (L::kPart.power == 2) lines.add_scaled(f, theta, g);
      else lines.shift(f, g);
    });
    put_diagonal(theta);
    if constexpr (kE.recurs) swap_diagonal(g, own);
    return most;
  }
};

}  // namespace inner

}  // namespace emmy::inline EMMY_TARGET
