// The row of tests/simd/arithmetic_table.hpp that belongs to this build, measured: subnormals, fusing, div and sqrt.
#include <tests/simd/arithmetic_table.hpp>

#include <gtest/gtest.h>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace {

namespace simd = emmy::simd;
using arithmetic::kRow;

using Types = support::Scalars;
template <class T>
class Arithmetic : public testing::Test {
 protected:
  // The first lane of a word, on arguments that the compiler does not know.
  template <class Word, class... X>
  static T of(Word word, X... x) {
    volatile T hidden[] = {x...};
    T result[256 / sizeof(T)];
    int at = 0;
    const auto next = [&] { return simd::set(T(hidden[at++])); };
    if constexpr (sizeof...(X) == 1) {
      simd::store(word(next()), result);
    } else if constexpr (sizeof...(X) == 2) {
      const auto a = next();
      const auto b = next();
      simd::store(word(a, b), result);
    } else {
      const auto a = next();
      const auto b = next();
      const auto c = next();
      simd::store(word(a, b, c), result);
    }
    return result[0];
  }
};
TYPED_TEST_SUITE(Arithmetic, Types);

// What a lane does, not what the compiler does with constants: flushing is all or nothing over results and operands.
TYPED_TEST(Arithmetic, SubnormalsAreAsTheTableSays) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  const T small = L::min() * T(0.25);
  const bool kept = kRow.subnormals == arithmetic::Subnormals::kept;
  EXPECT_EQ(this->of([](auto a, auto b) { return simd::mul(a, b); }, L::min(), T(0.25)), kept ? small : T(0));
  EXPECT_EQ(this->of([](auto a, auto b) { return simd::sub(a, b); }, L::min() * T(1.25), L::min()),
            kept ? small : T(0));
  EXPECT_EQ(this->of([](auto a, auto b) { return simd::mul(a, b); }, small, T(4)), kept ? L::min() : T(0));
  EXPECT_EQ(this->of([](auto a, auto b) { return simd::add(a, b); }, small, small), kept ? 2 * small : T(0));
  EXPECT_EQ(this->of([](auto a, auto b, auto c) { return simd::mul_add(a, b, c); }, L::min(), T(0.25), T(0)),
            kept ? small : T(0));
  EXPECT_EQ(this->of([](auto a, auto b) { return simd::div(a, b); }, L::min(), T(4)), kept ? small : T(0));
  // Moving bits is no arithmetic: nothing is flushed.
  EXPECT_EQ(this->of([](auto a) { return simd::neg(a); }, small), -small);
}

TYPED_TEST(Arithmetic, MulAddIsFusedAsTheTableSays) {
  using T = TypeParam;
  // (1 + e)(1 - e) - 1 is -e^2: 0 when the product is rounded first.
  const T e = std::numeric_limits<T>::epsilon();
  const T got = this->of([](auto a, auto b, auto c) { return simd::mul_add(a, b, c); }, T(1) + e, T(1) - e, T(-1));
  EXPECT_EQ(got, kRow.mul_add == arithmetic::MulAdd::fused ? -e * e : T(0));
  const T negated =
      this->of([](auto a, auto b, auto c) { return simd::neg_mul_add(a, b, c); }, T(1) + e, T(1) - e, T(1));
  EXPECT_EQ(negated, kRow.mul_add == arithmetic::MulAdd::fused ? e * e : T(0));
}

// Newton iterations are wrong somewhere among many quotients and never by more than 8 units in the last place.
TYPED_TEST(Arithmetic, DivAndSqrtAreRoundedAsTheTableSays) {
  using T = TypeParam;
  support::Random random(11);
  int wrong = 0;
  for (int k = 0; k < 4000; ++k) {
    const T a = static_cast<T>(2 + random()), b = static_cast<T>(2 + random());
    const T quotient = this->of([](auto x, auto y) { return simd::div(x, y); }, a, b);
    const T root = this->of([](auto x) { return simd::sqrt(x); }, a);
    wrong += quotient != a / b;
    wrong += root != std::sqrt(a);
    ASSERT_NEAR(quotient / (a / b), T(1), 8 * std::numeric_limits<T>::epsilon());
    ASSERT_NEAR(root / std::sqrt(a), T(1), 8 * std::numeric_limits<T>::epsilon());
  }
  if (kRow.roots == arithmetic::Roots::exact) EXPECT_EQ(wrong, 0);
  else EXPECT_GT(wrong, 0);
}

// The emulated CPU has the vector length that the name of this run claims: sve128, sve256, sve512.
TEST(EmulatedCpu, HasTheVectorLengthOfItsName) {
  const char* run = std::getenv("EMMY_TEST_RUN");
  if (run == nullptr) GTEST_SKIP() << "not run by ctest";
  const std::string_view name = run;
  if (!name.starts_with("sve")) {
    EXPECT_FALSE(std::string_view(EMMY_TARGET_NAME).starts_with("sve")) << "a run of SVE is called sve<bits>";
    return;
  }
  EXPECT_EQ(simd::lanes<float>() * 32, static_cast<std::size_t>(std::atoi(run + 3)));
}

}  // namespace
