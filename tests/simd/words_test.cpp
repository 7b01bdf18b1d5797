// Every word of emmy/simd/simd.hpp against its definition, written in plain C++ here, on the target of this build.
#include <emmy/simd/simd.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <tests/simd/arithmetic_table.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string_view>
#include <type_traits>
#include <vector>

namespace {

namespace simd = emmy::simd;

using arithmetic::kFlushes;
using arithmetic::kFused;
using arithmetic::kNewton;
using arithmetic::seen;
#if defined(EMMY_BACKEND_HIGHWAY) && defined(__ARM_FEATURE_SVE)
constexpr bool kFixedLanes = false;
#else
constexpr bool kFixedLanes = true;
static_assert(simd::lanes<float>() != 0, "a constant expression");
#endif
constexpr std::size_t kMaxLanes = 64;  // SVE: 2048 bits of f32

template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T>
BitsOf<T> bits(T x) {
  return std::bit_cast<BitsOf<T>>(x);
}
template <class T>
T from_bits(BitsOf<T> b) {
  return std::bit_cast<T>(b);
}

template <class T>
std::vector<T> special_values() {
  using L = std::numeric_limits<T>;
  const T positive[] = {T(0),
                        L::denorm_min(),
                        L::min() - L::denorm_min(),
                        L::min(),
                        T(0.5),
                        T(1),
                        T(1) + L::epsilon(),
                        T(1.5),
                        T(3),
                        L::max(),
                        L::infinity(),
                        L::quiet_NaN()};
  std::vector<T> values;
  for (T x : positive) {
    values.push_back(x);
    values.push_back(from_bits<T>(bits(x) | (BitsOf<T>(1) << (sizeof(T) * 8 - 1))));
  }
  return values;
}

// A mixture of special values, arbitrary bit patterns (any exponent, NaN payloads) and moderate numbers.
template <class T>
class Source {
 public:
  T next() {
    switch (random_() % 4) {
      case 0: return special_[static_cast<std::size_t>(random_() % special_.size())];
      case 1: return from_bits<T>(static_cast<BitsOf<T>>(random_()));
      default: return moderate();
    }
  }
  T moderate() { return static_cast<T>(std::uniform_real_distribution<double>(-4, 4)(random_)); }

 private:
  std::mt19937_64 random_{20240607};
  std::vector<T> special_ = special_values<T>();
};

// Memory that ends where a page without access begins.
template <class T>
class Guarded {
 public:
  Guarded() {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* p = mmap(nullptr, 2 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base_ = static_cast<char*>(p);
    if (mprotect(base_ + page_, page_, PROT_NONE) != 0) std::abort();
  }
  ~Guarded() { munmap(base_, 2 * page_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  T* last(std::size_t n) { return reinterpret_cast<T*>(base_ + page_) - n; }

 private:
  char* base_;
  std::size_t page_;
};

enum class Compare { kBits, kNumber, kValue };  // kNumber: any NaN is NaN; kValue: and -0 is +0

template <class T>
bool same(T got, T expected, Compare how) {
  // Flushing comes before rounding, so what would round up to the smallest normal number is flushed too.
  if (kFlushes && std::fabs(expected) == std::numeric_limits<T>::min() &&
      bits(got) == bits(std::copysign(T(0), expected)))
    return true;
  if (how != Compare::kBits && std::isnan(got) && std::isnan(expected)) return true;
  if (how == Compare::kValue && got == expected) return true;
  return bits(got) == bits(expected);
}

template <class T>
class Words : public testing::Test {
 protected:
  static constexpr int kRounds = 20000;

  // Runs `word` over many arguments and compares each lane to `expected` of that lane's arguments.
  template <int Arity, class Word, class Expected>
  void check(
      Compare how, Word word, Expected expected, bool (*allowed)(T, T) = [](T, T) { return true; }) {
    Source<T> source;
    T a[kMaxLanes], b[kMaxLanes], c[kMaxLanes], got[kMaxLanes];
    const std::size_t lanes = simd::lanes<T>();
    for (int round = 0; round < kRounds; ++round) {
      for (std::size_t i = 0; i < lanes; ++i) {
        do {
          a[i] = source.next();
          b[i] = round % 5 == 0 ? a[i] : source.next();
          c[i] = source.next();
        } while (!allowed(a[i], b[i]));
      }
      if constexpr (Arity == 1) simd::store(word(simd::load(a)), got);
      else if constexpr (Arity == 2) simd::store(word(simd::load(a), simd::load(b)), got);
      else simd::store(word(simd::load(a), simd::load(b), simd::load(c)), got);
      for (std::size_t i = 0; i < lanes; ++i) {
        T want;
        if constexpr (Arity == 1) want = expected(a[i]);
        else if constexpr (Arity == 2) want = expected(a[i], b[i]);
        else want = expected(a[i], b[i], c[i]);
        ASSERT_TRUE(same(got[i], want, how)) << "lane " << i << " of " << lanes << ": " << std::hexfloat << a[i] << ", "
                                             << b[i] << ", " << c[i] << " gave " << got[i] << ", not " << want;
      }
    }
  }
};

using Types = support::Scalars;
TYPED_TEST_SUITE(Words, Types);

TYPED_TEST(Words, LanesAreThoseOfTheTarget) {
  using T = TypeParam;
  const std::size_t lanes = simd::lanes<T>();
  EXPECT_TRUE(std::has_single_bit(lanes));
  EXPECT_LE(lanes, kMaxLanes);
  const std::string_view target = EMMY_TARGET_NAME;
  std::size_t bytes = 16;
  if (target == "scalar") bytes = sizeof(T);
  if (target == "avx2") bytes = 32;
  if (target == "avx3") bytes = 64;
  if (kFixedLanes) {
    EXPECT_EQ(lanes, bytes / sizeof(T)) << target;
  }
  EXPECT_TRUE(simd::kRegisters == 16 || simd::kRegisters == 32);
  static_assert(std::is_same_v<simd::Scalar<simd::Vec<T>>, T>);
}

TYPED_TEST(Words, LoadAndStoreAtEveryAlignment) {
  using T = TypeParam;
  const std::size_t lanes = simd::lanes<T>();
  Guarded<T> from, to;
  Source<T> source;
  for (std::size_t shift = 0; shift <= 2 * lanes; ++shift) {
    T* p = from.last(lanes + shift);
    T* q = to.last(lanes + shift);
    for (std::size_t i = 0; i < lanes; ++i) p[i] = source.next();
    q[-1] = T(7);
    if (shift != 0) q[lanes] = T(8);
    simd::store(simd::load(static_cast<const T*>(p)), q);
    for (std::size_t i = 0; i < lanes; ++i) ASSERT_EQ(bits(q[i]), bits(p[i]));
    EXPECT_EQ(q[-1], T(7));
    if (shift != 0) {
      EXPECT_EQ(q[lanes], T(8));
    }
  }
}

TYPED_TEST(Words, LoadFirstReadsNoMoreAndPadsWithZero) {
  using T = TypeParam;
  const std::size_t lanes = simd::lanes<T>();
  Guarded<T> guarded;
  Source<T> source;
  T got[kMaxLanes];
  for (std::size_t n = 0; n <= lanes; ++n) {
    const T* p = guarded.last(n);
    for (std::size_t i = 0; i < n; ++i) guarded.last(n)[i] = source.next();
    simd::store(simd::load_first(p, n), got);
    for (std::size_t i = 0; i < lanes; ++i) ASSERT_EQ(bits(got[i]), bits(i < n ? p[i] : T(0))) << n << ' ' << i;
    // What lies behind does not enter either where it may be read.
    T plain[kMaxLanes + 1];
    for (T& x : plain) x = std::numeric_limits<T>::quiet_NaN();
    for (std::size_t i = 0; i < n; ++i) plain[i + 1] = p[i];
    simd::store(simd::load_first(static_cast<const T*>(plain) + 1, n), got);
    for (std::size_t i = 0; i < lanes; ++i) ASSERT_EQ(bits(got[i]), bits(i < n ? p[i] : T(0))) << n << ' ' << i;
  }
}

TYPED_TEST(Words, StoreFirstWritesNoMore) {
  using T = TypeParam;
  const std::size_t lanes = simd::lanes<T>();
  Guarded<T> guarded;
  Source<T> source;
  T values[kMaxLanes];
  for (std::size_t n = 0; n <= lanes; ++n) {
    for (std::size_t i = 0; i < lanes; ++i) values[i] = source.next();
    T* p = guarded.last(n);
    p[-1] = T(7);
    simd::store_first(simd::load(static_cast<const T*>(values)), p, n);
    EXPECT_EQ(p[-1], T(7));
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(bits(p[i]), bits(values[i])) << n << ' ' << i;
    T plain[kMaxLanes + 2];
    for (T& x : plain) x = T(9);
    simd::store_first(simd::load(static_cast<const T*>(values)), plain + 1, n);
    for (std::size_t i = 0; i < kMaxLanes + 2; ++i) {
      ASSERT_EQ(bits(plain[i]), bits(i >= 1 && i < n + 1 ? values[i - 1] : T(9))) << n << ' ' << i;
    }
  }
}

TYPED_TEST(Words, SetAndZero) {
  using T = TypeParam;
  T got[kMaxLanes];
  for (T x : special_values<T>()) {
    simd::store(simd::set(x), got);
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) ASSERT_EQ(bits(got[i]), bits(x));
  }
  simd::store(simd::zero<T>(), got);
  for (std::size_t i = 0; i < simd::lanes<T>(); ++i) ASSERT_EQ(bits(got[i]), 0u);
}

TYPED_TEST(Words, Arithmetic) {
  using T = TypeParam;
  this->template check<2>(
      Compare::kNumber, [](auto a, auto b) { return simd::add(a, b); },
      [](T a, T b) { return seen(seen(a) + seen(b)); });
  this->template check<2>(
      Compare::kNumber, [](auto a, auto b) { return simd::sub(a, b); },
      [](T a, T b) { return seen(seen(a) - seen(b)); });
  this->template check<2>(
      Compare::kNumber, [](auto a, auto b) { return simd::mul(a, b); },
      [](T a, T b) { return seen(seen(a) * seen(b)); });
  if constexpr (!kNewton) {
    this->template check<2>(
        Compare::kNumber, [](auto a, auto b) { return simd::div(a, b); },
        [](T a, T b) { return seen(seen(a) / seen(b)); });
  }
}

// Where div and sqrt are iterations: 4 units in the last place as long as no reciprocal leaves the range, and sqrt(0) = 0.
TYPED_TEST(Words, NewtonDivAndSqrtAreCloseInRange) {
  using T = TypeParam;
  if (!kNewton) GTEST_SKIP() << "div and sqrt are exact: Arithmetic, SqrtIsCorrectlyRounded";
  Source<T> source;
  const auto in_range = [&] {
    for (;;) {
      const T x = source.next();
      if (std::fabs(x) > T(0x1p-60) && std::fabs(x) < T(0x1p60)) return x;
    }
  };
  T a[kMaxLanes], b[kMaxLanes], quotient[kMaxLanes], root[kMaxLanes];
  for (int round = 0; round < 20000; ++round) {
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) {
      a[i] = in_range();
      b[i] = in_range();
    }
    const auto va = simd::load(static_cast<const T*>(a));
    simd::store(simd::div(va, simd::load(static_cast<const T*>(b))), quotient);
    simd::store(simd::sqrt(simd::abs(va)), root);
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) {
      constexpr T kBound = 4 * std::numeric_limits<T>::epsilon();
      ASSERT_NEAR(quotient[i] / (a[i] / b[i]), T(1), kBound) << std::hexfloat << a[i] << ' ' << b[i];
      ASSERT_NEAR(root[i] / std::sqrt(std::fabs(a[i])), T(1), kBound) << std::hexfloat << a[i];
    }
  }
  simd::store(simd::sqrt(simd::zero<T>()), root);
  EXPECT_EQ(root[0], T(0));
}

TYPED_TEST(Words, NegAndAbsTouchTheSignOnly) {
  using T = TypeParam;
  constexpr auto kSign = BitsOf<T>(1) << (sizeof(T) * 8 - 1);
  this->template check<1>(
      Compare::kBits, [](auto a) { return simd::neg(a); }, [](T a) { return from_bits<T>(bits(a) ^ kSign); });
  this->template check<1>(
      Compare::kBits, [](auto a) { return simd::abs(a); }, [](T a) { return from_bits<T>(bits(a) & ~kSign); });
}

TYPED_TEST(Words, MulAddIsFusedExactlyWhereTheTargetFuses) {
  using T = TypeParam;
  const auto plain = [](T a, T b, T c) {
    return seen(kFused ? std::fma(seen(a), seen(b), seen(c)) : seen(seen(a) * seen(b)) + seen(c));
  };
  this->template check<3>(
      Compare::kNumber, [](auto a, auto b, auto c) { return simd::mul_add(a, b, c); }, plain);
  this->template check<3>(
      Compare::kNumber, [](auto a, auto b, auto c) { return simd::neg_mul_add(a, b, c); },
      [plain](T a, T b, T c) { return plain(-a, b, c); });
}

TYPED_TEST(Words, AddSquareRoundsTwiceBesideStoresOfX86) {
  using T = TypeParam;
  constexpr bool kOnce = kFused && !simd::kSplitsSquares;
  this->template check<2>(
      Compare::kNumber, [](auto a, auto b) { return simd::add_square(a, b); },
      [](T a, T b) { return seen(kOnce ? std::fma(seen(b), seen(b), seen(a)) : seen(seen(b) * seen(b)) + seen(a)); });
}

TYPED_TEST(Words, SquareAndSettled) {
  using T = TypeParam;
  this->template check<1>(
      Compare::kNumber, [](auto a) { return simd::square(a); }, [](T a) { return seen(seen(a) * seen(a)); });
  this->template check<1>(
      Compare::kBits, [](auto a) { return simd::settled(a); }, [](T a) { return a; });
}

TYPED_TEST(Words, MinAndMax) {
  using T = TypeParam;
  const auto first_is_number = [](T a, T) { return !std::isnan(a); };  // then NaN comes from b and goes through
  this->template check<2>(
      Compare::kValue, [](auto a, auto b) { return simd::min(a, b); }, [](T a, T b) { return seen(a < b ? a : b); },
      first_is_number);
  this->template check<2>(
      Compare::kValue, [](auto a, auto b) { return simd::max(a, b); }, [](T a, T b) { return seen(a > b ? a : b); },
      first_is_number);
}

TYPED_TEST(Words, PositivePart) {
  using T = TypeParam;
  this->template check<2>(
      Compare::kValue, [](auto a, auto) { return simd::positive_part(a); },
      [](T a, T) { return std::isnan(a) ? a : seen(a > 0 ? a : T(0)); },
      [](T a, T) { return !std::isnan(a) || !std::signbit(a); });
}

TYPED_TEST(Words, WithoutTinyClearsWhatIsBelowItsBound) {
  using T = TypeParam;
  const auto want = [](T a) { return std::abs(a) < emmy::kTiny<T> ? T(0) : a; };
  this->template check<1>(
      Compare::kBits, [](auto a) { return simd::without_tiny(a); }, want);
  const T edge = emmy::kTiny<T>, below = std::nextafter(edge, T(0));
  for (const T value :
       {edge, -edge, below, -below, std::numeric_limits<T>::min(), std::numeric_limits<T>::infinity()}) {
    T got[64];
    simd::store(simd::without_tiny(simd::set(value)), got);
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) ASSERT_EQ(bits(got[i]), bits(want(value))) << value;
  }
}

TYPED_TEST(Words, MasksAndSelect) {
  using T = TypeParam;
  // Where subnormals are flushed, the order of two of them is not defined: g++ 12 compares with VFP, clang with NEON.
  const auto ordered = [](T a, T b) {
    return bits(a) == bits(b) || std::isnan(a) || std::isnan(b) || seen(a) != seen(b) || a == b;
  };
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::select(simd::less(a, b), a, b); },
      [](T a, T b) { return a < b ? a : b; }, ordered);
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::select(simd::less_equal(a, b), b, a); },
      [](T a, T b) { return a <= b ? b : a; }, ordered);
  this->template check<2>(
      Compare::kBits,
      [](auto a, auto b) { return simd::select(simd::equal(a, b), simd::set(T(1)), simd::set(T(-0.0))); },
      [](T a, T b) { return a == b ? T(1) : T(-0.0); }, ordered);
  // The masks apart from the values that they choose between.
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::select(simd::less(a, b), simd::set(T(2)), simd::zero<T>()); },
      [](T a, T b) { return a < b ? T(2) : T(0); }, ordered);
  this->template check<2>(
      Compare::kBits,
      [](auto a, auto b) { return simd::select(simd::less_equal(a, b), simd::set(T(2)), simd::zero<T>()); },
      [](T a, T b) { return a <= b ? T(2) : T(0); }, ordered);
}

TYPED_TEST(Words, BitPatterns) {
  using T = TypeParam;
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::bit_and(a, b); },
      [](T a, T b) { return from_bits<T>(bits(a) & bits(b)); });
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::bit_or(a, b); },
      [](T a, T b) { return from_bits<T>(bits(a) | bits(b)); });
  this->template check<2>(
      Compare::kBits, [](auto a, auto b) { return simd::bit_xor(a, b); },
      [](T a, T b) { return from_bits<T>(bits(a) ^ bits(b)); });
}

template <int Count, class T, class Check>
void check_shift(Check check) {
  check([](auto a) { return simd::shift_left<Count>(a); }, [](T a) { return from_bits<T>(bits(a) << Count); });
  check([](auto a) { return simd::shift_right<Count>(a); }, [](T a) { return from_bits<T>(bits(a) >> Count); });
}
TYPED_TEST(Words, Shifts) {
  using T = TypeParam;
  const auto check = [this](auto word, auto expected) { this->template check<1>(Compare::kBits, word, expected); };
  check_shift<1, T>(check);
  check_shift<9, T>(check);
  check_shift<std::numeric_limits<T>::digits - 1, T>(check);
  check_shift<sizeof(T) * 8 - 1, T>(check);
}

// Exact, in integers: x = M 4^h, r = R 2^h with R of `digits` bits, and R is sqrt(M) rounded iff |2R - sqrt(4M)| <= 1.
// No square root of a number of the type lies halfway.
template <class T>
bool is_rounded_square_root(T x, T r) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
#else
  using Wide = std::uint64_t;  // 32-bit targets: 52 bits are enough for f32, and for f64 VSQRT is IEEE's
  if constexpr (sizeof(T) == 8) return bits(r) == bits(std::sqrt(x));
#endif
  constexpr int kDigits = std::numeric_limits<T>::digits;
  int exponent = 0;
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(x, &exponent), kDigits));
  exponent -= kDigits;
  const int shift = (exponent - kDigits) % 2 == 0 ? kDigits : kDigits - 1;
  const Wide m4 = (Wide(mantissa) << shift) * 4;
  const T root = std::ldexp(r, -(exponent - shift) / 2);
  const Wide twice = 2 * Wide(static_cast<std::uint64_t>(root));
  return root == std::trunc(root) && (twice - 1) * (twice - 1) < m4 && m4 < (twice + 1) * (twice + 1);
}
TYPED_TEST(Words, SqrtIsCorrectlyRounded) {
  using T = TypeParam;
  if (kNewton) GTEST_SKIP() << "not on this target: NewtonDivAndSqrtAreCloseInRange";
  Source<T> source;
  T a[kMaxLanes], got[kMaxLanes];
  for (int round = 0; round < 20000; ++round) {
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) a[i] = source.next();
    simd::store(simd::sqrt(simd::load(static_cast<const T*>(a))), got);
    for (std::size_t i = 0; i < simd::lanes<T>(); ++i) {
      bool right = false;
      if (std::isnan(a[i]) || a[i] < 0) right = std::isnan(got[i]);
      else if (a[i] == 0 || std::isinf(a[i])) right = bits(got[i]) == bits(a[i]);
      else right = is_rounded_square_root(a[i], got[i]);
      ASSERT_TRUE(right) << std::hexfloat << a[i] << ' ' << got[i];
    }
  }
}

TYPED_TEST(Words, SumHasAFixedOrder) {
  using T = TypeParam;
  Source<T> source;
  T a[kMaxLanes], tree[kMaxLanes];
  const std::size_t lanes = simd::lanes<T>();
  for (int round = 0; round < 20000; ++round) {
    double exact = 0, magnitude = 0;
    for (std::size_t i = 0; i < lanes; ++i) {
      tree[i] = a[i] = source.moderate();
      exact += static_cast<double>(a[i]);
      magnitude += std::fabs(static_cast<double>(a[i]));
    }
    const T in_order = support::sum_of_lanes(tree, lanes);
    const T got = simd::sum(simd::load(static_cast<const T*>(a)));
    if (kFixedLanes) {
      ASSERT_EQ(bits(got), bits(in_order));
    }
    const double bound = 2 * static_cast<double>(lanes) * static_cast<double>(std::numeric_limits<T>::epsilon());
    ASSERT_NEAR(static_cast<double>(got), exact, bound * magnitude);
  }
}

TYPED_TEST(Words, StoreSumsSumsEachOfFour) {
  using T = TypeParam;
  Source<T> source;
  const std::size_t lanes = simd::lanes<T>();
  Guarded<T> out;
  T a[4][kMaxLanes];
  for (int round = 0; round < 5000; ++round) {
    double exact[4] = {}, magnitude[4] = {};
    for (std::size_t v = 0; v < 4; ++v)
      for (std::size_t i = 0; i < lanes; ++i) {
        a[v][i] = source.moderate();
        exact[v] += static_cast<double>(a[v][i]);
        magnitude[v] += std::fabs(static_cast<double>(a[v][i]));
      }
    const auto load = [&](int v) { return simd::load(static_cast<const T*>(a[v])); };
    T* sums = out.last(4);
    simd::store_sums(load(0), load(1), load(2), load(3), sums);
    const double bound = 2 * static_cast<double>(lanes) * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::size_t v = 0; v < 4; ++v) ASSERT_NEAR(static_cast<double>(sums[v]), exact[v], bound * magnitude[v]) << v;
  }
}

TYPED_TEST(Words, LaneFoldsTakeAsManyVectorsAsLanes) {
  using T = TypeParam;
  if constexpr (simd::kFoldsSums<T>) {
    static constexpr int kLanes = static_cast<int>(simd::lanes<T>());
    Source<T> source;
    T rows[kLanes][kLanes], sums[kLanes];
    for (auto& row : rows)
      for (T& v : row) v = source.moderate();
    [&]<int... R>(std::integer_sequence<int, R...>) {
      simd::store(simd::lane_sums(simd::load(static_cast<const T*>(rows[R]))...), sums);
    }
    (std::make_integer_sequence<int, kLanes>{});
    for (int r = 0; r < kLanes; ++r) {
      double exact = 0, magnitude = 0;
      for (const T v : rows[r]) {
        exact += static_cast<double>(v);
        magnitude += std::fabs(static_cast<double>(v));
      }
      EXPECT_NEAR(static_cast<double>(sums[r]), exact, kLanes * magnitude * std::numeric_limits<T>::epsilon()) << r;
      if constexpr (simd::kTransposes<T>) {  // softmax and dots of one row and of many are to have the same bits
        EXPECT_EQ(sums[r], simd::sum(simd::load(static_cast<const T*>(rows[r]))));
      }
    }
  }
}

TYPED_TEST(Words, TransposeTakesAsManyVectorsAsLanes) {
  using T = TypeParam;
  if constexpr (simd::kTransposes<T>) {
    static constexpr int kLanes = static_cast<int>(simd::lanes<T>());
    T rows[kLanes][kLanes], columns[kLanes][kLanes];
    for (int r = 0; r < kLanes; ++r)
      for (int c = 0; c < kLanes; ++c) rows[r][c] = T(100 * r + c + 1);
    [&]<int... R>(std::integer_sequence<int, R...>) {
      simd::Vec<T> v[] = {simd::load(static_cast<const T*>(rows[R]))...};
      simd::transpose(v[R]...);
      (simd::store(v[R], columns[R]), ...);
    }
    (std::make_integer_sequence<int, kLanes>{});
    for (int r = 0; r < kLanes; ++r)
      for (int c = 0; c < kLanes; ++c) ASSERT_EQ(columns[c][r], rows[r][c]) << r << ' ' << c;
  }
}

TYPED_TEST(Words, StoreColumnsTransposesFourRows) {
  using T = TypeParam;
  if constexpr (simd::kHasColumns<T>) {
    static constexpr int kLanes = static_cast<int>(simd::lanes<T>());
    support::for_each_size<1, kLanes>([](auto count) {
      constexpr int kCount = decltype(count)::value, kStride = 7;
      T rows[4][kLanes];
      for (int r = 0; r < 4; ++r)
        for (int j = 0; j < kLanes; ++j) rows[r][j] = T(100 * r + j + 1);
      Guarded<T> out;
      T* p = out.last((kCount - 1) * kStride + 4);
      const auto row = [&](int r) { return simd::load(static_cast<const T*>(rows[r])); };
      simd::store_columns<kCount>(row(0), row(1), row(2), row(3), p, kStride);
      for (int j = 0; j < kCount; ++j)
        for (int r = 0; r < 4; ++r) ASSERT_EQ(p[j * kStride + r], rows[r][j]) << kCount << ": " << j << ' ' << r;
    });
  }
}

TYPED_TEST(Words, MaxLaneFindsEveryLane) {
  using T = TypeParam;
  using L = std::numeric_limits<T>;
  Source<T> source;
  T a[kMaxLanes];
  const std::size_t lanes = simd::lanes<T>();
  for (std::size_t place = 0; place < lanes; ++place) {
    for (T largest : {T(-3), T(5), L::max(), L::infinity()}) {
      for (std::size_t i = 0; i < lanes; ++i) a[i] = -4 - std::fabs(source.moderate());
      a[place] = largest;
      EXPECT_EQ(simd::max_lane(simd::load(static_cast<const T*>(a))), largest) << place;
      const auto v = simd::load(static_cast<const T*>(a)), top = simd::set(largest);
      EXPECT_EQ(simd::first_of(v), a[0]) << place;
      EXPECT_TRUE(simd::all<decltype(v)>(simd::less_equal(v, top))) << place;
      EXPECT_FALSE(simd::all<decltype(v)>(simd::less(v, top))) << place;
    }
  }
}

}  // namespace
