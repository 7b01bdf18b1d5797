// The error bounds of emmy/kernels/transcendental.hpp, held against libm in the next wider type.
#include <emmy/kernels/transcendental.hpp>

#include <gtest/gtest.h>
#include <tests/simd/arithmetic_table.hpp>
#include <tests/support/scalars.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

namespace {

namespace simd = emmy::simd;

using arithmetic::kFlushes;
using arithmetic::kNewton;
using arithmetic::seen;

constexpr std::size_t kMaxLanes = 64;

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
// f32 is judged by f64, f64 by the long double of x86 (64 bits) and AArch64 (113 bits).
template <class T>
using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;

// Distance in units of the last place of the exact result; the subnormals have those of the smallest normal.
template <class T>
double ulps(T got, Wide<T> exact) {
  using L = std::numeric_limits<T>;
  if (std::isnan(exact)) return std::isnan(got) ? 0 : HUGE_VAL;
  const T nearest = static_cast<T>(exact);
  if (std::isinf(nearest) && got == nearest) return 0;
  // An infinite result next to the end of the range counts as the first number that has no place in it.
  const Wide<T> value = std::isinf(got) ? std::copysign(std::ldexp(Wide<T>(1), L::max_exponent), got) : Wide<T>(got);
  if (std::isnan(value) || std::isinf(exact)) return HUGE_VAL;
  const int exponent =
      std::clamp(exact == 0 ? L::min_exponent : std::ilogb(exact) + 1, L::min_exponent, L::max_exponent);
  return static_cast<double>(std::fabs(value - exact) / std::ldexp(Wide<T>(1), exponent - L::digits));
}

template <class T>
struct Worst {
  double error = 0;
  T at = 0;
};

// Applies `function` to the arguments, a vector at a time, and finds the largest error.
template <class T, class Function, class Exact>
Worst<T> measure(const std::vector<T>& arguments, Function function, Exact exact) {
  Worst<T> worst;
  T got[kMaxLanes];
  const std::size_t lanes = simd::lanes<T>();
  for (std::size_t i = 0; i < arguments.size(); i += lanes) {
    const std::size_t count = std::min(lanes, arguments.size() - i);
    simd::store(function(simd::load_first(arguments.data() + i, count)), got);
    for (std::size_t k = 0; k < count; ++k) {
      const T x = seen(arguments[i + k]);
      const auto want = static_cast<Wide<T>>(exact(static_cast<Wide<T>>(x)));
      // Where subnormals are flushed, so is what passes through one on its way.
      if (kFlushes && got[k] == 0 && std::fabs(want) < 2 * std::numeric_limits<T>::min()) continue;
      const double error = ulps(got[k], want);
      if (!(error <= worst.error)) worst = {error, x};
    }
  }
  return worst;
}

// Edges of the type and of the functions, with their neighbours.
template <class T>
void add_edges(std::vector<T>& values) {
  using L = std::numeric_limits<T>;
  const double overflow = std::log(static_cast<double>(L::max())), underflow = std::log(static_cast<double>(L::min()));
  const double smallest = underflow - (L::digits - 1) * std::log(2.0), ln2 = std::log(2.0);
  std::vector<double> edges = {
      0.5, 1, std::sqrt(0.5), std::sqrt(2.0), 2, overflow, underflow, smallest, smallest - ln2, 10, 20, 40};
  for (int n = 1; n < 2000; ++n) edges.push_back((n - 0.5) * ln2);
  for (int n = 1; n < 1000; ++n) edges.push_back(n * ln2);
  std::vector<T> all = {0, L::denorm_min(), L::min(), L::max(), L::infinity()};
  for (double x : edges) all.push_back(static_cast<T>(x));
  for (T middle : all) {
    T below = middle, above = middle;
    for (int k = 0; k < 4; ++k) {
      for (T x : {below, above}) {
        values.push_back(x);
        values.push_back(-x);
      }
      below = std::nextafter(below, -L::infinity());
      above = std::nextafter(above, L::infinity());
    }
  }
  values.push_back(L::quiet_NaN());
  values.push_back(-L::quiet_NaN());
}

// f32: every 1021st of all bit patterns (a prime, so that the low bits vary), 4.2 million; under an emulator every 4093rd.
// f64: as many random ones would mostly hit 0, 1 or infinity, so two thirds have a magnitude where the functions vary.
#if defined(__arm__) || defined(__aarch64__)
constexpr std::uint64_t kEvery = 4093;
constexpr int kRandom = 100000;
#else
constexpr std::uint64_t kEvery = 1021;
constexpr int kRandom = 300000;
#endif

template <class T>
std::vector<T> arguments() {
  std::vector<T> values;
  if constexpr (sizeof(T) == 4) {
    for (std::uint64_t b = 0; b < (std::uint64_t(1) << 32); b += kEvery) {
      values.push_back(std::bit_cast<T>(static_cast<std::uint32_t>(b)));
    }
  } else {
    std::mt19937_64 random{7};
    std::uniform_real_distribution<double> wide(-750, 750), narrow(-4, 4);
    for (int i = 0; i < kRandom; ++i) {
      values.push_back(std::bit_cast<T>(static_cast<BitsOf<T>>(random())));
      values.push_back(static_cast<T>(wide(random)));
      values.push_back(static_cast<T>(narrow(random)));
    }
  }
  add_edges(values);
  return values;
}

template <class T>
class Transcendental : public testing::Test {
 protected:
  static void SetUpTestSuite() { values() = arguments<T>(); }
  static void TearDownTestSuite() { values() = {}; }
  static std::vector<T>& values() {
    static std::vector<T> all;
    return all;
  }

  static constexpr double kNewtonUlps = 1;  // a division that is not exact

  template <class Function, class Exact>
  static void hold(const char* name, double bound, Function function, Exact exact) {
    const Worst<T> worst = measure(values(), function, exact);
    std::printf("worst %s %s %.3f ulp at %a\n", name, sizeof(T) == 4 ? "f32" : "f64", worst.error,
                static_cast<double>(worst.at));
    EXPECT_LE(worst.error, bound + (kNewton ? kNewtonUlps : 0)) << name << " at " << std::hexfloat << worst.at;
  }

  template <class Function>
  static T at(Function function, T x) {
    T got[kMaxLanes];
    simd::store(function(simd::set(x)), got);
    return got[0];
  }
};

#if defined(__arm__)
using Types = testing::Types<float>;  // 32-bit Arm has no type to judge f64 by
#else
using Types = support::Scalars;
#endif
TYPED_TEST_SUITE(Transcendental, Types);

TYPED_TEST(Transcendental, ExpHoldsItsBound) {
  this->hold(
      "exp", 1.5, [](auto v) { return emmy::exp(v); }, [](auto x) { return std::exp(x); });
}
TYPED_TEST(Transcendental, ExpOfNegativeHoldsItsBound) {
  using T = TypeParam;
  constexpr double kLast = sizeof(T) == 4 ? -87 : -708;
  this->hold(
      "exp_of_negative", 1.5, [](auto v) { return emmy::exp_of_negative(simd::neg(simd::abs(v))); },
      [](auto x) {
        const auto y = std::exp(-std::fabs(x));
        return -std::fabs(static_cast<double>(x)) < kLast ? decltype(y)(0) : y;
      });
  EXPECT_EQ(this->at(emmy::exp_of_negative, -std::numeric_limits<T>::infinity()), T(0));
  EXPECT_EQ(this->at(emmy::exp_of_negative, T(-0.0)), T(1));
}
TYPED_TEST(Transcendental, LogOfNormalHoldsItsBound) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  const auto normal = [](auto x) {  // the next normal number
    using X = decltype(x);
    const X a = std::fabs(x), least = L::min(), most = L::max();
    return a < least ? least : a > most ? most : a;
  };
  this->hold(
      "log_of_normal", 1.5,
      [](auto v) {
        const auto a = simd::abs(v), least = simd::set(L::min()), most = simd::set(L::max());
        const auto above = simd::select(simd::less(a, least), least, a);
        return emmy::log_of_normal(simd::select(simd::less(most, above), most, above));
      },
      [&](auto x) { return std::log(normal(x)); });
  for (T bad : {L::infinity(), L::quiet_NaN(), -L::quiet_NaN()})
    EXPECT_TRUE(std::isnan(this->at(emmy::log_of_normal, bad)));
}
TYPED_TEST(Transcendental, LogHoldsItsBound) {
  this->hold(
      "log", 1.5, [](auto v) { return emmy::log(v); }, [](auto x) { return std::log(x); });
}
TYPED_TEST(Transcendental, TanhHoldsItsBound) {
  this->hold(
      "tanh", 3, [](auto v) { return emmy::tanh(v); }, [](auto x) { return std::tanh(x); });
}
// Absolute, so not by hold(). What training leans on as well: odd to the bit, |y| < 1 and |y| <= |x|.
TYPED_TEST(Transcendental, FastTanhHoldsItsBound) {
  using T = TypeParam;
  constexpr double kBound = 2e-5, kUlps = (kNewton ? 4 : 2) * std::numeric_limits<T>::epsilon();
  T x[kMaxLanes] = {}, opposite[kMaxLanes] = {}, y[kMaxLanes], of_opposite[kMaxLanes];
  const std::size_t lanes = simd::lanes<T>();
  const std::vector<T>& values = this->values();
  double worst = 0;
  for (std::size_t i = 0; i + lanes <= values.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) opposite[k] = -(x[k] = seen(values[i + k]));
    simd::store(emmy::fast_tanh(simd::load(static_cast<const T*>(x))), y);
    simd::store(emmy::fast_tanh(simd::load(static_cast<const T*>(opposite))), of_opposite);
    for (std::size_t k = 0; k < lanes; ++k) {
      if (std::isnan(x[k])) {
        ASSERT_TRUE(std::isnan(y[k]));
        continue;
      }
      const double error = static_cast<double>(std::fabs(y[k] - std::tanh(static_cast<Wide<T>>(x[k]))));
      worst = std::fmax(worst, error);
      ASSERT_LE(error, kBound) << std::hexfloat << x[k];
      ASSERT_LT(std::fabs(y[k]), T(1)) << std::hexfloat << x[k];
      ASSERT_LE(std::fabs(y[k]), std::fabs(x[k]) * (1 + T(kUlps))) << std::hexfloat << x[k];
      ASSERT_EQ(std::bit_cast<BitsOf<T>>(y[k]), std::bit_cast<BitsOf<T>>(-of_opposite[k])) << std::hexfloat << x[k];
    }
  }
  std::printf("worst fast_tanh %s %.3g\n", sizeof(T) == 4 ? "f32" : "f64", worst);
  for (T tiny : {T(0), T(-0.0), std::numeric_limits<T>::min(), T(1e-20)})
    EXPECT_EQ(std::bit_cast<BitsOf<T>>(this->at(emmy::fast_tanh, tiny)), std::bit_cast<BitsOf<T>>(tiny)) << tiny;
}
TYPED_TEST(Transcendental, SigmoidHoldsItsBound) {
  using T = TypeParam;
  // Where e^-x overflows the result may be 0 instead of subnormal.
  const double last = -std::log(static_cast<double>(std::numeric_limits<T>::max()));
  const auto exact = [last](auto x) {
    const auto y = 1 / (1 + std::exp(-x));
    return static_cast<double>(x) < last + 1e-3 && y < static_cast<decltype(y)>(std::numeric_limits<T>::min()) ? 0 : y;
  };
  const auto flushed = [last](auto v) {
    using V = decltype(v);
    const V y = emmy::sigmoid(v);
    const V smallest = simd::set(std::numeric_limits<T>::min()), edge = simd::set(static_cast<T>(last + 1e-3));
    const V cut = simd::select(simd::less(y, smallest), simd::zero<T>(), y);
    return simd::select(simd::less(v, edge), cut, y);
  };
  this->hold("sigmoid", 3, flushed, exact);
}

TYPED_TEST(Transcendental, SpecialValues) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  constexpr T kInf = L::infinity(), kNaN = L::quiet_NaN();
  const auto exp = [this](T x) { return this->at(emmy::exp, x); };
  const auto log = [this](T x) { return this->at(emmy::log, x); };
  const auto tanh = [this](T x) { return this->at(emmy::tanh, x); };
  const auto sigmoid = [this](T x) { return this->at(emmy::sigmoid, x); };
  for (T nan : {kNaN, -kNaN}) {
    EXPECT_TRUE(std::isnan(exp(nan)) && std::isnan(log(nan)) && std::isnan(tanh(nan)) && std::isnan(sigmoid(nan)));
  }
  EXPECT_EQ(exp(kInf), kInf);
  EXPECT_EQ(exp(L::max()), kInf);
  EXPECT_EQ(exp(-kInf), T(0));
  EXPECT_EQ(exp(L::lowest()), T(0));
  EXPECT_EQ(exp(T(0)), T(1));
  EXPECT_EQ(exp(T(-0.0)), T(1));
  EXPECT_EQ(log(kInf), kInf);
  EXPECT_EQ(log(T(0)), -kInf);
  EXPECT_EQ(log(T(-0.0)), -kInf);
  EXPECT_EQ(log(T(1)), T(0));
  for (T negative : {T(-1), -L::min(), L::lowest(), -kInf}) EXPECT_TRUE(std::isnan(log(negative))) << negative;
  if (!kFlushes) {
    EXPECT_TRUE(std::isnan(log(-L::denorm_min())));
  }
  EXPECT_EQ(tanh(kInf), T(1));
  EXPECT_EQ(tanh(-kInf), T(-1));
  for (T tiny : {T(0), T(-0.0), L::denorm_min(), -L::denorm_min(), L::min(), T(1e-20)}) {
    EXPECT_EQ(std::bit_cast<BitsOf<T>>(tanh(tiny)), std::bit_cast<BitsOf<T>>(seen(tiny))) << tiny;
  }
  EXPECT_EQ(sigmoid(kInf), T(1));
  EXPECT_EQ(sigmoid(-kInf), T(0));
  EXPECT_EQ(sigmoid(T(0)), T(0.5));
}

// Properties that training leans on, over the same arguments: ranges are never left, and tanh is odd to the bit.
TYPED_TEST(Transcendental, RangesAndSymmetry) {
  using T = TypeParam;
  T x[kMaxLanes] = {}, opposite[kMaxLanes] = {}, a[kMaxLanes], b[kMaxLanes], c[kMaxLanes], d[kMaxLanes];
  const std::size_t lanes = simd::lanes<T>();
  const T one = kNewton ? 1 + 2 * std::numeric_limits<T>::epsilon() : T(1);
  const std::vector<T>& values = this->values();
  for (std::size_t i = 0; i + lanes <= values.size(); i += lanes) {
    for (std::size_t k = 0; k < lanes; ++k) {
      x[k] = std::isnan(values[i + k]) ? T(0) : values[i + k];
      opposite[k] = -x[k];
    }
    simd::store(emmy::tanh(simd::load(static_cast<const T*>(x))), a);
    simd::store(emmy::tanh(simd::load(static_cast<const T*>(opposite))), b);
    simd::store(emmy::sigmoid(simd::load(static_cast<const T*>(x))), c);
    simd::store(emmy::exp(simd::load(static_cast<const T*>(x))), d);
    for (std::size_t k = 0; k < lanes; ++k) {
      ASSERT_TRUE(std::fabs(a[k]) <= one) << std::hexfloat << x[k];
      ASSERT_EQ(std::bit_cast<BitsOf<T>>(a[k]), std::bit_cast<BitsOf<T>>(-b[k])) << std::hexfloat << x[k];
      ASSERT_TRUE(c[k] >= 0 && c[k] <= one) << std::hexfloat << x[k];
      ASSERT_TRUE(d[k] >= 0 && !std::signbit(d[k])) << std::hexfloat << x[k];
    }
  }
}

}  // namespace
