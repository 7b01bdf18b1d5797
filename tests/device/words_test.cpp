// Every word of the board's backend, lane by lane, against what include/emmy/simd/simd.hpp says of it.
#include <emmy/core/random.hpp>
#include <emmy/simd/simd.hpp>
#include <tests/device/check.hpp>

#include <limits>

namespace {

namespace simd = emmy::simd;
constexpr int kMost = 64;  // lanes: the longest vector that SVE allows
constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

alignas(64) float a[kMost], b[kMost], c[kMost], r[kMost + 1];
int lanes() { return static_cast<int>(simd::lanes<float>()); }

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
float from_bits(std::uint32_t x) { return std::bit_cast<float>(x); }

// Normal numbers of all sizes, zeros of both signs, ones that are equal in a and b; no NaN, nothing that flushes.
float number(emmy::Pcg32& rng) {
  const std::uint32_t kind = rng.below(16);
  if (kind == 0) return 0.0f;
  if (kind == 1) return -0.0f;
  if (kind == 2) return 1.5f;
  return from_bits((rng.next() & 0x807fffffu) | (100 + rng.below(60)) << 23);
}
void fill(emmy::Pcg32& rng) {
  for (int i = 0; i < kMost; ++i) a[i] = number(rng), b[i] = number(rng), c[i] = number(rng);
}

// r = word(a, b, c) must be wanted(a, b, c), bit by bit.
template <class Word, class Wanted>
void exactly(const char* name, Word word, Wanted wanted) {
  simd::store(word(simd::load(a), simd::load(b), simd::load(c)), r);
  for (int i = 0; i < lanes(); ++i) {
    const float w = wanted(a[i], b[i], c[i]);
    if (w != w ? !check::count(r[i] != r[i], name, i) : !check::same_bits(r[i], w, name, i)) return;
  }
}

// a b + c, fused or not: within half an ulp of each rounding.
template <class Word>
void multiply_add(const char* name, Word word, double sign) {
  simd::store(word(simd::load(a), simd::load(b), simd::load(c)), r);
  for (int i = 0; i < lanes(); ++i) {
    const double product = sign * static_cast<double>(a[i]) * static_cast<double>(b[i]),
                 add = static_cast<double>(c[i]);
    const double allowed = (check::size(product) + check::size(product + add)) * 0x1p-23;
    if (!check::near(static_cast<double>(r[i]), product + add, allowed, name, i)) return;
  }
}

void arithmetic() {
  exactly(
      "add", [](auto x, auto y, auto) { return simd::add(x, y); }, [](float x, float y, float) { return x + y; });
  exactly(
      "sub", [](auto x, auto y, auto) { return simd::sub(x, y); }, [](float x, float y, float) { return x - y; });
  exactly(
      "mul", [](auto x, auto y, auto) { return simd::mul(x, y); }, [](float x, float y, float) { return x * y; });
  exactly(
      "neg", [](auto x, auto, auto) { return simd::neg(x); },
      [](float x, float, float) { return from_bits(bits(x) ^ 0x80000000u); });
  exactly(
      "abs", [](auto x, auto, auto) { return simd::abs(x); },
      [](float x, float, float) { return from_bits(bits(x) & 0x7fffffffu); });
  exactly(
      "without_tiny",
      [](auto x, auto, auto) { return simd::without_tiny(simd::mul(x, simd::set(emmy::kTiny<float>))); },
      [](float x, float, float) { return x < 1 && x > -1 ? 0.0f : x * emmy::kTiny<float>; });
  exactly(
      "square", [](auto x, auto, auto) { return simd::square(x); }, [](float x, float, float) { return x * x; });
  exactly(
      "positive_part", [](auto x, auto, auto) { return simd::positive_part(x); },
      [](float x, float, float) { return x > 0 ? x : 0.0f; });
  multiply_add(
      "mul_add", [](auto x, auto y, auto z) { return simd::mul_add(x, y, z); }, 1);
  multiply_add(
      "neg_mul_add", [](auto x, auto y, auto z) { return simd::neg_mul_add(x, y, z); }, -1);
  for (int i = 0; i < lanes(); ++i) b[i] = a[i];
  multiply_add(
      "add_square", [](auto x, auto, auto z) { return simd::add_square(z, x); }, 1);
}

// Armv7 NEON divides and takes roots by iterations from an estimate: a few units in the last place.
#if defined(__ARM_NEON) && !defined(__aarch64__) && !defined(EMMY_BACKEND_SCALAR)
constexpr bool kIeee = false;
#else
constexpr bool kIeee = true;
#endif

// The rounded quotient and root: double has more than twice the digits, so rounding twice is rounding once; a root is
// checked by the squares of the midpoints to its neighbours, which are exact in double.
void quotients_and_roots() {
  simd::store(simd::div(simd::load(a), simd::load(b)), r);
  for (int i = 0; i < lanes(); ++i) {
    if (b[i] == 0) continue;
    const double exact = static_cast<double>(a[i]) / static_cast<double>(b[i]);
    if (kIeee) check::same_bits(r[i], static_cast<float>(exact), "div", i);
    else check::near(static_cast<double>(r[i]), exact, 4 * 0x1p-24 * check::size(exact), "div", i);
  }
  simd::store(simd::sqrt(simd::abs(simd::load(a))), r);
  for (int i = 0; i < lanes(); ++i) {
    const double square = check::size(static_cast<double>(a[i])), root = static_cast<double>(r[i]);
    if (square == 0) {
      check::same_bits(r[i], 0.0f, "sqrt", i);
    } else {
      const int reach = kIeee ? 1 : 8;  // in half units in the last place
      const double half = (static_cast<double>(from_bits(bits(r[i]) + 1)) - root) / 2 * reach;
      check::count((root - half) * (root - half) <= square, "sqrt not above", i);
      check::count((root + half) * (root + half) >= square, "sqrt not below", i);
    }
  }
}

// The order of -0 and 0 is the target's: compared as numbers.
template <class Word, class Wanted>
void as_numbers(const char* name, Word word, Wanted wanted) {
  simd::store(word(simd::load(a), simd::load(b)), r);
  for (int i = 0; i < lanes(); ++i)
    if (!check::count(r[i] == wanted(a[i], b[i]), name, i)) return;
}

template <class Compare, class Wanted>
void mask(const char* name, Compare compare, Wanted wanted) {
  simd::store(simd::select(compare(simd::load(a), simd::load(b)), simd::set(1.0f), simd::set(-2.0f)), r);
  for (int i = 0; i < lanes(); ++i)
    if (!check::same_bits(r[i], wanted(a[i], b[i]) ? 1.0f : -2.0f, name, i)) return;
}

void masks() {
  mask(
      "less", [](auto x, auto y) { return simd::less(x, y); }, [](float x, float y) { return x < y; });
  mask(
      "less_equal", [](auto x, auto y) { return simd::less_equal(x, y); }, [](float x, float y) { return x <= y; });
  mask(
      "equal", [](auto x, auto y) { return simd::equal(x, y); }, [](float x, float y) { return x == y; });
}

void patterns() {
  exactly(
      "bit_and", [](auto x, auto y, auto) { return simd::bit_and(x, y); },
      [](float x, float y, float) { return from_bits(bits(x) & bits(y)); });
  exactly(
      "bit_or", [](auto x, auto y, auto) { return simd::bit_or(x, y); },
      [](float x, float y, float) { return from_bits(bits(x) | bits(y)); });
  exactly(
      "bit_xor", [](auto x, auto y, auto) { return simd::bit_xor(x, y); },
      [](float x, float y, float) { return from_bits(bits(x) ^ bits(y)); });
  exactly(
      "shift_left", [](auto x, auto, auto) { return simd::shift_left<5>(x); },
      [](float x, float, float) { return from_bits(bits(x) << 5); });
  exactly(
      "shift_right", [](auto x, auto, auto) { return simd::shift_right<9>(x); },
      [](float x, float, float) { return from_bits(bits(x) >> 9); });
}

void reductions() {
  double sum = 0, absolute = 0;
  float top = a[0];
  for (int i = 0; i < lanes(); ++i) {
    sum += static_cast<double>(a[i]);
    absolute += check::size(static_cast<double>(a[i]));
    top = a[i] > top ? a[i] : top;
  }
  CHECK_NEAR(static_cast<double>(simd::sum(simd::load(a))), sum, absolute * lanes() * 0x1p-24);
  CHECK(simd::max_lane(simd::load(a)) == top);
  float sums[4];
  const auto v = simd::load(a), twice = simd::add(v, v);
  simd::store_sums(v, twice, simd::neg(v), simd::add(twice, twice), sums);
  const double factors[] = {1, 2, -1, 4};
  for (int k = 0; k < 4; ++k)
    CHECK_NEAR(static_cast<double>(sums[k]), factors[k] * sum, 4 * absolute * lanes() * 0x1p-24);
  [&](auto first) {
    if constexpr (simd::kFoldsSums<float>) {
      simd::store(simd::lane_sums(first, twice, simd::neg(v), simd::add(twice, twice)), r);
      for (int k = 0; k < 4; ++k) check::same_bits(r[k], sums[k], "lane_sums", k);
    }
  }(v);
}

void parts_of_vectors() {
  for (int n = 0; n <= lanes(); ++n) {
    simd::store(simd::load_first(a, static_cast<std::size_t>(n)), r);
    for (int i = 0; i < lanes(); ++i) check::same_bits(r[i], i < n ? a[i] : 0.0f, "load_first", n);
    for (int i = 0; i <= kMost; ++i) r[i] = 77;
    simd::store_first(simd::load(b), r + 1, static_cast<std::size_t>(n));
    for (int i = 0; i < kMost; ++i) check::same_bits(r[i], i > 0 && i <= n ? b[i - 1] : 77.0f, "store_first", n);
  }
  simd::store(simd::load(a + 1), r + 1);  // only the alignment of a float
  for (int i = 0; i + 2 < lanes(); ++i) check::same_bits(r[i + 1], a[i + 1], "unaligned", i);
  simd::store(simd::set(3.5f), r);
  for (int i = 0; i < lanes(); ++i) check::same_bits(r[i], 3.5f, "set", i);
  simd::store(simd::zero<float>(), r);
  for (int i = 0; i < lanes(); ++i) check::same_bits(r[i], 0.0f, "zero", i);
}

void no_numbers() {
  const float special[] = {kNan, kInfinity, -kInfinity, 0.0f, 1.0f, -1.0f, 3e38f, -3e38f};
  for (const float x : special)
    for (const float y : special) {
      for (int i = 0; i < kMost; ++i) a[i] = x, b[i] = y;
      masks();
      exactly(
          "add", [](auto v, auto w, auto) { return simd::add(v, w); }, [](float v, float w, float) { return v + w; });
      exactly(
          "mul", [](auto v, auto w, auto) { return simd::mul(v, w); }, [](float v, float w, float) { return v * w; });
      if constexpr (kIeee)
        exactly(
            "div", [](auto v, auto w, auto) { return simd::div(v, w); }, [](float v, float w, float) { return v / w; });
    }
}

}  // namespace

int main() {
  emmy::platform::print("words of ", EMMY_BACKEND_NAME, " ", EMMY_TARGET_NAME, ", ", lanes(), " lanes\n");
  CHECK(lanes() >= 1 && lanes() <= kMost && (lanes() & (lanes() - 1)) == 0);
  emmy::Pcg32 rng{1};
  for (int round = 0; round < 50; ++round) {
    fill(rng);
    arithmetic();
    quotients_and_roots();
    as_numbers(
        "min", [](auto x, auto y) { return simd::min(x, y); }, [](float x, float y) { return x < y ? x : y; });
    as_numbers(
        "max", [](auto x, auto y) { return simd::max(x, y); }, [](float x, float y) { return x > y ? x : y; });
    masks();
    patterns();
    reductions();
    if (round < 3) parts_of_vectors();
  }
  no_numbers();
  return check::end();
}
