// Emmy's products as its Dense layer has them, the copy that dX makes of W included.
#include <bench/compare/kernels.hpp>

#include <emmy/emmy.hpp>

namespace compare {
namespace {

// Takes dW where the update would.
template <int N>
struct Keep {
  static constexpr int kStride = emmy::padded<float>(N);
  float* c;
  void vector(int row, int col, emmy::simd::Vec<float> g) const { emmy::simd::store(g, c + row * kStride + col); }
  template <class M>
  void check(int, M, const float*) const {}
  template <int, class M>
  void rows(int row, M, const float* g) const {
    for (int i = 0; i < M::value * kStride; ++i) c[row * kStride + i] = g[i];
  }
};

template <Kernel Op, int N>
struct Program {
  static constexpr int kRows = Op == Kernel::gemv ? 1 : N, kStride = emmy::padded<float>(N);
  static constexpr int kRowOfA = Op == Kernel::gemm_nt ? kStride : N;  // dy has pads, a user's x has none
  using Layer = emmy::Dense<N, emmy::NoBias>;
  using Frame = emmy::Frame<Layer, float, emmy::Shape<N>, emmy::Shape<N>, N, kRows>;
  alignas(64) static inline float a[kRows * kRowOfA], b[N * kStride], c[kRows * kStride];
  alignas(64) static inline float work[emmy::affine_work<float>(kRows, N, N) + 1];

  static void reset(const float* operands) {
    for (int r = 0; r < N; ++r)
      for (int i = 0; i < N; ++i) {
        if (r < kRows) a[r * kRowOfA + i] = operands[r * N + i];
        b[r * kStride + i] = operands[(N + r) * N + i];
      }
  }
  static void infer(const float*, float*) {
    Frame f{};
    f.work = work;
    if constexpr (Op == Kernel::gemm_tn) {
      f.x = a;
      f.dy = b;
      Keep<N> keep{c};
      gradients(Layer{}, f, keep);
    } else if constexpr (Op == Kernel::gemm_nt) {
      f.dy = a;
      f.params = b;
      f.dx = c;
      emmy::backward<false>(Layer{}, f, nullptr);
    } else {
      f.x = a;
      f.params = b;
      f.y = c;
      forward(Layer{}, f, emmy::Identity{});
    }
  }
  static void read(float* result) {
    for (int r = 0; r < kRows; ++r)
      for (int o = 0; o < N; ++o) *result++ = c[r * kStride + o];
  }
};

}  // namespace

namespace opponents {
std::span<const Opponent> emmy_kernels() {
  static const std::vector<Opponent> all = product_rows<Program>("emmy", EMMY_BACKEND_NAME, "none");
  return all;
}
}  // namespace opponents
}  // namespace compare
