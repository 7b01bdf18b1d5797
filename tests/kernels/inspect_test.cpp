// emmy/kernels/inspect.hpp: finite or not, how large, and the norms that the ledger's bounds need.
#include <emmy/kernels/inspect.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using support::Fenced;
using support::for_each_size;
using support::kRoundoff;
using support::Random;

template <class T>
struct Case {
  int rows, cols, stride;
  bool statistics;
  void (*run)(const T* p, T* column_abs, emmy::Inspection<T>& result);
};
template <class T, int Rows, int Cols, int Stride, bool Statistics>
void run_inspect(const T* p, T* column_abs, emmy::Inspection<T>& result) {
  emmy::inspect<Rows, Cols, Stride, Statistics>(p, column_abs, result);
}
template <class T, int Rows, int Cols, int Stride, bool Statistics>
constexpr Case<T> inspect_case() {
  return {Rows, Cols, Stride, Statistics, &run_inspect<T, Rows, Cols, Stride, Statistics>};
}

template <class T>
class Inspect : public testing::Test {
 protected:
  // Unpadded rows with statistics and padded rows without, or the other way round, at every width.
  template <class F>
  static void for_each_width(F f) {
    for_each_size<1, support::kSizes<T>>([&](auto cols) {
      constexpr int kCols = decltype(cols)::value, kRows = 1 + kCols % 7;
      f(inspect_case<T, kRows, kCols, kCols, true>());
      f(inspect_case<T, kRows, kCols, emmy::padded<T>(kCols), kCols % 2 == 0>());
      if constexpr (kCols % 5 < 2)  // many of them
        f(inspect_case < T, 2 + 4096 / int{sizeof(T)} / kCols, kCols, kCols % 5 == 0 ? emmy::padded<T>(kCols) : kCols,
          false > ());
    });
  }
};
using Types = support::Scalars;
TYPED_TEST_SUITE(Inspect, Types);

// Values in rows of stride; padded rows end in zeros, as the invariant has it; unpadded ones end at the fence.
template <class T>
void fill_rows(const Case<T>& kernel, Fenced<T>& values) {
  Random random(static_cast<std::uint64_t>(kernel.cols));
  support::fill_padded(values.data(), kernel.rows, kernel.cols, kernel.stride, random);
}

template <class T>
void check(const Case<T>& kernel, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows), cols = static_cast<std::size_t>(kernel.cols),
             stride = static_cast<std::size_t>(kernel.stride);
  Fenced<T> values(rows * stride, gap), column_abs(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)));
  fill_rows(kernel, values);
  emmy::Inspection<T> seen{};
  kernel.run(values.data(), column_abs.data(), seen);
  ASSERT_TRUE(values.intact() && column_abs.intact());
  double total_squares = 0, norm = 0, sum = 0;
  std::vector<double> column(cols);
  for (std::size_t r = 0; r < rows; ++r) {
    double squares = 0, row = 0;
    for (std::size_t c = 0; c < cols; ++c) {
      const double a = std::fabs(static_cast<double>(values[r * stride + c]));
      squares += a * a;
      row += a;
      column[c] += a;
    }
    total_squares += squares;
    norm = std::fmax(norm, squares);
    sum = std::fmax(sum, row);
  }
  EXPECT_LE(std::fabs(static_cast<double>(seen.squares) - total_squares),
            2 * (kernel.rows * kernel.cols + 1) * kRoundoff<T> * total_squares)
      << cols;
  if (!kernel.statistics) {
    EXPECT_EQ(seen.row_norm, T(0));
    EXPECT_EQ(seen.row_sum, T(0));
    for (std::size_t c = 0; c < column_abs.size(); ++c) ASSERT_TRUE(support::is_poison(column_abs[c]));
    return;
  }
  const double w = 2 * (kernel.cols + 1) * kRoundoff<T>;  // the reference errs too
  EXPECT_LE(std::fabs(static_cast<double>(seen.row_norm) - norm), w * norm) << cols;
  EXPECT_LE(std::fabs(static_cast<double>(seen.row_sum) - sum), w * sum) << cols;
  for (std::size_t c = 0; c < cols; ++c) {
    ASSERT_LE(std::fabs(static_cast<double>(column_abs[c]) - column[c]), 2 * kernel.rows * kRoundoff<T> * column[c])
        << cols << " at " << c;
  }
}

TYPED_TEST(Inspect, MatchesTheDoubleLoopsAtEveryMisalignment) {
  this->for_each_width([](const auto& kernel) {
    for (std::size_t gap = 0; gap < 16; ++gap) check(kernel, gap);
  });
}

TYPED_TEST(Inspect, FindsEveryValueThatIsNotFinite) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  this->for_each_width([](const auto& kernel) {
    Fenced<T> values(static_cast<std::size_t>(kernel.rows * kernel.stride)),
        column_abs(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)));
    for (int k = 0; k < kernel.rows * kernel.cols; ++k) {
      fill_rows(kernel, values);
      const T bad[] = {L::quiet_NaN(), -L::quiet_NaN(), L::infinity(), -L::infinity()};
      values[static_cast<std::size_t>(k / kernel.cols * kernel.stride + k % kernel.cols)] = bad[k % 4];
      emmy::Inspection<T> seen{};
      kernel.run(values.data(), column_abs.data(), seen);
      ASSERT_FALSE(std::isfinite(seen.squares)) << kernel.cols << " at " << k;
    }
  });
}

// No value is lost.
TYPED_TEST(Inspect, CountsTheLargestAtEveryPlace) {
  using T = TypeParam;
  this->for_each_width([](const auto& kernel) {
    Fenced<T> values(static_cast<std::size_t>(kernel.rows * kernel.stride)),
        column_abs(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)));
    for (int k = 0; k < kernel.rows * kernel.cols; ++k) {
      fill_rows(kernel, values);
      const T top = T(k % 2 == 0 ? 0x1p60 : -0x1p60);
      values[static_cast<std::size_t>(k / kernel.cols * kernel.stride + k % kernel.cols)] = top;
      emmy::Inspection<T> seen{};
      kernel.run(values.data(), column_abs.data(), seen);
      ASSERT_EQ(seen.squares, T(0x1p120)) << kernel.cols << " at " << k;
    }
  });
}

// Several inspections add up: the largest norms stay, a NaN stays.
TYPED_TEST(Inspect, KeepsWhatItFoundBefore) {
  using T = TypeParam;
  const auto kernel = inspect_case<T, 2, 5, 5, true>();
  std::vector<T> values(10, T(1)), column_abs(static_cast<std::size_t>(emmy::padded<T>(5)));
  emmy::Inspection<T> seen{T(7), T(100), T(50)};
  kernel.run(values.data(), column_abs.data(), seen);
  EXPECT_EQ(seen.squares, T(17));
  EXPECT_EQ(seen.row_norm, T(100));
  EXPECT_EQ(seen.row_sum, T(50));
  seen.squares = std::numeric_limits<T>::quiet_NaN();
  kernel.run(values.data(), column_abs.data(), seen);
  EXPECT_TRUE(std::isnan(seen.squares));
}

}  // namespace
