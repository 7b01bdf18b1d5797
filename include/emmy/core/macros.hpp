// The handful of macros of Emmy and the one platform constant of its layouts.
#pragma once

#include <cstddef>

// EMMY_INLINE: on every function that exists outside the target namespace and on the small helpers of a kernel.
// EMMY_LAMBDA: after the parameter list of a lambda that is part of a kernel; a register tile is a chain of lambdas.
#ifdef EMMY_KEEP_CALLS  // for tests of results alone, of one target a program: the compiler inlines what it likes
#define EMMY_INLINE inline
#define EMMY_LAMBDA
#else
#define EMMY_INLINE [[gnu::always_inline]] inline
#define EMMY_LAMBDA __attribute__((always_inline))
#endif
// On the large parts of a step, each a function of its own: inlined, they would only make the compiler slow.
#define EMMY_OUTLINE [[gnu::noinline]] inline

// Before a short loop whose counting would cost as much as its work.
#if defined(__clang__)
#define EMMY_UNROLL(n) EMMY_PRAGMA(unroll n)
#else
#define EMMY_UNROLL(n) EMMY_PRAGMA(GCC unroll n)
#endif
#define EMMY_PRAGMA(text) _Pragma(#text)

// Is a fused multiply-add of one number one instruction? Elsewhere its builtin would call libm.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define EMMY_FUSES_F32 true
#else
#define EMMY_FUSES_F32 false
#endif
#if (defined(__FMA__) || defined(__ARM_FEATURE_FMA)) && (!defined(__ARM_FP) || (__ARM_FP & 8))
#define EMMY_FUSES_F64 true
#else
#define EMMY_FUSES_F64 false
#endif

#define EMMY_STRINGIFY_(x) #x
#define EMMY_STRINGIFY(x) EMMY_STRINGIFY_(x)

namespace emmy {

// Rows of weights and activations are padded to this many bytes, and objects are aligned to it. It belongs to the
// class of platform and never to the target, so that one `Params` serves every target of a host.
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && !defined(__ARM_FEATURE_MVE)
inline constexpr int kPadBytes = 4;  // no vectors, no pads
#elif defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
inline constexpr int kPadBytes = 16;
#else
inline constexpr int kPadBytes = 64;
#endif

// Are weights of few outputs stored in columns? Where pads cost more than sums across lanes. As kPadBytes.
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
inline constexpr bool kTurnsNarrow = true;
#else
inline constexpr bool kTurnsNarrow = false;
#endif
// Does a product beside a store cost less by itself than in one with a sum?
#if defined(__x86_64__) || defined(__i386__)
inline constexpr bool kSplitsProducts = true;
#else
inline constexpr bool kSplitsProducts = false;
#endif

// The alignment of an array of scalars S.
template <class S>
inline constexpr std::size_t kAlign = alignof(S) > kPadBytes ? alignof(S) : kPadBytes;

// n rounded up to whole pads of scalars S. Pad lanes are zero by invariant.
template <class S>
EMMY_INLINE constexpr int padded(int n) noexcept {
  constexpr int kLanes = static_cast<int>(kAlign<S> / sizeof(S));
  return (n + kLanes - 1) / kLanes * kLanes;
}

}  // namespace emmy
