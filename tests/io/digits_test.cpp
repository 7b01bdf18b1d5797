#include "io/digits.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

namespace emmy::io {
namespace {

constexpr std::size_t kPixels = 64;

std::uint64_t pixel_hash(const Dataset& data) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const float value : data.x) {
    hash = (hash ^ static_cast<std::uint64_t>(value * 16)) * 0x100000001b3U;
  }
  return hash;
}

std::vector<float> sample(const Dataset& data, std::size_t row) {
  const auto first = data.x.begin() + static_cast<std::ptrdiff_t>(row * kPixels);
  return {first, first + kPixels};
}

// The figures came from g++ and clang, -O0 to -O3 -march=native, which agree.
TEST(Digits, SameSeedSamePixelsOnEveryCompiler) {
  EXPECT_EQ(pixel_hash(draw_digits(5000, 1)), 0xf8974ece6731fc1bU);
  EXPECT_EQ(pixel_hash(draw_digits(1000, 2)), 0x87df10d72157a66dU);
}

TEST(Digits, ShapeAndRange) {
  const Dataset data = draw_digits(1003, 5);
  EXPECT_EQ(data.rows, 1003U);
  EXPECT_EQ(data.features, kPixels);
  ASSERT_EQ(data.x.size(), 1003 * kPixels);
  ASSERT_EQ(data.labels.size(), 1003U);
  std::set<int> levels;
  for (const float value : data.x) {
    const int level = static_cast<int>(value * 16);
    EXPECT_EQ(static_cast<float>(level) / 16, value);
    levels.insert(level);
  }
  EXPECT_EQ(levels.size(), 17U);
  EXPECT_EQ(*levels.begin(), 0);
  EXPECT_EQ(*levels.rbegin(), 16);
}

TEST(Digits, ClassesAreBalancedInEveryPrefix) {
  const Dataset data = draw_digits(1003, 5);
  std::array<int, 10> counts{};
  for (const int label : data.labels) {
    ASSERT_TRUE(label >= 0 && label < 10);
    ++counts[static_cast<std::size_t>(label)];
    EXPECT_LE(*std::max_element(counts.begin(), counts.end()) - *std::min_element(counts.begin(), counts.end()), 1);
  }
}

TEST(Digits, LongerSetStartsWithTheShorter) {
  const Dataset shorter = draw_digits(37, 9);
  const Dataset longer = draw_digits(100, 9);
  EXPECT_TRUE(std::equal(shorter.x.begin(), shorter.x.end(), longer.x.begin()));
  EXPECT_EQ(draw_digits(0, 9).x.size(), 0U);
}

TEST(Digits, NoTwoSamplesAreEqualAcrossSeeds) {
  std::set<std::vector<float>> seen;
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const Dataset data = draw_digits(1000, seed);
    for (std::size_t row = 0; row < data.rows; ++row) seen.insert(sample(data, row));
  }
  EXPECT_EQ(seen.size(), 3000U);
}

// Ink as on real digits (optdigits: 0.31 of the area on average), no blank and no flooded picture.
TEST(Digits, InkIsPlausible) {
  const Dataset data = draw_digits(5000, 3);
  double total = 0;
  for (std::size_t row = 0; row < data.rows; ++row) {
    double ink = 0;
    for (const float value : sample(data, row)) ink += static_cast<double>(value) / kPixels;
    EXPECT_GT(ink, 0.03) << row;
    EXPECT_LT(ink, 0.70) << row;
    total += ink / static_cast<double>(data.rows);
  }
  EXPECT_GT(total, 0.15);
  EXPECT_LT(total, 0.40);
}

// The nearest class mean of one seed recognises most digits of another: labels belong to pictures, and the task is
// neither hopeless nor so easy that this crude rule solves it.
TEST(Digits, ClassMeansRecogniseMostOfAnotherSeed) {
  const Dataset train = draw_digits(4000, 1);
  const Dataset test = draw_digits(1000, 2);
  std::array<std::array<double, kPixels>, 10> means{};
  for (std::size_t row = 0; row < train.rows; ++row) {
    auto& mean = means[static_cast<std::size_t>(train.labels[row])];
    for (std::size_t i = 0; i < kPixels; ++i) mean[i] += static_cast<double>(train.x[row * kPixels + i]) / 400;
  }
  int right = 0;
  for (std::size_t row = 0; row < test.rows; ++row) {
    std::array<double, 10> distances{};
    for (std::size_t digit = 0; digit < 10; ++digit) {
      for (std::size_t i = 0; i < kPixels; ++i) {
        const double gap = static_cast<double>(test.x[row * kPixels + i]) - means[digit][i];
        distances[digit] += gap * gap;
      }
    }
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    if (nearest == test.labels[row]) ++right;
  }
  EXPECT_GT(right, 650);
  EXPECT_LT(right, 950);
}

}  // namespace
}  // namespace emmy::io
