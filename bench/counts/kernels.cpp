// The kernels whose instructions are counted and whose loops are read (tools/kernel_gates.py): each is one function
// emmy_count_<name>, called once. What it takes is exact, the same on every run, and does not depend on the clock.
//
// A first step also reads all weights, so each net has taken one before; functions know their caller's arguments at run
// time only.
#include <emmy/emmy.hpp>

#if defined(__clang__)
#define EMMY_COUNTED extern "C" [[gnu::noinline, gnu::used]]
#else
#define EMMY_COUNTED extern "C" [[gnu::noipa, gnu::used]]  // not even cloned: a clone would not be counted
#endif

#if !defined(EMMY_PLANTED_GEMM)  // instructions and a narrow loop that tests/evidence/planted_kernels_test.py must find
#define EMMY_PLANTED_GEMM 0
#define EMMY_PLANTED_GEMV 0
#endif
#define EMMY_PLANT(nops) asm volatile(".rept %c0\n nop\n .endr" : : "i"(nops))

namespace {

namespace simd = emmy::simd;

constexpr int kGemm = 32, kGemv = 64, kValues = 256;
alignas(64) float a[64 * 64], b[64 * 64], c[64 * 64], row[64];

template <class F>
EMMY_INLINE void apply(F f, const float* x, float* y) {
  for (int i = 0; i < kValues; i += static_cast<int>(simd::lanes<float>())) simd::store(f(simd::load(x + i)), y + i);
}

// A net that takes steps on one batch.
template <class Net_, int Batch, class Loss, class Target>
struct Step {
  using Net = Net_;
  static inline constinit emmy::Trainer<Net, emmy::Sgd, Batch> trainer{};
  static inline float x[Batch * Net::kInputs];
  static inline Target target[Batch * Net::kOutputs];  // more than there are labels

  EMMY_INLINE static bool take(float learning_rate) {
    const emmy::Sgd rule{.learning_rate = learning_rate};
    return trainer.step(x, target, Loss{}, rule).status == emmy::Status::ok;
  }
  static bool start() {
    emmy::Pcg32 rng{7};
    emmy::init(trainer.params, rng);
    for (float& v : x) v = 2.0f * rng.uniform() - 1.0f;
    for (Target& t : target) t = static_cast<Target>(rng.below(Net::kOutputs));
    return take(0.01f);
  }
};
using emmy::Dense;
using emmy::Input;
using emmy::Relu;
template <int Batch>
using Digits = Step<emmy::Net<Input<64>, Dense<32>, Relu, Dense<10>>, Batch, emmy::CrossEntropy, int>;
template <int Batch>
using Deep = Step<emmy::Net<Input<13>, Dense<64>, Relu, Dense<64>, Relu, Dense<4>>, Batch, emmy::SquaredError, float>;
using Tiny = Step<emmy::Net<Input<2>, Dense<16>, emmy::Tanh, Dense<1>>, 1, emmy::SquaredError, float>;
// The nets of bench/compare/torch_layers.cpp, on one target: their lead over libtorch is not lost unseen.
#if defined(__AVX2__) && !defined(__AVX512F__)
#define EMMY_COUNTS_LAYERS 1
template <class Norm, int Batch>
using Normed = Step<emmy::Net<Input<64>, Dense<32>, Norm, Relu, Dense<10>>, Batch, emmy::CrossEntropy, int>;
template <int Batch>
using Recurrent =
    Step<emmy::Net<Input<16, 8>, emmy::Rnn<32, emmy::Tanh>, emmy::Last, Dense<10>>, Batch, emmy::CrossEntropy, int>;
#endif

}  // namespace

// C = A B, 32 x 32 x 32
EMMY_COUNTED void emmy_count_kernel_gemm_32(const float* left, const float* right, float* to) {
  if constexpr (EMMY_PLANTED_GEMM != 0) EMMY_PLANT(EMMY_PLANTED_GEMM);
  emmy::gemm<kGemm, kGemm>(
      left, kGemm, 1, right, kGemm, [](int, int) EMMY_LAMBDA { return simd::zero<float>(); },
      [&](int m, int o, auto v) EMMY_LAMBDA { simd::store(v, to + m * kGemm + o); });
}
// y = b + x W
EMMY_COUNTED void emmy_count_kernel_gemv_64(const float* x, const float* w, const float* bias, float* y) {
  if constexpr (EMMY_PLANTED_GEMV != 0) EMMY_PLANT(EMMY_PLANTED_GEMV);
  emmy::affine_forward<1, kGemv, kGemv, kGemv>(x, w, bias, y, emmy::Identity{});
}
// dx = W dy
EMMY_COUNTED void emmy_count_kernel_dots_64(const float* w, const float* dy, float* dx) {
  if constexpr (EMMY_PLANTED_GEMM != 0)
    for (int i = 0; i < kGemv; ++i) dx[0] += w[i] * dy[i];
  emmy::affine_backward<false, 1, kGemv, kGemv>(w, dy, dx, dx, static_cast<float*>(nullptr), nullptr);
}
// W -= rate x dy^T
EMMY_COUNTED void emmy_count_kernel_update_64(float rate, float* w, const float* x, const float* dy) {
  emmy::sweep_outer<kGemv, kGemv>(1.0f, rate, w, x, dy, static_cast<float*>(nullptr));
}
EMMY_COUNTED void emmy_count_kernel_exp_256(const float* x, float* y) {
  apply([](auto v) EMMY_LAMBDA { return emmy::exp(v); }, x, y);
}
EMMY_COUNTED void emmy_count_kernel_tanh_256(const float* x, float* y) {
  apply([](auto v) EMMY_LAMBDA { return emmy::tanh(v); }, x, y);
}
// Training steps: net and batch
EMMY_COUNTED bool emmy_count_step_64_32_10_b16(float rate) { return Digits<16>::take(rate); }
EMMY_COUNTED bool emmy_count_step_64_32_10_b1(float rate) { return Digits<1>::take(rate); }
EMMY_COUNTED bool emmy_count_step_13_64_64_4_b32(float rate) { return Deep<32>::take(rate); }
EMMY_COUNTED bool emmy_count_step_13_64_64_4_b1(float rate) { return Deep<1>::take(rate); }
EMMY_COUNTED bool emmy_count_step_2_16_1_b1(float rate) { return Tiny::take(rate); }
#if defined(EMMY_COUNTS_LAYERS)
EMMY_COUNTED bool emmy_count_step_batch_norm_b64(float rate) { return Normed<emmy::BatchNorm<>, 64>::take(rate); }
EMMY_COUNTED bool emmy_count_step_batch_norm_b2(float rate) { return Normed<emmy::BatchNorm<>, 2>::take(rate); }
EMMY_COUNTED bool emmy_count_step_layer_norm_b64(float rate) { return Normed<emmy::LayerNorm<>, 64>::take(rate); }
EMMY_COUNTED bool emmy_count_step_layer_norm_b1(float rate) { return Normed<emmy::LayerNorm<>, 1>::take(rate); }
EMMY_COUNTED bool emmy_count_step_rnn_b64(float rate) { return Recurrent<64>::take(rate); }
EMMY_COUNTED bool emmy_count_step_rnn_b1(float rate) { return Recurrent<1>::take(rate); }
static bool layers() {
  return Normed<emmy::BatchNorm<>, 64>::start() && Normed<emmy::BatchNorm<>, 2>::start() &&
         Normed<emmy::LayerNorm<>, 64>::start() && Normed<emmy::LayerNorm<>, 1>::start() && Recurrent<64>::start() &&
         Recurrent<1>::start() && emmy_count_step_batch_norm_b64(0.01f) && emmy_count_step_batch_norm_b2(0.01f) &&
         emmy_count_step_layer_norm_b64(0.01f) && emmy_count_step_layer_norm_b1(0.01f) &&
         emmy_count_step_rnn_b64(0.01f) && emmy_count_step_rnn_b1(0.01f);
}
#else
static bool layers() { return true; }
#endif

int main() {
  emmy::Pcg32 rng{3};
  for (int i = 0; i < 64 * 64; ++i) {
    a[i] = 2.0f * rng.uniform() - 1.0f;
    b[i] = 2.0f * rng.uniform() - 1.0f;
  }
  if (!Digits<16>::start() || !Digits<1>::start() || !Deep<32>::start() || !Deep<1>::start() || !Tiny::start())
    return 1;
  emmy_count_kernel_gemm_32(a, b, c);
  emmy_count_kernel_gemv_64(a, b, row, c);
  emmy_count_kernel_dots_64(b, a, c);
  emmy_count_kernel_update_64(0.001f, b, a, c);
  emmy_count_kernel_exp_256(a, c);
  emmy_count_kernel_tanh_256(a, c);
  return emmy_count_step_64_32_10_b16(0.01f) && emmy_count_step_64_32_10_b1(0.01f) &&
                 emmy_count_step_13_64_64_4_b32(0.01f) && emmy_count_step_13_64_64_4_b1(0.01f) &&
                 emmy_count_step_2_16_1_b1(0.01f) && layers()
             ? 0
             : 2;
}
