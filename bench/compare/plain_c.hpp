// The loops that one writes first, with sizes known to the compiler, W[out][in]. Included by one file with the
// language's arithmetic and one with -ffast-math, so everything here has internal linkage.
#pragma once

#include <bench/compare/workload.hpp>

#include <math.h>
#include <string.h>

namespace compare {
namespace {

template <int In, int Out, int Samples>
struct Layer {
  alignas(64) float w[Out][In];
  alignas(64) float b[Out];
  alignas(64) float g[Out][In];

  void forward(const float* x, float* y) const {
    for (int s = 0; s < Samples; ++s)
      for (int o = 0; o < Out; ++o) {
        float sum = b[o];
        for (int i = 0; i < In; ++i) sum += w[o][i] * x[s * In + i];
        y[s * Out + o] = sum;
      }
  }
  void backward(const float* delta, float* below) const {
    for (int s = 0; s < Samples; ++s) {
      for (int i = 0; i < In; ++i) below[s * In + i] = 0.0f;
      for (int o = 0; o < Out; ++o)
        for (int i = 0; i < In; ++i) below[s * In + i] += w[o][i] * delta[s * Out + o];
    }
  }
  void update(const float* x, const float* delta) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    if constexpr (Samples == 1) {
      for (int o = 0; o < Out; ++o) {
        const float d = kStep * delta[o];
        for (int i = 0; i < In; ++i) w[o][i] -= d * x[i];
        b[o] -= d;
      }
    } else {
      memset(g, 0, sizeof g);
      for (int s = 0; s < Samples; ++s)
        for (int o = 0; o < Out; ++o) {
          for (int i = 0; i < In; ++i) g[o][i] += delta[s * Out + o] * x[s * In + i];
          b[o] -= kStep * delta[s * Out + o];
        }
      for (int o = 0; o < Out; ++o)
        for (int i = 0; i < In; ++i) w[o][i] -= kStep * g[o][i];
    }
  }
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
};

// y becomes softmax(y) minus the target.
template <int Out, int Samples>
float cross_entropy(float* y, const int* labels) {
  float loss = 0.0f;
  for (int s = 0; s < Samples; ++s, y += Out) {
    float top = y[0], sum = 0.0f;
    for (int o = 1; o < Out; ++o) top = y[o] > top ? y[o] : top;
    loss += top - y[labels[s]];
    for (int o = 0; o < Out; ++o) sum += y[o] = expf(y[o] - top);
    loss += logf(sum);
    for (int o = 0; o < Out; ++o) y[o] *= 1.0f / sum;
    y[labels[s]] -= 1.0f;
  }
  return loss / static_cast<float>(Samples);
}

template <const Workload& Work>
struct Program {
  static constexpr int kIn = Work.size[0], kHidden = Work.size[1], kOut = Work.size[2], kSamples = Work.batch;
  static_assert(Work.layers == 2);
  static inline Layer<kIn, kHidden, kSamples> first;
  static inline Layer<kHidden, kOut, kSamples> second;
  alignas(64) static inline float h[kSamples * kHidden], below[kSamples * kHidden], y[kSamples * kOut];

  static void reset(const float* weights) { second.take(first.take(weights)); }
  static void read(float* weights) { second.give(first.give(weights)); }
  static float step(const Batch& batch) {
    first.forward(batch.x, h);
    for (float& v : h) v = v > 0.0f ? v : 0.0f;
    second.forward(h, y);
    const float loss = cross_entropy<kOut, kSamples>(y, batch.labels);
    second.backward(y, below);
    for (int i = 0; i < kSamples * kHidden; ++i) below[i] = h[i] > 0.0f ? below[i] : 0.0f;
    second.update(h, y);
    first.update(batch.x, below);
    return loss;
  }
};

}  // namespace
}  // namespace compare
