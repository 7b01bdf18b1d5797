// exp, log, tanh, sigmoid of a vector, lane by lane, in f32 and f64, without libm.
//
//   y = exp(v)      <= 1.5 ulp   +Inf where e^v overflows; subnormal results are rounded like the others
//   y = log(v)      <= 1.5 ulp   right for subnormal v; -Inf at +-0, NaN below
//   exp_of_negative(v)           for v <= 0, <= 1.5 ulp where the result is normal; below, 0
//   log_of_normal(v)             for normal v > 0, as log; NaN for Inf
//   y = tanh(v)     <= 3 ulp     |y| <= 1; relative, so right near 0: tanh(v) = v for tiny v, -0 for -0
//   y = fast_tanh(v)             |y - tanh v| <= 2e-5, absolute, in f32 and f64; |y| < 1, odd, fast_tanh(v) = v for tiny v
//   y = sigmoid(v)  <= 3 ulp     1 / (1 + e^-v); 0 where e^-v overflows (v < -88.73, f64: v < -709.79)
//
// NaN gives NaN and +-Inf the limit. Where the target flushes subnormals (Armv7 NEON), or the program asked for it,
// results and arguments below the smallest normal count as 0. The bounds hold with and without FMA, in round to
// nearest, with -ffp-contract=off; tests/kernels/transcendental_test.cpp checks them on every target.
//
// They are objects, not functions: a name that denotes an object takes no part in overload resolution, so neither the
// functions of libm (a vector of the scalar backend is a plain float) nor those that argument-dependent lookup finds in
// xsimd can be chosen by mistake.
//
// The polynomials are minimax fits of this project: Remez exchange with 200 bits, weighted by the relative error of e^r
// and by the error of the logarithm, then rounded (f32: to the best neighbours, or one by one with a fit of the rest).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <emmy/core/macros.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {

namespace transcendental {

// y x + c; the constant stays a scalar where mul_add takes one.
template <class V>
EMMY_INLINE V next_power(V y, V x, simd::Scalar<V> c) noexcept {
  if constexpr (requires { simd::mul_add(y, x, c); }) return simd::mul_add(y, x, c);
  else return simd::mul_add(y, x, simd::set(c));
}
// Horner's scheme, highest power first.
template <class V, class... Coefficients>
EMMY_INLINE V polynomial(V x, simd::Scalar<V> highest, Coefficients... lower) noexcept {
  V y = simd::set(highest);
  ((y = next_power(y, x, lower)), ...);
  return y;
}
template <class V, std::size_t Count>
EMMY_INLINE V polynomial(V x, const simd::Scalar<V> (&c)[Count]) noexcept {
  return [&]<std::size_t... I>(std::index_sequence<I...>) EMMY_LAMBDA { return polynomial(x, c[I]...); }
  (std::make_index_sequence<Count>{});
}

// Shared by exp and log: ln 2 = hi + lo, hi short enough that hi times an exponent is exact.
//   exp   q in e^r = 1 + r + r^2 q(r), |r| <= ln(2) / 2: relative error of e^r 3.7e-9 (0.03 ulp) in f32, 9.5e-18 (0.04 ulp)
//         in f64
//   log   R / z in log((1 + s) / (1 - s)) = 2s + s R(z), z = s^2, |s| <= 0.1716: error of the logarithm 8e-10 s in f32,
//         1.3e-18 s in f64
template <class T>
struct Numbers;
template <>
struct Numbers<float> {
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr std::uint32_t kMantissaMask = 0x007f'ffff;
  float ln2_hi = 0x1.62e4p-1f, ln2_lo = 0x1.7f7d1cp-20f, inverse_ln2 = 0x1.715476p+0f, ln2 = 0x1.62e430p-1f;
  float round = 0x1.8p23f;                          // adding it leaves an integer in the low bits
  float exp_lowest = -104.0f, exp_highest = 89.0f;  // beyond: 0, Inf
  float exp_normal = -87.0f;                        // above, e^x is normal
  float tanh_highest = 10.0f;                       // beyond: 1
  float smallest_normal = 0x1p-126f, two_to_mantissa = 0x1p23f, root_of_2 = 0x1.6a09e6p0f;
  float exp[5] = {0x1.6a2358p-10f, 0x1.123a68p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f};
  float log[3] = {0x1.31e0dep-2f, 0x1.995ed4p-2f, 0x1.55557ap-1f};
};
template <>
struct Numbers<double> {
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr std::uint64_t kMantissaMask = 0x000f'ffff'ffff'ffff;
  double ln2_hi = 0x1.62e42fefa38p-1, ln2_lo = 0x1.ef35793c76730p-45, inverse_ln2 = 0x1.71547652b82fep+0;
  double round = 0x1.8p52;
  double exp_lowest = -746.0, exp_highest = 710.0;
  double exp_normal = -708.0;
  double tanh_highest = 20.0;
  double smallest_normal = 0x1p-1022, two_to_mantissa = 0x1p52, root_of_2 = 0x1.6a09e667f3bcdp0;
  double exp[10] = {0x1.ad7e942120ebap-26, 0x1.28adcbad2853ap-22, 0x1.71df2673797a4p-19, 0x1.a01999b0eae07p-16,
                    0x1.a01a012993b29p-13, 0x1.6c16c18449c5fp-10, 0x1.1111111127ee6p-7,  0x1.55555555507f7p-5,
                    0x1.55555555554f9p-3,  0x1.000000000000ap-1};
  double log[7] = {0x1.2f053772826b9p-3, 0x1.39a1c683bc8c2p-3, 0x1.74663e19a1320p-3, 0x1.c71c520f7babdp-3,
                   0x1.24924941e5f2ap-2, 0x1.999999997fee6p-2, 0x1.5555555555592p-1};
};
template <class T>
inline constexpr Numbers<T> kNumbers{};

template <class V>
inline constexpr const Numbers<simd::Scalar<V>>& kNumbersOf = kNumbers<simd::Scalar<V>>;

// For one vector: on AArch64 a constant comes from memory, and one by one each takes an address of its own (SVE: three
// instructions), here they share one. Not in a loop, which would load them again and again.
template <class V>
EMMY_INLINE const Numbers<simd::Scalar<V>>& numbers_for_one() noexcept {
  const auto* n = &kNumbersOf<V>;
#if defined(__aarch64__) && defined(__OPTIMIZE__)
  __asm__("" : "+r"(n));
#endif
  return *n;
}

// e^x = (1 + t) 2^n: n the integer next to x / ln 2, t = e^r - 1 with r = x - n ln 2. `shifted` is n + Offset + kRound,
// whose low bits are the integer n + Offset. For NaN, t is NaN.
template <int Offset, class V>
EMMY_INLINE V split_exp(V x, V& shifted, const Numbers<simd::Scalar<V>>& c = kNumbersOf<V>) noexcept {
  const V round = simd::set(c.round + simd::Scalar<V>(Offset));
  shifted = simd::mul_add(x, simd::set(c.inverse_ln2), round);
  const V n = simd::sub(shifted, round);
  V r = simd::neg_mul_add(n, simd::set(c.ln2_hi), x);
  r = simd::neg_mul_add(n, simd::set(c.ln2_lo), r);
  return simd::mul_add(simd::mul(r, r), polynomial(r, c.exp), r);
}

// n runs from -150 to 128 (f64: -1076 to 1024), and not every such 2^n is a normal number, so 2^n is multiplied in two
// halves, of which only the second rounds. (Twice the same 2^(n/2), with r up to ln 2, saves two operations and was
// measured at 1.68 ulp in f64.)
struct Exp {
  template <class V>
  EMMY_INLINE V operator()(V x) const noexcept {
    using S = simd::Scalar<V>;
    using N = Numbers<S>;
    const auto& c = kNumbersOf<V>;
    // Not min and max: which operand they yield for NaN is the target's choice.
    const V lowest = simd::set(c.exp_lowest), highest = simd::set(c.exp_highest), one = simd::set(S(1));
    x = simd::select(simd::less(x, lowest), lowest, x);
    x = simd::select(simd::less(highest, x), highest, x);
    V shifted = x;
    const V y = simd::add(one, split_exp<2 * N::kBias>(x, shifted));
    const V half = simd::shift_left<N::kMantissa>(simd::shift_right<1>(shifted));
    const V rest = simd::shift_left<N::kMantissa>(simd::shift_right<1>(simd::add(shifted, one)));
    return simd::mul(simd::mul(y, half), rest);
  }
};

// Of x <= 0, for a softmax: no 2^n is beyond the normal numbers, once what is below them is 0.
struct ExpOfNegative {
  template <class V>
  EMMY_INLINE V operator()(V x, const Numbers<simd::Scalar<V>>& c = kNumbersOf<V>) const noexcept {
    using S = simd::Scalar<V>;
    using N = Numbers<S>;
    V shifted = x;
    const V t = split_exp<N::kBias>(x, shifted, c);
    const V power = simd::shift_left<N::kMantissa>(shifted);
    const V y = simd::mul(simd::add(simd::set(S(1)), t), power);  // no part of it is subnormal
    return simd::select(simd::less(x, simd::set(c.exp_normal)), simd::zero<S>(), y);
  }
};

// x = 2^e m, m in [sqrt(1/2), sqrt 2], f = m - 1 (exact), s = f / (2 + f):
// log m = f - (f^2/2 - s (f^2/2 + R(s^2))), where f is the only large term, and log x = e ln2_hi + (log m + e ln2_lo).
template <bool kOfNormal>
struct AnyLog {
  template <class V>
  EMMY_INLINE V operator()(V x, const Numbers<simd::Scalar<V>>& c = kNumbersOf<V>) const noexcept {
    using S = simd::Scalar<V>;
    using N = Numbers<S>;
    using Limits = std::numeric_limits<S>;
    const V one = simd::set(S(1)), half = simd::set(S(0.5)), two_to_mantissa = simd::set(c.two_to_mantissa);

    V scaled = x, shift = simd::set(c.two_to_mantissa + S(N::kBias));
    if constexpr (!kOfNormal) {
      const auto subnormal = simd::less(x, simd::set(c.smallest_normal));
      scaled = simd::select(subnormal, simd::mul(x, two_to_mantissa), x);
      shift = simd::select(subnormal, simd::set(c.two_to_mantissa + S(N::kBias + N::kMantissa)), shift);
    }
    // The exponent's bits below the mantissa of 2^23 (2^52) are the number 2^23 + exponent.
    V e = simd::sub(simd::bit_or(simd::shift_right<N::kMantissa>(scaled), two_to_mantissa), shift);
    V m = simd::bit_or(simd::bit_and(scaled, simd::set(std::bit_cast<S>(N::kMantissaMask))), one);
    const auto large = simd::less(simd::set(c.root_of_2), m);
    m = simd::select(large, simd::mul(m, half), m);
    e = simd::select(large, simd::add(e, one), e);

    const V f = simd::sub(m, one);
    const V s = simd::div(f, simd::add(simd::set(S(2)), f));
    const V z = simd::mul(s, s);
    const V half_square = simd::mul(simd::mul(half, f), f);
    const V inner = simd::mul_add(z, polynomial(z, c.log), half_square);
    const V small = simd::sub(half_square, simd::mul_add(s, inner, simd::mul(e, simd::set(c.ln2_lo))));
    V y = simd::mul_add(e, simd::set(c.ln2_hi), simd::sub(f, small));
    if constexpr (kOfNormal) return simd::add(y, simd::sub(x, x));

    const V zero = simd::zero<S>();
    y = simd::select(simd::less(x, simd::set(Limits::infinity())), y, x);
    y = simd::select(simd::less(x, zero), simd::set(Limits::quiet_NaN()), y);
    return simd::select(simd::equal(x, zero), simd::set(-Limits::infinity()), y);
  }
};

// Where a vector is divided lane by lane, the logarithm of one number is a matter of the scalar unit: the steps, and so the
// bits, of log_of_normal.
#if defined(EMMY_BACKEND_HELIUM)
inline constexpr bool kHasLogOfOne = true;
EMMY_INLINE float log_of_one(float x) noexcept {
  using N = Numbers<float>;
  constexpr N c{};
  const auto bits = std::bit_cast<std::uint32_t>(x);
  float e = static_cast<float>(static_cast<int>(bits >> N::kMantissa) - N::kBias);
  float m = std::bit_cast<float>((bits & N::kMantissaMask) | std::bit_cast<std::uint32_t>(1.0f));
  if (m > 0x1.6a09e667f3bcdp0f) m *= 0.5f, e += 1.0f;
  const float f = m - 1.0f, s = f / (2.0f + f), z = s * s, half_square = 0.5f * f * f;
  const float p = __builtin_fmaf(__builtin_fmaf(c.log[0], z, c.log[1]), z, c.log[2]);
  const float inner = __builtin_fmaf(z, p, half_square);
  const float small = half_square - __builtin_fmaf(s, inner, e * c.ln2_lo);
  return __builtin_fmaf(e, c.ln2_hi, f - small) + (x - x);
}
#else
inline constexpr bool kHasLogOfOne = false;
template <class T>
T log_of_one(T) = delete;
#endif

// tanh |x| = E / (E + 2), E = e^(2|x|) - 1 = 2^n t + (2^n - 1): no term cancels, and E = 2|x| for tiny x. Where
// registers are many, and in strict text, f32 has ln 2 in one piece, since where n is large E hardly matters, sums the polynomial in
// pairs and makes E + 2 beside E: fewer steps wait for each other.
struct Tanh {
  template <class V>
  EMMY_INLINE V operator()(V x) const noexcept {
    using S = simd::Scalar<V>;
    using N = Numbers<S>;
    const auto& c = kNumbersOf<V>;
    const V one = simd::set(S(1)), size = simd::min(simd::set(c.tanh_highest), simd::abs(x)),
            twice = simd::add(size, size);
    V shifted = size, t = size;
    constexpr bool kShort =
        std::is_same_v<S, float> && (simd::kStrict || (!std::is_floating_point_v<V> && simd::kRegisters >= 16));
    if constexpr (kShort) {
      const V round = simd::set(c.round + S(N::kBias));
      shifted = simd::mul_add(size, simd::set(2 * c.inverse_ln2), round);
      t = exp_less_one(simd::neg_mul_add(simd::sub(shifted, round), simd::set(c.ln2), twice));
    } else {
      t = split_exp<N::kBias>(twice, shifted);
    }
    const V power = simd::shift_left<N::kMantissa>(shifted);
    const V e = simd::mul_add(power, t, simd::sub(power, one)),
            e2 = kShort ? simd::mul_add(power, t, simd::add(power, one)) : simd::add(e, simd::set(S(2)));
    return simd::bit_or(simd::div(e, e2), simd::bit_and(x, simd::set(S(-0.0))));
  }
  // e^r - 1, exp_polynomial in pairs.
  template <class V>
  EMMY_INLINE static V exp_less_one(V r) noexcept {
    const auto& c = kNumbersOf<V>.exp;
    const V square = simd::mul(r, r), high = simd::mul_add(simd::set(c[0]), square, polynomial(r, c[1], c[2]));
    return simd::mul_add(square, simd::mul_add(high, square, polynomial(r, c[3], c[4])), r);
  }
};

// x P(x^2) / Q(x^2), P(0) = Q(0) = 1: absolute error 9.6e-6 for |x| <= 6.25, from where on it is 1 - 1.7e-5. The slope at 0
// is 1 and P / Q falls, so |y| <= |x|. Fitted in the largest absolute error by weighted least squares (Lawson).
struct FastTanh {
  template <class V>
  EMMY_INLINE V operator()(V x) const noexcept {
    using S = simd::Scalar<V>;
    const V lowest = simd::set(S(-6.25)), highest = simd::set(S(6.25));
    x = simd::select(simd::less(x, lowest), lowest, x);  // not min and max: NaN stays
    x = simd::select(simd::less(highest, x), highest, x);
    const V z = simd::mul(x, x);
    const V p = polynomial(z, S(0x1.852ee2p-10), S(0x1.d4795ep-4), S(1));
    const V q = polynomial(z, S(0x1.c80f08p-15), S(0x1.1dacaap-6), S(0x1.ca6598p-2), S(1));
    return simd::div(simd::mul(x, p), q);
  }
};

struct Sigmoid {
  template <class V>
  EMMY_INLINE V operator()(V x) const noexcept {
    const V one = simd::set(simd::Scalar<V>(1));
    return simd::div(one, simd::add(one, Exp()(simd::neg(x))));
  }
};

}  // namespace transcendental

inline constexpr transcendental::Exp exp{};
inline constexpr transcendental::ExpOfNegative exp_of_negative{};
inline constexpr transcendental::AnyLog<false> log{};
inline constexpr transcendental::AnyLog<true> log_of_normal{};
inline constexpr transcendental::Tanh tanh{};
inline constexpr transcendental::FastTanh fast_tanh{};
inline constexpr transcendental::Sigmoid sigmoid{};

}  // namespace emmy::inline EMMY_TARGET
