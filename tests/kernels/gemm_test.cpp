// emmy/kernels/gemm.hpp: every product against plain double loops, within the documented bound; transpose.hpp: every value.
#include <emmy/kernels/transpose.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

namespace simd = emmy::simd;
using support::Fenced;
using support::fill;
using support::fill_padded;
using support::for_each_size;
using support::Random;

template <class T>
class Gemm : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Gemm, Types);

constexpr int kGaps = 16;
// Rows of the left operand are cut into tiles: every remainder after none, one and two whole ones.
constexpr int kRowSizes = 2 * emmy::kTileRows + 3;
// In f64 some of them: how rows are cut does not depend on the type.
template <class T, int Rows>
constexpr bool kTakesRows = sizeof(T) == 4 || Rows % 5 == 1;

// sum_k a_k b_k and sum_k |a_k b_k| in double.
struct Products {
  double sum = 0, magnitude = 0;
  void add(double a, double b) {
    sum += a * b;
    magnitude += std::fabs(a * b);
  }
};

// The double sums of the reference are wrong by less than this part of the magnitude; in f64 it is as large as the
// kernel's own error.
template <class T>
double allowed(double terms, double magnitude) {
  const double reference = sizeof(T) == 8 ? (terms + 1) * 0x1p-53 : 0.0;
  return (terms * support::kRoundoff<T> * 1.0001 + reference) * magnitude;
}

// One instance of a kernel with its sizes. The instances are function pointers and the checks take sizes as numbers: a
// check compiled once for each size would be most of the compile time.
template <class T>
struct GemmCase {
  int rows, padded;
  void (*run)(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t K, const T* start, T* c);
};
template <class T, int Rows, int Padded>
void run_gemm(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t K, const T* start, T* c) {
  emmy::gemm<Rows, Padded>(
      a, am, ak, b, K, [=](int row, int col) EMMY_LAMBDA { return simd::load(start + row * Padded + col); },
      [=](int row, int col, auto v) EMMY_LAMBDA { simd::store(v, c + row * Padded + col); });
}
template <class T, int Rows, int Padded>
constexpr GemmCase<T> gemm_case() {
  return {Rows, Padded, &run_gemm<T, Rows, Padded>};
}

// c = start + a b. Where transposed, a is [K][rows].
template <class T>
void check_gemm(const GemmCase<T>& kernel, int K, std::size_t gap, bool transposed) {
  const auto rows = static_cast<std::size_t>(kernel.rows), padded = static_cast<std::size_t>(kernel.padded),
             terms = static_cast<std::size_t>(K);
  Random random(rows * 1000 + terms);
  const std::size_t am = transposed ? 1 : terms, ak = transposed ? rows : 1;
  Fenced<T> a(rows * terms, gap), b(terms * padded), c(rows * padded);
  std::vector<T> start(rows * padded);
  fill(a.data(), a.size(), random);
  fill(b.data(), b.size(), random);
  fill(start.data(), start.size(), random);
  kernel.run(a.data(), am, ak, b.data(), terms, start.data(), c.data());
  ASSERT_TRUE(a.intact() && b.intact() && c.intact());
  for (std::size_t m = 0; m < rows; ++m) {
    for (std::size_t n = 0; n < padded; ++n) {
      const double first = static_cast<double>(start[m * padded + n]);
      Products p{first, std::fabs(first)};
      for (std::size_t k = 0; k < terms; ++k)
        p.add(static_cast<double>(a[m * am + k * ak]), static_cast<double>(b[k * padded + n]));
      ASSERT_LE(std::fabs(static_cast<double>(c[m * padded + n]) - p.sum), allowed<T>(K + 1, p.magnitude))
          << rows << ' ' << K << ' ' << padded << " at " << m << ' ' << n;
    }
  }
}

TYPED_TEST(Gemm, MatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, kRowSizes>([](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    if constexpr (kTakesRows<T, kRows>) {
      const auto kernel = gemm_case<T, kRows, support::kLanes<T>*(kRows % 6 == 1 ? 3 : 1)>();
      for (int turn = 0; turn < 5; ++turn)
        check_gemm(kernel, support::other_size<T>(turn), static_cast<std::size_t>(3 * kRows + turn) % kGaps,
                   turn % 2 == 1);
    }
  });
}

TYPED_TEST(Gemm, EveryLengthOfTheSumAndEveryMisalignment) {
  using T = TypeParam;
  for (int k = 1; k <= support::kSizes<T>; ++k) {
    check_gemm(gemm_case<T, 4, support::kLanes<T>>(), k, 0, false);
    check_gemm(gemm_case<T, 7, 3 * support::kLanes<T>>(), k, static_cast<std::size_t>(k) % kGaps, true);
  }
  for (std::size_t gap = 0; gap < kGaps; ++gap) check_gemm(gemm_case<T, 7, 3 * support::kLanes<T>>(), 13, gap, false);
}

// Almost half a unit in the last place of 1, over and over: each addition to the large start is rounded.
TYPED_TEST(Gemm, BoundCountsTheStartInEveryAddition) {
  using T = TypeParam;
  constexpr std::size_t kTerms = 64;
  const auto kernel = gemm_case<T, 4, support::kLanes<T>>();
  const auto padded = static_cast<std::size_t>(kernel.padded);
  const double part = 0.9 * support::kRoundoff<T>;
  const std::vector<T> a(4 * kTerms, static_cast<T>(part)), b(kTerms * padded, T(1)), start(4 * padded, T(1));
  std::vector<T> c(4 * padded);
  kernel.run(a.data(), kTerms, 1, b.data(), kTerms, start.data(), c.data());
  const double error = std::fabs(static_cast<double>(c[0]) - 1.0 - kTerms * part);
  EXPECT_GT(error, support::kRoundoff<T> * 0.5 * kTerms);  // K roundings of the start, not one
  EXPECT_LE(error, allowed<T>(kTerms + 1, 1.0 + kTerms * part));
}

// ---- dW = x^T dy, row by row

template <class T>
struct GradientCase {
  int in, padded, rows;
  void (*run)(const T* x, std::size_t ldx, const T* dy, T* dw, int* visited);
};
template <class T, int In, int Padded, int Rows>
void run_gradient_rows(const T* x, std::size_t ldx, const T* dy, T* dw, int* visited) {
  emmy::for_gradient_rows<In, Padded, Rows>(x, ldx, dy, [=](int row, auto m, const T* g) EMMY_LAMBDA {
    for (int k = 0; k < decltype(m)::value * Padded; ++k) dw[row * Padded + k] = g[k];
    for (int k = 0; k < decltype(m)::value; ++k) ++visited[row + k];
  });
}

template <class T>
void check_gradient_rows(const GradientCase<T>& kernel, std::size_t stride, std::size_t gap) {
  const auto in = static_cast<std::size_t>(kernel.in), padded = static_cast<std::size_t>(kernel.padded),
             rows = static_cast<std::size_t>(kernel.rows);
  Random random(in * 100 + rows);
  // The last row ends with its last value, and what is between rows is poison: neither may be read.
  Fenced<T> x((rows - 1) * stride + in, gap), dy(rows * padded), dw(in * padded);
  for (std::size_t r = 0; r < rows; ++r) fill(x.data() + r * stride, in, random);
  fill(dy.data(), dy.size(), random);
  std::vector<int> visited(in);
  kernel.run(x.data(), stride, dy.data(), dw.data(), visited.data());
  ASSERT_TRUE(x.intact() && dy.intact() && dw.intact());
  for (std::size_t i = 0; i < in; ++i) {
    ASSERT_EQ(visited[i], 1) << in << ' ' << rows << " at " << i;
    for (std::size_t o = 0; o < padded; ++o) {
      Products p;
      for (std::size_t r = 0; r < rows; ++r)
        p.add(static_cast<double>(x[r * stride + i]), static_cast<double>(dy[r * padded + o]));
      ASSERT_LE(std::fabs(static_cast<double>(dw[i * padded + o]) - p.sum), allowed<T>(kernel.rows, p.magnitude))
          << in << ' ' << rows << " at " << i << ' ' << o;
    }
  }
}

TYPED_TEST(Gemm, GradientRowsMatchTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, kRowSizes>([](auto in) {
    constexpr int kIn = decltype(in)::value, kPadded = support::kLanes<T> * (1 + kIn % 3 / 2),
                  kRows = support::other_size<T>(kIn);
    if constexpr (kTakesRows<T, kIn>) {
      const GradientCase<T> kernel{kIn, kPadded, kRows, &run_gradient_rows<T, kIn, kPadded, kRows>};
      check_gradient_rows(kernel, kIn, kIn % kGaps);
      check_gradient_rows(kernel, kIn + 3, (kIn + 7) % kGaps);
    }
  });
}

// ---- sums of rows, transposed copies, dots with rows: `a` and `b` are read, `c` is written

template <class T>
struct PlainCase {
  int first, second;
  void (*run)(const T* a, const T* b, T* c);
};

template <class T, int Padded, int Rows>
void run_sum_rows(const T* dy, const T*, T* db) {
  emmy::sum_rows<Padded, Rows>(dy, db);
}
template <class T>
void check_sum_rows(const PlainCase<T>& kernel) {
  const auto padded = static_cast<std::size_t>(kernel.first), rows = static_cast<std::size_t>(kernel.second);
  Random random(rows);
  Fenced<T> dy(rows * padded), db(padded);
  fill(dy.data(), dy.size(), random);
  kernel.run(dy.data(), nullptr, db.data());
  ASSERT_TRUE(dy.intact() && db.intact());
  for (std::size_t o = 0; o < padded; ++o) {
    Products p;
    for (std::size_t r = 0; r < rows; ++r) p.add(static_cast<double>(dy[r * padded + o]), 1.0);
    ASSERT_LE(std::fabs(static_cast<double>(db[o]) - p.sum), allowed<T>(kernel.second, p.magnitude))
        << rows << " at " << o;
  }
}

TYPED_TEST(Gemm, SumOfRowsMatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto rows) {
    constexpr int kRows = decltype(rows)::value, kPadded = support::kLanes<T> * (1 + kRows % 3);
    check_sum_rows<T>({kPadded, kRows, &run_sum_rows<T, kPadded, kRows>});
  });
}

template <class T, int In, int Out>
void run_transpose(const T* w, const T*, T* wt) {
  emmy::transpose<In, Out, emmy::padded<T>(In), emmy::padded<T>(Out)>(w, wt);
}
template <class T>
void check_transpose(const PlainCase<T>& kernel) {
  const auto in = static_cast<std::size_t>(kernel.first), out = static_cast<std::size_t>(kernel.second);
  const auto in_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.first)),
             out_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.second));
  Random random(in * 100 + out);
  Fenced<T> w(in * out_pad), wt(out * in_pad);
  for (std::size_t i = 0; i < in; ++i) fill(w.data() + i * out_pad, out, random);  // the pads of w stay poison
  kernel.run(w.data(), nullptr, wt.data());
  ASSERT_TRUE(w.intact() && wt.intact());
  for (std::size_t o = 0; o < out; ++o) {
    for (std::size_t i = 0; i < in_pad; ++i)
      ASSERT_EQ(wt[o * in_pad + i], i < in ? w[i * out_pad + o] : T(0)) << in << ' ' << out;
  }
}

template <class T, int In, int Out>
void run_row_dots(const T* w, const T* dy, T* d) {
  for (int i = In; i < emmy::padded<T>(In); ++i) d[i] = T(0);
  emmy::row_dots<Out>(w, In, dy, emmy::StoreDots<T>{d});
}
template <class T>
void check_row_dots(const PlainCase<T>& kernel) {
  const auto in = static_cast<std::size_t>(kernel.first), out = static_cast<std::size_t>(kernel.second);
  const auto in_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.first)),
             out_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.second));
  Random random(in * 100 + out);
  Fenced<T> w(in * out_pad), dy(out_pad), d(in_pad);
  fill_padded(w.data(), kernel.first, kernel.second, static_cast<int>(out_pad), random);
  fill_padded(dy.data(), 1, kernel.second, static_cast<int>(out_pad), random);
  kernel.run(w.data(), dy.data(), d.data());
  ASSERT_TRUE(w.intact() && dy.intact() && d.intact());
  for (std::size_t i = 0; i < in_pad; ++i) {
    Products p;
    for (std::size_t o = 0; o < out && i < in; ++o)
      p.add(static_cast<double>(w[i * out_pad + o]), static_cast<double>(dy[o]));
    ASSERT_LE(std::fabs(static_cast<double>(d[i]) - p.sum), allowed<T>(kernel.second, p.magnitude))
        << in << ' ' << out << " at " << i;
  }
}

TYPED_TEST(Gemm, TransposeCopiesEveryValueAndZeroesThePads) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto size) {
    constexpr int kSize = decltype(size)::value, kOther = support::other_size<T>(kSize);
    check_transpose<T>({kOther, kSize, &run_transpose<T, kOther, kSize>});
  });
}

TYPED_TEST(Gemm, RowDotsMatchTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto size) {
    constexpr int kSize = decltype(size)::value, kOther = support::other_size<T>(kSize);
    check_row_dots<T>({kOther, kSize, &run_row_dots<T, kOther, kSize>});
  });
}

}  // namespace
