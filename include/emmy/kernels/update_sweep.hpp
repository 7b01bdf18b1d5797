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

// Which of them a meter keeps: all; those of a law, gg and uu; those and nn, and n1.
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
template <class S, int Cols, int Rows, bool Columns, Motion How, Sums Kept = Sums::all, bool Kinetic = false>
struct Meter {
  static constexpr bool kRows = Rows > 0, kColumns = Columns;
  static constexpr Motion kMotion = How;
  static constexpr Sums kSums = Kept;
  static constexpr int kOfLaw = How == Motion::plain ? 1 : 2;
  static constexpr int kProducts = Kept != Sums::all ? kOfLaw + static_cast<int>(Kept) - static_cast<int>(Sums::law)
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
    return index == kOfLaw ? kNn : kN1;
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

// sums[p][m] = the sum over the lanes of the p-th vector, four at once.
template <class T, int Stride, class... V>
EMMY_INLINE void put_sums(T (*sums)[Stride], int m, V&... v) noexcept {
  constexpr int kCount = static_cast<int>(sizeof...(V)), kFours = kCount / 4;
  [&]<int... F, int... R>(std::integer_sequence<int, F...>, std::integer_sequence<int, R...>) EMMY_LAMBDA {
    [[maybe_unused]] T four[4];
    ((simd::store_sums(pick<4 * F>(v...), pick<4 * F + 1>(v...), pick<4 * F + 2>(v...), pick<4 * F + 3>(v...), four),
      sums[4 * F][m] = four[0], sums[4 * F + 1][m] = four[1], sums[4 * F + 2][m] = four[2],
      sums[4 * F + 3][m] = four[3]),
     ...);
    ((sums[4 * kFours + R][m] = simd::sum(pick<4 * kFours + R>(v...))), ...);
  }
  (std::make_integer_sequence<int, kFours>{}, std::make_integer_sequence<int, kCount - 4 * kFours>{});
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
        for (int m = 0; m < M; ++m) {
          const int at = m * Cols + o;
          gradient = simd::load(g + at);
          inner::step_vector<Factor, kTracks>(c, theta + at, C::kBuffered ? buf + at : buf, gradient, outer, m, o, t, n,
                                              u, top, top_buf, u0, d, seen);
          accumulate<MeterType>(t, n, gradient, u, u0, d, seen, column...);
        }
        inner::add_to_columns<T, MeterType, V>(meter, o, column...);
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

// One vector of the gradient where it is made: nobody measures, and the block is no factor.
template <class C, class T, class V>
EMMY_INLINE void sweep_vector(const C& c, T* theta, T* buf, V gradient) noexcept {
  V t = gradient, n = t, u = t, u0 = t, d = t, seen = t, none = t;
  inner::step_vector<false, false>(c, theta, buf, gradient, NoOuter{}, 0, 0, t, n, u, none, none, u0, d, seen);
}

// p *= k over `rows` rows of Cols.
template <int Cols, class T>
EMMY_OUTLINE void scale(T k, T* p, int rows) noexcept {
  scaled(k, p, rows * Cols, p);
}

// One sample, a rule without memory, nobody measuring: for Cols outputs in rows of padded length
//   theta'[i, o] = k theta[i, o] - x_i v_o,   bias'[o] = k bias[o] - v_o (bias may be null),   v = a0 dy.
// The gradient x dy^T never exists; a panel of v stays in registers while the rows pass by. Rest: may `rows` be no
// multiple of kPanelRows?
template <int Cols, bool Rest = true, class T>
EMMY_INLINE void sweep_outer(T k, T a0, T* theta, int rows, const T* x, const T* dy, T* bias) noexcept {
  constexpr int kStride = padded<T>(Cols);
  if constexpr (kHasPanels<T>) {
    if (k != T(1)) {  // by itself: a second form of each loop would cost more flash than this pass costs time
      scale<kStride>(k, theta, rows);
      if (bias != nullptr) scale<kStride>(k, bias, 1);
    }
    for_row_panels<Cols>([&](int o, auto cols) EMMY_LAMBDA {
      constexpr int kPanel = decltype(cols)::value;
      update_panel<kPanel, Rest, panel_step(kPanel, kStride)>(theta + o, x, dy + o, a0, rows, kStride,
                                                              bias == nullptr ? bias : bias + o);
    });
  } else {
    const std::size_t lanes = simd::lanes<T>();
    constexpr int kCovered = covered<T, Cols>();
    for_panels<T, kCovered, row_panel<T, kCovered>()>([&](int col, auto n_) EMMY_LAMBDA {
      with_vectors<T, decltype(n_)::value>([&](auto&... panel) EMMY_LAMBDA {
        std::size_t n = 0;
        ((panel = simd::mul(simd::set(a0), simd::load(dy + col + n++ * lanes))), ...);
        const auto pass = [&](auto decays) EMMY_LAMBDA {
          const auto kept = [&](const T* at) EMMY_LAMBDA {
            return decltype(decays)::value ? simd::mul(simd::set(k), simd::load(at)) : simd::load(at);
          };
          T* row = theta + col;
          EMMY_UNROLL(2)
          for (int i = 0; i < rows; ++i, row += kStride) {
            const auto xi = simd::set(x[i]);
            T* at = row;
            ((simd::store(simd::neg_mul_add(xi, panel, kept(at)), at), at += lanes), ...);
          }
          if (bias != nullptr) {
            T* at = bias + col;
            ((simd::store(simd::sub(kept(at), panel), at), at += lanes), ...);
          }
        };
        if (k == T(1)) pass(std::false_type{});
        else pass(std::true_type{});
      });
    });
  }
}

namespace inner {
// Rows whose sums are handed out together: as many as fold into one vector where the registers hold them.
template <class T>
inline constexpr int kSummedRows = simd::kFoldsSums<T>&& simd::kRegisters >= 32 ? kLanesOf<T> : 4;

// to[0..) = the sum over the lanes of each of so many vectors, or += it.
template <bool Adds, class T, class V, class... R>
EMMY_INLINE void put_row_sums(T* to, V first, R... rest) noexcept {
  if constexpr (kSummedRows<T> == 4) {
    T sums[4];
    simd::store_sums(first, rest..., Adds ? sums : to);
    for (int m = 0; Adds && m < 4; ++m) to[m] += sums[m];
  } else {
    auto sums = simd::lane_sums(first, rest...);
    if constexpr (Adds) sums = simd::add(sums, simd::load(static_cast<const T*>(to)));
    simd::store(sums, to);
  }
}

// to[i] = sum_o of(row i's vector at o) for Rows rows of Cols values; first: of the first vector, which has no sum to add to.
template <int Rows, int Cols, class T, class First, class Next>
EMMY_INLINE void sum_rows_of(const T* p, T* to, First&& first, Next&& next) noexcept {
  constexpr int kStride = padded<T>(Cols), kCovered = covered<T, Cols>(), kGroup = kSummedRows<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto total = [&](int i) EMMY_LAMBDA {
    auto v = first(simd::load(p + i * kStride));
    for (int o = lanes; o < kCovered; o += lanes) v = next(simd::load(p + i * kStride + o), v);
    return v;
  };
  for_row_tiles<Rows, kGroup>([&](int row, auto count) EMMY_LAMBDA {
    if constexpr (decltype(count)::value == kGroup)
      with_vectors<T, kGroup>([&](auto&... v) EMMY_LAMBDA {
        int i = row;
        ((v = total(i++)), ...);
        put_row_sums<false>(to + row, v...);
      });
    else
      for (int i = row; i < Rows; ++i) to[i] = simd::sum(total(i));
  });
}
}  // namespace inner

// sweep_outer with a meter of what the law needs and what the step leaves: theta' in the same bits, |g|^2 of a line from the
// squares of x and dy. Columns are summed while theta' is in registers, and rows with them; rows alone behind the sweep, where
// a second look at short ones that are in L1 costs less. Columns have linear charges in blocks of one row only.
template <int Rows, int Cols, class T, class MeterType>
EMMY_INLINE void sweep_outer(T k, T a0, T* theta, const SummedRow<T>& x, const SummedRow<T>& dy,
                             MeterType& meter) noexcept {
  using V = simd::Vec<T>;
  constexpr bool kLinear = MeterType::kSums == Sums::squares_and_sums;
  constexpr int kStride = padded<T>(Cols), kCovered = covered<T, Cols>(), kGg = MeterType::place(LineSum::kGg),
                kNn = MeterType::place(LineSum::kNn), kN1 = kLinear ? MeterType::place(LineSum::kN1) : kNn;
  // Panels that are no whole rows add to the sums of rows.
  constexpr bool kAddsRows = MeterType::kColumns && row_panel<T, kCovered>() * kLanesOf<T> != kCovered;
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto squared = [](V value, T other)
                           EMMY_LAMBDA { return simd::mul(simd::mul(value, value), simd::set(other)); };
  if constexpr (MeterType::kRows)  // the sums that are added to, and pads
    for (int place = kNn; place <= kN1; ++place)
      for (int i = kAddsRows ? 0 : Rows / lanes * lanes; i < Rows; i += lanes)
        simd::store(simd::zero<T>(), &meter.row[place][i]);
  if constexpr (!MeterType::kColumns) {
    sweep_outer<Cols>(k, a0, theta, Rows, x.p, dy.p, static_cast<T*>(nullptr));
  } else {
    for (int o = 0; o < kCovered; o += lanes)
      simd::store(squared(simd::load(dy.p + o), x.squares), &meter.column[kGg][o]);
    for_panels<T, kCovered, row_panel<T, kCovered>()>([&](int col, auto n_) EMMY_LAMBDA {
      constexpr int kVectors = decltype(n_)::value;
      with_vectors<T, kVectors>([&](auto&... panel) EMMY_LAMBDA {
        with_vectors<T, kVectors>([&](auto&... even) EMMY_LAMBDA {
          with_vectors<T, kVectors>([&](auto&... odd) EMMY_LAMBDA {
            int n = 0;
            ((panel = simd::mul(simd::set(a0), simd::load(dy.p + col + n++ * lanes))), ...);
            const auto pass = [&](auto decays) EMMY_LAMBDA {
              const auto row = [&](int i, V& nn, auto&... column) EMMY_LAMBDA {
                T* at = theta + i * kStride + col;
                const V xi = simd::set(x.p[i]);
                bool first = true;
                const auto one = [&](V step, V& sum) EMMY_LAMBDA {
                  const V t = decltype(decays)::value ? simd::mul(simd::set(k), simd::load(at)) : simd::load(at);
                  const V next = simd::neg_mul_add(xi, step, t);
                  simd::store(next, at);
                  sum = simd::mul_add(next, next, sum);
                  if constexpr (MeterType::kRows) nn = first ? simd::mul(next, next) : simd::mul_add(next, next, nn);
                  first = false;
                  at += lanes;
                };
                (one(panel, column), ...);
              };
              // Two sums a column: each waits for its last product.
              constexpr int kGroup = MeterType::kRows ? inner::kSummedRows<T> : 2;
              for_row_tiles<Rows, kGroup>([&](int from, auto count) EMMY_LAMBDA {
                constexpr int kNow = decltype(count)::value;
                with_vectors<T, kNow>([&](auto&... nn) EMMY_LAMBDA {
                  int m = 0;
                  ((m % 2 == 0 ? row(from + m, nn, even...) : row(from + m, nn, odd...), ++m), ...);
                  if constexpr (MeterType::kRows) {
                    T* to = meter.row[kNn] + from;
                    if constexpr (kNow == kGroup) inner::put_row_sums<kAddsRows>(to, nn...);
                    else ((*to = simd::sum(nn) + (kAddsRows ? *to : T(0)), ++to), ...);
                  }
                });
              });
            };
            if (k == T(1)) pass(std::false_type{});
            else pass(std::true_type{});
            int at = col;
            ((simd::store(simd::add(even, odd), &meter.column[kNn][at]), at += lanes), ...);
          });
        });
      });
    });
    if constexpr (kLinear && Rows == 1)
      for (int o = 0; o < kCovered; o += lanes) simd::store(simd::load(theta + o), &meter.column[kN1][o]);
  }
  if constexpr (MeterType::kRows) {
    // Of one row the squares of x are those of the gradient; its entry may hold the motion (a column).
    if constexpr (Rows == 1) simd::store(simd::mul(load_units(&x.squares, 1), simd::set(dy.squares)), meter.row[kGg]);
    else
      for (int i = 0; i < Rows; i += lanes)
        simd::store(squared(load_units(x.p + i, Rows - i), dy.squares), &meter.row[kGg][i]);
    if constexpr (!MeterType::kColumns)
      inner::sum_rows_of<Rows, Cols>(
          static_cast<const T*>(theta), meter.row[kNn], [](V v) EMMY_LAMBDA { return simd::mul(v, v); },
          [](V v, V sum) EMMY_LAMBDA { return simd::mul_add(v, v, sum); });
    if constexpr (kLinear)
      inner::sum_rows_of<Rows, Cols>(
          static_cast<const T*>(theta), meter.row[kN1], [](V v) EMMY_LAMBDA { return v; },
          [](V v, V sum) EMMY_LAMBDA { return simd::add(v, sum); });
  }
}

// The same of a rule with memory: g = x dy^T. Plain coefficients give the same bits in half the operations.
template <int Cols, class C, class T>
EMMY_INLINE void sweep_outer(const C& c, T* theta, T* buf, int rows, const T* x, const T* dy) noexcept {
  constexpr int kStride = padded<T>(Cols), kCovered = covered<T, Cols>();
  const std::size_t lanes = simd::lanes<T>();
  const auto pass = [&](const auto& own) EMMY_LAMBDA {
    for_panels<T, kCovered, row_panel<T, kCovered>()>([&](int col, auto n_) EMMY_LAMBDA {
      with_vectors<T, decltype(n_)::value>([&](auto&... panel) EMMY_LAMBDA {
        std::size_t n = 0;
        ((panel = simd::load(dy + col + n++ * lanes)), ...);
        T *row = theta + col, *memory = buf + col;
        for (int i = 0; i < rows; ++i, row += kStride, memory += kStride) {
          const auto xi = simd::set(x[i]);
          std::size_t o = 0;
          ((sweep_vector(own, row + o, memory + o, simd::mul(xi, panel)), o += lanes), ...);
        }
      });
    });
  };
  if constexpr (one_lane<T>() || C::kMotion == Motion::general) pass(c);  // a second loop costs flash
  else if (is_plain(c)) pass(plain(c));
  else pass(c);
}

// sweep_outer without a bias and with a meter (full, of a rule without memory): dy stays outside of the sums, so a vector
// of theta takes five terms and not seven. The sums of the rows go where kept(row) says, and done(row) follows each. The
// weights get the bits of sweep_outer.
template <int Rows, int Cols, class T, class MeterType, class Kept, class Done>
EMMY_INLINE void measure_outer(T k, T* theta, const SummedRow<T>& x, const SummedRow<T>& dy, const T* v,
                               MeterType& meter, Kept&& kept, Done&& done) noexcept {
  using V = simd::Vec<T>;
  constexpr int kStride = padded<T>(Cols);
  const std::size_t lanes = simd::lanes<T>();
  const auto next = [&](V xi, V step, V t)
                        EMMY_LAMBDA { return simd::neg_mul_add(xi, step, simd::mul(simd::set(k), t)); };
  if constexpr (MeterType::kRows) {
    auto& sums = meter.row;
    const auto step = [&](int i, std::size_t o, V& t, V& n) EMMY_LAMBDA {
      T* at = theta + i * kStride + o;
      t = simd::load(at);
      n = next(simd::set(x.p[i]), simd::load(v + o), t);
      if constexpr (!MeterType::kColumns) simd::store(n, at);
    };
    const auto finish = [&](int i, T dt) EMMY_LAMBDA {
      const T xi = x.p[i];
      const int at = kept(i);
      sums[kGt][at] = xi * dt, sums[kGg][at] = xi * xi * dy.squares, sums[kG1][at] = xi * dy.sum;
      done(i);
    };
    constexpr int kByFours = kLanesOf<T> == kStride && !one_lane<T>() ? Rows / 4 * 4 : 0;
    if constexpr (kByFours > 0) {
      const V d = simd::load(dy.p);
      for (int i = 0; i < kByFours; i += 4) {
        V t0, n0, t1, n1, t2, n2, t3, n3;
        step(i, 0, t0, n0), step(i + 1, 0, t1, n1), step(i + 2, 0, t2, n2), step(i + 3, 0, t3, n3);
        T dt[4];
        const int at = kept(i);
        simd::store_sums(simd::mul(t0, t0), simd::mul(t1, t1), simd::mul(t2, t2), simd::mul(t3, t3), &sums[kTt][at]);
        simd::store_sums(simd::mul(n0, n0), simd::mul(n1, n1), simd::mul(n2, n2), simd::mul(n3, n3), &sums[kNn][at]);
        simd::store_sums(t0, t1, t2, t3, &sums[kT1][at]);
        simd::store_sums(n0, n1, n2, n3, &sums[kN1][at]);
        simd::store_sums(simd::mul(d, t0), simd::mul(d, t1), simd::mul(d, t2), simd::mul(d, t3), dt);
        for (int m = 0; m < 4; ++m) finish(i + m, dt[m]);
      }
    }
    for (int i = kByFours; i < Rows; ++i)
      with_vectors<T, 5>([&](V& tt, V& nn, V& dt, V& t1, V& n1) EMMY_LAMBDA {
        V t = tt, n = tt;
        for (std::size_t o = 0; o < kStride; o += lanes) {
          step(i, o, t, n);
          tt = simd::mul_add(t, t, tt);
          nn = simd::mul_add(n, n, nn);
          dt = simd::mul_add(simd::load(dy.p + o), t, dt);
          t1 = simd::add(t1, t);
          n1 = simd::add(n1, n);
        }
        T four[4];
        simd::store_sums(tt, nn, t1, n1, four);
        const int at = kept(i);
        sums[kTt][at] = four[0], sums[kNn][at] = four[1], sums[kT1][at] = four[2], sums[kN1][at] = four[3];
        finish(i, simd::sum(dt));
      });
  }
  if constexpr (MeterType::kColumns) {
    for (std::size_t o = 0; o < kStride; o += lanes) {
      with_vectors<T, 5>([&](V& tt, V& nn, V& xt, V& t1, V& n1) EMMY_LAMBDA {
        T* at = theta + o;
        const V step = simd::load(v + o);
        for_row_tiles<Rows, kTileRows>([&](int first, auto m_) EMMY_LAMBDA {  // in the tiles of sweep_rows
          with_vectors<T, 4>([&](V& tile_tt, V& tile_nn, V& tile_t1, V& tile_n1) EMMY_LAMBDA {
            for (int m = 0; m < decltype(m_)::value; ++m, at += kStride) {
              const V xi = simd::set(x.p[first + m]), t = simd::load(at), n = next(xi, step, t);
              simd::store(n, at);
              tile_tt = simd::mul_add(t, t, tile_tt);
              tile_nn = simd::mul_add(n, n, tile_nn);
              tile_t1 = simd::add(tile_t1, t);
              tile_n1 = simd::add(tile_n1, n);
              xt = simd::mul_add(xi, t, xt);
            }
            tt = simd::add(tt, tile_tt), nn = simd::add(nn, tile_nn);
            t1 = simd::add(t1, tile_t1), n1 = simd::add(n1, tile_n1);
          });
        });
        const V d = simd::load(dy.p + o);
        auto& sums = meter.column;
        simd::store(tt, &sums[kTt][o]);
        simd::store(nn, &sums[kNn][o]);
        simd::store(simd::mul(d, xt), &sums[kGt][o]);
        simd::store(simd::mul(simd::mul(d, d), simd::set(x.squares)), &sums[kGg][o]);
        simd::store(t1, &sums[kT1][o]);
        simd::store(n1, &sums[kN1][o]);
        simd::store(simd::mul(d, simd::set(x.sum)), &sums[kG1][o]);
      });
    }
  }
}

}  // namespace emmy::inline EMMY_TARGET
