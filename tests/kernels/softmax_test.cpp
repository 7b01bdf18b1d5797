// emmy/kernels/softmax.hpp: against the double loop, at every width.
#include <emmy/kernels/softmax.hpp>

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
  int cols;
  T (*run)(const T* y, T* p);
};
template <class T, int Cols>
T run_softmax(const T* y, T* p) {
  return emmy::log_sum_exp(emmy::softmax_row<Cols>(y, p));
}

template <class T>
class Softmax : public testing::Test {
 protected:
  template <class F>
  static void for_each_width(F f) {
    for_each_size<1, support::kSizes<T>>([&](auto cols) {
      constexpr int kCols = decltype(cols)::value;
      f(Case<T>{kCols, &run_softmax<T, kCols>});
    });
  }
};
using Types = support::Scalars;
TYPED_TEST_SUITE(Softmax, Types);

template <class T>
void check(const Case<T>& kernel, double scale, bool in_place) {
  const auto cols = static_cast<std::size_t>(kernel.cols), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  Random random(cols);
  Fenced<T> y(pad), other(pad);  // the pads of y stay poison
  std::vector<double> logits(cols), expected(cols);
  double largest = 0;
  for (std::size_t o = 0; o < cols; ++o) {
    y[o] = static_cast<T>(scale * random());
    logits[o] = static_cast<double>(y[o]);
    largest = std::fmax(largest, std::fabs(logits[o]));
  }
  T* p = in_place ? y.data() : other.data();
  const double log_sum = static_cast<double>(kernel.run(y.data(), p));
  ASSERT_TRUE(y.intact() && other.intact());
  reference::softmax_forward(expected.data(), logits.data(), 1, kernel.cols);
  const double bound = (kernel.cols + 6) * kRoundoff<T> * 1.0001;
  double sum = 0;
  for (std::size_t o = 0; o < pad; ++o) {
    if (o >= cols) {
      ASSERT_EQ(p[o], T(0)) << "pad lane";
      continue;
    }
    sum += static_cast<double>(p[o]);
    ASSERT_LE(std::fabs(static_cast<double>(p[o]) - expected[o]), bound + 0x1p-50)
        << cols << " at " << o << ", scale " << scale;
  }
  EXPECT_NEAR(sum, 1.0, 2 * bound);
  EXPECT_LE(std::fabs(log_sum - reference::log_sum_exp(logits.data(), kernel.cols)), bound * (1 + largest))
      << cols << ", scale " << scale;
}

TYPED_TEST(Softmax, MatchesTheDoubleLoop) {
  this->for_each_width([](const auto& kernel) {
    for (const double scale : {0.01, 1.0, 20.0, 1e4}) {
      check(kernel, scale, false);
      check(kernel, scale, true);
    }
  });
}

TYPED_TEST(Softmax, EqualLogitsGiveEqualShares) {
  using T = TypeParam;
  this->for_each_width([](const auto& kernel) {
    const auto cols = static_cast<std::size_t>(kernel.cols);
    std::vector<T> y(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)), T(-1000)), p(y.size());
    kernel.run(y.data(), p.data());
    for (std::size_t o = 0; o < cols; ++o)
      ASSERT_NEAR(static_cast<double>(p[o]), 1.0 / static_cast<double>(cols), 2 * kRoundoff<T>);
  });
}

TYPED_TEST(Softmax, LargestNumbersDoNotOverflow) {
  using T = TypeParam;
  const T kMax = std::numeric_limits<T>::max();
  this->for_each_width([=](const auto& kernel) {
    const auto cols = static_cast<std::size_t>(kernel.cols);
    for (std::size_t top = 0; top < cols; ++top) {
      std::vector<T> y(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)), -kMax), p(y.size());
      y[top] = kMax;
      ASSERT_EQ(kernel.run(y.data(), p.data()), kMax);
      for (std::size_t o = 0; o < cols; ++o) ASSERT_EQ(p[o], o == top ? T(1) : T(0));
    }
  });
}

// A NaN or +Inf anywhere reaches the result, so that a step can refuse it.
TYPED_TEST(Softmax, NotFiniteLogitsShow) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  this->for_each_width([](const auto& kernel) {
    const auto cols = static_cast<std::size_t>(kernel.cols);
    for (std::size_t at = 0; at < cols; ++at) {
      for (const T bad : {L::quiet_NaN(), -L::quiet_NaN(), L::infinity()}) {
        std::vector<T> y(static_cast<std::size_t>(emmy::padded<T>(kernel.cols)), T(0.5)), p(y.size());
        y[at] = bad;
        const T log_sum = kernel.run(y.data(), p.data());
        ASSERT_FALSE(std::isfinite(log_sum)) << cols << " at " << at;
        ASSERT_TRUE(std::isnan(p[at])) << cols << " at " << at;
      }
    }
  });
}

}  // namespace
