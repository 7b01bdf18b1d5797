// Eigen with fixed-size matrices, features x batch in its own column-major order, products without temporaries.
#include <bench/compare/layers.hpp>

#include <Eigen/Dense>

namespace compare {
namespace {

template <int In, int Out, int Samples, Activation Act>
struct Layer {
  using Inputs = Eigen::Matrix<float, In, Samples>;
  using Outputs = Eigen::Matrix<float, Out, Samples>;
  Eigen::Matrix<float, Out, In> w;
  Eigen::Matrix<float, Out, 1> b;
  Outputs y;

  const float* take(const float* weights) {
    w = Eigen::Map<const Eigen::Matrix<float, Out, In, In == 1 ? Eigen::ColMajor : Eigen::RowMajor>>(weights);
    b = Eigen::Map<const Eigen::Matrix<float, Out, 1>>(weights + Out * In);
    return weights + Out * (In + 1);
  }
  float* give(float* weights) const {
    for (int o = 0; o < Out; ++o)
      for (int i = 0; i < In; ++i) weights[o * In + i] = w(o, i);
    Eigen::Map<Eigen::Matrix<float, Out, 1>>{weights + Out* In} = b;
    return weights + Out * (In + 1);
  }
  const float* outputs() const { return y.data(); }
  const float* forward(const float* x) {
    y.noalias() = w * Eigen::Map<const Inputs, Eigen::Aligned64>(x);
    y.colwise() += b;
    if constexpr (Act == Activation::relu) y = y.cwiseMax(0.0f);
    if constexpr (Act == Activation::tanh) y = y.array().tanh();
    return y.data();
  }
  void backward(const float* x, float* delta, float* below) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    Eigen::Map<Outputs, Eigen::Aligned64> d(delta);
    if constexpr (Act == Activation::relu) d.array() *= (y.array() > 0.0f).template cast<float>();
    if constexpr (Act == Activation::tanh) d.array() *= 1.0f - y.array().square();
    if (below != nullptr) Eigen::Map<Inputs, Eigen::Aligned64>{below}.noalias() = w.transpose() * d;
    w.noalias() -= (kStep * d) * Eigen::Map<const Inputs, Eigen::Aligned64>(x).transpose();
    b.noalias() -= kStep * d.rowwise().sum();
  }
};

template <int Out, int Samples>
struct EigenLoss {
  using Outputs = Eigen::Matrix<float, Out, Samples>;
  using Row = Eigen::Array<float, 1, Samples>;

  static float cross_entropy(const float* outputs, const int* labels, float* delta) {
    const Eigen::Map<const Outputs, Eigen::Aligned16> y(outputs);
    Eigen::Map<Outputs, Eigen::Aligned64> d(delta);
    const Row top = y.colwise().maxCoeff();
    d = (y.array().rowwise() - top).exp();
    const Row sum = d.colwise().sum();
    d.array().rowwise() /= sum;
    float loss = (top + sum.log()).sum();
    for (int s = 0; s < Samples; ++s) {
      loss -= y(labels[s], s);
      d(labels[s], s) -= 1.0f;
    }
    return loss / static_cast<float>(Samples);
  }
  static float squared_error(const float* outputs, const float* target, float* delta) {
    Eigen::Map<Outputs, Eigen::Aligned64> d(delta);
    d = Eigen::Map<const Outputs, Eigen::Aligned16>(outputs) - Eigen::Map<const Outputs>(target);
    return 0.5f * d.squaredNorm() / static_cast<float>(Samples);
  }
};

template <const Workload& Work>
using Program = LayerProgram<Work, Layer, EigenLoss>;

}  // namespace

namespace opponents {
std::span<const Opponent> eigen_fixed() { return rows<Program>("eigen_fixed"); }
}  // namespace opponents
}  // namespace compare
