// Eigen with sizes known at run time only, features x batch, products without temporaries.
#include <bench/compare/layers.hpp>

#include <Eigen/Dense>

namespace compare {
namespace {

template <int In, int Out, int Samples, Activation Act>
struct Layer {
  using Matrix = Eigen::MatrixXf;
  using View = Eigen::Map<const Matrix>;
  Matrix w{Out, In}, y{Out, Samples};
  Eigen::VectorXf b{Out};

  const float* take(const float* weights) {
    w = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(weights, Out, In);
    b = Eigen::Map<const Eigen::VectorXf>(weights + Out * In, Out);
    return weights + Out * (In + 1);
  }
  float* give(float* weights) const {
    Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(weights, Out, In) = w;
    Eigen::Map<Eigen::VectorXf>(weights + Out * In, Out) = b;
    return weights + Out * (In + 1);
  }
  const float* outputs() const { return y.data(); }
  const float* forward(const float* x) {
    if constexpr (Samples == 1) y.col(0).noalias() = w * Eigen::Map<const Eigen::VectorXf>(x, In);
    else y.noalias() = w * View(x, In, Samples);
    y.colwise() += b;
    if constexpr (Act == Activation::relu) y = y.cwiseMax(0.0f);
    if constexpr (Act == Activation::tanh) y = y.array().tanh();
    return y.data();
  }
  void backward(const float* x, float* delta, float* below) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    Eigen::Map<Matrix> d(delta, Out, Samples);
    if constexpr (Act == Activation::relu) d.array() *= (y.array() > 0.0f).cast<float>();
    if constexpr (Act == Activation::tanh) d.array() *= 1.0f - y.array().square();
    if constexpr (Samples == 1) {
      if (below != nullptr) Eigen::Map<Eigen::VectorXf>(below, In).noalias() = w.transpose() * d.col(0);
      w.noalias() -= (kStep * d.col(0)) * Eigen::Map<const Eigen::VectorXf>(x, In).transpose();
    } else {
      if (below != nullptr) Eigen::Map<Matrix>(below, In, Samples).noalias() = w.transpose() * d;
      w.noalias() -= kStep * d * View(x, In, Samples).transpose();
    }
    b.noalias() -= kStep * d.rowwise().sum();
  }
};

template <const Workload& Work>
using Program = LayerProgram<Work, Layer>;

}  // namespace

namespace opponents {
std::span<const Opponent> eigen_dynamic() { return rows<Program>("eigen_dynamic"); }
}  // namespace opponents
}  // namespace compare
