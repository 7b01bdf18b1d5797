// Eigen with fixed-size matrices, features x batch in its own column-major order, products without temporaries.
#include <bench/compare/workload.hpp>

#include <Eigen/Dense>

namespace compare {
namespace {

template <int In, int Out, int Samples>
struct Layer {
  using Inputs = Eigen::Matrix<float, In, Samples>;
  using Outputs = Eigen::Matrix<float, Out, Samples>;
  Eigen::Matrix<float, Out, In> w;
  Eigen::Matrix<float, Out, 1> b;

  template <class X>
  void forward(const X& x, Outputs& y) const {
    y.noalias() = w * x;
    y.colwise() += b;
  }
  template <class X>
  void update(const X& x, const Outputs& delta) {
    constexpr float kStep = kRate / static_cast<float>(Samples);
    w.noalias() -= (kStep * delta) * x.transpose();
    b.noalias() -= kStep * delta.rowwise().sum();
  }
  const float* take(const float* weights) {
    w = Eigen::Map<const Eigen::Matrix<float, Out, In, Eigen::RowMajor>>(weights);
    b = Eigen::Map<const Eigen::Matrix<float, Out, 1>>(weights + Out * In);
    return weights + Out * (In + 1);
  }
  float* give(float* weights) const {
    Eigen::Map<Eigen::Matrix<float, Out, In, Eigen::RowMajor>>{weights} = w;
    Eigen::Map<Eigen::Matrix<float, Out, 1>>{weights + Out* In} = b;
    return weights + Out * (In + 1);
  }
};

template <const Workload& Work>
struct Program {
  static constexpr int kIn = Work.size[0], kHidden = Work.size[1], kOut = Work.size[2], kSamples = Work.batch;
  static_assert(Work.layers == 2);
  using First = Layer<kIn, kHidden, kSamples>;
  using Second = Layer<kHidden, kOut, kSamples>;
  static inline First first;
  static inline Second second;
  static inline typename First::Outputs h, below;
  static inline typename Second::Outputs y, delta;

  static void reset(const float* weights) { second.take(first.take(weights)); }
  static void read(float* weights) { second.give(first.give(weights)); }
  static float step(const Batch& batch) {
    const Eigen::Map<const typename First::Inputs, Eigen::Aligned64> x(batch.x);
    first.forward(x, h);
    h = h.cwiseMax(0.0f);
    second.forward(h, y);

    const Eigen::Array<float, 1, kSamples> top = y.colwise().maxCoeff();
    delta = (y.array().rowwise() - top).exp();
    const Eigen::Array<float, 1, kSamples> sum = delta.colwise().sum();
    delta.array().rowwise() /= sum;
    float loss = (top + sum.log()).sum();
    for (int s = 0; s < kSamples; ++s) {
      loss -= y(batch.labels[s], s);
      delta(batch.labels[s], s) -= 1.0f;
    }

    below.noalias() = second.w.transpose() * delta;
    below.array() *= (h.array() > 0.0f).template cast<float>();
    second.update(h, delta);
    first.update(x, below);
    return loss / static_cast<float>(kSamples);
  }
};

constexpr Opponent kAll[] = {
    opponent<Program<kDigits1>>("Eigen 3.4 fixed size", kDigits1),
    opponent<Program<kDigits16>>("Eigen 3.4 fixed size", kDigits16),
};

}  // namespace

namespace opponents {
std::span<const Opponent> eigen_fixed() { return kAll; }
}  // namespace opponents
}  // namespace compare
