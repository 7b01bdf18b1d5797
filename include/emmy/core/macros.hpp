// The handful of macros of Emmy and the one platform constant of its layouts.
#pragma once

#include <cstddef>

// On every function that exists outside the target namespace and on the small helpers of a kernel.
#define EMMY_INLINE [[gnu::always_inline]] inline
// On the large parts of a step, each a function of its own: inlined, they would only make the compiler slow.
#define EMMY_OUTLINE [[gnu::noinline]] inline
// After the parameter list of a lambda that is part of a kernel: a register tile is a chain of lambdas.
#define EMMY_LAMBDA __attribute__((always_inline))

#define EMMY_STRINGIFY_(x) #x
#define EMMY_STRINGIFY(x) EMMY_STRINGIFY_(x)

namespace emmy {

// Rows of weights and activations are padded to this many bytes, and objects are aligned to it. It belongs to the
// class of platform and never to the target, so that one `Params` serves every target of a host.
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
inline constexpr int kPadBytes = 16;
#else
inline constexpr int kPadBytes = 64;
#endif

// n rounded up to whole pads of scalars S. Pad lanes are zero by invariant.
template <class S>
EMMY_INLINE constexpr int padded(int n) noexcept {
  constexpr int kLanes = kPadBytes / static_cast<int>(sizeof(S));
  return (n + kLanes - 1) / kLanes * kLanes;
}

}  // namespace emmy
