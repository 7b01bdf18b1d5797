// emmy/layers/attention.hpp: blocks, places of weights, first values, angles, masks, and nets against double loops and differences.
#include <emmy/layers/attention.hpp>
#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

#include <algorithm>

namespace {

using emmy::Attention;
using emmy::Causal;
using emmy::Dense;
using emmy::HeadRole;
using emmy::Input;
using emmy::Layer;
using emmy::NoBias;
using emmy::NoOutputBias;
using emmy::OutputChannels;
using emmy::Relu;
using emmy::Rope;
using support::check_net;

TEST(Attention, StatesItsBlocks) {
  using L = Attention<2, 5, OutputChannels<7>>;
  constexpr auto kAll = emmy::blocks_of<L, emmy::Shape<4, 3>>();
  static_assert(kAll.kCount == 8 && emmy::blocks_of<Attention<2, 5, NoOutputBias>, emmy::Shape<4, 3>>().kCount == 7 &&
                emmy::blocks_of<Attention<2, 5, NoBias, Causal>, emmy::Shape<4, 3>>().kCount == 4);
  for (int b = 0; b < 3; ++b) {
    EXPECT_TRUE(kAll.block[b].rows == 6 && kAll.block[b].cols == 5);
    EXPECT_TRUE(kAll.block[4 + b].rows == 1 && kAll.block[4 + b].cols == 10);
  }
  static_assert(kAll.block[3].rows == 10 && kAll.block[3].cols == 7 && kAll.block[7].cols == 7);
  static_assert(std::is_same_v<emmy::output_shape<L, emmy::Shape<4, 3>>, emmy::Shape<4, 7>>);
  static_assert(std::is_same_v<emmy::output_shape<Attention<2, 5>, emmy::Shape<4, 3>>, emmy::Shape<4, 3>>);
  static_assert(std::is_empty_v<L>);
}

TEST(Attention, OfTheInput) { check_net<3, Input<5, 3>, Attention<1, 4>, emmy::Last, Dense<2>>(501); }
TEST(Attention, SeveralHeadsBetweenUnits) {
  check_net<2, Input<6, 4>, Dense<5>, Relu, Attention<3, 7, OutputChannels<6>>, Relu, Dense<3>>(502);
}
TEST(Attention, CausalInAResidual) {
  check_net<2, Input<7, 6>, emmy::Residual<emmy::LayerNorm<>, Attention<2, 3, Causal>>, Dense<2>>(503);
}
TEST(Attention, OfAsManyPositionsAndColumnsAsLanes) {
  check_net<2, Input<16, 2>, Attention<2, 16, NoBias>>(504);
  check_net<2, Input<17, 2>, Attention<1, 17, Causal, NoOutputBias>, emmy::Last>(505);
}
TEST(Attention, WithRotaryPositions) {
  check_net<3, Input<5, 3>, Dense<4>, emmy::Tanh, Attention<2, 6, Rope<>>, emmy::Last, Dense<2>>(506);
  check_net<2, Input<9, 4>, Attention<1, 10, Rope<100>, Causal, NoBias>>(507);
}
TEST(Attention, OnePositionAndOneColumn) { check_net<2, Input<1, 3>, Attention<2, 1>, Attention<1, 2, Rope<>>>(508); }
TEST(Attention, Frozen) {
  check_net<2, Input<4, 3>, Dense<5>, emmy::Frozen<Attention<2, 4>>, emmy::Flatten, Dense<2>>(509);
}

// What comes later changes nothing before it.
TEST(Attention, AMaskHidesWhatComesLater) {
  constexpr int kT = 6, kC = 3;
  using Net = emmy::Net<emmy::Scalar<double>, Input<kT, kC>, Attention<2, 4, Causal, Rope<>>>;
  static emmy::Params<Net> params;
  static emmy::Buffers<Net> buffers;
  static emmy::Scratch<Net, 1, emmy::Infer> scratch;
  support::Random random(9);
  emmy::Pcg32 rng{5};
  emmy::init(params, rng, emmy::Uniform<double>{0.7});
  double x[kT * kC], y[kT * kC], z[kT * kC];
  std::generate(x, x + kT * kC, random);
  ASSERT_EQ(emmy::infer(params, buffers, scratch, x, y), emmy::Status::ok);
  for (int t = 0; t < kT; ++t) {
    const double kept = x[t * kC];
    x[t * kC] += 0.5;
    ASSERT_EQ(emmy::infer(params, buffers, scratch, x, z), emmy::Status::ok);
    for (int k = 0; k < kT * kC; ++k) EXPECT_EQ(y[k] != z[k], k >= t * kC) << t << ' ' << k;
    x[t * kC] = kept;
  }
}

// The angles that PyTorch code and papers write as position * base^(-2 m / size).
TEST(Rope, TurnsByThePowersOfItsBase) {
  using Angles = emmy::detail::RopeAngles<10000>;
  for (const int planes : {1, 2, 5, 32})
    for (int m = 0; m < planes; ++m)
      for (const int t : {0, 1, 7, 500}) {
        const double want = t * std::pow(10000.0, -static_cast<double>(m) / planes);
        EXPECT_NEAR(Angles::angle(t, m, planes), want, 4e-15 * planes * want);
      }
  constexpr const auto& table = emmy::detail::kTurns<double, Angles, 40, 6>;
  for (int t = 0; t < 40; ++t)
    for (int m = 0; m < 3; ++m) {
      const double angle = Angles::angle(t, m, 3);
      const int at = t * table.kStride + 2 * m;
      EXPECT_NEAR(table.cosine[at], std::cos(angle), 2e-16 * (1 + angle));
      EXPECT_NEAR(table.last[at + 1], std::sin(angle), 2e-16 * (1 + angle));
      EXPECT_EQ(table.next[at], -table.last[at + 1]);
      EXPECT_EQ(table.cosine[at], table.cosine[at + 1]);
      EXPECT_EQ(table.next[at + 1], 0);
      EXPECT_EQ(table.last[at], 0);
    }
  static_assert(emmy::detail::kInverseRoot<4> == 0.5 && emmy::detail::kInverseRoot<1> == 1);
  EXPECT_NEAR(emmy::detail::kInverseRoot<3>, 1 / std::sqrt(3.0), 2e-16);
  EXPECT_NEAR(emmy::detail::kInverseRoot<80>, 1 / std::sqrt(80.0), 3e-17);
}

// The weights of PyTorch's MultiheadAttention: in_proj_weight [3 H D][C], in_proj_bias [3 H D], out_proj [C][H D] and bias [C].
TEST(Attention, TakesTheWeightsOfPyTorch) {
  constexpr int kT = 3, kC = 4, kH = 2, kD = 2;
  using Net = emmy::Net<emmy::Scalar<double>, Input<kT, kC>, Attention<kH, kD>>;
  static emmy::Params<Net> params;
  static emmy::Buffers<Net> buffers;
  static emmy::Scratch<Net, 1, emmy::Infer> scratch;
  support::Random random(7);
  double in[3 * kH * kD][kC], in_bias[3 * kH * kD], out[kC][kH * kD], out_bias[kC], x[kT][kC], y[kT * kC];
  for (auto& row : in) std::generate(row, row + kC, random);
  for (auto& row : out) std::generate(row, row + kH * kD, random);
  for (auto& row : x) std::generate(row, row + kC, random);
  std::generate(in_bias, in_bias + 3 * kH * kD, random);
  std::generate(out_bias, out_bias + kC, random);
  for (int role = 0; role < 3; ++role)
    for (int h = 0; h < kH; ++h)
      for (int d = 0; d < kD; ++d) {
        const int row = (role * kH + h) * kD + d;
        for (int c = 0; c < kC; ++c) params.head_weight<Layer<0>>(HeadRole(role), d, c, h) = in[row][c];
        params.head_bias<Layer<0>>(HeadRole(role), d, h) = in_bias[row];
        for (int c = 0; c < kC; ++c) params.output_weight<Layer<0>>(c, d, h) = out[c][h * kD + d];
      }
  auto* const last = params.data + emmy::kPlan<Net>.block[7].offset;
  std::copy(out_bias, out_bias + kC, last);
  ASSERT_EQ(emmy::infer(params, buffers, scratch, &x[0][0], y), emmy::Status::ok);
  const auto of = [&](int role, int t, int h, int d) {
    const int row = (role * kH + h) * kD + d;
    double sum = in_bias[row];
    for (int c = 0; c < kC; ++c) sum += in[row][c] * x[t][c];
    return sum;
  };
  for (int t = 0; t < kT; ++t)
    for (int c = 0; c < kC; ++c) {
      double want = out_bias[c];
      for (int h = 0; h < kH; ++h) {
        double p[kT], sum = 0;
        for (int j = 0; j < kT; ++j)
          sum += p[j] = std::exp((of(0, t, h, 0) * of(1, j, h, 0) + of(0, t, h, 1) * of(1, j, h, 1)) / std::sqrt(2.0));
        for (int j = 0; j < kT; ++j)
          for (int d = 0; d < kD; ++d) want += out[c][h * kD + d] * p[j] / sum * of(2, j, h, d);
      }
      EXPECT_NEAR(y[t * kC + c], want, 1e-14);
    }
}

// Each head by itself, Wo as one matrix; all biases or none.
TEST(Attention, DrawsEveryHeadAsAMatrix) {
  using Net = emmy::Net<Input<4, 6>, Attention<4, 24>>;
  static emmy::Params<Net> params;
  emmy::Pcg32 rng{3};
  const auto expect_limit = [&](int block, double limit) {
    const auto& b = emmy::kPlan<Net>.block[block];
    double most = 0;
    for (int i = 0; i < b.rows; ++i)
      for (int o = 0; o < b.cols; ++o) most = std::fmax(most, std::fabs(static_cast<double>(params.data[b.at(i, o)])));
    EXPECT_LE(most, limit) << block;
    EXPECT_GE(most, 0.8 * limit) << block;
  };
  emmy::init(params, rng);
  for (int b = 0; b < 8; ++b) expect_limit(b, b < 3 ? 1.0 : b == 3 ? 0.25 : 0.0);
  emmy::init(params, rng, emmy::Glorot{});
  for (int b = 0; b < 8; ++b) expect_limit(b, b < 3 ? std::sqrt(6.0 / 30) : b == 3 ? std::sqrt(6.0 / 102) : 0.0);
  emmy::init(params, rng, emmy::Uniform<float>{0.5f});
  for (int b = 0; b < 7; ++b) expect_limit(b, 0.5);
  EXPECT_GT(params.bias<Layer<0>>(0), -0.51f);
}

}  // namespace
