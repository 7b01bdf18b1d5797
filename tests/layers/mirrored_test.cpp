// Layers that commute with a mirror: exactly, through training, in half the multiply-adds, with the gradients of their function.
#include <emmy/layers/mirrored.hpp>

#include <emmy/net/init.hpp>
#include <emmy/parametrize/tied.hpp>
#include <emmy/train/trainer.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

// A controller of 13 sensors: five pairs left and right, of which one with a sign; speed stays, roll and yaw turn.
struct Sensors {
  static constexpr Signed of(int i) {
    if (i < 10) return {i ^ 1, i / 2 == 3 ? -1 : 1};
    return {i, i == 10 ? 1 : -1};
  }
};
template <int Size>
struct Reversed {  // hidden units, outputs
  static constexpr Signed of(int i) { return {Size - 1 - i, 1}; }
};
struct Steering {  // throttle stays, steering turns
  static constexpr Signed of(int i) { return {i, i == 0 ? 1 : -1}; }
};

template <class S>
using Controller = Net<Scalar<S>, Input<13>, Mirrored<18, Sensors, Reversed<18>>, Relu,
                       Mirrored<10, Reversed<18>, Reversed<10>, NoBias>, Tanh, Mirrored<2, Reversed<10>, Steering>>;

template <class Mirror, int Size, class S>
void reflect(const S* from, S* to) {
  for (int i = 0; i < Size; ++i) to[Mirror::of(i).index] = static_cast<S>(Mirror::of(i).sign) * from[i];
}

template <class S>
struct MirroredTest : testing::Test {};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(MirroredTest, Scalars);

// As the issue has it: bit-identical mirrored outputs through 10,000 steps.
TYPED_TEST(MirroredTest, IsExactThroughTraining) {
  using N = Controller<TypeParam>;
  static Trainer<N, BasicMomentum<TypeParam>, 3> trainer{};
  Scratch<N, 3, Infer> scratch{};
  fixture::Data<N, 3> data{};
  Pcg32 rng{7};
  init(trainer.params, rng);
  int moved = 0;
  for (int t = 0; t < 10000; ++t) {
    data.refill(rng, false);
    for (int r = 0; r < 3; ++r) {
      const TypeParam* x = data.x + 13 * r;
      data.values[2 * r] = x[10] + x[0] * x[1];
      data.values[2 * r + 1] = x[2] - x[3] + x[11] + TypeParam(0.1);  // an offset that no odd output has
    }
    ASSERT_EQ(trainer
                  .step(data.x, data.values, SquaredError{},
                        BasicMomentum<TypeParam>{TypeParam(0.02), TypeParam(0.5), TypeParam(0.001)})
                  .status,
              Status::ok);
    if (t % 100 != 0) continue;
    TypeParam mirrored[3 * 13], y[3 * 2], z[3 * 2], want[3 * 2];
    for (int r = 0; r < 3; ++r) reflect<Sensors, 13>(data.x + 13 * r, mirrored + 13 * r);
    ASSERT_EQ(infer(trainer.params, trainer.buffers, scratch, data.x, y), Status::ok);
    ASSERT_EQ(infer(trainer.params, trainer.buffers, scratch, mirrored, z), Status::ok);
    for (int r = 0; r < 3; ++r) reflect<Steering, 2>(y + 2 * r, want + 2 * r);
    for (int i = 0; i < 6; ++i) ASSERT_EQ(z[i], want[i]) << t;  // every bit, but that of a 0
    moved += std::fabs(y[0]) > TypeParam(0.01) && std::fabs(y[1]) > TypeParam(0.01);
  }
  EXPECT_GT(moved, 80);
  EXPECT_TRUE(fixture::pads_are_zero<N>(trainer.params.data));
}

TEST(MirroredCount, TakesHalfTheMultiplyAdds) {
  using N = Net<Input<13>, Mirrored<64, Sensors, Reversed<64>>, Relu, Mirrored<64, Reversed<64>, Reversed<64>>, Relu,
                Mirrored<4, Reversed<64>, Reversed<4>>>;
  int adds = 0;
  for (const auto& block : kPlan<N>.block) adds += block.role == Role::latent ? block.rows * block.cols : 0;
  EXPECT_LE(adds, 0.52 * (13 * 64 + 64 * 64 + 64 * 4));
}

TYPED_TEST(MirroredTest, GradientIsTheSlopeOfTheLoss) {
  using N = Controller<TypeParam>;
  constexpr int kBatch = 4;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, kBatch, Train<BasicSgd<TypeParam>>> scratch{};
  Gradient<N> g{}, slope{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{9};
  fixture::randomise(params, rng, 0.6);
  data.refill(rng, false);
  const auto loss = [&] {
    const auto r = gradient<false>(params, buffers, scratch, data.x, data.values, SquaredError{}, kBatch,
                                   TypeParam(1) / kBatch, g);
    EXPECT_EQ(r.status, Status::ok);
    return static_cast<double>(r.loss);
  };
  (void)loss();
  slope = g;
  EXPECT_TRUE(fixture::pads_are_zero<N>(slope.data));
  const TypeParam h = sizeof(TypeParam) == 4 ? TypeParam(0x1p-8) : TypeParam(1e-6);
  double largest = 0;
  for (const auto& block : kPlan<N>.block)
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) {
        const int at = block.at(i, o);
        const TypeParam kept = params.data[at];
        params.data[at] = kept + h;
        const double above = loss();
        params.data[at] = kept - h;
        const double below = loss();
        params.data[at] = kept;
        ASSERT_NEAR((above - below) / (2 * static_cast<double>(h)), slope.data[at],
                    sizeof(TypeParam) == 4 ? 2e-3 : 1e-8)
            << at;
        largest = std::fmax(largest, std::fabs(static_cast<double>(slope.data[at])));
      }
  EXPECT_GT(largest, 0.05);
}

// The weights that it stands for commute and are as large as a Dense draws them, channels that belong to no pair included.
TEST(MirroredWeights, CommuteAndAreDrawnAsThoseOfADense) {
  constexpr int kIn = 13, kOut = 7;
  using N = Net<Scalar<double>, Input<kIn>, Mirrored<kOut, Sensors, Reversed<kOut>, NoBias>>;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, 1, Infer> scratch{};
  Pcg32 rng{4};
  double squares = 0;
  constexpr int kDraws = 400;
  for (int n = 0; n < kDraws; ++n) {
    init(params, rng);
    double w[kIn][kOut], of_parameters = 0, of_weights = 0;
    for (int i = 0; i < kIn; ++i) {
      double x[kIn] = {};
      x[i] = 1;
      ASSERT_EQ(infer(params, buffers, scratch, x, w[i]), Status::ok);
      for (const double v : w[i]) of_weights += v * v;
    }
    for (int i = 0; i < kIn; ++i)
      for (int o = 0; o < kOut; ++o)
        ASSERT_EQ(w[Sensors::of(i).index][kOut - 1 - o], Sensors::of(i).sign * w[i][o]) << i << ", " << o;
    for (const double v : params.data) of_parameters += v * v;
    ASSERT_NEAR(of_weights, of_parameters, 1e-12) << "an orthonormal basis";
    squares += of_weights;
  }
  EXPECT_NEAR(squares / (kDraws * kIn * kOut), 2.0 / kIn, 0.005) << "the variance of He";
}

}  // namespace
