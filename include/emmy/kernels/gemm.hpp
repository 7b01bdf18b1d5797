// Matrix products of a training step, all from one register tile.
//
//   forward      y[r, o]  = b[o] + sum_i x[r, i] W[i, o]        gemm, a = x
//   dW           g[i, o]  = sum_r x[r, i] dy[r, o]              gemm with the strides of x swapped
//   dX           dx[r, i] = sum_o dy[r, o] W[i, o]              many rows: gemm on a transposed copy; few: row_dots
//
// Layout: W is [in][pad(out)], so that forward and dW need no horizontal sum and the user's x needs no padding; b, y
// and dy have rows of padded length. The right operand and the result must not overlap the left one.
// Error: each element is one sum of K products in the order of k (one row: in parts; row_dots: in lanes, then their sum), so
// |error| <= K w_r sum_k |a b| with w_r the unit roundoff, or (K + 1) w_r (|start| + sum_k |a b|) where the sum starts
// from a value. Test: tests/kernels/gemm_test.cpp.
// Why a pack of named accumulators and not an array: SVE vectors are sizeless; measured equal on every target.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <emmy/kernels/reduce.hpp>
#include <emmy/kernels/rows.hpp>
#include <emmy/simd/simd.hpp>

// Tests define it to damage a gradient between its product and its use.
#ifdef EMMY_GRADIENT_HOOK
#define EMMY_GRADIENT_HOOKED true
#else
#define EMMY_GRADIENT_HOOKED false
#define EMMY_GRADIENT_HOOK(values, count) static_cast<void>(0)
#endif

namespace emmy::inline EMMY_TARGET {

// Tile of M rows x N vectors: M N accumulators + N loads + 1 broadcast (+ 1 product without FMA) <= registers - 1.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline constexpr int kTileVectors = simd::kRegisters >= 8 ? 2 : 1;
inline constexpr int kTileRows = simd::kRegisters >= 32 ? 8 : simd::kRegisters >= 16 ? 6 : 2;  // of 8: 4+2+1
#elif defined(__SSE2__) && !defined(__AVX__) && !defined(EMMY_BACKEND_SCALAR) && !defined(__clang__)
// SSE broadcasts in two instructions, so a wide tile, and more than that rule allows: g++ loads two of the four vectors again for
// each row (13-64-64-4, batch 64: 0.93 of the time of 5 x 2), where clang would hold them and leave sums in memory.
inline constexpr int kTileVectors = 4, kTileRows = 3;
#else
inline constexpr int kTileVectors = simd::kRegisters >= 8 ? 2 : 1;
inline constexpr int kTileRows = simd::kRegisters >= 32 ? 8 : simd::kRegisters >= 16 ? 5 : 2;  // 10+2+1+1 of 16
#endif

// The rows of a tile of N vectors, of Rows rows: as many as fit, and no more than divide them evenly. One vector takes twice as
// many: eight sums would be just enough to hide the latency of an addition.
template <class T, int Rows, int N>
consteval int tile_rows() {
  if constexpr (simd::kRegisters < 16 || one_lane<T>()) {
    return kTileRows;
  } else {
    constexpr int kMost = N == 1 ? 2 * kTileRows : kTileRows, kTiles = (Rows + kMost - 1) / kMost;
    return (Rows + kTiles - 1) / kTiles;
  }
}

// One row: nothing is shared between rows, so the panel is as wide as half the registers allow.
inline constexpr int kRowVectors = simd::kRegisters / 2;

// Declares Count vectors as locals of nested inlined frames and calls f(v0&, v1&, ...): the array of sizeless types.
template <class T, int Count, class F, class... V>
EMMY_INLINE void with_vectors(F&& f, V&... v) noexcept {
  constexpr int kLeft = Count - static_cast<int>(sizeof...(V));
  if constexpr (kLeft == 0) {
    f(v...);
  } else if constexpr (kLeft >= 4) {  // four a frame: a short recursion compiles faster
    simd::Vec<T> v0 = simd::zero<T>(), v1 = simd::zero<T>(), v2 = simd::zero<T>(), v3 = simd::zero<T>();
    with_vectors<T, Count>(f, v..., v0, v1, v2, v3);
  } else {
    simd::Vec<T> v0 = simd::zero<T>();
    with_vectors<T, Count>(f, v..., v0);
  }
}
template <int I, class V, class... Rest>
EMMY_INLINE auto& pick(V& v, Rest&... rest) noexcept {
  if constexpr (I == 0) return v;
  else return pick<I - 1>(rest...);
}

// c[m, n] = start(m, n) + sum_{k < K} a[k ak + m am] b[k bs + n lanes], all handed to use(c...), row by row. Where the left
// operand has gaps, the same sum goes on over Groups runs of K terms: a starts a group ag further, b bg further (0: it goes on
// where it was). With `sum` sum_k b[k bs + n lanes] is handed to sum(n, v) behind that.
template <class T, int M, int N, int Groups = 1, class Start, class Use, class Sum = std::nullptr_t>
EMMY_INLINE void tile(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t bs, std::size_t K,
                      Start&& start, Use&& use, std::size_t ag = 0, std::size_t bg = 0, Sum sum = {}) noexcept {
  constexpr bool kSums = !__is_same(Sum, std::nullptr_t);
  with_vectors<T, M * N>([&](auto&... c) EMMY_LAMBDA {
    with_vectors<T, kSums ? N : 0>([&](auto&... s) EMMY_LAMBDA {
      [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
        ((c = start(I / N, I % N)), ...);
        const auto run = [&](const T* left, const T* right) EMMY_LAMBDA {
          for (std::size_t k = 0; k < K; ++k) {
            with_vectors<T, N>([&](auto&... bk) EMMY_LAMBDA {
              std::size_t n = 0;
              ((bk = simd::load(right + k * bs + n++ * simd::lanes<T>())), ...);
              if constexpr (kSums) ((s = simd::add(s, bk)), ...);
              ((c = simd::mul_add(simd::set(left[k * ak + I / N * am]), pick<I % N>(bk...), c)),
               ...);  // c and I in step
            });
          }
        };
        if constexpr (Groups == 1) run(a, b);
        else
          for (std::size_t g = 0; g < Groups; ++g) run(a + g * ag, b + g * (bg == 0 ? K * bs : bg));
      }
      (std::make_integer_sequence<int, M * N>{});
      use(c...);
      if constexpr (kSums) {
        int n = 0;
        (sum(n++, s), ...);
      }
    });
  });
}

// The sum of every Step-th of Count vectors from First on, as a tree.
template <int First, int Count, int Step, class... V>
EMMY_INLINE auto tree_sum(V&... v) noexcept {
  if constexpr (Count == 1) return pick<First>(v...);
  else
    return simd::add(tree_sum<First, Count / 2, Step>(v...),
                     tree_sum<First + Count / 2 * Step, Count - Count / 2, Step>(v...));
}

// One row of N vectors: start(n) + sum_{k < K} a[k ak] b[k bs + n lanes], handed to finish(n, c). Each sum in Parts parts.
template <class T, int Parts, int N, class Start, class Finish>
EMMY_INLINE void row_tile(const T* a, std::size_t ak, const T* b, std::size_t bs, std::size_t K, Start&& start,
                          Finish&& finish) noexcept {
  const auto product = [&](std::size_t k, int n, auto c) EMMY_LAMBDA {
    return simd::mul_add(simd::set(a[k * ak]), simd::load(b + k * bs + static_cast<std::size_t>(n) * simd::lanes<T>()),
                         c);
  };
  with_vectors<T, Parts * N>([&](auto&... c) EMMY_LAMBDA {
    [&]<int... I, int... J>(std::integer_sequence<int, I...>, std::integer_sequence<int, J...>) EMMY_LAMBDA {
      ((pick<J>(c...) = start(J)), ...);
      const std::size_t whole = K / Parts * Parts;
      for (std::size_t k = 0; k < whole; k += Parts) ((c = product(k + I / N, I % N, c)), ...);
      if constexpr (Parts > 1)
        for (std::size_t k = whole; k < K; ++k) ((pick<J>(c...) = product(k, J, pick<J>(c...))), ...);
      (finish(J, tree_sum<J, Parts, N>(c...)), ...);
    }
    (std::make_integer_sequence<int, Parts * N>{}, std::make_integer_sequence<int, N>{});
  });
}

// f(row, constant<M>) over Rows in tiles of M rows, then the remainder.
template <int Rows, int M, class F>
EMMY_INLINE void for_row_tiles(F&& f) noexcept {
  int r = 0;
  if constexpr (Rows >= M)
    for (; r + M <= Rows; r += M) f(r, std::integral_constant<int, M>{});
  if constexpr (Rows % M != 0) f(r, std::integral_constant<int, Rows % M>{});
}

// Does a row of Padded scalars divide into panels of N vectors? Known where the number of lanes is a constant; then the
// single vectors are not even compiled, which halves the compile time of a product.
template <class T, int Padded, int N>
consteval bool only_whole_panels() {
  if constexpr (kLanesKnown<T>) return Padded % (N * static_cast<int>(simd::lanes<T>())) == 0;
  else return N == 1;
}

// The vectors of the panels that one padded row divides into: the most that kRowVectors allows, 2 where the number of
// lanes is not known.
template <class T, int Padded, int Most = kRowVectors>
consteval int row_panel() {
  if constexpr (kLanesKnown<T>) {
    constexpr int kVectors = Padded / static_cast<int>(simd::lanes<T>());
    int n = kVectors < Most ? kVectors : Most;
    while (kVectors % n != 0) --n;
    return n;
  } else {
    return 2;
  }
}

// A product waits about four cycles for the sum that it adds to, so a row of few vectors has each sum in parts, eight
// sums in all. Not of few terms, not in strict text, and not where lanes are one (flash) or unknown (sizeless).
inline constexpr int kFewTerms = 8;
template <class T, int N, int Terms>
consteval int row_parts() {
  int parts = 1;
  if constexpr (!simd::kStrict && kLanesKnown<T> && !one_lane<T>() && (Terms == 0 || Terms > kFewTerms))
    while (2 * parts * N <= 8 && 2 * parts * N + 2 < simd::kRegisters) parts *= 2;
  return parts;
}

// f(col, constant<N>) over a padded row in panels of N vectors, then single vectors.
template <class T, int Padded, int N, class F>
EMMY_INLINE void for_panels(F&& f) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  int col = 0;
  if constexpr (N * kLanesOf<T> <= Padded)
    for (; col + N * lanes <= Padded; col += N * lanes) f(col, std::integral_constant<int, N>{});
  if constexpr (!only_whole_panels<T, Padded, N>())
    for (; col < Padded; col += lanes) f(col, std::integral_constant<int, 1>{});
}

// finish(row, col, start(row, col) + sum_k a[row am + k ak] b[k Padded + col ..]) for each of Rows rows and each vector
// of a padded row; K terms, which Terms says where it is a constant, in each of Groups groups (see tile). With `see`, for
// more than one row: see(v...) gets what finish returns of a tile.
template <int Rows, int Padded, int Terms = 0, int Groups = 1, class T, class Start, class Finish,
          class See = std::nullptr_t>
EMMY_INLINE void gemm(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t K, Start&& start,
                      Finish&& finish, std::size_t ag = 0, [[maybe_unused]] See see = {}) noexcept {
  constexpr bool kOneRow = Rows == 1 && Groups == 1;
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_panels<T, Padded, kOneRow ? row_panel<T, Padded>() : kTileVectors>([&](int col, auto n_) EMMY_LAMBDA {
    constexpr int kVectors = decltype(n_)::value;
    if constexpr (kOneRow) {
      row_tile<T, row_parts<T, kVectors, Terms>(), kVectors>(
          a, ak, b + col, Padded, K, [&](int n) EMMY_LAMBDA { return start(0, col + n * lanes); },
          [&](int n, auto c) EMMY_LAMBDA { finish(0, col + n * lanes, c); });
    } else {
      for_row_tiles<Rows, tile_rows<T, Rows, kVectors>()>([&](int row, auto m_) EMMY_LAMBDA {
        tile<T, decltype(m_)::value, kVectors, Groups>(
            a + static_cast<std::size_t>(row) * am, am, ak, b + col, Padded, K,
            [&](int m, int n) EMMY_LAMBDA { return start(row + m, col + n * lanes); },
            [&](auto&... c) EMMY_LAMBDA {
              int i = 0;
              const auto done = [&](auto v) EMMY_LAMBDA {
                const int at = i++;
                return finish(row + at / kVectors, col + at % kVectors * lanes, v);
              };
              if constexpr (__is_same(See, std::nullptr_t)) {
                (done(c), ...);
              } else {
                ((c = done(c)), ...);
                see(c...);
              }
            },
            ag);
      });
    }
  });
}

// The rows of a tile of dW: all of its panels have as many.
template <class T, int In, int Padded>
consteval int gradient_tile_rows() {
  constexpr int kVectors = Padded == kLanesOf<T> ? 1 : kTileVectors;
  return tile_rows<T, In, kVectors>();
}

// f(row, constant<M>) over the rows of dW, in its tiles.
template <class T, int In, int Padded, class F>
EMMY_INLINE void for_gradient_row_tiles(F&& f) noexcept {
  for_row_tiles<In, gradient_tile_rows<T, In, Padded>()>(f);
}

// Do sums fit beside the tiles of dW: those of db (where dy is longer than the first cache a pass of its own costs more), those of
// a meter?
template <class T>
inline constexpr bool kSumsBesideTiles = !EMMY_GRADIENT_HOOKED && simd::kRegisters >= 32 && kLanesOf<T> >= 8;

// dW in tiles, never stored as a matrix: put(row, m, col, v) gets the vectors of row + m of g[i, o] =
// sum_{r < Rows} x[r ldx + i] dy[r Padded + o], or put(row, constant<M>, col, constant<N>, v...) a tile, row by row;
// end(row, constant<M>) follows those of M rows. In groups, x starts each xg after the last one, dy dyg after it (0: where it
// ended). db, if any: the sums of dy, a padded row.
template <int In, int Padded, int Rows, int Groups = 1, class T, class Put, class End>
EMMY_INLINE void for_gradient_tiles(const T* x, std::size_t ldx, const T* dy, Put&& put, End&& end, std::size_t xg = 0,
                                    std::size_t dyg = 0, [[maybe_unused]] T* db = nullptr) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_gradient_row_tiles<T, In, Padded>([&](int row, auto m_) EMMY_LAMBDA {
    for_panels<T, Padded, kTileVectors>([&](int col, auto n_) EMMY_LAMBDA {
      const auto one = [&](auto sum) EMMY_LAMBDA {
        constexpr int kVectors = decltype(n_)::value;
        tile<T, decltype(m_)::value, kVectors, Groups>(
            x + row, 1, ldx, dy + col, Padded, Rows, [&](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
            [&](auto&... c) EMMY_LAMBDA {
              int i = 0;
              if constexpr (requires { put(row, m_, col, n_, c...); }) put(row, m_, col, n_, c...);
              else ((put(row, i / kVectors, col + i % kVectors * lanes, c), ++i), ...);
            },
            xg, dyg, sum);
      };
      if constexpr (kSumsBesideTiles<T>) {
        if (db != nullptr && row == 0) {
          one([&](int n, auto v) EMMY_LAMBDA { simd::store(v, db + col + n * lanes); });
          return;
        }
      }
      one(nullptr);
    });
    end(row, m_);
  });
}

// The same in whole rows: visit(row, constant<M>, g) gets M rows of g in rows of Padded scalars.
template <int In, int Padded, int Rows, int Groups = 1, class T, class Visit>
EMMY_INLINE void for_gradient_rows(const T* x, std::size_t ldx, const T* dy, Visit&& visit, std::size_t xg = 0,
                                   std::size_t dyg = 0, T* db = nullptr) noexcept {
  alignas(kAlign<T>) T g[gradient_tile_rows<T, In, Padded>() * Padded];
  for_gradient_tiles<In, Padded, Rows, Groups>(
      x, ldx, dy, [&](int, int m, int col, auto v) EMMY_LAMBDA { simd::store(v, g + m * Padded + col); },
      [&](int row, auto m_) EMMY_LAMBDA {
        EMMY_GRADIENT_HOOK(g, decltype(m_)::value * Padded);
        visit(row, m_, static_cast<const T*>(g));
      },
      xg, dyg, db);
}

// db[o] = sum_{r < Rows} dy[r, o], one padded row.
template <int Padded, int Rows, class T>
EMMY_INLINE void sum_rows(const T* dy, T* db) noexcept {
  for (int o = 0; o < Padded; o += static_cast<int>(simd::lanes<T>())) {
    auto s = simd::load(dy + o);
    for (int r = 1; r < Rows; ++r) s = simd::add(s, simd::load(dy + r * Padded + o));
    simd::store(s, db + o);
  }
}

// Where the dots of rows go: one by one, or four at a time while they are still vectors.
template <class T>
struct StoreDots {
  T* dots;
  EMMY_INLINE void operator()(int i, T dot) const noexcept { dots[i] = dot; }
  template <class V>
  EMMY_INLINE void operator()(int i, V a, V b, V c, V d) const noexcept {
    simd::store_sums(a, b, c, d, dots + i);
  }
};

// sums[p][m] = the sum over the lanes of the p-th vector, four at once.
template <class T, int Stride, class... V>
EMMY_INLINE void put_sums(T (*sums)[Stride], int m, V&... v) noexcept {
  constexpr int kCount = static_cast<int>(sizeof...(V)), kFours = kCount / 4;
  const auto four = [&](int p, auto a, auto b, auto c, auto d) EMMY_LAMBDA {
    if constexpr (Stride == 1) {  // they follow each other
      simd::store_sums(a, b, c, d, sums[p]);
    } else {
      T own[4];
      simd::store_sums(a, b, c, d, own);
      sums[p][m] = own[0], sums[p + 1][m] = own[1], sums[p + 2][m] = own[2], sums[p + 3][m] = own[3];
    }
  };
  [&]<int... F, int... R>(std::integer_sequence<int, F...>, std::integer_sequence<int, R...>) EMMY_LAMBDA {
    (four(4 * F, pick<4 * F>(v...), pick<4 * F + 1>(v...), pick<4 * F + 2>(v...), pick<4 * F + 3>(v...)), ...);
    if constexpr (kCount % 4 == 3) {  // at the price of four
      T own[4];
      simd::store_sums(pick<4 * kFours + R>(v...)..., pick<kCount - 1>(v...), own);
      ((sums[4 * kFours + R][m] = own[R]), ...);
    } else {
      ((sums[4 * kFours + R][m] = simd::sum(pick<4 * kFours + R>(v...))), ...);
    }
  }
  (std::make_integer_sequence<int, kFours>{}, std::make_integer_sequence<int, kCount - 4 * kFours>{});
}

namespace inner {
// f(lanes_of), lanes_of(row) the products of a row with dy, by lane. A dy that fits stays in registers.
template <int Out, class T, class F>
EMMY_INLINE void with_products(const T* dy, F&& f) noexcept {
  using V = simd::Vec<T>;
  const int lanes = static_cast<int>(simd::lanes<T>());
  constexpr int kCovered = covered<T, Out>();
  if constexpr (kLanesKnown<T> && row_panel<T, kCovered>() * kLanesOf<T> == kCovered) {
    with_vectors<T, row_panel<T, kCovered>()>([&](auto& first, auto&... rest) EMMY_LAMBDA {
      const T* from = dy;
      first = simd::load(from);
      ((rest = simd::load(from += lanes)), ...);
      f([&](const T* row) EMMY_LAMBDA {
        V s = simd::mul(simd::load(row), first);
        ((s = simd::mul_add(simd::load(row += lanes), rest, s)), ...);
        return s;
      });
    });
  } else {
    f([&](const T* row) EMMY_LAMBDA {
      V s = simd::mul(simd::load(row), simd::load(dy));
      for (int o = lanes; o < kCovered; o += lanes) s = simd::mul_add(simd::load(row + o), simd::load(dy + o), s);
      return s;
    });
  }
}
}  // namespace inner

// put(i, sum_o w[i, o] dy[o]) for each of `rows` rows of W, four at a time where put takes four vectors of lanes.
template <int Out, class T, class Put>
EMMY_INLINE void row_dots(const T* w, int rows, const T* dy, Put&& put) noexcept {
  using V = simd::Vec<T>;
  constexpr int kPad = padded<T>(Out);
  if constexpr (simd::kStrict) {
    for (int i = 0; i < rows; ++i) put(i, ordered_dot(w + i * kPad, dy, kPad));
  } else {
    inner::with_products<Out>(dy, [&](auto lanes_of) EMMY_LAMBDA {
      int fours = 0;
      if constexpr (requires(V v) { put(0, v, v, v, v); }) {
        fours = rows / 4 * 4;
        for (int i = 0; i < fours; i += 4) {
          const T* row = w + i * kPad;
          put(i, lanes_of(row), lanes_of(row + kPad), lanes_of(row + 2 * kPad), lanes_of(row + 3 * kPad));
        }
      }
      const T* rest = w + fours * kPad;
#if defined(__ARM_FEATURE_SVE)
      __asm__("" : "+r"(rest));  // else g++ makes an address of a known object for each vector
#endif
      for (int i = fours; i < rows; ++i, rest += kPad) put(i, simd::sum(lanes_of(rest)));
    });
  }
}

// The same of a constant number of rows, handed out as vectors of as many as there are lanes (zeros behind the last one):
// where registers hold that many and dy.
template <class T>
inline constexpr bool kDotsByLanes = simd::kFoldsSums<T> && (kLanesOf<T> == 4 || simd::kRegisters >= 32);
template <int Rows, int Out, class T, class Put>
requires(kDotsByLanes<T>) EMMY_INLINE void row_dots(const T* w, const T* dy, Put&& put) noexcept {
  constexpr int kPad = padded<T>(Out), kLanes = kLanesOf<T>;
  inner::with_products<Out>(dy, [&](auto lanes_of) EMMY_LAMBDA {
    for_row_tiles<Rows, kLanes>([&](int first, auto count) EMMY_LAMBDA {
      if constexpr (kLanes == 4 && decltype(count)::value < 4) {  // a second group would cost more flash than it gains
        alignas(kAlign<T>) T last[4] = {};
        for (int i = first; i < Rows; ++i) last[i - first] = simd::sum(lanes_of(w + i * kPad));
        put(first, simd::load(static_cast<const T*>(last)));
        return;
      }
      with_vectors<T, kLanes>([&](auto&... v) EMMY_LAMBDA {
        int i = 0;
        ((i < decltype(count)::value ? void(v = lanes_of(w + (first + i) * kPad)) : void(), ++i), ...);
        put(first, simd::lane_sums(v...));
      });
    });
  });
}

}  // namespace emmy::inline EMMY_TARGET
