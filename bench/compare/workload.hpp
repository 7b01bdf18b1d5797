// What every opponent does: training steps of a small net on given mini-batches, or its inference, in f32, on one thread.
//
//   forward, loss (returned, of before the update), backward, theta -= kRate g       step
//   forward                                                                          infer
//
// A new opponent is a file <name>.cpp with a function `opponents::<name>()` and a line in bench/CMakeLists.txt.
#pragma once

#include <span>
#include <string_view>

namespace compare {

inline constexpr float kRate = 0.01f;
inline constexpr int kBatches = 16;  // mini-batches, used in turn

enum class Activation { none, relu, tanh };
enum class Loss { cross_entropy, squared_error };  // the mean over the batch; of squares half their sum over outputs

struct Workload {
  static constexpr int kMaxLayers = 4;
  const char* key;
  const char* name;
  int batch;
  int layers;                // Dense layers, the activation between them
  int size[kMaxLayers + 1];  // inputs, width of each layer
  Activation activation;
  Loss loss;

  constexpr int outputs() const { return size[layers]; }
  // All weights in one array: W[out][in] and b[out] of each layer in turn.
  constexpr int weights() const {
    int n = 0;
    for (int l = 0; l < layers; ++l) n += (size[l] + 1) * size[l + 1];
    return n;
  }
  // Of one sample: products of forward, dW and dX (the first layer needs no dX), an addition and a multiplication each.
  // The update is not counted.
  constexpr double flops(bool training) const {
    double n = 0;
    for (int l = 0; l < layers; ++l) n += 2.0 * (!training ? 1 : l == 0 ? 2 : 3) * size[l] * size[l + 1];
    return n;
  }
};

template <int Batch>
inline constexpr Workload kW1{"W1", "2-16-1 tanh", Batch, 2, {2, 16, 1}, Activation::tanh, Loss::squared_error};
template <int Batch>
inline constexpr Workload kW2{"W2", "64-32-10 ReLU", Batch, 2, {64, 32, 10}, Activation::relu, Loss::cross_entropy};
template <int Batch>
inline constexpr Workload kW3{"W3", "784-128-10 ReLU", Batch, 2, {784, 128, 10}, Activation::relu, Loss::cross_entropy};
template <int Batch>
inline constexpr Workload kW4{
    "W4", "13-64-64-4 ReLU", Batch, 3, {13, 64, 64, 4}, Activation::relu, Loss::squared_error};

// X(workload, trained, inferred): all that is compared.
#define EMMY_COMPARE_WORKLOADS(X) \
  X(kW1<1>, true, true)           \
  X(kW1<4>, true, false)          \
  X(kW2<1>, true, true)           \
  X(kW2<16>, true, true)          \
  X(kW3<1>, true, true)           \
  X(kW3<32>, true, true)          \
  X(kW4<1>, true, true)           \
  X(kW4<4>, true, false)          \
  X(kW4<64>, true, false)         \
  X(kW4<256>, true, true)

struct Batch {
  const float* x;       // [batch][inputs], 64-byte aligned
  const int* labels;    // [batch]
  const float* target;  // [batch][outputs]
};

struct Opponent {
  std::string_view name;  // as in the JSON; "emmy" for all of Emmy's
  const Workload* workload;
  void (*reset)(const float* weights);  // starts anew from these weights
  void (*read)(float* weights);
  float (*step)(const Batch&);
  void (*infer)(const float* x, float* y);     // y [batch][outputs]; null: does not infer
  std::string_view backend = {}, ledger = {};  // of Emmy
};

namespace {  // of the file: names of programs repeat
// The opponents of a file whose program for one workload is a type with static reset, read, step and infer.
template <template <const Workload&> class Program>
std::span<const Opponent> rows(std::string_view name) {
#define EMMY_COMPARE_ROW(workload, trained, inferred) \
  {name,                                              \
   &workload,                                         \
   Program<workload>::reset,                          \
   Program<workload>::read,                           \
   Program<workload>::step,                           \
   Program<workload>::infer,                          \
   {},                                                \
   {}},
  static const Opponent all[] = {EMMY_COMPARE_WORKLOADS(EMMY_COMPARE_ROW)};
#undef EMMY_COMPARE_ROW
  return all;
}
}  // namespace

}  // namespace compare
