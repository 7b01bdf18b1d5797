// The update sweep: reads weights, gradient and state once, writes weights and state, and measures while the values are
// in registers. Two plug-ins: the coefficients of a rule (optim/) and a meter.
//
//   theta' = k theta - u        apply(coefficients, theta, g, buf, next, u)
//
// The meter sums products over the rows or the columns of a block, or both: tt nn gt gg t1 n1 g1 and, for a rule with
// memory, ut uu u1 (t = theta, n = theta', g the gradient, 1 = plain sum). Without memory u = a0 g and the last three
// follow. Of a rule whose u is another function of g (Motion::general) also u0t u0u0 u01, u0 the part without memory and
// decay, and for the ledger's mode Kinetic dt, d the gradient with memory, and the sum of the second moments. What follows its
// law needs gg and uu only, and nn and n1 where it is measured behind the step. Sums are kept in lane accumulators and
// reduced once a row: an ordered running sum costs twice the sweep. A block that wants both is read twice, first for its
// rows: column accumulators in memory cost more than a second look at rows that are in L1.
// Layout: M rows of Cols padded scalars, contiguous in theta, buf and g. Nothing can fail here.
// Rounding: each sum is one of n terms with at most n / lanes + log2 lanes + 2 roundings a term (rows), n + 2 (columns).
// Test: tests/kernels/update_sweep_test.cpp.
#pragma once

#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/motion.hpp>
#include <emmy/kernels/panel.hpp>
#include <emmy/kernels/rows.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// What is summed over a line of a block, in the order of a meter's arrays. The sums of a step's weights must be, bit for
// bit, what the next one finds: so tt nn t1 n1 are four that are always summed alike.
enum LineSum { kTt, kNn, kT1, kN1, kGt, kGg, kG1, kUt, kUu, kU1, kU0t, kU0u0, kU01, kDt, kV1 };

// Which of them a meter keeps: all; those of a law, gg and uu; those and nn, and n1. Before: and tt, t1 as well.
enum class Sums { all, law, squares, squares_and_sums };

// The largest |theta'| and |buf'| that a sweep wrote.
template <class S>
struct SweepRange {
  S theta, memory;
};

// Where nobody wants to know.
struct NoRange {};

// One sample's rank-1 update, for a rule without memory: x_i of M rows (1 for a bias), v = a0 dy of a row.
template <class S>
struct Outer {
  const S* x;
  const S* v;
};
struct NoOuter {};

// Coefficients of a block that does not move but is measured.
template <class S>
struct FrozenCoefficients {
  static constexpr Motion kMotion = Motion::plain;
  static constexpr bool kBuffered = false;
  S k = S(1), a0 = S(0);
};

// Below this a factor of a product is held at this size: smaller ones become denormal, slow, and with flush to zero
// could never return. An exact 0 (a snapped factor) stays 0.
template <class S>
inline constexpr S kSmallestFactor = S(1e-18);

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The sums of a block: of its columns, and of the last Rows rows (0: of none). Pads of both are zero.
template <class S, int Cols, int Rows, bool Columns, Motion How, Sums Kept = Sums::all, bool Kinetic = false,
          bool Before = false>
struct Meter {
  static constexpr bool kRows = Rows > 0, kColumns = Columns, kBefore = Before;
  static constexpr Motion kMotion = How;
  static constexpr Sums kSums = Kept;
  static constexpr int kOfLaw = How == Motion::plain ? 1 : 2,
                       kOfWeights = static_cast<int>(Kept) - static_cast<int>(Sums::law);
  static constexpr int kProducts = Kept != Sums::all       ? kOfLaw + (Before ? 2 : 1) * kOfWeights
                                   : How == Motion::plain  ? 7
                                   : How == Motion::linear ? 10
                                   : Kinetic               ? 15
                                                           : 13,
                       kKept = padded<S>(Rows);
  alignas(kAlign<S>) S column[Columns ? kProducts : 1][Columns ? Cols : 1];
  alignas(kAlign<S>) S row[Rows > 0 ? kProducts : 1][Rows > 0 ? kKept : 1];

  // sets: is every sum written before it is read?
  EMMY_INLINE explicit Meter(bool sets = false) noexcept {
    if (sets) return;
    if constexpr (kColumns) clear(column[0], kProducts * Cols);
    if constexpr (kRows) clear(row[0], kProducts * kKept);
  }

  // The sum at a place in the arrays, and its place, -1 for none.
  static consteval LineSum at(int index) {
    if (Kept == Sums::all) return static_cast<LineSum>(index);
    if (index < kOfLaw) return index == 0 ? kGg : kUu;
    if (index < kOfLaw + kOfWeights) return index == kOfLaw ? kNn : kN1;
    return index == kOfLaw + kOfWeights ? kTt : kT1;
  }
  static consteval int place(LineSum sum) {
    for (int index = 0; index < kProducts; ++index)
      if (at(index) == sum) return index;
    return -1;
  }
};

template <class S, class V>
EMMY_INLINE void apply(const FrozenCoefficients<S>&, V theta, V, V&, V& next, V& u) noexcept {
  next = theta;
  u = simd::zero<S>();
}

// acc + one term of a product.
template <LineSum P, class V>
EMMY_INLINE V add_term(V t, V n, V g, V u, V u0, V d, V seen, V acc) noexcept {
  if constexpr (P == kTt) return simd::mul_add(t, t, acc);
  else if constexpr (P == kNn) return simd::mul_add(n, n, acc);
  else if constexpr (P == kGt) return simd::mul_add(g, t, acc);
  else if constexpr (P == kGg) return simd::mul_add(g, g, acc);
  else if constexpr (P == kUt) return simd::mul_add(u, t, acc);
  else if constexpr (P == kUu) return simd::mul_add(u, u, acc);
  else if constexpr (P == kU0t) return simd::mul_add(u0, t, acc);
  else if constexpr (P == kU0u0) return simd::mul_add(u0, u0, acc);
  else if constexpr (P == kDt) return simd::mul_add(d, t, acc);
  else if constexpr (P == kU01) return simd::add(acc, u0);
  else if constexpr (P == kV1) return simd::add(acc, seen);
  else return simd::add(acc, P == kT1 ? t : P == kN1 ? n : P == kG1 ? g : u);
}
template <class MeterType, class V, class... Acc>
EMMY_INLINE void accumulate(V t, V n, V g, V u, V u0, V d, V seen, Acc&... acc) noexcept {
  [&]<int... P>(std::integer_sequence<int, P...>) EMMY_LAMBDA {
    ((acc = add_term<MeterType::at(P)>(t, n, g, u, u0, d, seen, acc)), ...);
  }
  (std::make_integer_sequence<int, sizeof...(Acc)>{});
}

template <class V>
EMMY_INLINE V keep_factor(V before, V after) noexcept {
  using S = simd::Scalar<V>;
  const V sign = simd::bit_and(after, simd::set(S(-0.0)));
  const V held = simd::select(simd::less(simd::abs(after), simd::set(kSmallestFactor<S>)),
                              simd::bit_or(sign, simd::set(kSmallestFactor<S>)), after);
  return simd::select(simd::equal(before, simd::zero<S>()), after, held);
}

namespace inner {
// One vector at row m, column o: theta and buf are read, theta' and buf' written; t, n, u and the last three go to the
// meter.
template <bool Factor, bool Tracks, bool Stores = true, class C, class T, class V, class O>
EMMY_INLINE void step_vector(const C& c, T* theta, T* buf, V gradient, const O& outer, int m, int o, V& t, V& n, V& u,
                             V& top, V& top_buf, V& u0, V& d, V& seen) noexcept {
  t = simd::load(theta);
  V b = C::kBuffered ? simd::load(buf) : simd::zero<T>();
  if constexpr (C::kMotion == Motion::general) {
    V second = load_second(c, theta);
    apply(c, t, gradient, b, second, n, u, u0, d, seen);
    if constexpr (Stores) store_second(c, second, theta);
  } else {
    apply(c, t, gradient, b, n, u);
  }
  if constexpr (!__is_same(O, NoOuter))  // as sweep_outer does it, so that measuring changes no bit
    n = simd::neg_mul_add(simd::set(outer.x[m]), simd::load(outer.v + o), simd::mul(simd::set(c.k), t));
  if constexpr (Factor) n = keep_factor(t, n);
  if constexpr (!Stores) return;
  if constexpr (!__is_same(C, FrozenCoefficients<T>)) simd::store(n, theta);
  if constexpr (Tracks) top = simd::max(top, simd::abs(n));
  if constexpr (C::kBuffered) {
    simd::store(b, buf);
    if constexpr (Tracks) top_buf = simd::max(top_buf, simd::abs(b));
  }
}

template <class T, class M, class V, class... Acc>
EMMY_INLINE void add_to_columns(M& meter, int o, Acc&... acc) noexcept {
  int p = 0;
  ((simd::store(simd::add(simd::load(&meter.column[p][o]), acc), &meter.column[p][o]), ++p), ...);
}
}  // namespace inner

// Sweeps M rows of a block, whose own sums become those from `kept` on in the meter. With `outer`, g is x dy^T.
template <int Cols, int M, bool Factor, class C, class T, class MeterType, class Range, class O = NoOuter>
EMMY_INLINE void sweep_rows(const C& c, T* theta, T* buf, const T* g, MeterType& meter, int kept, Range& range,
                            const O& outer = {}) noexcept {
  constexpr bool kTracks = !__is_same(Range, NoRange), kTwice = MeterType::kRows && MeterType::kColumns;
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  V top = simd::zero<T>(), top_buf = top, t = top, n = top, gradient = top, u = top, u0 = top, d = top, seen = top;
  if constexpr (MeterType::kRows) {
    const auto step = [&](int m, int o, V& t_, V& n_, V& g_, V& u_) EMMY_LAMBDA {
      const int at = m * Cols + o;
      g_ = simd::load(g + at);
      inner::step_vector<Factor, kTracks && !kTwice, !kTwice>(c, theta + at, C::kBuffered ? buf + at : buf, g_, outer,
                                                              m, o, t_, n_, u_, top, top_buf, u0, d, seen);
    };
    const auto by_itself = [&](int m) EMMY_LAMBDA {
      with_vectors<T, MeterType::kProducts>([&](auto&... row) EMMY_LAMBDA {
        for (int o = 0; o < Cols; o += lanes) {
          step(m, o, t, n, gradient, u);
          accumulate<MeterType>(t, n, gradient, u, u0, d, seen, row...);
        }
        put_sums(meter.row, kept + m, row...);
      });
    };
    // Four rows of one vector: as many sums, a quarter of the work.
    const auto four = [&](int m) EMMY_LAMBDA {
      with_vectors<T, 12>(
          [&](V& t1, V& n1, V& g1, V& u1, V& t2, V& n2, V& g2, V& u2, V& t3, V& n3, V& g3, V& u3) EMMY_LAMBDA {
            step(m, 0, t, n, gradient, u);
            step(m + 1, 0, t1, n1, g1, u1);
            step(m + 2, 0, t2, n2, g2, u2);
            step(m + 3, 0, t3, n3, g3, u3);
            [&]<int... P>(std::integer_sequence<int, P...>) EMMY_LAMBDA {
              const V none = simd::zero<T>();
              (simd::store_sums(add_term<MeterType::at(P)>(t, n, gradient, u, none, none, none, none),
                                add_term<MeterType::at(P)>(t1, n1, g1, u1, none, none, none, none),
                                add_term<MeterType::at(P)>(t2, n2, g2, u2, none, none, none, none),
                                add_term<MeterType::at(P)>(t3, n3, g3, u3, none, none, none, none),
                                &meter.row[P][kept + m]),
               ...);
            }
            (std::make_integer_sequence<int, MeterType::kProducts>{});
          });
    };
    for_row_tiles<M, 4>([&](int m, auto rows) EMMY_LAMBDA {
      if constexpr (decltype(rows)::value == 4 && kLanesOf<T> == Cols && !one_lane<T>() &&
                    C::kMotion != Motion::general)
        four(m);
      else
        for (int r = 0; r < decltype(rows)::value; ++r) by_itself(m + r);
    });
  }
  if constexpr (MeterType::kColumns) {
    for (int o = 0; o < Cols; o += lanes) {
      with_vectors<T, MeterType::kProducts>([&](auto&... column) EMMY_LAMBDA {
        // What follows a law goes on where the rows before ended; full sums are by tiles, as others make them.
        constexpr bool kGoesOn = MeterType::kSums != Sums::all;
        int p = 0;
        if constexpr (kGoesOn) ((column = simd::load(&meter.column[p++][o])), ...);
        for (int m = 0; m < M; ++m) {
          const int at = m * Cols + o;
          gradient = simd::load(g + at);
          inner::step_vector<Factor, kTracks>(c, theta + at, C::kBuffered ? buf + at : buf, gradient, outer, m, o, t, n,
                                              u, top, top_buf, u0, d, seen);
          accumulate<MeterType>(t, n, gradient, u, u0, d, seen, column...);
        }
        p = 0;
        if constexpr (kGoesOn) ((simd::store(column, &meter.column[p++][o])), ...);
        else inner::add_to_columns<T, MeterType, V>(meter, o, column...);
      });
    }
  }
  if constexpr (!MeterType::kRows && !MeterType::kColumns) {
    for (int at = 0; at < M * Cols; at += lanes)
      inner::step_vector<Factor, kTracks>(c, theta + at, C::kBuffered ? buf + at : buf, simd::load(g + at), outer,
                                          at / Cols, at % Cols, t, n, u, top, top_buf, u0, d, seen);
  }
  if constexpr (kTracks) {
    const T theta_top = simd::max_lane(top), buf_top = simd::max_lane(top_buf);
    range.theta = theta_top > range.theta ? theta_top : range.theta;
    range.memory = buf_top > range.memory ? buf_top : range.memory;
  }
}

// A tile of the gradient where it is made, M rows of N vectors: the first one of a column sets its sums, others add to them.
template <int Cols, int M, int N, class C, class T, class MeterType, class... V>
EMMY_INLINE void sweep_tile(const C& c, T* theta, T* buf, MeterType& meter, bool sets, int col,
                            const V&... g) noexcept {
  constexpr int kProducts = MeterType::kProducts;
  const int lanes = static_cast<int>(simd::lanes<T>());
  with_vectors<T, N * kProducts>([&](auto&... sums) EMMY_LAMBDA {
    int i = 0;
    if (!sets) ((sums = simd::load(&meter.column[i % kProducts][col + i / kProducts * lanes]), ++i), ...);
    const auto one = [&]<int At, int... P>(std::integral_constant<int, At>, std::integer_sequence<int, P...>,
                                           simd::Vec<T> gradient) EMMY_LAMBDA {
      simd::Vec<T> t = gradient, n = t, u = t, u0 = t, d = t, seen = t, none = t;
      const int at = At / N * Cols + At % N * lanes;
      inner::step_vector<false, false>(c, theta + at, C::kBuffered ? buf + at : buf, gradient, NoOuter{}, 0, 0, t, n, u,
                                       none, none, u0, d, seen);
      accumulate<MeterType>(t, n, gradient, u, u0, d, seen, pick<At % N * kProducts + P>(sums...)...);
    };
    [&]<int... At>(std::integer_sequence<int, At...>) EMMY_LAMBDA {
      (one(std::integral_constant<int, At>{}, std::make_integer_sequence<int, kProducts>{}, g), ...);
    }
    (std::make_integer_sequence<int, M * N>{});
    i = 0;
    ((simd::store(sums, &meter.column[i % kProducts][col + i / kProducts * lanes]), ++i), ...);
  });
}

// One vector of the gradient where it is made: nobody measures, and the block is no factor.
template <class C, class T, class V>
EMMY_INLINE void sweep_vector(const C& c, T* theta, T* buf, V gradient) noexcept {
  V t = gradient, n = t, u = t, u0 = t, d = t, seen = t, none = t;
  inner::step_vector<false, false>(c, theta, buf, gradient, NoOuter{}, 0, 0, t, n, u, none, none, u0, d, seen);
}

}  // namespace emmy::inline EMMY_TARGET
