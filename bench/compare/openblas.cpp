// BLAS as one calls it: sgemv and sger for one sample, sgemm for batches; all else in plain loops.
#include <bench/compare/layers.hpp>

#include <cblas.h>

namespace compare {
namespace {

template <int In, int Out, int Samples, Activation Act>
struct Layer : ArrayLayer<In, Out, Samples, Act> {
  using Base = ArrayLayer<In, Out, Samples, Act>;
  using Base::b, Base::w, Base::y;

  const float* forward(const float* x) {
    for (int s = 0; s < Samples; ++s) memcpy(y + s * Out, b, sizeof b);
    if constexpr (Samples == 1) cblas_sgemv(CblasRowMajor, CblasNoTrans, Out, In, 1.0f, w[0], In, x, 1, 1.0f, y, 1);
    else cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, Samples, Out, In, 1.0f, x, In, w[0], In, 1.0f, y, Out);
    this->activate();
    return y;
  }
  void backward(const float* x, float* delta, float* below) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    this->through(delta);
    if constexpr (Samples == 1) {
      if (below != nullptr) cblas_sgemv(CblasRowMajor, CblasTrans, Out, In, 1.0f, w[0], In, delta, 1, 0.0f, below, 1);
      cblas_sger(CblasRowMajor, Out, In, -kStep, delta, 1, x, 1, w[0], In);
    } else {
      if (below != nullptr)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, Samples, In, Out, 1.0f, delta, Out, w[0], In, 0.0f,
                    below, In);
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, Out, In, Samples, -kStep, delta, Out, x, In, 1.0f, w[0], In);
    }
    for (int s = 0; s < Samples; ++s)
      for (int o = 0; o < Out; ++o) b[o] -= kStep * delta[s * Out + o];
  }
};

template <const Workload& Work>
using Program = LayerProgram<Work, Layer>;

}  // namespace

namespace opponents {
std::span<const Opponent> openblas() { return rows<Program>("openblas"); }
}  // namespace opponents
}  // namespace compare
