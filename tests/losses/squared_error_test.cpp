// emmy/losses/squared_error.hpp: loss and delta against the double loops, at every width and misalignment.
#include <emmy/losses/squared_error.hpp>

#include <gtest/gtest.h>
#include <tests/reference/losses.hpp>
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
  int rows, cols;
  T (*run)(const T* y, const T* target, int count, T scale, T* dy);
};
template <class T, int Rows, int Cols>
T run(const T* y, const T* target, int count, T scale, T* dy) {
  return emmy::loss_and_delta<Rows, Cols>(emmy::SquaredError{}, y, target, count, scale, dy);
}

template <class T>
class SquaredErrorLoss : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(SquaredErrorLoss, Types);

template <class T>
void check(const Case<T>& kernel, int count, std::size_t gap) {
  const auto cols = static_cast<std::size_t>(kernel.cols), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  const auto rows = static_cast<std::size_t>(kernel.rows), given = static_cast<std::size_t>(count);
  Random random(cols * 10 + gap);
  Fenced<T> y(rows * pad), dy(rows * pad), target(given * cols, gap);
  std::vector<double> ys(rows * cols), ts(given * cols), expected(given * cols);
  for (std::size_t k = 0; k < ys.size(); ++k) {  // the pads of y stay poison
    y[k / cols * pad + k % cols] = static_cast<T>(random());
    ys[k] = static_cast<double>(y[k / cols * pad + k % cols]);
  }
  for (std::size_t k = 0; k < ts.size(); ++k) {
    target[k] = static_cast<T>(random());
    ts[k] = static_cast<double>(target[k]);
  }
  const T loss = kernel.run(y.data(), target.data(), count, T(1) / static_cast<T>(count), dy.data());
  ASSERT_TRUE(y.intact() && dy.intact() && target.intact());
  const double value = reference::squared_error_forward(ys.data(), ts.data(), count, kernel.cols);
  reference::squared_error_backward(expected.data(), ys.data(), ts.data(), count, kernel.cols);
  const double own = sizeof(T) == 8 ? 2 : 1;  // the reference errs too
  EXPECT_LE(std::fabs(static_cast<double>(loss) - value), own * (count * kernel.cols + 5) * kRoundoff<T> * value)
      << kernel.cols;
  for (std::size_t k = 0; k < rows * pad; ++k) {
    const std::size_t r = k / pad, o = k % pad;
    const double got = static_cast<double>(dy[k]);
    if (o >= cols || r >= given) {
      ASSERT_EQ(got, 0.0) << "pad lane or ignored row " << r << ' ' << o;
    } else {
      ASSERT_LE(std::fabs(got - expected[r * cols + o]), own * 3 * kRoundoff<T> * std::fabs(expected[r * cols + o]))
          << kernel.cols << " at " << r << ' ' << o;
    }
  }
  EXPECT_EQ(kernel.run(y.data(), target.data(), count, T(1) / static_cast<T>(count), y.data()), loss) << "in place";
  for (std::size_t k = 0; k < rows * pad; ++k) ASSERT_EQ(y[k], dy[k]) << "in place, " << k;
}

TYPED_TEST(SquaredErrorLoss, MatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value, kRows = 1 + kCols % 3;
    for (int count = 1; count <= kRows; ++count) {
      for (std::size_t gap = 0; gap < 16; ++gap) check<T>({kRows, kCols, &run<T, kRows, kCols>}, count, gap);
    }
  });
}

TYPED_TEST(SquaredErrorLoss, NotFiniteTargetsShowInTheLoss) {
  using T = TypeParam;
  for (const T bad :
       {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()}) {
    for (std::size_t k = 0; k < 10; ++k) {
      std::vector<T> y(2 * static_cast<std::size_t>(emmy::padded<T>(5)), T(1)), dy(y.size()), target(10, T(0.2));
      target[k] = bad;
      EXPECT_FALSE(std::isfinite(run<T, 2, 5>(y.data(), target.data(), 2, T(0.5), dy.data()))) << k;
      EXPECT_EQ((emmy::check_targets<5>(emmy::SquaredError{}, target.data(), 2)), emmy::Status::ok);
    }
  }
}

}  // namespace
