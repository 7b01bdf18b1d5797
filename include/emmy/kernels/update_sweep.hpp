// The update sweep: reads weights, gradient and state once, writes weights and state, and measures while the values are
// in registers. Two plug-ins: the coefficients of a rule (optim/) and a meter.
//
//   theta' = k theta - u        apply(coefficients, theta, g, buf, next, u)
//
// The meter sums products over the rows or the columns of a block, or both: tt nn gt gg t1 n1 g1 and, for a rule with
// memory, ut uu u1 (t = theta, n = theta', g the gradient, 1 = plain sum). Without memory u = a0 g and the last three
// follow. A light meter sums gg and uu only: what a predicted charge needs. Sums are kept in lane accumulators and
// reduced once a row: an ordered running sum costs twice the sweep.
// Layout: M rows of Cols padded scalars, contiguous in theta, buf and g. Nothing can fail here.
// Rounding: each sum is one of n terms with at most n / lanes + log2 lanes + 2 roundings a term (rows), n + 2 (columns).
// Test: tests/kernels/update_sweep_test.cpp.
#pragma once

#include <emmy/kernels/gemm.hpp>
#include <emmy/kernels/panel.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// The sums over one line of a block.
template <class S>
struct Sums {
  S tt, nn, gt, gg, t1, n1, g1, ut, uu, u1;
};

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
  static constexpr bool kMemoryless = true;
  S k = S(1), a0 = S(0);
};

// Below this a factor of a product is held at this size: smaller ones become denormal, slow, and with flush to zero
// could never return. An exact 0 (a snapped factor) stays 0.
template <class S>
inline constexpr S kSmallestFactor = S(1e-18);

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Column sums of one block; rows are handed out as they end.
template <class S, int Cols, bool Rows, bool Columns, bool Memoryless, bool Light = false>
struct Meter {
  static constexpr bool kRows = Rows, kColumns = Columns, kLight = Light;
  static constexpr int kProducts = Light ? (Memoryless ? 1 : 2) : (Memoryless ? 7 : 10);
  alignas(kAlign<S>) S column[Columns ? kProducts : 1][Columns ? Cols : 1] = {};
};

template <class S, class V>
EMMY_INLINE void apply(const FrozenCoefficients<S>&, V theta, V, V&, V& next, V& u) noexcept {
  next = theta;
  u = simd::zero<S>();
}

template <class V>
EMMY_INLINE void accumulate(V t, V n, V g, V, V& tt, V& nn, V& gt, V& gg, V& t1, V& n1, V& g1) noexcept {
  tt = simd::mul_add(t, t, tt);
  nn = simd::mul_add(n, n, nn);
  gt = simd::mul_add(g, t, gt);
  gg = simd::mul_add(g, g, gg);
  t1 = simd::add(t1, t);
  n1 = simd::add(n1, n);
  g1 = simd::add(g1, g);
}
template <class V>
EMMY_INLINE void accumulate(V t, V n, V g, V u, V& tt, V& nn, V& gt, V& gg, V& t1, V& n1, V& g1, V& ut, V& uu,
                            V& u1) noexcept {
  accumulate(t, n, g, u, tt, nn, gt, gg, t1, n1, g1);
  ut = simd::mul_add(u, t, ut);
  uu = simd::mul_add(u, u, uu);
  u1 = simd::add(u1, u);
}

template <class V>
EMMY_INLINE void accumulate(V, V, V g, V, V& gg) noexcept {
  gg = simd::mul_add(g, g, gg);
}
template <class V>
EMMY_INLINE void accumulate(V, V, V g, V u, V& gg, V& uu) noexcept {
  gg = simd::mul_add(g, g, gg);
  uu = simd::mul_add(u, u, uu);
}

// The sums of one line from the products of its meter, in the order of `accumulate`.
template <class T, bool Light>
EMMY_INLINE Sums<T> sums_of(const T (&s)[10]) noexcept {
  if constexpr (Light) return {T(0), T(0), T(0), s[0], T(0), T(0), T(0), T(0), s[1], T(0)};
  else return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]};
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
// One vector at row m, column o: theta and buf are read, theta' and buf' written; t, n and u go to the meter.
template <bool Factor, bool Tracks, class C, class T, class V, class O>
EMMY_INLINE void step_vector(const C& c, T* theta, T* buf, V gradient, const O& outer, int m, int o, V& t, V& n, V& u,
                             V& top, V& top_buf) noexcept {
  t = simd::load(theta);
  V b = C::kMemoryless ? simd::zero<T>() : simd::load(buf);
  apply(c, t, gradient, b, n, u);
  if constexpr (!__is_same(O, NoOuter))  // as sweep_outer does it, so that measuring changes no bit
    n = simd::neg_mul_add(simd::set(outer.x[m]), simd::load(outer.v + o), simd::mul(simd::set(c.k), t));
  if constexpr (Factor) n = keep_factor(t, n);
  if constexpr (!__is_same(C, FrozenCoefficients<T>)) simd::store(n, theta);
  if constexpr (Tracks) top = simd::max(top, simd::abs(n));
  if constexpr (!C::kMemoryless) {
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

// Sweeps M rows of a block. on_row(m, Sums) is called for each row if the meter wants rows. With `outer`, g is x dy^T.
template <int Cols, int M, bool Factor, class C, class T, class MeterType, class Range, class OnRow, class O = NoOuter>
EMMY_INLINE void sweep_rows(const C& c, T* theta, T* buf, const T* g, MeterType& meter, Range& range, OnRow&& on_row,
                            const O& outer = {}) noexcept {
  constexpr bool kTracks = !__is_same(Range, NoRange);
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  V top = simd::zero<T>(), top_buf = simd::zero<T>(), t = top, n = top, gradient = top, u = top;
  if constexpr (MeterType::kRows) {
    for (int m = 0; m < M; ++m) {
      with_vectors<T, MeterType::kProducts>([&](auto&... row) EMMY_LAMBDA {
        for (int o = 0; o < Cols; o += lanes) {
          const int at = m * Cols + o;
          gradient = simd::load(g + at);
          inner::step_vector<Factor, kTracks>(c, theta + at, C::kMemoryless ? buf : buf + at, gradient, outer, m, o, t,
                                              n, u, top, top_buf);
          accumulate(t, n, gradient, u, row...);
          if constexpr (MeterType::kColumns) {
            with_vectors<T, MeterType::kProducts>([&](auto&... product) EMMY_LAMBDA {
              accumulate(t, n, gradient, u, product...);
              inner::add_to_columns<T, MeterType, V>(meter, o, product...);
            });
          }
        }
        T s[10] = {};
        int p = 0;
        ((s[p++] = simd::sum(row)), ...);
        on_row(m, sums_of<T, MeterType::kLight>(s));
      });
    }
  } else if constexpr (MeterType::kColumns) {
    for (int o = 0; o < Cols; o += lanes) {
      with_vectors<T, MeterType::kProducts>([&](auto&... column) EMMY_LAMBDA {
        for (int m = 0; m < M; ++m) {
          const int at = m * Cols + o;
          gradient = simd::load(g + at);
          inner::step_vector<Factor, kTracks>(c, theta + at, C::kMemoryless ? buf : buf + at, gradient, outer, m, o, t,
                                              n, u, top, top_buf);
          accumulate(t, n, gradient, u, column...);
        }
        inner::add_to_columns<T, MeterType, V>(meter, o, column...);
      });
    }
  } else {
    for (int at = 0; at < M * Cols; at += lanes)
      inner::step_vector<Factor, kTracks>(c, theta + at, C::kMemoryless ? buf : buf + at, simd::load(g + at), outer,
                                          at / Cols, at % Cols, t, n, u, top, top_buf);
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
  V t = gradient, n = t, u = t, none = t;
  inner::step_vector<false, false>(c, theta, buf, gradient, NoOuter{}, 0, 0, t, n, u, none, none);
}

// p *= k over `rows` rows of Cols.
template <int Cols, class T>
EMMY_OUTLINE void scale(T k, T* p, int rows) noexcept {
  for (int at = 0; at < rows * Cols; at += static_cast<int>(simd::lanes<T>()))
    simd::store(simd::mul(simd::set(k), simd::load(p + at)), p + at);
}

// One sample, a rule without memory, nobody measuring: for Cols outputs in rows of padded length theta'[i, o] = k theta[i, o] - x_i v_o and bias'[o] =
// k bias[o] - v_o (bias may be null), v = a0 dy. The gradient x dy^T never exists; a panel of v stays in registers while
// the rows pass by. Rest: may `rows` be no multiple of kPanelRows?
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

// The sums of column o.
template <class T, int Cols, bool Rows, bool Memoryless, bool Light>
EMMY_INLINE Sums<T> column_sums(const Meter<T, Cols, Rows, true, Memoryless, Light>& meter, int o) noexcept {
  T s[10] = {};
  for (int p = 0; p < meter.kProducts; ++p) s[p] = meter.column[p][o];
  return sums_of<T, Light>(s);
}

}  // namespace emmy::inline EMMY_TARGET
