// The vocabulary: chooses ONE backend, names the target, lists the words.
//
// Kernels are written once, against the words below, and call them qualified (`simd::mul_add`): a vector is opaque,
// may be sizeless (SVE), so it lives in named locals only: no members, no arrays, no operators.
//
// Backend: define one of EMMY_BACKEND_SCALAR, EMMY_BACKEND_HIGHWAY, EMMY_BACKEND_XSIMD, or none: Highway where its
// header is found and the compiler's flags give it vectors, else scalar.
//
// EMMY_TARGET       the inline namespace of all executable text; its name encodes backend and instruction set, so that
//                   objects compiled for different targets never share a function
// EMMY_TARGET_NAME  the name that a user sees: "scalar", "sse2", "sse4", "avx2", "avx3", "neon", "sve"
// EMMY_BACKEND_NAME "scalar", "highway", "xsimd"
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
//   mul_add(a, b, c)          a*b + c, fused where the target fuses
//   neg_mul_add(a, b, c)      c - a*b, fused where the target fuses
//   min max (a, b)            a < b ? a : b, a > b ? a : b; which operand a NaN yields is the target's choice
//   sqrt(a)                   correctly rounded
//   less(a, b), less_equal(a, b), equal(a, b)    masks; false where a lane is NaN
//   select(m, a, b)           m ? a : b
//   bit_and bit_or bit_xor (a, b)                on the bit patterns
//   shift_left<k>(a), shift_right<k>(a)          of the bit patterns, zeros enter
//   sum(v)                    over the lanes, in an order fixed for the target
//   max_lane(v)               over the lanes; no lane may be NaN
//
// Tested by tests/simd/words_test.cpp, every word on every target against scalar.hpp, which defines them.
#pragma once

#include <emmy/core/macros.hpp>

#if defined(EMMY_BACKEND_SCALAR) + defined(EMMY_BACKEND_HIGHWAY) + defined(EMMY_BACKEND_XSIMD) > 1
#error "emmy: define at most one of EMMY_BACKEND_SCALAR, EMMY_BACKEND_HIGHWAY, EMMY_BACKEND_XSIMD"
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
#else
#define EMMY_ISA portable
#endif

#if !defined(EMMY_BACKEND_SCALAR) && !defined(EMMY_BACKEND_HIGHWAY) && !defined(EMMY_BACKEND_XSIMD)
// Highway has no SSE2, and no vectors on Cortex-M.
#if __has_include(<hwy/highway.h>) && (defined(__SSE4_2__) || defined(__ARM_NEON) || defined(__ARM_FEATURE_SVE))
#define EMMY_BACKEND_HIGHWAY
#else
#define EMMY_BACKEND_SCALAR
#endif
#endif

#define EMMY_CONCAT_(a, b) a##b
#define EMMY_CONCAT(a, b) EMMY_CONCAT_(a, b)

#if defined(EMMY_BACKEND_HIGHWAY)
#define EMMY_TARGET EMMY_CONCAT(highway_, EMMY_ISA)
#define EMMY_TARGET_NAME EMMY_STRINGIFY(EMMY_ISA)
#define EMMY_BACKEND_NAME "highway"
#include <emmy/simd/highway.hpp>
#elif defined(EMMY_BACKEND_XSIMD)
#define EMMY_TARGET EMMY_CONCAT(xsimd_, EMMY_ISA)
#define EMMY_TARGET_NAME EMMY_STRINGIFY(EMMY_ISA)
#define EMMY_BACKEND_NAME "xsimd"
#include <emmy/simd/xsimd.hpp>
#else
// The instruction set stays in the name: the compiler uses it (FMA, wider moves) in scalar text too.
#define EMMY_TARGET EMMY_CONCAT(scalar_, EMMY_ISA)
#define EMMY_TARGET_NAME "scalar"
#define EMMY_BACKEND_NAME "scalar"
#include <emmy/simd/scalar.hpp>
#endif
