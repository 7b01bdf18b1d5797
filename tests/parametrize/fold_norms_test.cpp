// From a net with BatchNorm to the same function without.
#include <emmy/parametrize/fold_norms.hpp>

#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets

struct Head;
struct Body;
template <class S>
using Vectors = Net<Scalar<S>, Input<7>, Named<Head, Dense<9, NoBias>>, BatchNorm<WithBias, 1, 64>, Relu, Dense<5>,
                    Tanh, Frozen<Dense<1>>, Named<Body, BatchNorm<NoBias>>>;
template <class S>
using Windows = Net<Scalar<S>, Input<6, 4, 2>, Conv2d<5, 2, 2, NoBias, Same>, BatchNorm<>, Relu,
                    DepthwiseConv2d<2, 2, NoBias>, Frozen<BatchNorm<>>, Flatten, Dense<3>, BatchNorm<WithBias, 0>>;
template <class S>
using Signal = Net<Scalar<S>, Input<9, 3>, Conv1d<6, 2>, BatchNorm<>, Relu, MaxPool<2>, Conv1d<4, 2, NoBias>,
                   BatchNorm<NoBias>, Flatten, Dense<2>>;

static_assert(
    std::is_same_v<normless_of<Vectors<float>>,
                   Net<Scalar<float>, Input<7>, Named<Head, Dense<9>>, Relu, Dense<5>, Tanh, Frozen<Dense<1>>>>);
static_assert(
    std::is_same_v<normless_of<Windows<double>>, Net<Scalar<double>, Input<6, 4, 2>, Conv2d<5, 2, 2, WithBias, Same>,
                                                     Relu, DepthwiseConv2d<2, 2, WithBias>, Flatten, Dense<3>>>);

template <class N>
struct FoldNorms : testing::Test {};
using Nets = testing::Types<Vectors<float>, Vectors<double>, Windows<float>, Windows<double>, Signal<double>>;
TYPED_TEST_SUITE(FoldNorms, Nets);

TYPED_TEST(FoldNorms, KeepsTheFunction) {
  using N = TypeParam;
  using S = typename N::scalar;
  using Target = normless_of<N>;
  constexpr int kBatch = 4;
  static_assert(kPlan<Target>.buffers == 0);
  Trainer<N, BasicMomentum<S>, kBatch> trainer{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{71};
  fixture::randomise(trainer.params, rng, 0.7);
  Params<Target> to;
  Scratch<N, kBatch, Infer> scratch;
  Scratch<Target, kBatch, Infer> folded;
  [[maybe_unused]] Buffers<Target> none;
  for (int k = 0; k < 4; ++k) {  // before the first step too
    for (S& v : to.data) v = S(7);
    fold_norms(trainer.params, trainer.buffers, to);
    EXPECT_TRUE(fixture::pads_are_zero<Target>(to.data));
    data.refill(rng, false);
    S y[kBatch * N::kOutputs], z[kBatch * N::kOutputs];
    ASSERT_EQ(infer(trainer.params, trainer.buffers, scratch, data.x, y), Status::ok);
    ASSERT_EQ(infer(to, none, folded, data.x, z), Status::ok);
    double largest = 0;
    for (const S v : y) largest = std::fmax(largest, std::fabs(static_cast<double>(v)));
    EXPECT_GT(largest, 0.1);
    for (std::size_t i = 0; i < std::size(y); ++i)
      ASSERT_NEAR(y[i], z[i], largest * (sizeof(S) == 4 ? 4e-6 : 1e-14)) << k;
    for (int s = 0; s < 3; ++s) {
      data.refill(rng, false);
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, BasicMomentum<S>{S(0.05), S(0.5)}).status,
                Status::ok);
    }
  }
}

}  // namespace
