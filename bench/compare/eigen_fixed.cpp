// Eigen with fixed-size matrices, features x batch in its own column-major order, products without temporaries.
// Convolutions are products with overlapping columns, without a copy of windows.
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

template <Affine Own, int Samples, Activation Act>
struct Stage : ArrayStage<Own, Samples, Act> {
  using Base = ArrayStage<Own, Samples, Act>;
  using Base::delta, Base::kEdge, Base::kInputs, Base::kOut, Base::kRows, Base::y;
  static constexpr int kKernel = kEdge + 1, kBelow = kRows + kEdge;
  template <int Rows, int Cols>
  using Matrix = Eigen::Matrix<float, Rows, Cols>;
  template <int Rows, int Cols>
  using View = Eigen::Map<Matrix<Rows, Cols>, Eigen::Aligned64>;
  template <int Rows, int Cols>
  using Windows = Eigen::Map<const Matrix<Rows, Cols>, 0, Eigen::OuterStride<>>;
  View<kOut, Own.in> w{Base::w[0]}, g{Base::g[0]};
  View<kOut, 1> b{Base::b};
  Matrix<Own.step, kKernel * kOut> turned;  // transposed, last position first

  const float* forward(const float* x) {
    for (int s = 0; s < Samples; ++s) {
      View<kOut, kRows> rows(y[s][0]);
      rows.noalias() = w * Windows<Own.in, kRows>(x + s * kInputs, Eigen::OuterStride<>(Own.step));
      rows.colwise() += b;
      rows = rows.cwiseMax(0.0f);
      this->pool(s);
    }
    return this->outputs();
  }
  void backward(const float* x, const float* above, float* below) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    if (below != nullptr)
      for (int k = 0; k < kKernel; ++k)
        turned.template middleCols<kOut>((kEdge - k) * kOut) =
            w.template middleCols<Own.step>(k * Own.step).transpose();
    g.setZero();
    Matrix<kOut, 1> db = Matrix<kOut, 1>::Zero();
    for (int s = 0; s < Samples; ++s) {
      this->unpool(s, above + s * this->kPooled * kOut);
      const Eigen::Map<const Matrix<kOut, kRows>> d(delta[s][kEdge]);
      if (below != nullptr)
        Eigen::Map<Matrix<Own.step, kBelow>>(below + s * kInputs).noalias() =
            turned * Windows<kKernel * kOut, kBelow>(delta[s][0], Eigen::OuterStride<>(kOut));
      g.noalias() += d * Windows<Own.in, kRows>(x + s * kInputs, Eigen::OuterStride<>(Own.step)).transpose();
      db += d.rowwise().sum();
    }
    w -= kStep * g;
    b -= kStep * db;
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
using Program = LayerProgram<Work, Layer, EigenLoss, Stage>;

}  // namespace

namespace opponents {
std::span<const Opponent> eigen_fixed() { return rows<Program, true>("eigen_fixed"); }
}  // namespace opponents
}  // namespace compare
