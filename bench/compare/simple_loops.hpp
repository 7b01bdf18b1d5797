// Vector loops that one writes with a SIMD library: a dot product for each output, an axpy for each row of dW and dX,
// no tiles. A file gives `Simd`: lanes, load, set, zero, fma, store, sum.
#pragma once

#include <bench/compare/layers.hpp>

namespace compare {
namespace {

template <class Simd, int Count>
float dot(const float* a, const float* b) {
  constexpr int kWhole = Count / Simd::lanes * Simd::lanes;
  auto sum = Simd::zero();
  for (int i = 0; i < kWhole; i += Simd::lanes) sum = Simd::fma(Simd::load(a + i), Simd::load(b + i), sum);
  float total = Simd::sum(sum);
  for (int i = kWhole; i < Count; ++i) total += a[i] * b[i];
  return total;
}
template <class Simd, int Count>
void axpy(float k, const float* x, float* y) {
  constexpr int kWhole = Count / Simd::lanes * Simd::lanes;
  const auto scale = Simd::set(k);
  for (int i = 0; i < kWhole; i += Simd::lanes)
    Simd::store(Simd::fma(scale, Simd::load(x + i), Simd::load(y + i)), y + i);
  for (int i = kWhole; i < Count; ++i) y[i] += k * x[i];
}

template <class Simd, int In, int Out, int Samples, Activation Act>
struct SimpleLayer : ArrayLayer<In, Out, Samples, Act> {
  using Base = ArrayLayer<In, Out, Samples, Act>;
  using Base::b, Base::w, Base::y;
  alignas(64) float g[Samples == 1 ? 1 : Out][In];

  const float* forward(const float* x) {
    for (int s = 0; s < Samples; ++s)
      for (int o = 0; o < Out; ++o) y[s * Out + o] = b[o] + dot<Simd, In>(w[o], x + s * In);
    this->activate();
    return y;
  }
  void backward(const float* x, float* delta, float* below) {
    this->through(delta);
    if (below != nullptr) {
      memset(below, 0, sizeof(float) * Samples * In);
      for (int s = 0; s < Samples; ++s)
        for (int o = 0; o < Out; ++o) axpy<Simd, In>(delta[s * Out + o], w[o], below + s * In);
    }
    constexpr float kStep = kRate / static_cast<float>(Samples);
    if constexpr (Samples == 1) {
      for (int o = 0; o < Out; ++o) axpy<Simd, In>(-kStep * delta[o], x, w[o]);
    } else {
      memset(g, 0, sizeof g);
      for (int s = 0; s < Samples; ++s)
        for (int o = 0; o < Out; ++o) axpy<Simd, In>(delta[s * Out + o], x + s * In, g[o]);
      axpy<Simd, In * Out>(-kStep, g[0], w[0]);
    }
    for (int s = 0; s < Samples; ++s)
      for (int o = 0; o < Out; ++o) b[o] -= kStep * delta[s * Out + o];
  }
};

}  // namespace
}  // namespace compare
