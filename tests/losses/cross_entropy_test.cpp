// emmy/losses/cross_entropy.hpp: loss and delta for labels and soft targets, at every width.
#include <emmy/losses/cross_entropy.hpp>

#include <gtest/gtest.h>
#include <tests/reference/losses.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using emmy::CrossEntropy;
using support::Fenced;
using support::for_each_size;
using support::kRoundoff;
using support::Random;

// One instance: `rows` rows, of which the first `count` are given.
template <class T>
struct Case {
  int rows, cols;
  T (*labels)(const T* y, const int* label, int count, T scale, T* dy);
  T (*soft)(const T* y, const T* target, int count, T scale, T* dy);
};
template <class T, int Rows, int Cols, class Target>
T run(const T* y, const Target* target, int count, T scale, T* dy) {
  return emmy::loss_and_delta<Rows, Cols>(CrossEntropy{}, y, target, count, scale, dy);
}
template <class T, int Rows, int Cols>
constexpr Case<T> make_case() {
  return {Rows, Cols, &run<T, Rows, Cols, int>, &run<T, Rows, Cols, T>};
}

template <class T>
class CrossEntropyLoss : public testing::Test {
 protected:
  template <class F>
  static void for_each_width(F f) {
    for_each_size<1, support::kSizes<T>>([&](auto cols) {
      constexpr int kCols = decltype(cols)::value;
      f(make_case<T, 1 + kCols % 3, kCols>());
    });
    // As many rows as a vector has lanes and more, of classes that fill vectors and do not.
    f(make_case<T, 16, 10>());
    f(make_case<T, 17, 2>());
    f(make_case<T, 35, 16>());
    f(make_case<T, 18, 21>());
    f(make_case<T, 9, 1>());
  }
};
using Types = support::Scalars;
TYPED_TEST_SUITE(CrossEntropyLoss, Types);

template <class T>
struct Logits {
  Fenced<T> y, dy;
  std::vector<double> plain;
  double largest = 0;

  Logits(const Case<T>& kernel, double scale, Random& random)
      : y(static_cast<std::size_t>(kernel.rows * emmy::padded<T>(kernel.cols))),
        dy(y.size()),
        plain(static_cast<std::size_t>(kernel.rows * kernel.cols)) {
    const auto cols = static_cast<std::size_t>(kernel.cols),
               pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
    for (std::size_t k = 0; k < plain.size(); ++k) {  // the pads of y stay poison
      y[k / cols * pad + k % cols] = static_cast<T>(scale * random());
      plain[k] = static_cast<double>(y[k / cols * pad + k % cols]);
      largest = std::fmax(largest, std::fabs(plain[k]));
    }
  }
};

// The documented errors: (Cols + 8) w_r times the mass of the target for delta, (Cols + 7 + rows) w_r (1 + max |y|) for
// the loss, both before the scale.
template <class T>
void compare(const Case<T>& kernel, Logits<T>& logits, const std::vector<double>& target, T loss, int count,
             double mass) {
  const auto cols = static_cast<std::size_t>(kernel.cols), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  ASSERT_TRUE(logits.y.intact() && logits.dy.intact());
  const double n = count, w = kRoundoff<T> * (sizeof(T) == 8 ? 2 : 1);
  std::vector<double> expected(cols * static_cast<std::size_t>(count));
  reference::cross_entropy_backward(expected.data(), logits.plain.data(), target.data(), count, kernel.cols);
  const double value = reference::cross_entropy_forward(logits.plain.data(), target.data(), count, kernel.cols);
  EXPECT_LE(std::fabs(static_cast<double>(loss) - value), (kernel.cols + 7 + count) * w * mass * (1 + logits.largest))
      << kernel.cols;
  for (std::size_t k = 0; k < logits.dy.size(); ++k) {
    const std::size_t r = k / pad, o = k % pad;
    const double got = static_cast<double>(logits.dy[k]);
    if (o >= cols || r >= static_cast<std::size_t>(count)) {
      ASSERT_EQ(got, 0.0) << "pad lane or ignored row " << r << ' ' << o;
    } else {
      ASSERT_LE(std::fabs(got - expected[r * cols + o]), (kernel.cols + 8) * w * mass / n)
          << kernel.cols << " at " << r << ' ' << o;
    }
  }
}

// y was given as dy too.
template <class T>
void expect_same_in_place(Logits<T>& logits, T loss, T again) {
  EXPECT_EQ(loss, again);
  for (std::size_t k = 0; k < logits.dy.size(); ++k) ASSERT_EQ(logits.y[k], logits.dy[k]) << k;
}

TYPED_TEST(CrossEntropyLoss, OfLabels) {
  using T = TypeParam;
  this->for_each_width([](const auto& kernel) {
    for (const double scale : {1.0, 30.0, 300.0}) {
      for (int count = 1; count <= kernel.rows; ++count) {
        Random random(static_cast<std::uint64_t>(kernel.cols * 10 + count));
        Logits<T> logits(kernel, scale, random);
        std::vector<int> label(static_cast<std::size_t>(count));
        for (int& l : label) l = random.below(kernel.cols);
        std::vector<double> target(static_cast<std::size_t>(count * kernel.cols));
        reference::one_hot(target.data(), label.data(), count, kernel.cols);
        const T loss =
            kernel.labels(logits.y.data(), label.data(), count, T(1) / static_cast<T>(count), logits.dy.data());
        compare(kernel, logits, target, loss, count, 1);
        const T again =
            kernel.labels(logits.y.data(), label.data(), count, T(1) / static_cast<T>(count), logits.y.data());
        expect_same_in_place(logits, loss, again);
      }
    }
  });
}

TYPED_TEST(CrossEntropyLoss, OfSoftTargetsAtEveryMisalignment) {
  using T = TypeParam;
  this->for_each_width([](const auto& kernel) {
    for (std::size_t gap = 0; gap < 16; ++gap) {
      const int count = kernel.rows;
      Random random(static_cast<std::uint64_t>(kernel.cols));
      Logits<T> logits(kernel, 3.0, random);
      Fenced<T> given(static_cast<std::size_t>(count * kernel.cols), gap);
      std::vector<double> target;
      double mass = 0;
      for (std::size_t k = 0; k < given.size(); ++k) {
        given[k] = static_cast<T>((random() + 1) / kernel.cols);
        target.push_back(static_cast<double>(given[k]));
        mass += target.back();
      }
      const T loss = kernel.soft(logits.y.data(), given.data(), count, T(1) / static_cast<T>(count), logits.dy.data());
      ASSERT_TRUE(given.intact());
      compare(kernel, logits, target, loss, count, 1 + mass);
      const T again = kernel.soft(logits.y.data(), given.data(), count, T(1) / static_cast<T>(count), logits.y.data());
      expect_same_in_place(logits, loss, again);
    }
  });
}

TYPED_TEST(CrossEntropyLoss, OneHotTargetsAreLabels) {
  using T = TypeParam;
  const auto kernel = make_case<T, 3, 10>();
  Random random(4);
  Logits<T> a(kernel, 2.0, random);
  const int label[] = {9, 0, 4};
  std::vector<T> target(30, T(0)), dy(a.dy.size());
  for (int r = 0; r < 3; ++r) target[static_cast<std::size_t>(r * 10 + label[r])] = T(1);
  const T hard = kernel.labels(a.y.data(), label, 3, T(0.25), a.dy.data());
  const T soft = kernel.soft(a.y.data(), target.data(), 3, T(0.25), dy.data());
  EXPECT_NEAR(static_cast<double>(hard), static_cast<double>(soft), 16 * kRoundoff<T>);
  for (std::size_t k = 0; k < dy.size(); ++k)
    ASSERT_NEAR(static_cast<double>(a.dy[k]), static_cast<double>(dy[k]), 4 * kRoundoff<T>);
}

TYPED_TEST(CrossEntropyLoss, NotFiniteTargetsAndLogitsShowInTheLoss) {
  using T = TypeParam;
  const auto kernel = make_case<T, 2, 5>();
  Random random(5);
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    for (std::size_t k = 0; k < 10; ++k) {
      Logits<T> logits(kernel, 1.0, random);
      const int label[] = {1, 2};
      std::vector<T> target(10, T(0.2));
      target[k] = bad;
      EXPECT_FALSE(std::isfinite(kernel.soft(logits.y.data(), target.data(), 2, T(0.5), logits.dy.data()))) << k;
      logits.y[k / 5 * static_cast<std::size_t>(emmy::padded<T>(5)) + k % 5] = bad;
      EXPECT_FALSE(std::isfinite(kernel.labels(logits.y.data(), label, 2, T(0.5), logits.dy.data()))) << k;
    }
  }
}

TEST(CrossEntropyLabels, OutOfRangeIsFoundInEveryRowThatCounts) {
  for (const int bad : {-1, 10, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    for (int row = 0; row < 6; ++row) {
      int label[] = {0, 9, 5, 1, 2, 9};
      EXPECT_EQ(emmy::check_targets<10>(CrossEntropy{}, label, 6), emmy::Status::ok);
      label[row] = bad;
      EXPECT_EQ(emmy::check_targets<10>(CrossEntropy{}, label, 6), emmy::Status::bad_label) << bad << " in row " << row;
      EXPECT_EQ(emmy::check_targets<10>(CrossEntropy{}, label, row), emmy::Status::ok) << "rows that do not count";
    }
  }
}

}  // namespace
