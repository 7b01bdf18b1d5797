// The hot loops of the register tile, by themselves and in the layer that uses them, for hot_loops_test.py: the innermost
// loop of each function named hot_* takes whole registers and writes nothing, and that of each hot_planted_* is wrong.
#include <emmy/kernels/affine.hpp>
#include <emmy/layers/activations.hpp>

#include <cstddef>
#include <utility>

namespace {

template <class T>
[[gnu::always_inline]] inline void hot_tile(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t bs,
                                            std::size_t K, T* c) {
  namespace simd = emmy::simd;
  emmy::tile<T, emmy::kTileRows, emmy::kTileVectors>(
      a, am, ak, b, bs, K, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
      [&](auto&... v) EMMY_LAMBDA { (simd::store(v, std::exchange(c, c + simd::lanes<T>())), ...); });
}

}  // namespace

extern "C" {

void hot_tile_f32(const float* a, std::size_t am, std::size_t ak, const float* b, std::size_t bs, std::size_t K,
                  float* c) {
  hot_tile(a, am, ak, b, bs, K, c);
}
void hot_tile_f64(const double* a, std::size_t am, std::size_t ak, const double* b, std::size_t bs, std::size_t K,
                  double* c) {
  hot_tile(a, am, ak, b, bs, K, c);
}

// As many rows as whole tiles, so that the only loop is the tile's; the epilogue can change how registers are given out.
constexpr int kRows = 2 * emmy::kTileRows;
void hot_forward_f32(const float* x, const float* w, const float* b, float* y) {
  emmy::affine_forward<kRows, 256, 256, 64>(x, w, b, y, emmy::Relu{});
}
void hot_forward_f64(const double* x, const double* w, const double* b, double* y) {
  emmy::affine_forward<kRows, 256, 256, 32>(x, w, b, y, emmy::Relu{});
}
void hot_forward_squares_f32(const float* x, const float* w, const float* b, float* y, float* squares) {
  emmy::affine_forward<kRows, 256, 256, 64>(x, w, b, y, emmy::Relu{}, squares);
}
void hot_gradient_f32(const float* x, const float* dy, float* dw) {
  emmy::for_gradient_rows<kRows, 64, 256>(x, kRows, dy, [&](int row, auto m, const float* g) EMMY_LAMBDA {
    for (int k = 0; k < decltype(m)::value * 64; ++k) dw[row * 64 + k] = g[k];
  });
}

// What the gate must find.
// More accumulators than registers.
void hot_planted_spill(const float* a, std::size_t am, std::size_t ak, const float* b, std::size_t bs, std::size_t K,
                       float* c) {
  namespace simd = emmy::simd;
  emmy::tile<float, 16, 3>(
      a, am, ak, b, bs, K, [](int, int) EMMY_LAMBDA { return simd::zero<float>(); },
      [&](auto&... v) EMMY_LAMBDA { (simd::store(v, std::exchange(c, c + simd::lanes<float>())), ...); });
}
// One lane at a time: each term waits for the last one, so no compiler may make vectors of it.
float hot_planted_scalar(const float* a, const float* b, std::size_t K) {
  float sum = 0;
  for (std::size_t k = 0; k < K; ++k) sum += a[k] * b[k];
  return sum;
}
// An accumulator that lives in memory.
void hot_planted_store(const float* a, const float* b, std::size_t K, float* c) {
  namespace simd = emmy::simd;
  for (std::size_t k = 0; k < K; k += simd::lanes<float>())
    simd::store(simd::mul_add(simd::load(a + k), simd::load(b + k), simd::load(c)), c);
}
#if !defined(__ARM_FEATURE_SVE)
// The upper half of each register idle.
void hot_planted_half(const float* a, const float* b, std::size_t K, float* c) {
  typedef float Half __attribute__((vector_size(sizeof(emmy::simd::Vec<float>) / 2), aligned(4), may_alias));
  Half sum{};
  for (std::size_t k = 0; k < K; k += sizeof(Half) / sizeof(float))
    sum += *reinterpret_cast<const Half*>(a + k) * *reinterpret_cast<const Half*>(b + k);
  *reinterpret_cast<Half*>(c) = sum;
}
#endif

}  // extern "C"
