// What every opponent does: one training step of a small ReLU classifier on given mini-batches, in f32, on one thread.
//
//   forward, softmax, mean cross-entropy (returned, of before the update), backward, theta -= kRate g
//
// A new opponent is a file <name>.cpp with a function `opponents::<name>()` and a line in bench/CMakeLists.txt.
#pragma once

#include <span>

namespace compare {

inline constexpr float kRate = 0.01f;
inline constexpr int kBatches = 16;  // mini-batches, used in turn

struct Workload {
  static constexpr int kMaxLayers = 4;
  const char* name;
  int batch;
  int layers;                // Dense layers, ReLU between them
  int size[kMaxLayers + 1];  // inputs, width of each layer

  // All weights in one array: W[out][in] and b[out] of each layer in turn.
  constexpr int weights() const {
    int n = 0;
    for (int l = 0; l < layers; ++l) n += (size[l] + 1) * size[l + 1];
    return n;
  }
  // Of one sample: products of forward, dW and dX (the first layer needs no dX), an addition and a multiplication each.
  // The update is not counted.
  constexpr double flops() const {
    double n = 0;
    for (int l = 0; l < layers; ++l) n += 2.0 * (l == 0 ? 2 : 3) * size[l] * size[l + 1];
    return n;
  }
};

inline constexpr Workload kDigits1{"64-32-10", 1, 2, {64, 32, 10}};
inline constexpr Workload kDigits16{"64-32-10", 16, 2, {64, 32, 10}};
inline constexpr const Workload* kWorkloads[] = {&kDigits1, &kDigits16};

struct Batch {
  const float* x;     // [batch][inputs]
  const int* labels;  // [batch]
};

struct Opponent {
  const char* name;
  const Workload* workload;
  void (*reset)(const float* weights);  // starts anew from these weights
  void (*read)(float* weights);
  float (*step)(const Batch&);
};

// The row of an opponent whose program for one workload is a type with static reset, read and step.
template <class Program>
constexpr Opponent opponent(const char* name, const Workload& workload) {
  return {name, &workload, Program::reset, Program::read, Program::step};
}

}  // namespace compare
