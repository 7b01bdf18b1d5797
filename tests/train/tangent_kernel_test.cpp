// The tangent kernel: the gradient of any loss is J' delta, and its square delta' K delta.
#include <emmy/train/tangent_kernel.hpp>

#include <tests/train/fixture.hpp>

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

constexpr int kBatch = 4;
using Plain = Net<Scalar<double>, Input<3>, Dense<6>, Tanh, Dense<5>, Relu, Dense<3>>;
using Ending = Net<Scalar<double>, Input<4, 2>, Conv1d<3, 2>, Relu, Parametrized<Dense<2>, WeightNorm>, Tanh>;
using Batched = Net<Scalar<double>, Input<3>, Dense<6>, emmy::BatchNorm<>, Relu, Frozen<Dense<4>>, Tanh, Dense<2>>;

template <class N>
struct Kernel : testing::Test {
  static constexpr int kOutputs = TangentKernel<N, kBatch>::kOutputs;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, kBatch, Train<void>> scratch{};
  std::unique_ptr<TangentKernel<N, kBatch>> kernel = std::make_unique<TangentKernel<N, kBatch>>();
  fixture::Data<N, kBatch> data{};
  Gradient<N> g{};
  double y[kOutputs], delta[kOutputs];
};
using Nets = testing::Types<Plain, Ending, Batched>;
TYPED_TEST_SUITE(Kernel, Nets);

TYPED_TEST(Kernel, TellsTheGradientOfAnyLoss) {
  Pcg32 rng{83};
  for (int k = 0; k < 10; ++k) {
    fixture::randomise(this->params, rng, 0.9);
    this->data.refill(rng, false);
    ASSERT_EQ(tangent_kernel(this->params, this->buffers, this->scratch, this->data.x, this->y, *this->kernel),
              Status::ok);
    const auto r = gradient<false>(this->params, this->buffers, this->scratch, this->data.x, this->data.values,
                                   SquaredError{}, kBatch, 1.0 / kBatch, this->g);
    ASSERT_EQ(r.status, Status::ok);
    double loss = 0, largest = 0;
    for (int o = 0; o < this->kOutputs; ++o) {
      this->delta[o] = (this->y[o] - this->data.values[o]) / kBatch;
      loss += kBatch * this->delta[o] * this->delta[o] / 2;
    }
    ASSERT_NEAR(r.loss, loss, 1e-14 * (1 + loss)) << "the outputs are those of forward";
    for (const auto& block : kPlan<TypeParam>.block)
      for (int i = 0; block.trained && i < block.size(); ++i) {
        double sum = 0;
        for (int o = 0; o < this->kOutputs; ++o) sum += this->delta[o] * this->kernel->row[o].data[block.offset + i];
        ASSERT_NEAR(sum, this->g.data[block.offset + i], 1e-14);
        largest = std::fmax(largest, std::fabs(sum));
      }
    ASSERT_GT(largest, 1e-3);
    const double square = inner_product(this->g, this->g);
    ASSERT_NEAR(energy_rate(*this->kernel, static_cast<const double*>(this->delta)), square, 1e-13 * (1 + square));
    for (int o = 0; o < this->kOutputs; ++o)
      for (int p = 0; p < o; ++p) {
        ASSERT_EQ(this->kernel->k[o][p], this->kernel->k[p][o]);
        ASSERT_LE(std::fabs(this->kernel->k[o][p]),
                  std::sqrt(this->kernel->k[o][o] * this->kernel->k[p][p]) * (1 + 1e-12));
      }
  }
}

TYPED_TEST(Kernel, RefusesWhatIsNotFinite) {
  this->data.x[1] = std::nan("");
  EXPECT_EQ(tangent_kernel(this->params, this->buffers, this->scratch, this->data.x, this->y, *this->kernel),
            Status::not_finite);
}

}  // namespace
