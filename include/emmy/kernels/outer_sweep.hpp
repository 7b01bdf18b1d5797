// The update sweep of one sample, whose gradient x dy^T never exists: without a meter, with one of what the law needs and what the
// step leaves, with a full one. All write the same bits. Layout and meter as in update_sweep.hpp. Nothing can fail here.
// Test: tests/kernels/update_sweep_test.cpp.
#pragma once

#include <emmy/kernels/update_sweep.hpp>

namespace emmy::inline EMMY_TARGET {

// p *= k over `rows` rows of Cols.
template <int Cols, class T>
EMMY_OUTLINE void scale(T k, T* p, int rows) noexcept {
  scaled(k, p, rows * Cols, p);
}

namespace inner {
// What of a sweep stays in registers between its reads and its writes.
inline constexpr int kMovedVectors = simd::kRegisters / 4;
// How many vectors are read before they are written where panels have N, rows or parts of one: to and fro between reads and
// writes costs bandwidth on AVX-512. 0: does not matter.
template <int N>
consteval int moved_at_once() {
  if (!kSplitsProducts || simd::kRegisters < 32) return 0;
  if (N <= kMovedVectors) return kMovedVectors / N * N;
  int n = kMovedVectors;
  while (N % n != 0) --n;
  return n;
}
}  // namespace inner

// One sample, a rule without memory, nobody measuring: for Cols outputs in rows of padded length
//   theta'[i, o] = k theta[i, o] - x_i v_o,   bias'[o] = k bias[o] - v_o (bias may be null),   v = a0 dy.
// The gradient x dy^T never exists; a panel of v stays in registers while the rows pass by.
template <int Cols, int Rows, class T>
EMMY_INLINE void sweep_outer(T k, T a0, T* theta, const T* x, const T* dy, T* bias) noexcept {
  constexpr int kStride = padded<T>(Cols);
  // A bias by itself: where registers are many, vectors beside the caller's are less than a call.
  if constexpr (kHasPanels<T> && (Rows > 0 || one_lane<T>() || simd::kRegisters < 32)) {
    if (k != T(1)) {  // by itself: a second form of each loop would cost more flash than this pass costs time
      scale<kStride>(k, theta, Rows);
      if (bias != nullptr) scale<kStride>(k, bias, 1);
    }
    for_row_panels<Cols>([&](int o, auto cols) EMMY_LAMBDA {
      constexpr int kPanel = decltype(cols)::value;
      update_panel<kPanel, panel_rest(Rows), panel_step(kPanel, kStride)>(theta + o, x, dy + o, a0, Rows, kStride,
                                                                          bias == nullptr ? bias : bias + o);
    });
  } else {
    const int lanes = static_cast<int>(simd::lanes<T>());
    constexpr int kCovered = covered<T, Cols>();
    for_panels<T, kCovered, row_panel<T, kCovered>()>([&](int col, auto n_) EMMY_LAMBDA {
      constexpr int kVectors = decltype(n_)::value, kOnce = inner::moved_at_once<kVectors>(),
                    kRows = kOnce > kVectors ? kOnce / kVectors : 1;
      with_vectors<T, kVectors>([&](auto&... panel) EMMY_LAMBDA {
        int n = 0;
        ((panel = scaled_by(a0, simd::load(dy + col + n++ * lanes))), ...);
        const auto pass = [&](auto decays) EMMY_LAMBDA {
          const auto kept = [&](const T* at) EMMY_LAMBDA {
            return decltype(decays)::value ? simd::mul(simd::set(k), simd::load(at)) : simd::load(at);
          };
          T* row = theta + col;
          int i = 0;
          if constexpr (kOnce > 0) {
            const auto move = [&]<int First, int... J>(std::integral_constant<int, First>,
                                                       std::integer_sequence<int, J...>) EMMY_LAMBDA {
              with_vectors<T, sizeof...(J)>([&](auto&... next) EMMY_LAMBDA {
                const auto at = [&](int j) EMMY_LAMBDA { return row + j / kVectors * kStride + j % kVectors * lanes; };
                ((next = simd::neg_mul_add(simd::set(x[i + (First + J) / kVectors]),
                                           pick<(First + J) % kVectors>(panel...), kept(at(First + J)))),
                 ...);
                (simd::store(next, at(First + J)), ...);
              });
            };
            for (; i + kRows <= Rows; i += kRows, row += kRows * kStride)
              [&]<int... Part>(std::integer_sequence<int, Part...>) EMMY_LAMBDA {
                (move(std::integral_constant<int, Part * kOnce>{}, std::make_integer_sequence<int, kOnce>{}), ...);
              }
            (std::make_integer_sequence<int, kRows * kVectors / kOnce>{});
          }
          EMMY_UNROLL(2)
          for (; i < Rows; ++i, row += kStride) {
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
// a second look at short ones that are in L1 costs less, as a first one does where theta is wanted too. `motion` is x, or x
// times what a0 then lacks. LinearColumns: have columns linear charges? Of few rows only.
template <int Rows, int Cols, bool LinearColumns, class T, class MeterType>
EMMY_INLINE void sweep_outer(T k, T a0, T* theta, const SquaredRow<T>& x, const T* motion, const SquaredRow<T>& dy,
                             MeterType& meter) noexcept {
  using V = simd::Vec<T>;
  constexpr bool kLinear = MeterType::kSums == Sums::squares_and_sums;
  constexpr int kStride = padded<T>(Cols), kCovered = covered<T, Cols>(), kGgAt = MeterType::place(kGg),
                kNnAt = MeterType::place(kNn);
  [[maybe_unused]] constexpr int kN1At = MeterType::place(kN1), kTtAt = MeterType::place(kTt),
                                 kT1At = MeterType::place(kT1);  // -1 for none
  constexpr bool kSumsColumns = MeterType::kColumns && kLinear && LinearColumns, kBefore = MeterType::kBefore;
  // What is summed of a column: squares, the weights, and both of what they were. More of it, narrower panels.
  constexpr int kOfWeights = kSumsColumns ? 2 : 1, kOfColumn = kBefore ? 2 * kOfWeights : kOfWeights,
                kPanel = row_panel<T, kCovered, inner::kMovedVectors / (kOfColumn > 1 ? 2 : 1)>();
  // Panels that are no whole rows add to the sums of rows.
  constexpr bool kAddsRows = MeterType::kColumns && kPanel * kLanesOf<T> != kCovered;
  const int lanes = static_cast<int>(simd::lanes<T>());
  const auto squared = [](V value, T other)
                           EMMY_LAMBDA { return simd::mul(simd::mul(value, value), simd::set(other)); };
  const auto sum_rows = [&]<bool IsBefore>(std::bool_constant<IsBefore>) EMMY_LAMBDA {
    const T* weights = theta;
    if constexpr (IsBefore || !MeterType::kColumns)
      inner::sum_rows_of<Rows, Cols>(
          weights, meter.row[IsBefore ? kTtAt : kNnAt], [](V v) EMMY_LAMBDA { return simd::mul(v, v); },
          [](V v, V sum) EMMY_LAMBDA { return simd::add_square(sum, v); });
    if constexpr (kLinear)
      inner::sum_rows_of<Rows, Cols>(
          weights, meter.row[IsBefore ? kT1At : kN1At], [](V v) EMMY_LAMBDA { return v; },
          [](V v, V sum) EMMY_LAMBDA { return simd::add(v, sum); });
  };
  if constexpr (MeterType::kRows) {  // the sums that are added to, and pads
    for (int place = kNnAt; place < MeterType::kProducts; ++place)
      for (int i = kAddsRows ? 0 : Rows / lanes * lanes; i < Rows; i += lanes)
        simd::store(simd::zero<T>(), &meter.row[place][i]);
    if constexpr (kBefore) sum_rows(std::true_type{});
  }
  if constexpr (!MeterType::kColumns) {
    sweep_outer<Cols, Rows>(k, a0, theta, motion, dy.p, static_cast<T*>(nullptr));
  } else {
    for (int o = 0; o < kCovered; o += lanes)
      simd::store(squared(simd::load(dy.p + o), x.squares), &meter.column[kGgAt][o]);
    for_panels<T, kCovered, kPanel>([&](int col, auto n_) EMMY_LAMBDA {
      constexpr int kVectors = decltype(n_)::value, kColumnSums = kOfColumn * kVectors;
      with_vectors<T, kVectors>([&](auto&... panel) EMMY_LAMBDA {
        with_vectors<T, kColumnSums>([&](auto&... even) EMMY_LAMBDA {
          with_vectors<T, kColumnSums>([&](auto&... odd) EMMY_LAMBDA {
            int n = 0;
            ((panel = simd::mul(simd::set(a0), simd::load(dy.p + col + n++ * lanes))), ...);
            const auto pass = [&](auto decays) EMMY_LAMBDA {
              const auto row = [&](int i, V& nn, auto&... column) EMMY_LAMBDA {
                T* at = theta + i * kStride + col;
                const V xi = simd::set(motion[i]);
                with_vectors<T, kVectors>([&](auto&... next) EMMY_LAMBDA {
                  [&]<int... J>(std::integer_sequence<int, J...>) EMMY_LAMBDA {
                    const auto sum = [&]<int At>(std::integral_constant<int, At>, V v) EMMY_LAMBDA {
                      V& squares = pick<At>(column...);
                      constexpr bool kOfRow = MeterType::kRows && At < kVectors;
                      if constexpr (kOfRow && simd::kSplitsSquares) {
                        const V square = simd::square(v);
                        squares = simd::settled(simd::add(squares, square));
                        nn = At == 0 ? square : simd::settled(simd::add(nn, square));
                      } else {
                        squares = simd::add_square(squares, v);
                        if constexpr (kOfRow) nn = At == 0 ? simd::square(v) : simd::add_square(nn, v);
                      }
                      if constexpr (kSumsColumns) {
                        V& plain = pick<At + kVectors>(column...);
                        plain = simd::add(plain, v);
                      }
                    };
                    ((next = simd::load(at + J * lanes)), ...);
                    if constexpr (kBefore) (sum(std::integral_constant<int, kOfWeights * kVectors + J>{}, next), ...);
                    if constexpr (decltype(decays)::value) ((next = simd::mul(simd::set(k), next)), ...);
                    ((next = simd::neg_mul_add(xi, pick<J>(panel...), next)), ...);
                    (simd::store(next, at + J * lanes), ...);
                    (sum(std::integral_constant<int, J>{}, next), ...);
                  }
                  (std::make_integer_sequence<int, kVectors>{});
                });
              };
              // Two sums a column where rows are so short that each waits for its last term.
              constexpr bool kTwo = kVectors < (simd::kSplitsSquares ? 2 : 4);
              constexpr int kGroup = MeterType::kRows ? inner::kSummedRows<T> : 2;
              for_row_tiles<Rows, kGroup>([&](int from, auto count) EMMY_LAMBDA {
                constexpr int kNow = decltype(count)::value;
                with_vectors<T, kNow>([&](auto&... nn) EMMY_LAMBDA {
                  int m = 0;
                  ((kTwo && m % 2 != 0 ? row(from + m, nn, odd...) : row(from + m, nn, even...), ++m), ...);
                  if constexpr (MeterType::kRows) {
                    T* to = meter.row[kNnAt] + from;
                    if constexpr (kNow == kGroup) inner::put_row_sums<kAddsRows>(to, nn...);
                    else ((*to = simd::sum(nn) + (kAddsRows ? *to : T(0)), ++to), ...);
                  }
                });
              });
            };
            if (k == T(1)) pass(std::false_type{});
            else pass(std::true_type{});
            [&]<int... J>(std::integer_sequence<int, J...>) EMMY_LAMBDA {
              constexpr int kPlaces[] = {kNnAt, kOfWeights == 2 ? kN1At : kTtAt, kTtAt, kT1At};
              (simd::store(simd::add(pick<J>(even...), pick<J>(odd...)),
                           &meter.column[kPlaces[J / kVectors]][col + J % kVectors * lanes]),
               ...);
            }
            (std::make_integer_sequence<int, kColumnSums>{});
          });
        });
      });
    });
  }
  if constexpr (MeterType::kRows) {
    for (int i = 0; i < Rows; i += lanes)
      simd::store(squared(load_units(x.p + i, Rows - i), dy.squares), &meter.row[kGgAt][i]);
    sum_rows(std::false_type{});
  }
}

// sweep_outer of a rule with memory: g = x dy^T. Plain coefficients give the same bits in half the operations.
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
