// The vocabulary: chooses ONE backend, names the target, lists the words.
//
// Kernels are written once, against the words below, and call them qualified (`simd::mul_add`): a vector is opaque,
// may be sizeless (SVE), so it lives in named locals only: no members, no arrays, no operators.
//
// Backend: define one of EMMY_BACKEND_SCALAR, EMMY_BACKEND_HIGHWAY, EMMY_BACKEND_XSIMD, EMMY_BACKEND_HELIUM, or none:
// Helium where the flags give it, Highway where its header is found and the flags give it vectors, else scalar.
//
// Strict: with EMMY_STRICT defined, mul_add is a multiplication, then an addition, and sums run one term after the other
// (kernels/reduce.hpp), so that training gives the same bits on every target. Where vectors flush subnormals (Armv7
// NEON, Helium) strict text is scalar. Checked by strict_ok (simd/strict.hpp) and tests/train/strict_test.cpp.
//
// EMMY_TARGET       the inline namespace of all executable text; its name encodes backend, instruction set and
//                   strictness, so that objects compiled for different targets never share a function
// EMMY_TARGET_NAME  the name that a user sees: "scalar", "sse2", "sse4", "avx2", "avx3", "neon", "sve", "mve"
// EMMY_BACKEND_NAME "scalar", "highway", "xsimd", "helium"
//
// The words (T is float or double, V the backend's vector of T, M its mask, n a size_t):
//
//   Vec<T>, Scalar<V>         the vector type; its lane type
//   lanes<T>()                number of lanes (a power of two; a run-time value on SVE)
//   load(p), store(v, p)      lanes<T>() values; p needs the alignment of T only
//   load_first(p, n)          the first n <= lanes values, zero in the others; touches nothing beyond p[n - 1]
//   store_first(v, p, n)      the first n <= lanes values; touches nothing beyond p[n - 1]
//   set(x), zero<T>()         every lane x; every lane +0
//   add sub mul div (a, b)    IEEE, round to nearest
//   neg(a), abs(a)            sign bit flipped; cleared
//   mul_add(a, b, c)          a*b + c, fused where the target fuses; never in strict text
//   neg_mul_add(a, b, c)      c - a*b, likewise
//   square(v)                 v*v, for more than one sum
//   add_square(a, b)          a + b*b, fused or not, whichever is faster beside stores
//   settled(v)                v, which the compiler neither fuses with another operation nor puts off
//   min max (a, b)            a < b ? a : b, a > b ? a : b; NaN where b is NaN, the target's choice where only a is
//   sqrt(a)                   correctly rounded
//   less(a, b), less_equal(a, b), equal(a, b)    masks; false where a lane is NaN
//   select(m, a, b)           m ? a : b
//   all<V>(m)                 is it true in every lane?
//   without_tiny(a)           |a| < kTiny<T> ? +0 : a; NaN stays
//   positive_part(a)          a > 0 ? a : +0; NaN stays if its sign is clear, else it is the target's choice
//   bit_and bit_or bit_xor (a, b)                on the bit patterns
//   shift_left<k>(a), shift_right<k>(a)          of the bit patterns, zeros enter
//   sum(v)                    over the lanes, in an order fixed for the target
//   store_sums(a, b, c, d, p) p[0..4) = the sums over the lanes of four vectors, in an order of its own
//   lane_sums(v...)           lane i: the sum over the lanes of the i-th of as many vectors as a vector has lanes; only
//                             where kFoldsSums<T>
//   transpose(v...)           lane j of the i-th of as many vectors becomes lane i of the j-th; only where kTransposes<T>
//   store_columns<n>(a, b, c, d, p, s)  p[j s + 0..4) = lane j of a, b, c and d, j < n: four rows of a matrix to n rows of
//                             its transpose; only where kHasColumns<T>
//   first_of(v)               the first lane
//   max_lane(v)               over the lanes; no lane may be NaN
//
// Tested by tests/simd/words_test.cpp, every word on every target against scalar.hpp, which defines them.
#pragma once

#include <emmy/core/macros.hpp>

#if defined(EMMY_BACKEND_SCALAR) + defined(EMMY_BACKEND_HIGHWAY) + defined(EMMY_BACKEND_XSIMD) + \
        defined(EMMY_BACKEND_HELIUM) >                                                           \
    1
#error "emmy: define at most one of EMMY_BACKEND_SCALAR, EMMY_BACKEND_HIGHWAY, EMMY_BACKEND_XSIMD, EMMY_BACKEND_HELIUM"
#endif

// The instruction set that the compiler's flags select.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && \
    defined(__AVX512CD__)
#define EMMY_ISA avx3
#elif defined(__AVX2__) && defined(__FMA__)
#define EMMY_ISA avx2
#elif defined(__SSE4_2__)
#define EMMY_ISA sse4
#elif defined(__SSE2__)
#define EMMY_ISA sse2
#elif defined(__ARM_FEATURE_SVE)
#define EMMY_ISA sve
#elif defined(__ARM_NEON)
#define EMMY_ISA neon
#elif defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#define EMMY_ISA mve
#else
#define EMMY_ISA portable
#endif

// Vectors that flush subnormals to zero, whatever the program asks for.
#if (defined(__ARM_NEON) && !defined(__aarch64__)) || defined(__ARM_FEATURE_MVE)
#define EMMY_VECTORS_FLUSH
#endif
#if defined(EMMY_STRICT) && defined(EMMY_VECTORS_FLUSH) && \
    (defined(EMMY_BACKEND_HIGHWAY) || defined(EMMY_BACKEND_XSIMD) || defined(EMMY_BACKEND_HELIUM))
#error \
    "emmy: EMMY_STRICT needs subnormals, and these vectors flush them: leave the backend out or use EMMY_BACKEND_SCALAR"
#endif

#if !defined(EMMY_BACKEND_SCALAR) && !defined(EMMY_BACKEND_HIGHWAY) && !defined(EMMY_BACKEND_XSIMD) && \
    !defined(EMMY_BACKEND_HELIUM)
// Highway has no SSE2, and no vectors on Cortex-M.
#if defined(EMMY_STRICT) && defined(EMMY_VECTORS_FLUSH)
#define EMMY_BACKEND_SCALAR
#elif defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)
#define EMMY_BACKEND_HELIUM
#elif __has_include(<hwy/highway.h>) && (defined(__SSE4_2__) || defined(__ARM_NEON) || defined(__ARM_FEATURE_SVE))
#define EMMY_BACKEND_HIGHWAY
#else
#define EMMY_BACKEND_SCALAR
#endif
#endif

namespace emmy {
// Of a number that is not smaller, one of the exponent's three highest bits (of a double four) is set: one test on AVX-512.
template <class T>
inline constexpr T kTiny = sizeof(T) == 4 ? T(0x1p-95) : T(0x1p-895);
}  // namespace emmy

#define EMMY_CONCAT_(a, b, c) a##b##c
#define EMMY_CONCAT(a, b, c) EMMY_CONCAT_(a, b, c)
#if defined(EMMY_STRICT)
#define EMMY_STRICTNESS _strict
#else
#define EMMY_STRICTNESS
#endif

#if defined(EMMY_BACKEND_HIGHWAY)
#define EMMY_TARGET EMMY_CONCAT(highway_, EMMY_ISA, EMMY_STRICTNESS)
#define EMMY_TARGET_NAME EMMY_STRINGIFY(EMMY_ISA)
#define EMMY_BACKEND_NAME "highway"
#include <emmy/simd/highway_lanes.hpp>
#elif defined(EMMY_BACKEND_XSIMD)
#define EMMY_TARGET EMMY_CONCAT(xsimd_, EMMY_ISA, EMMY_STRICTNESS)
#define EMMY_TARGET_NAME EMMY_STRINGIFY(EMMY_ISA)
#define EMMY_BACKEND_NAME "xsimd"
#include <emmy/simd/xsimd.hpp>
#elif defined(EMMY_BACKEND_HELIUM)
#define EMMY_TARGET helium_mve
#define EMMY_TARGET_NAME "mve"
#define EMMY_BACKEND_NAME "helium"
#include <emmy/simd/helium.hpp>
#else
// The instruction set stays in the name: the compiler uses it (FMA, wider moves) in scalar text too.
#define EMMY_TARGET EMMY_CONCAT(scalar_, EMMY_ISA, EMMY_STRICTNESS)
#define EMMY_TARGET_NAME "scalar"
#define EMMY_BACKEND_NAME "scalar"
#include <emmy/simd/scalar.hpp>
#endif

namespace emmy::inline EMMY_TARGET::simd {
#if defined(EMMY_STRICT)
inline constexpr bool kStrict = true;
#else
inline constexpr bool kStrict = false;
#endif

// A fused product waits for a store beside it on Zen 4 and 5, a product and a sum do not: a 512-bit vector that is read, moved,
// written and squared takes 0.62 ns against 0.82 (Zen 4). Settled, since GCC would fuse them, and put sums off until no register
// is left for the products.
#if defined(__FMA__) && !defined(EMMY_STRICT) && (defined(EMMY_BACKEND_HIGHWAY) || defined(EMMY_BACKEND_XSIMD))
inline constexpr bool kSplitsSquares = true;
#else
inline constexpr bool kSplitsSquares = false;
#endif

template <class V>
EMMY_INLINE V square(V v) noexcept {
  return kSplitsSquares ? settled(mul(v, v)) : mul(v, v);
}
template <class V>
EMMY_INLINE V add_square(V sum, V v) noexcept {
  if constexpr (kSplitsSquares) return settled(add(sum, square(v)));
  else return mul_add(v, v, sum);
}
}  // namespace emmy::inline EMMY_TARGET::simd
