// A program made of one opponent's layers, for opponents that compute layer by layer on arrays:
//
//   const float* take(weights), float* give(weights)     reads or writes W[out][in] and b[out], returns what follows
//   const float* forward(x)                              the layer's outputs [samples][out], the activation applied
//   void backward(x, delta, below)                       delta dL/dy becomes dL/dz, below (unless null) gets dL/dx,
//                                                        weights -= kRate / samples times the gradient
//
// A stage of a workload (convolution, activation, pool) is one layer.
#pragma once

#include <bench/compare/opponents.hpp>

#include <math.h>
#include <string.h>

#include <tuple>
#include <utility>

namespace compare {
namespace {  // each file has its own arithmetic: nothing may be shared between them

// Loss of plain loops: delta is that of the sum over the batch.
template <int Outputs, int Samples>
struct PlainLoss {
  static float cross_entropy(const float* y, const int* labels, float* delta) {
    float loss = 0.0f;
    for (int s = 0; s < Samples; ++s, y += Outputs, delta += Outputs) {
      float top = y[0], sum = 0.0f;
      for (int o = 1; o < Outputs; ++o) top = y[o] > top ? y[o] : top;
      loss += top - y[labels[s]];
      for (int o = 0; o < Outputs; ++o) sum += delta[o] = expf(y[o] - top);
      loss += logf(sum);
      for (int o = 0; o < Outputs; ++o) delta[o] *= 1.0f / sum;
      delta[labels[s]] -= 1.0f;
    }
    return loss / static_cast<float>(Samples);
  }
  static float squared_error(const float* y, const float* target, float* delta) {
    float loss = 0.0f;
    for (int i = 0; i < Samples * Outputs; ++i) {
      delta[i] = y[i] - target[i];
      loss += delta[i] * delta[i];
    }
    return 0.5f * loss / static_cast<float>(Samples);
  }
};

template <Affine, int Samples, Activation>
struct NoStage;

template <const Workload& Work, template <int In, int Out, int Samples, Activation> class LayerOf,
          template <int Outputs, int Samples> class LossOf = PlainLoss,
          template <Affine, int Samples, Activation> class StageOf = NoStage>
struct LayerProgram {
  static constexpr int kLayers = Work.affines(), kSamples = Work.batch, kOutputs = Work.outputs();
  template <int I, bool kStage = (I < Work.stages)>
  struct At {
    using type = StageOf<Work.affine(I), kSamples, Work.activation>;
  };
  template <int I>
  struct At<I, false> {
    using type =
        LayerOf<Work.affine(I).in, Work.affine(I).out, kSamples, I + 1 < kLayers ? Work.activation : Activation::none>;
  };
  template <class>
  struct LayersOf;
  template <int... I>
  struct LayersOf<std::integer_sequence<int, I...>> {
    using type = std::tuple<typename At<I>::type...>;
  };
  static constexpr int widest() {
    int n = 0;
    for (int l = 0; l < kLayers; ++l) n = Work.affine(l).outputs() > n ? Work.affine(l).outputs() : n;
    return n;
  }
  static inline typename LayersOf<std::make_integer_sequence<int, kLayers>>::type layers;
  alignas(64) static inline float delta[kLayers][kSamples * widest()];

  static void reset(const float* weights) {
    std::apply([&](auto&... layer) { ((weights = layer.take(weights)), ...); }, layers);
  }
  static void read(float* weights) {
    std::apply([&](auto&... layer) { ((weights = layer.give(weights)), ...); }, layers);
  }
  static const float* forward(const float* x) {
    std::apply([&](auto&... layer) { ((x = layer.forward(x)), ...); }, layers);
    return x;
  }
  template <int I>
  static void backward(const float* x) {
    const float* from = x;
    if constexpr (I > 0) from = std::get<I - 1>(layers).outputs();
    std::get<I>(layers).backward(from, delta[I], I > 0 ? delta[I > 0 ? I - 1 : 0] : nullptr);
    if constexpr (I > 0) backward<I - 1>(x);
  }
  static float step(const Batch& batch) {
    const float* y = forward(batch.x);
    float* last = delta[kLayers - 1];
    using L = LossOf<kOutputs, kSamples>;
    const float loss = Work.loss == Loss::cross_entropy ? L::cross_entropy(y, batch.labels, last)
                                                        : L::squared_error(y, batch.target, last);
    backward<kLayers - 1>(batch.x);
    return loss;
  }
  static void infer(const float* x, float* y) { memcpy(y, forward(x), sizeof(float) * kSamples * kOutputs); }
};

// What layers of plain arrays share: W[out][in], b and y as loops leave them.
template <int In, int Out, int Samples, Activation Act>
struct ArrayLayer {
  alignas(64) float w[Out][In];
  alignas(64) float b[Out];
  alignas(64) float y[Samples * Out];

  const float* take(const float* weights) {
    memcpy(w, weights, sizeof w);
    memcpy(b, weights + In * Out, sizeof b);
    return weights + (In + 1) * Out;
  }
  float* give(float* weights) const {
    memcpy(weights, w, sizeof w);
    memcpy(weights + In * Out, b, sizeof b);
    return weights + (In + 1) * Out;
  }
  const float* outputs() const { return y; }
  void activate() {
    if constexpr (Act == Activation::relu)
      for (float& v : y) v = v > 0.0f ? v : 0.0f;
    if constexpr (Act == Activation::tanh)
      for (float& v : y) v = tanhf(v);
  }
  void through(float* delta) const {
    if constexpr (Act == Activation::relu)
      for (int i = 0; i < Samples * Out; ++i) delta[i] = y[i] > 0.0f ? delta[i] : 0.0f;
    if constexpr (Act == Activation::tanh)
      for (int i = 0; i < Samples * Out; ++i) delta[i] *= 1.0f - y[i] * y[i];
  }
};

// What stages of plain arrays share: W[kernel][in][out] and its gradient, b, and of each sample y, its delta between the
// rows of zeros that the windows of dx see, and the pooled rows. ReLU.
template <Affine Own, int Samples, Activation Act>
struct ArrayStage {
  static_assert(Act == Activation::relu);
  static constexpr int kOut = Own.out, kRows = Own.positions, kPooled = kRows / Own.pool, kEdge = Own.in / Own.step - 1,
                       kInputs = (kRows + kEdge) * Own.step;
  alignas(64) float w[Own.in][kOut];
  alignas(64) float g[Own.in][kOut];
  alignas(64) float b[kOut];
  alignas(64) float y[Samples][kRows][kOut];
  alignas(64) float delta[Samples][kEdge + kRows + kEdge][kOut];
  alignas(64) float pooled[Samples][kPooled][kOut];

  const float* take(const float* weights) {
    for (int o = 0; o < kOut; ++o)
      for (int j = 0; j < Own.in; ++j) w[j][o] = *weights++;
    memcpy(b, weights, sizeof b);
    memset(delta, 0, sizeof delta);
    return weights + kOut;
  }
  float* give(float* weights) const {
    for (int o = 0; o < kOut; ++o)
      for (int j = 0; j < Own.in; ++j) *weights++ = w[j][o];
    memcpy(weights, b, sizeof b);
    return weights + kOut;
  }
  const float* outputs() const { return pooled[0][0]; }
  void pool(int sample) {
    for (int q = 0; q < kPooled; ++q)
      for (int o = 0; o < kOut; ++o) {
        float top = y[sample][q * Own.pool][o];
        for (int k = 1; k < Own.pool; ++k) {
          const float v = y[sample][q * Own.pool + k][o];
          top = v > top ? v : top;
        }
        pooled[sample][q][o] = top;
      }
  }
  // delta of the sums from that of the pooled rows, which goes to the first of equal maxima, through the ReLU.
  void unpool(int sample, const float* d) {
    for (int q = 0; q < kPooled; ++q)
      for (int o = 0; o < kOut; ++o) {
        const float top = pooled[sample][q][o];
        float left = top > 0.0f ? d[q * kOut + o] : 0.0f;
        for (int k = 0; k < Own.pool; ++k) {
          const bool mine = y[sample][q * Own.pool + k][o] == top;
          delta[sample][kEdge + q * Own.pool + k][o] = mine ? left : 0.0f;
          left = mine ? 0.0f : left;
        }
      }
  }
};

}  // namespace
}  // namespace compare
