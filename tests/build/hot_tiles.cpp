// The hot loops of the register tile, by themselves and in the layer that uses them, for spill_gate.sh: each function
// named hot_* holds one whose innermost loop must not write to memory.
#include <emmy/kernels/affine.hpp>
#include <emmy/layers/activations.hpp>

#include <cstddef>

namespace {

template <class T>
[[gnu::always_inline]] inline void hot_tile(const T* a, std::size_t am, std::size_t ak, const T* b, std::size_t bs,
                                            std::size_t K, T* c) {
  namespace simd = emmy::simd;
  emmy::tile<T, emmy::kTileRows, emmy::kTileVectors>(
      a, am, ak, b, bs, K, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
      [&](int m, int n, auto v)
          EMMY_LAMBDA { simd::store(v, c + static_cast<std::size_t>(m * emmy::kTileVectors + n) * simd::lanes<T>()); });
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
void hot_gradient_f32(const float* x, const float* dy, float* dw) {
  emmy::for_gradient_rows<kRows, 64, 256>(x, kRows, dy, [&](int row, auto m, const float* g) EMMY_LAMBDA {
    for (int k = 0; k < decltype(m)::value * 64; ++k) dw[row * 64 + k] = g[k];
  });
}

// What each of them must hold: fused or separate multiplications of one pass of the loop.
extern const int hot_products;
const int hot_products = emmy::kTileRows * emmy::kTileVectors;

#if defined(EMMY_PLANTED)
// More accumulators than registers.
void hot_planted(const float* a, std::size_t am, std::size_t ak, const float* b, std::size_t bs, std::size_t K,
                 float* c) {
  namespace simd = emmy::simd;
  emmy::tile<float, 16, 3>(
      a, am, ak, b, bs, K, [](int, int) EMMY_LAMBDA { return simd::zero<float>(); },
      [&](int m, int n, auto v)
          EMMY_LAMBDA { simd::store(v, c + static_cast<std::size_t>(m * 3 + n) * simd::lanes<float>()); });
}
#endif

}  // extern "C"
