// emmy/kernels/reduce.hpp: the documented order to the bit, the documented error bound, and what lies around the array.
#include <emmy/kernels/reduce.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <tests/simd/arithmetic_table.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

namespace simd = emmy::simd;

using arithmetic::kFused;
#if defined(EMMY_BACKEND_HIGHWAY) && defined(__ARM_FEATURE_SVE)
constexpr bool kFixedLanes = false;  // the order within simd::sum is the instruction's
#else
constexpr bool kFixedLanes = true;
#endif

template <class T>
using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;

// One page between two without access; the array ends at its end, or `gap` values before it. The rest is poison.
template <class T>
class Field {
 public:
  Field() {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (kCapacity * sizeof(T) + page_ - 1) / page_ * page_;
    void* p = mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base_ = static_cast<char*>(p);
    if (mprotect(base_ + page_, bytes_, PROT_READ | PROT_WRITE) != 0) std::abort();
  }
  ~Field() { munmap(base_, bytes_ + 2 * page_); }
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;

  T* array(std::size_t n, std::size_t gap, T poison) {
    T* const first = reinterpret_cast<T*>(base_ + page_);
    T* const end = reinterpret_cast<T*>(base_ + page_ + bytes_);
    for (T* p = first; p != end; ++p) *p = poison;
    return end - gap - n;
  }

 private:
  static constexpr std::size_t kCapacity = 1200;
  char* base_;
  std::size_t page_, bytes_;
};

template <class T>
void fill(T* p, std::size_t n, unsigned seed) {
  std::mt19937 random{seed};
  std::uniform_real_distribution<double> value(-1, 1);
  for (std::size_t i = 0; i < n; ++i) p[i] = static_cast<T>(value(random) * std::ldexp(1.0, static_cast<int>(i % 7)));
}

// The order that reduce.hpp documents, with plain scalars: term(acc, i) adds element i.
template <class T, class Term>
T in_order(std::size_t n, Term term) {
  const std::size_t lanes = simd::lanes<T>(), rounds = n / (4 * lanes) * 4 * lanes;
  std::vector<T> acc(4 * lanes, T(0));
  for (std::size_t i = 0; i < n; ++i) {
    T& a = acc[i < rounds ? i % (4 * lanes) : i % lanes];
    a = term(a, i);
  }
  std::vector<T> v(lanes);
  for (std::size_t i = 0; i < lanes; ++i) v[i] = (acc[i] + acc[lanes + i]) + (acc[2 * lanes + i] + acc[3 * lanes + i]);
  return support::sum_of_lanes(v.data(), lanes);
}

// k u / (1 - k u) of the header, plus the roundings of the wide reference.
template <class T>
Wide<T> bound(std::size_t n, int products, Wide<T> magnitude) {
  const std::size_t lanes = simd::lanes<T>();
  const auto k =
      static_cast<Wide<T>>(n / (4 * lanes) + 6 + static_cast<std::size_t>(std::countr_zero(lanes))) + products;
  const Wide<T> u = std::numeric_limits<T>::epsilon() / Wide<T>(2);
  const Wide<T> reference = static_cast<Wide<T>>(n) * std::numeric_limits<Wide<T>>::epsilon();
  return (k * u / (1 - k * u) + reference) * magnitude;
}

template <class T>
class Reduce : public testing::Test {
 protected:
  Field<T> field_, other_;

  // Every length with every tail, then long arrays; each at every misalignment that a scalar can have in 64 bytes.
  template <class Check>
  static void for_each_place(Check check) {
    const std::size_t lanes = simd::lanes<T>();
    std::vector<std::size_t> sizes;
    for (std::size_t n = 0; n <= 5 * lanes + 3; ++n) sizes.push_back(n);
    for (std::size_t n : {8 * lanes - 1, 8 * lanes, 8 * lanes + 1}) sizes.push_back(n);
    for (std::size_t n = 97; n <= 103; ++n) sizes.push_back(n);
    for (std::size_t n = 997; n <= 1003; ++n) sizes.push_back(n);
    for (std::size_t n : sizes) {
      for (std::size_t gap = 0; gap < 64 / sizeof(T); ++gap) {
        check(n, gap);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
};

#if defined(__arm__)
using Types = testing::Types<float>;  // NEON of Armv7 has no f64
#else
using Types = support::Scalars;
#endif
TYPED_TEST_SUITE(Reduce, Types);

TYPED_TEST(Reduce, SumHasItsOrderAndBound) {
  using T = TypeParam;
  this->for_each_place([this](std::size_t n, std::size_t gap) {
    T* p = this->field_.array(n, gap, std::numeric_limits<T>::quiet_NaN());
    fill(p, n, static_cast<unsigned>(n));
    Wide<T> exact = 0, magnitude = 0;
    for (std::size_t i = 0; i < n; ++i) exact += p[i], magnitude += std::fabs(p[i]);
    const T got = emmy::sum(p, n);
    ASSERT_LE(std::fabs(got - exact), bound<T>(n, 0, magnitude)) << n << ' ' << gap;
    if (kFixedLanes) {
      ASSERT_EQ(got, in_order<T>(n, [p](T acc, std::size_t i) { return acc + p[i]; })) << n << ' ' << gap;
    }
  });
}

TYPED_TEST(Reduce, DotHasItsOrderAndBound) {
  using T = TypeParam;
  this->for_each_place([this](std::size_t n, std::size_t gap) {
    T* a = this->field_.array(n, gap, std::numeric_limits<T>::quiet_NaN());
    T* b = this->other_.array(n, (gap * 5 + 3) % 16, std::numeric_limits<T>::quiet_NaN());
    fill(a, n, static_cast<unsigned>(n));
    fill(b, n, static_cast<unsigned>(n) + 1);
    Wide<T> exact = 0, magnitude = 0;
    for (std::size_t i = 0; i < n; ++i) {
      exact += Wide<T>(a[i]) * b[i];
      magnitude += std::fabs(Wide<T>(a[i]) * b[i]);
    }
    const T got = emmy::dot(a, b, n);
    ASSERT_LE(std::fabs(got - exact), bound<T>(n, 1, magnitude)) << n << ' ' << gap;
    if (kFixedLanes) {
      const auto term = [a, b](T acc, std::size_t i) { return kFused ? std::fma(a[i], b[i], acc) : a[i] * b[i] + acc; };
      ASSERT_EQ(got, in_order<T>(n, term)) << n << ' ' << gap;
    }
  });
}

TYPED_TEST(Reduce, SumSquaresIsTheDotWithItself) {
  using T = TypeParam;
  this->for_each_place([this](std::size_t n, std::size_t gap) {
    T* p = this->field_.array(n, gap, std::numeric_limits<T>::quiet_NaN());
    fill(p, n, static_cast<unsigned>(n));
    Wide<T> exact = 0;
    for (std::size_t i = 0; i < n; ++i) exact += Wide<T>(p[i]) * p[i];
    const T got = emmy::sum_squares(p, n);
    ASSERT_LE(std::fabs(got - exact), bound<T>(n, 1, exact)) << n << ' ' << gap;
    ASSERT_EQ(got, emmy::dot(p, p, n));
  });
}

TYPED_TEST(Reduce, MaxAbsFindsEveryPlaceAndNothingElse) {
  using T = TypeParam;
  this->for_each_place([this](std::size_t n, std::size_t gap) {
    T* p = this->field_.array(n, gap, std::numeric_limits<T>::infinity());
    fill(p, n, static_cast<unsigned>(n));
    T expected = 0;
    for (std::size_t i = 0; i < n; ++i) expected = std::fabs(p[i]) > expected ? std::fabs(p[i]) : expected;
    ASSERT_EQ(emmy::max_abs(p, n), expected) << n << ' ' << gap;
    const emmy::Range<T> range = emmy::range(p, n);
    ASSERT_EQ(range.max_abs, expected) << n << ' ' << gap;
    ASSERT_TRUE(range.finite) << n << ' ' << gap;
    if (gap != 0) return;
    for (std::size_t i = 0; i < n; ++i) {
      const T kept = p[i];
      p[i] = i % 2 == 0 ? T(-1000) : T(1000);
      ASSERT_EQ(emmy::max_abs(p, n), T(1000)) << n << ' ' << i;
      ASSERT_EQ(emmy::range(p, n).max_abs, T(1000)) << n << ' ' << i;
      p[i] = kept;
    }
  });
}

TYPED_TEST(Reduce, AllFiniteSeesEveryPlaceAndNothingElse) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  const T bad[] = {L::quiet_NaN(), -L::quiet_NaN(), L::infinity(), -L::infinity()};
  this->for_each_place([&, this](std::size_t n, std::size_t gap) {
    T* p = this->field_.array(n, gap, bad[n % 4]);
    for (std::size_t i = 0; i < n; ++i) p[i] = i % 3 == 0 ? L::max() : i % 3 == 1 ? L::lowest() : L::denorm_min();
    ASSERT_TRUE(emmy::all_finite(p, n)) << n << ' ' << gap;
    ASSERT_TRUE(emmy::range(p, n).finite) << n << ' ' << gap;
    if (gap != 0) return;
    for (std::size_t i = 0; i < n; ++i) {
      const T kept = p[i];
      p[i] = bad[i % 4];
      ASSERT_FALSE(emmy::all_finite(p, n)) << n << ' ' << i;
      ASSERT_FALSE(emmy::range(p, n).finite) << n << ' ' << i;
      p[i] = kept;
    }
  });
}

TYPED_TEST(Reduce, EmptyArraysTouchNothing) {
  using T = TypeParam;
  const T* none = nullptr;
  EXPECT_EQ(emmy::sum(none, 0), T(0));
  EXPECT_EQ(emmy::dot(none, none, 0), T(0));
  EXPECT_EQ(emmy::sum_squares(none, 0), T(0));
  EXPECT_EQ(emmy::max_abs(none, 0), T(0));
  EXPECT_TRUE(emmy::all_finite(none, 0));
  EXPECT_TRUE(emmy::range(none, 0).finite);
}

}  // namespace
