// emmy/core/random.hpp
#include <emmy/core/random.hpp>

#include <gtest/gtest.h>

#include <cstdint>

namespace {

// The values of pcg32-demo in M. O'Neill's own distribution: seed 42, sequence 54.
TEST(Pcg32, GivesThePublishedNumbers) {
  emmy::Pcg32 random(42, 54);
  for (const std::uint32_t expected : {0xa15c02b7u, 0x7b47f409u, 0xba1d3330u, 0x83d2f293u, 0xbfa4784bu, 0xcbed606eu}) {
    EXPECT_EQ(random.next(), expected);
  }
}

TEST(Pcg32, DefaultIsTheLibrarysInitializer) {
  // PCG32_INITIALIZER of the C library is (state, increment); a generator copied as data goes on as the original.
  emmy::Pcg32 random;
  EXPECT_EQ(random.state, 0x853c49e6748fea9bu);
  EXPECT_EQ(random.increment, 0xda3e39cb94b95bdbu);
  for (int i = 0; i < 10; ++i) random.next();
  emmy::Pcg32 copy;
  copy.state = random.state;
  copy.increment = random.increment;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(copy.next(), random.next());
}

TEST(Pcg32, SeedsAndSequencesDiffer) {
  emmy::Pcg32 a(1), b(2), c(1, 1);
  int same_seed = 0, same_sequence = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t value = a.next();
    same_seed += value == b.next();
    same_sequence += value == c.next();
  }
  EXPECT_LE(same_seed, 1);
  EXPECT_LE(same_sequence, 1);
}

TEST(Pcg32, WorksInConstantExpressions) {
  constexpr std::uint32_t kFirst = [] { return emmy::Pcg32(42, 54).next(); }();
  static_assert(kFirst == 0xa15c02b7u);
}

TEST(Pcg32, UniformIsAMultipleOfItsStepBelowOne) {
  emmy::Pcg32 random(7);
  double sum = 0, squares = 0;
  float lowest = 1, highest = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    emmy::Pcg32 before = random;
    const float u = random.uniform();
    ASSERT_EQ(static_cast<double>(u), static_cast<double>(before.next() >> 8) / 16777216.0);
    lowest = u < lowest ? u : lowest;
    highest = u > highest ? u : highest;
    sum += static_cast<double>(u);
    squares += static_cast<double>(u) * static_cast<double>(u);
  }
  EXPECT_GE(lowest, 0.0f);
  EXPECT_LT(highest, 1.0f);
  // Five standard deviations of the mean of u (1 / sqrt 12) and of u^2 (sqrt(4 / 45)).
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * 0.2887 / 316.2);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 5 * 0.2981 / 316.2);
}

TEST(Pcg32, BelowIsUnbiased) {
  emmy::Pcg32 random(3);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(random.below(1), 0u);
  // 3 * 2^30 leaves a quarter of the 32-bit numbers over: taken modulo, they would double the lowest third.
  constexpr std::uint32_t kBound = 3u << 30;
  constexpr int kDraws = 30000;
  int count[3] = {};
  for (int i = 0; i < kDraws; ++i) {
    const std::uint32_t value = random.below(kBound);
    ASSERT_LT(value, kBound);
    ++count[value >> 30];
  }
  for (const int n : count) EXPECT_NEAR(n, kDraws / 3, 5 * 82);  // five standard deviations
}

}  // namespace
