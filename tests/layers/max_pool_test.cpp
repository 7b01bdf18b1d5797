// emmy/layers/max_pool.hpp: shapes, and nets with pooling at every place against double loops and finite differences.
#include <emmy/layers/max_pool.hpp>
#include <emmy/train/trainer.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>
#include <tests/train/fixture.hpp>

#include <cstring>
#include <limits>

namespace {

using emmy::Conv1d;
using emmy::Dense;
using emmy::Input;
using emmy::MaxPool;
using emmy::Relu;
using support::check_net;

TEST(MaxPool, StatesItsShape) {
  static_assert(std::is_same_v<emmy::output_shape<MaxPool<2>, emmy::Shape<124, 16>>, emmy::Shape<62, 16>>);
  static_assert(std::is_same_v<emmy::output_shape<MaxPool<3>, emmy::Shape<11, 5>>, emmy::Shape<3, 5>>);
  static_assert(std::is_empty_v<MaxPool<2>>);
  SUCCEED();  // the compiler has checked it
}

TEST(MaxPool, OfTheInput) { check_net<3, Input<7, 3>, MaxPool<2>, Dense<5>, Relu, Dense<2>>(51); }
TEST(MaxPool, BeforeItsActivation) { check_net<3, Input<8, 5>, Dense<6>, MaxPool<3>, Relu, Conv1d<3, 2>>(52); }
TEST(MaxPool, BehindActivationsOfEitherKind) {
  check_net<2, Input<9, 4>, Dense<17>, emmy::Tanh, MaxPool<2>, Dense<5>, emmy::PowerRelu<2>, MaxPool<2>, Dense<3>>(53);
}
// Its gradient is added to that of the skip; the activation before it has two readers.
TEST(MaxPool, InsideAResidual) {
  check_net<3, Input<4, 3>, Dense<6>, Relu, emmy::Residual<MaxPool<1>, Dense<6>>, MaxPool<4>, Dense<2>>(54);
}
TEST(MaxPool, Last) { check_net<3, Input<6, 4>, Dense<5>, Relu, MaxPool<3>>(55); }
TEST(MaxPool, OfPooling) { check_net<2, Input<13, 3>, Dense<4>, Relu, MaxPool<2>, MaxPool<3>, Dense<3>>(56); }

// kPool, and what a step makes of it (kPooled): it does not read a tensor that only a pool sees, nor its delta.
template <int Tensor, int Pool, class... Layers>
void expect_stands_for() {
  using Net = emmy::Net<emmy::Scalar<double>, Layers...>;
  static_assert(emmy::inner::kPooled<Net, Tensor> == Pool);
  constexpr bool kSaturates = (__is_same(Layers, emmy::Tanh) || ...);
  constexpr int kBatch = 2;
  emmy::Trainer<Net, emmy::BasicSgd<double>, kBatch> trainer{};
  support::Random random(61);
  double x[kBatch * Net::kInputs], y[kBatch * Net::kOutputs];
  for (double& v : x) v = random();
  for (double& v : y) v = random();
  emmy::Pcg32 rng{61};
  fixture::randomise(trainer.params, rng, 1);
  const emmy::Memory<Net, kBatch, true> m{trainer.params.data, nullptr, trainer.scratch.data, x};
  emmy::forward_pass(m);
  std::memcpy(m.template delta<Net::kNodes>(), m.template act<Net::kNodes>(),
              sizeof(double) * kBatch * emmy::padded<double>(Net::kOutputs));
  emmy::backward_pass(m);
  emmy::inner::Totals<Net> totals;
  emmy::NoLedger none;
  emmy::inner::inspect_all(m, totals, none);
  constexpr auto kTensor = emmy::kPlan<Net>.tensor[Tensor];
  double squares = 0;
  for (int k = 0; k < kBatch * kTensor.positions * kTensor.stride; ++k)
    squares += m.template delta<Tensor>()[k] * m.template delta<Tensor>()[k];
  EXPECT_GT(squares, 0);
  EXPECT_LE(squares, totals.delta[Tensor] * (1 + 1e-12));

  // Biases of the layer before it, after a step: the next one believes that weights are finite.
  const emmy::BasicSgd<double> rule{1e-3};
  ASSERT_EQ(trainer.step(x, y, emmy::SquaredError{}, rule).status, emmy::Status::ok);
  const auto biases = emmy::kPlan<Net>.block[1];
  using L = std::numeric_limits<double>;
  for (const double bad : {L::quiet_NaN(), L::infinity(), 1e200}) {
    if (kSaturates && bad == bad) continue;  // 1, and no gradient
    for (int o = 0; o < biases.cols; ++o) {
      auto spoilt = trainer;
      spoilt.params.data[biases.offset + o] = bad;
      const auto before = spoilt.params;
      EXPECT_EQ(spoilt.step(x, y, emmy::SquaredError{}, rule).status, emmy::Status::not_finite) << bad;
      EXPECT_EQ(std::memcmp(&before, &spoilt.params, sizeof before), 0) << bad;
    }
  }
}
TEST(MaxPool, StandsForTheTensorThatItAloneSees) {
  expect_stands_for<1, 3, Input<7, 4>, Conv1d<3, 2>, Relu, MaxPool<2>, emmy::Flatten, Dense<2>>();
  expect_stands_for<1, 2, Input<7, 4>, Conv1d<3, 2>, MaxPool<4>, Dense<2>, emmy::Last>();
  expect_stands_for<1, 3, Input<7, 4>, Dense<3>, emmy::Tanh, emmy::AvgPool<2>, Dense<2>, emmy::Last>();
  expect_stands_for<1, 3, Input<7, 4>, Dense<3>, Relu, emmy::GlobalAvgPool, Dense<2>>();
  expect_stands_for<1, 0, Input<7, 4>, Dense<3>, emmy::PowerRelu<2>, MaxPool<2>, Dense<2>, emmy::Last>();  // slope > 1
  expect_stands_for<1, 0, Input<4, 3>, Dense<6>, emmy::Residual<MaxPool<1>, Dense<6>>, Dense<2>, emmy::Last>();
}

}  // namespace
