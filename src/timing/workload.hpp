// What is timed: training steps of a small net on given mini-batches, its inference, or one product of matrices, in f32,
// on one thread. Shared by `emmy bench` and bench/compare.
//
//   forward, loss (returned, of before the update), backward, the rule's update    step
//   forward                                                                       infer
//   C = A B and its relatives                                                      infer of a kernel
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace emmy::timing {

inline constexpr float kRate = 0.01f, kMomentum = 0.9f;
inline constexpr int kBatches = 16;  // mini-batches, used in turn

enum class Activation { none, relu, tanh };
enum class Loss { cross_entropy, squared_error };   // the mean over the batch; of squares half their sum over outputs
enum class Rule { sgd, lazy, momentum, nesterov };  // of PyTorch, without decay; lazy: sgd, one update behind
enum class Kernel { none, gemv, gemm, gemm_tn, gemm_nt };

// A convolution along positions, channels last, the activation, the largest of every `pool` positions.
struct Stage {
  int kernel, channels, pool;
};

// A layer with weights: y[p][o] = b[o] + sum_j x[p step + j] W[o][j], j < in, for each position; `pool` of them become one.
struct Affine {
  int in, out, positions = 1, step = 0, pool = 1;

  constexpr int weights() const { return (in + 1) * out; }
  constexpr int outputs() const { return positions / pool * out; }
};

struct Workload {
  static constexpr int kMaxLayers = 4, kMaxStages = 2;
  const char* key;
  const char* name;
  int batch;
  int layers;                // Dense layers, the activation between them
  int size[kMaxLayers + 1];  // inputs, width of each layer
  Activation activation;
  Loss loss;
  Kernel kernel = Kernel::none;  // all matrices size[0] x size[0]; counted as a batch of one
  // Before the Dense layers, whose inputs are then what the last stage gives.
  int stages = 0, positions = 0, channels = 0;
  Stage stage[kMaxStages] = {};

  constexpr int inputs() const { return stages > 0 ? positions * channels : size[0]; }
  constexpr int outputs() const { return size[layers]; }
  // The layers with weights, in order.
  constexpr int affines() const { return stages + layers; }
  constexpr Affine affine(int index) const {
    if (index >= stages) return {size[index - stages], size[index - stages + 1]};
    int from = positions, in = channels;
    for (int s = 0; s < index; ++s) {
      from = (from - stage[s].kernel + 1) / stage[s].pool;
      in = stage[s].channels;
    }
    const Stage& own = stage[index];
    return {own.kernel * in, own.channels, from - own.kernel + 1, in, own.pool};
  }
  // All weights in one array: W[out][in] and b[out] of each layer in turn; the inputs of a convolution are [kernel][in].
  // Of a kernel: A, then B.
  constexpr int weights() const {
    if (kernel != Kernel::none) return 2 * size[0] * size[0];
    int n = 0;
    for (int l = 0; l < affines(); ++l) n += affine(l).weights();
    return n;
  }
  // Of one sample: products of forward, dW and dX (the first layer needs no dX), an addition and a multiplication each.
  // The update is not counted.
  constexpr double flops(bool training) const {
    double n = 0;
    if (kernel != Kernel::none) n = 2.0 * size[0] * size[0] * (kernel == Kernel::gemv ? 1 : size[0]);
    for (int l = 0; l < affines(); ++l) {
      const Affine a = affine(l);
      n += 2.0 * (!training ? 1 : l == 0 ? 2 : 3) * a.in * a.out * a.positions;
    }
    return n;
  }
};

// Objects compiled for different instruction sets each have their own constants, so addresses do not tell.
constexpr bool same(const Workload& a, const Workload& b) {
  return std::string_view(a.key) == b.key && a.batch == b.batch;
}
// Is a workload asked for by its key, or by what stands there before a number ("W", "gemm")?
constexpr bool selects(std::string_view asked, const Workload& w) {
  const std::string_view key = w.key;
  return asked == key || (!asked.empty() && asked == key.substr(0, key.find_last_not_of("0123456789") + 1));
}

template <int Batch>
inline constexpr Workload kW1{"W1", "2-16-1 tanh", Batch, 2, {2, 16, 1}, Activation::tanh, Loss::squared_error};
template <int Batch>
inline constexpr Workload kW2{"W2", "64-32-10 ReLU", Batch, 2, {64, 32, 10}, Activation::relu, Loss::cross_entropy};
template <int Batch>
inline constexpr Workload kW3{"W3", "784-128-10 ReLU", Batch, 2, {784, 128, 10}, Activation::relu, Loss::cross_entropy};
template <int Batch>
inline constexpr Workload kW4{
    "W4", "13-64-64-4 ReLU", Batch, 3, {13, 64, 64, 4}, Activation::relu, Loss::squared_error};

template <int Batch>
inline constexpr Workload kW5{"W5",
                              "128x6, conv 16 k5, pool 2, conv 32 k5, pool 2, 6, ReLU",
                              Batch,
                              1,
                              {29 * 32, 6},
                              Activation::relu,
                              Loss::cross_entropy,
                              Kernel::none,
                              2,
                              128,
                              6,
                              {{5, 16, 2}, {5, 32, 2}}};

// X(workload, trained, inferred): the nets of Dense layers and those with convolutions, and what is timed of each.
#define EMMY_TIMING_NETS(X) \
  X(kW1<1>, true, true)     \
  X(kW1<4>, true, false)    \
  X(kW2<1>, true, true)     \
  X(kW2<16>, true, true)    \
  X(kW3<1>, true, true)     \
  X(kW3<32>, true, true)    \
  X(kW4<1>, true, true)     \
  X(kW4<4>, true, false)    \
  X(kW4<64>, true, false)   \
  X(kW4<256>, true, true)
#define EMMY_TIMING_CONV_NETS(X) \
  X(kW5<1>, true, true)          \
  X(kW5<16>, true, true)

struct Batch {
  const float* x;       // [batch][inputs], 64-byte aligned
  const int* labels;    // [batch]
  const float* target;  // [batch][outputs]
};

// A program for one workload. That of a kernel takes the operands by `reset`, multiplies by `infer` (whose arguments it
// ignores) and gives C[n][n] (gemv: [n]) by `read`.
struct Opponent {
  std::string_view name;  // as in the JSON; "emmy" for all of Emmy's
  const Workload* workload;
  void (*reset)(const float* weights);  // starts anew from these weights
  void (*read)(float* weights);
  float (*step)(const Batch&);
  void (*infer)(const float* x, float* y);     // y [batch][outputs]; null: does not infer
  std::string_view backend = {}, ledger = {};  // of Emmy
  Rule rule = Rule::sgd;
  std::size_t train_bytes = 0, infer_bytes = 0;  // of Emmy: its objects in RAM, the ledger's too
};

}  // namespace emmy::timing
