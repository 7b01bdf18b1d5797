// The most that the instruction set of this text can do in f32: GFLOP/s of independent multiply-adds in registers, or of
// as many multiplications as additions where it has no fused ones.
#pragma once

#include "timing/rounds.hpp"

namespace emmy::timing {
namespace {  // compiled for several instruction sets

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;  // plain x86-64 too, where compilers make vectors of the scalar backend's loops
#endif
typedef float PeakVector __attribute__((vector_size(kVectorBytes)));
// Chains of dependent operations, enough for two units of four or five cycles each.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline constexpr int kPeakChains = 12, kPeakFlops = 2;
#else
inline constexpr int kPeakChains = 14, kPeakFlops = 1;  // additions and multiplications in chains of their own
#endif

#if defined(__x86_64__)
#define EMMY_KEEP "+x"
#else
#define EMMY_KEEP "+w"
#endif
// The library is compiled without contraction; here v * a + b must be one instruction.
#if defined(__clang__)
#define EMMY_CONTRACTS
#else
#define EMMY_CONTRACTS gnu::optimize("fp-contract=fast"),
#endif

[[EMMY_CONTRACTS gnu::noinline]] inline float peak_turn(long rounds) {
#if defined(__clang__)
#pragma clang fp contract(fast)
#endif
  PeakVector v[kPeakChains], a = PeakVector{} + 0.999f, b = PeakVector{} + 1e-3f;
  __asm__ volatile("" : EMMY_KEEP(a), EMMY_KEEP(b));
  for (PeakVector& one : v) {
    one = PeakVector{} + 1.0f;
    __asm__ volatile("" : EMMY_KEEP(one));  // or equal chains would become one
  }
  for (long i = 0; i < rounds; ++i) {
#pragma GCC unroll 14
    for (int c = 0; c < kPeakChains; ++c) {
      if constexpr (kPeakFlops == 2) v[c] = v[c] * a + b;
      else v[c] = c % 2 == 0 ? v[c] * a : v[c] + b;
    }
  }
  PeakVector all = v[0];
  for (int c = 1; c < kPeakChains; ++c) all += v[c];
  float sum = 0;
  for (unsigned lane = 0; lane < sizeof all / sizeof(float); ++lane) sum += all[lane];
  return sum;
}
#undef EMMY_KEEP
#undef EMMY_CONTRACTS

inline double peak_gflops() {
  constexpr long kRounds = 200000;
  double best = 0;
  for (int r = 0; r < 5; ++r) {
    const double start = processor_nanoseconds();
    volatile float sink = peak_turn(kRounds);
    static_cast<void>(sink);
    const double taken = processor_nanoseconds() - start;
    const double flops = double{kPeakFlops} * kRounds * kPeakChains * kVectorBytes / sizeof(float) / taken;
    best = flops > best ? flops : best;
  }
  return best;
}

}  // namespace
}  // namespace emmy::timing
