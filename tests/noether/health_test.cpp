// Planted bugs: layers, activations and a loss of the user's that are wrong on purpose turn health() red; the same text
// without a bug does not.
#include <tests/train/fixture.hpp>

#include <algorithm>

#include <gtest/gtest.h>
#include <tests/support/scalars.hpp>

namespace suspect {

enum class Bug {
  none,
  bias_gradient_missing,
  relu_mask_missing,
  slope_mismatch,
  stale_weight,         // backward reads one weight that is 1e-3 off
  weights_transposed,   // backward multiplies by W instead of W^T (square layer)
  column_dropped,       // the last output's weights get no gradient
  row_dropped,          // the last input's weights get no gradient
  sample_dropped,       // the last sample counts in dy of one layer only
  accumulated_twice,    // dx is added twice
  gradient_transposed,  // dW of the square layer
  softmax_normaliser,   // p does not add up to 1
};
inline Bug bug = Bug::none;
inline int site = 0;  // of the layer that has it

inline bool here(Bug b, int layer) { return bug == b && site == layer; }

// Dense, number Site of its net.
template <int Out, int Site>
struct Layer : emmy::Dense<Out> {};

// Hands the gradient on, damaged: to the check sums as to the update, for both come from the same wrong product.
template <class Visitor, int Pad, int Site>
struct Damaged {
  Visitor& visitor;
  int in, out;

  template <int M, class S>
  void damage(int row, const S* g, S* to) const {
    std::copy(g, g + M * Pad, to);
    for (int m = 0; m < M; ++m) {
      if (here(Bug::column_dropped, Site)) to[m * Pad + out - 1] = 0;
      if (here(Bug::row_dropped, Site) && row + m == in - 1) std::fill_n(to + m * Pad, Pad, S(0));
    }
  }
  template <int M, class S>
  void check(int row, std::integral_constant<int, M> count, const S* g) {
    alignas(emmy::kAlign<S>) S wrong[M * Pad];
    damage<M>(row, g, wrong);
    visitor.check(row, count, static_cast<const S*>(wrong));
  }
  template <int Local, int M, class S>
  void rows(int row, std::integral_constant<int, M> count, const S* g) {
    alignas(emmy::kAlign<S>) S wrong[M * Pad];
    if constexpr (Local == 0) damage<M>(row, g, wrong);
    else
      for (int o = 0; o < Pad; ++o) wrong[o] = here(Bug::bias_gradient_missing, Site) ? S(0) : g[o];
    visitor.template rows<Local>(row, count, static_cast<const S*>(wrong));
  }
  template <class S>
  void check_bias(const S* g) {
    alignas(emmy::kAlign<S>) S wrong[Pad];
    for (int o = 0; o < Pad; ++o) wrong[o] = here(Bug::bias_gradient_missing, Site) ? S(0) : g[o];
    visitor.check_bias(static_cast<const S*>(wrong));
  }
};

// A square matrix of padded rows, mirrored.
template <int N, int Stride, class S>
void mirror(const S* from, S* to) {
  for (int i = 0; i < N; ++i)
    for (int o = 0; o < N; ++o) to[i * Stride + o] = from[o * Stride + i];
}

template <int Out, int Site, class F, class Visitor>
void gradients(Layer<Out, Site>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  F wrong = f;
  alignas(emmy::kAlign<S>) S x[F::kInRows * F::kInStride], dy[F::kOutRows * F::kOutStride];
  std::copy_n(f.x, F::kInRows * F::kInStride, x);
  std::copy_n(f.dy, F::kOutRows * F::kOutStride, dy);
  if (here(Bug::sample_dropped, Site)) std::fill_n(x + (F::kInRows - 1) * F::kInStride, F::kIn, S(0));
  // (x^T dy)^T = dy^T x
  if constexpr (F::kInStride == F::kOutStride && F::kIn == F::kOut)
    if (here(Bug::gradient_transposed, Site)) std::swap_ranges(x, x + F::kInRows * F::kInStride, dy);
  wrong.x = x;
  wrong.dy = dy;
  Damaged<Visitor, F::kOutStride, Site> damaged{visitor, F::kIn, F::kOut};
  emmy::gradients(emmy::Dense<Out>{}, wrong, damaged);
}

template <bool kAdd, int Out, int Site, class F, class Below>
void backward(Layer<Out, Site>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  F wrong = f;
  alignas(emmy::kAlign<S>) S w[F::kIn * F::kOutStride];
  std::copy_n(f.params, F::kIn * F::kOutStride, w);
  if (here(Bug::stale_weight, Site)) w[F::kOutStride + 1] += S(1e-3);
  if constexpr (F::kIn == F::kOut)
    if (here(Bug::weights_transposed, Site)) mirror<F::kIn, F::kOutStride>(f.params, w);
  wrong.params = w;
  emmy::backward<kAdd>(emmy::Dense<Out>{}, wrong, below);
  if (here(Bug::accumulated_twice, Site)) emmy::backward<true>(emmy::Dense<Out>{}, wrong, below);
}

template <class Right, Bug Mine, int Site>
struct Activation : Right {};
template <class V, class Right, Bug Mine, int Site>
V activate(Activation<Right, Mine, Site>, V x) noexcept {
  return emmy::activate(Right{}, x);
}
template <class V, class Right, Bug Mine, int Site>
V derivative_from_output(Activation<Right, Mine, Site>, V y) noexcept {
  if (!here(Mine, Site)) return emmy::derivative_from_output(Right{}, y);
  if constexpr (Mine == Bug::relu_mask_missing) return emmy::simd::set(emmy::simd::Scalar<V>(1));
  else return emmy::derivative_from_output(emmy::LeakyRelu<1, 16>{}, y);
}

struct CrossEntropy : emmy::CrossEntropy {};
template <int Rows, int Cols, class T>
T loss_and_delta(CrossEntropy, const T* y, const int* labels, int rows, T scale, T* dy) noexcept {
  const T loss = emmy::loss_and_delta<Rows, Cols>(emmy::CrossEntropy{}, y, labels, rows, scale, dy);
  for (int r = 0; r < rows && bug == Bug::softmax_normaliser; ++r)
    for (int o = 0; o < Cols; ++o) {
      T& d = dy[r * emmy::padded<T>(Cols) + o];
      const T target = o == labels[r] ? scale : T(0);
      d = (d + target) * T(1.001) - target;
    }
  return loss;
}

}  // namespace suspect

namespace {

using suspect::Bug;

template <class S>
using Net = emmy::Net<emmy::Scalar<S>, emmy::Input<7>, suspect::Layer<9, 0>,
                      suspect::Activation<emmy::Relu, Bug::relu_mask_missing, 0>, suspect::Layer<9, 1>,
                      suspect::Activation<emmy::LeakyRelu<1, 8>, Bug::slope_mismatch, 1>, suspect::Layer<3, 2>>;

template <class S>
struct Health : testing::Test {
  static constexpr int kBatch = 6;
  // The worst health of the first ten steps; the worst ratio of a Noether identity.
  struct Verdict {
    double health, noether;
  };
  static Verdict train(Bug bug, int site) {
    suspect::bug = bug;
    suspect::site = site;
    emmy::Trainer<Net<S>, emmy::BasicSgd<S>, kBatch> trainer{};
    emmy::Ledger<Net<S>> ledger{};
    fixture::Data<Net<S>, kBatch> data{};
    emmy::Pcg32 rng{41};
    fixture::randomise(trainer.params, rng, 0.8);
    Verdict v{0, 0};
    for (int k = 0; k < 10; ++k) {
      data.refill(rng, false);
      const auto r =
          trainer.step(data.x, data.label, suspect::CrossEntropy{}, emmy::BasicSgd<S>{S(0.05), S(1e-3)}, ledger);
      EXPECT_EQ(r.status, emmy::Status::ok);
    }
    v.health = static_cast<double>(ledger.worst_health());
    const auto add = [&](const emmy::Extremes<S>& e) {
      v.noether = std::fmax(v.noether, static_cast<double>(e.noether_ratio));
    };
    add(ledger.template extremes<emmy::Rescaling<emmy::Layer<1>>>());
    add(ledger.template extremes<emmy::Rescaling<emmy::Layer<3>>>());
    add(ledger.template extremes<emmy::Translation<emmy::Layer<4>>>());
    suspect::bug = Bug::none;
    return v;
  }
  // Each of these bugs breaks the identity of some unit: the charges see them without the check sums.
  static void expect_red(Bug bug, int site) {
    const Verdict v = train(bug, site);
    EXPECT_GT(v.health, 1.0) << "bug " << static_cast<int>(bug) << " in layer " << site;
    EXPECT_GT(v.noether, 1.0) << "bug " << static_cast<int>(bug) << " in layer " << site;
  }
};
using Scalars = support::Scalars;
TYPED_TEST_SUITE(Health, Scalars);

TYPED_TEST(Health, IsGreenWithoutABug) {
  const auto v = TestFixture::train(Bug::none, 0);
  EXPECT_LE(v.health, 1.0);
  EXPECT_LE(v.noether, 1.0);
  EXPECT_GT(v.health, 0.0);
}
// Deltas whose squares underflow, and smaller ones, until they are 0.
TYPED_TEST(Health, IsGreenWhileAnswersAreConfident) {
  using S = TypeParam;
  const int first = sizeof(S) == 4 ? 30 : 250, last = sizeof(S) == 4 ? 120 : 800;
  emmy::Trainer<Net<S>, emmy::BasicSgd<S>, TestFixture::kBatch> trainer{};
  for (int lead = first; lead < last; lead += 2) {
    emmy::Ledger<Net<S>> ledger{};
    fixture::Data<Net<S>, TestFixture::kBatch> data{};
    emmy::Pcg32 rng{43};
    fixture::randomise(trainer.params, rng, 0.8);
    trainer.state = {};
    trainer.params.template bias<emmy::Layer<4>>(1) = S(lead);
    data.refill(rng, false);
    for (int& label : data.label) label = 1;
    for (int k = 0; k < 3; ++k) {
      const auto r =
          trainer.step(data.x, data.label, suspect::CrossEntropy{}, emmy::BasicSgd<S>{S(0.05), S(0)}, ledger);
      ASSERT_EQ(r.status, emmy::Status::ok);
      ASSERT_LE(ledger.health(), 1) << "ahead by " << lead;
    }
  }
}
// Hidden biases only: the gradient of the output bias adds up to 0 under softmax, and so do zeros.
TYPED_TEST(Health, SeesAMissingBiasGradient) {
  TestFixture::expect_red(Bug::bias_gradient_missing, 0);
  TestFixture::expect_red(Bug::bias_gradient_missing, 1);
}
TYPED_TEST(Health, SeesAMissingReluMask) { TestFixture::expect_red(Bug::relu_mask_missing, 0); }
TYPED_TEST(Health, SeesASlopeThatIsNotTheForwardOne) { TestFixture::expect_red(Bug::slope_mismatch, 1); }
TYPED_TEST(Health, SeesAStaleWeightInBackward) {
  TestFixture::expect_red(Bug::stale_weight, 1);
  TestFixture::expect_red(Bug::stale_weight, 2);
}
TYPED_TEST(Health, SeesTransposedWeightsInBackward) { TestFixture::expect_red(Bug::weights_transposed, 1); }
TYPED_TEST(Health, SeesADroppedColumn) {
  for (int site = 0; site < 3; ++site) TestFixture::expect_red(Bug::column_dropped, site);
}
TYPED_TEST(Health, SeesADroppedRow) {
  for (int site = 0; site < 3; ++site) TestFixture::expect_red(Bug::row_dropped, site);
}
TYPED_TEST(Health, SeesASampleDroppedInOneLayer) {
  for (int site = 0; site < 3; ++site) TestFixture::expect_red(Bug::sample_dropped, site);
}
TYPED_TEST(Health, SeesDeltasAccumulatedTwice) {
  TestFixture::expect_red(Bug::accumulated_twice, 1);
  TestFixture::expect_red(Bug::accumulated_twice, 2);
}
TYPED_TEST(Health, SeesATransposedGradient) { TestFixture::expect_red(Bug::gradient_transposed, 1); }
TYPED_TEST(Health, SeesAWrongSoftmaxNormaliser) { TestFixture::expect_red(Bug::softmax_normaliser, 0); }

}  // namespace
