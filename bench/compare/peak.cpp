#include <bench/compare/peak.hpp>
#include <bench/compare/rounds.hpp>

namespace compare {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#elif defined(__SSE4_2__)
constexpr int kBytes = 16;
#else
constexpr int kBytes = 4;  // plain x86-64 for the scalar backend: one lane
#endif
typedef float Vector __attribute__((vector_size(kBytes)));
// Chains of dependent operations, enough for two units of four or five cycles each.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
constexpr int kChains = 12, kFlops = 2;
#else
constexpr int kChains = 14, kFlops = 1;  // additions and multiplications in chains of their own
#endif

#if defined(__x86_64__)
#define EMMY_KEEP "+x"
#else
#define EMMY_KEEP "+w"
#endif

[[gnu::noinline]] float turn(long rounds) {
  Vector v[kChains], a = Vector{} + 0.999f, b = Vector{} + 1e-3f;
  __asm__ volatile("" : EMMY_KEEP(a), EMMY_KEEP(b));
  for (Vector& one : v) {
    one = Vector{} + 1.0f;
    __asm__ volatile("" : EMMY_KEEP(one));  // or equal chains would become one
  }
  for (long i = 0; i < rounds; ++i) {
#pragma GCC unroll 14
    for (int c = 0; c < kChains; ++c) {
      if constexpr (kFlops == 2) v[c] = v[c] * a + b;
      else v[c] = c % 2 == 0 ? v[c] * a : v[c] + b;
    }
  }
  Vector all = v[0];
  for (int c = 1; c < kChains; ++c) all += v[c];
  float sum = 0;
  for (unsigned lane = 0; lane < sizeof all / sizeof(float); ++lane) sum += all[lane];
  return sum;
}

}  // namespace

double peak_gflops() {
  constexpr long kRounds = 200000;
  double best = 0;
  for (int r = 0; r < 5; ++r) {
    const double start = processor_nanoseconds();
    volatile float sink = turn(kRounds);
    static_cast<void>(sink);
    const double taken = processor_nanoseconds() - start;
    const double flops = double{kFlops} * kRounds * kChains * kBytes / sizeof(float) / taken;
    best = flops > best ? flops : best;
  }
  return best;
}

}  // namespace compare
