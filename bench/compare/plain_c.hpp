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

template <Affine Own, int Samples, Activation Act>
struct PlainStage : ArrayStage<Own, Samples, Act> {
  using Base = ArrayStage<Own, Samples, Act>;
  using Base::b, Base::delta, Base::g, Base::kEdge, Base::kInputs, Base::kOut, Base::kRows, Base::w, Base::y;

  const float* forward(const float* x) {
    for (int s = 0; s < Samples; ++s, x += kInputs) {
      for (int p = 0; p < kRows; ++p) {
        float* row = y[s][p];
        for (int o = 0; o < kOut; ++o) row[o] = b[o];
        for (int j = 0; j < Own.in; ++j)
          for (int o = 0; o < kOut; ++o) row[o] += x[p * Own.step + j] * w[j][o];
        for (int o = 0; o < kOut; ++o) row[o] = row[o] > 0.0f ? row[o] : 0.0f;
      }
      this->pool(s);
    }
    return this->outputs();
  }
  void backward(const float* x, const float* above, float* below) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    float db[kOut] = {};
    memset(g, 0, sizeof g);
    for (int s = 0; s < Samples; ++s, x += kInputs) {
      this->unpool(s, above + s * this->kPooled * kOut);
      if (below != nullptr) memset(below, 0, sizeof(float) * kInputs);
      for (int p = 0; p < kRows; ++p) {
        const float* d = delta[s][kEdge + p];
        for (int j = 0; j < Own.in; ++j)
          for (int o = 0; o < kOut; ++o) g[j][o] += x[p * Own.step + j] * d[o];
        for (int o = 0; o < kOut; ++o) db[o] += d[o];
        if (below == nullptr) continue;
        for (int j = 0; j < Own.in; ++j) {
          float sum = 0.0f;
          for (int o = 0; o < kOut; ++o) sum += w[j][o] * d[o];
          below[p * Own.step + j] += sum;
        }
      }
      if (below != nullptr) below += kInputs;
    }
    for (int j = 0; j < Own.in; ++j)
      for (int o = 0; o < kOut; ++o) w[j][o] -= kStep * g[j][o];
    for (int o = 0; o < kOut; ++o) b[o] -= kStep * db[o];
  }
};

template <const Workload& Work>
using Program = LayerProgram<Work, PlainLayer, PlainLoss, PlainStage>;

}  // namespace
}  // namespace compare
