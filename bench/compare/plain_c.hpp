// The loops that one writes first, with sizes known to the compiler, W[out][in]. Included by one file with the
// language's arithmetic and one with -ffast-math, so everything here has internal linkage.
#pragma once

#include <bench/compare/layers.hpp>

namespace compare {
namespace {

template <int In, int Out, int Samples, Activation Act>
struct PlainLayer : ArrayLayer<In, Out, Samples, Act> {
  using Base = ArrayLayer<In, Out, Samples, Act>;
  using Base::b, Base::w, Base::y;
  alignas(64) float g[Samples == 1 ? 1 : Out][In];

  const float* forward(const float* x) {
    for (int s = 0; s < Samples; ++s)
      for (int o = 0; o < Out; ++o) {
        float sum = b[o];
        for (int i = 0; i < In; ++i) sum += w[o][i] * x[s * In + i];
        y[s * Out + o] = sum;
      }
    this->activate();
    return y;
  }
  void backward(const float* x, float* delta, float* below) {
    this->through(delta);
    if (below != nullptr)
      for (int s = 0; s < Samples; ++s) {
        for (int i = 0; i < In; ++i) below[s * In + i] = 0.0f;
        for (int o = 0; o < Out; ++o)
          for (int i = 0; i < In; ++i) below[s * In + i] += w[o][i] * delta[s * Out + o];
      }
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
};

template <const Workload& Work>
using Program = LayerProgram<Work, PlainLayer>;

}  // namespace
}  // namespace compare
