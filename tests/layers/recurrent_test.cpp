// emmy/layers/recurrent.hpp: blocks, places of weights, first values, and nets against double loops and differences.
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/hash.hpp>
#include <emmy/net/init.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

#include <algorithm>

namespace {

using emmy::Dense;
using emmy::Gru;
using emmy::Input;
using emmy::Last;
using emmy::Layer;
using emmy::Relu;
using emmy::Rnn;
using emmy::Tanh;
using support::check_net;

TEST(Recurrent, StatesItsBlocks) {
  constexpr auto kRnn = emmy::blocks_of<Rnn<5>, emmy::Shape<7, 3>>();
  static_assert(kRnn.kCount == 3 && kRnn.block[0].rows == 3 && kRnn.block[1].rows == 5 && kRnn.block[2].rows == 1);
  constexpr auto kGru = emmy::blocks_of<Gru<5>, emmy::Shape<7, 3>>();
  static_assert(kGru.kCount == 3 && kGru.block[0].rows == 9 && kGru.block[1].rows == 15 && kGru.block[2].rows == 4);
  for (const auto& block : kGru.block) EXPECT_EQ(block.cols, 5);
  static_assert(kRnn.block[2].role == emmy::Role::bias && kGru.block[2].role == emmy::Role::bias);
  static_assert(std::is_same_v<emmy::output_shape<Rnn<5>, emmy::Shape<7, 3>>, emmy::Shape<7, 5>>);
  static_assert(std::is_same_v<emmy::output_shape<Gru<5>, emmy::Shape<7, 3>>, emmy::Shape<7, 5>>);
  static_assert(std::is_same_v<emmy::output_shape<Last, emmy::Shape<7, 3>>, emmy::Shape<1, 3>>);
  static_assert(std::is_empty_v<Rnn<5>> && std::is_empty_v<Gru<5>> && std::is_empty_v<Last>);
}

TEST(Rnn, OfTheInputAndItsLastState) { check_net<3, Input<6, 4>, Rnn<5>, Last, Dense<3>>(401); }
TEST(Rnn, OfUnitsBeforeAndAfterIt) { check_net<7, Input<5, 3>, Dense<6>, Tanh, Rnn<9, Relu>, Dense<2>>(402); }
TEST(Rnn, OnePositionAndTheLastLayer) { check_net<2, Input<1, 5>, Rnn<17>, Rnn<4, emmy::LeakyRelu<1, 4>>>(403); }
// Its gradient is added to that of the skip; what it makes has two readers.
TEST(Rnn, InsideAResidual) {
  check_net<2, Input<4, 6>, Rnn<7>, emmy::Residual<Rnn<7, Relu>, emmy::LayerNorm<>>, Relu, Last, Dense<2>>(404);
}
TEST(Rnn, BeforeAFlattenOfWholePads) { check_net<2, Input<3, 2>, Rnn<16>, emmy::Flatten, Dense<3>>(405); }
TEST(Gru, OfTheInputAndItsLastState) { check_net<3, Input<6, 4>, Gru<5>, Last, Dense<3>>(411); }
TEST(Gru, OfUnitsBeforeAndAfterIt) { check_net<7, Input<5, 3>, Dense<6>, Relu, Gru<9>, Tanh, Dense<2>>(412); }
TEST(Gru, OnePositionAndTheLastLayer) { check_net<2, Input<1, 5>, Gru<17>, Gru<4>>(413); }
TEST(Gru, InsideAResidual) { check_net<2, Input<4, 6>, Gru<6>, emmy::Residual<Gru<6>>, Last, Dense<2>>(414); }
TEST(Gru, Frozen) { check_net<2, Input<4, 3>, Dense<5>, emmy::Frozen<Gru<6>>, Last, Dense<2>>(415); }
TEST(Last, OfTheInputAndBehindAnActivation) {
  check_net<3, Input<4, 3>, Last, Dense<5>, Tanh>(416);
  check_net<3, Input<4, 3>, Dense<5>, Relu, Last, Dense<3>>(418);
}

// The weights of PyTorch's GRU, gate after gate (r, z, n): weight_ih [3 U][I], weight_hh [3 U][U], two biases [3 U].
TEST(Gru, TakesTheWeightsOfPyTorch) {
  constexpr int kT = 3, kI = 2, kU = 2;
  using Net = emmy::Net<emmy::Scalar<double>, Input<kT, kI>, Gru<kU>>;
  static emmy::Params<Net> params;
  emmy::Buffers<Net> buffers;
  static emmy::Scratch<Net, 1, emmy::Infer> scratch;
  support::Random random(7);
  double ih[3 * kU][kI], hh[3 * kU][kU], b_ih[3 * kU], b_hh[3 * kU], x[kT * kI], y[kT * kU], h[kU] = {};
  for (auto& row : ih) std::generate(row, row + kI, random);
  for (auto& row : hh) std::generate(row, row + kU, random);
  for (double* v : {b_ih, b_hh}) std::generate(v, v + 3 * kU, random);
  std::generate(x, x + kT * kI, random);
  for (int gate = 0; gate < 3; ++gate) {
    for (int o = 0; o < kU; ++o) {
      const int row = gate * kU + o;
      for (int i = 0; i < kI; ++i) params.weight<Layer<0>>(o, i, gate) = ih[row][i];
      for (int i = 0; i < kU; ++i) params.recurrent_weight<Layer<0>>(o, i, gate) = hh[row][i];
      params.bias<Layer<0>>(o, gate) = gate == 2 ? b_ih[row] : b_ih[row] + b_hh[row];
      if (gate == 2) params.bias<Layer<0>>(o, 3) = b_hh[row];
    }
  }
  ASSERT_EQ(emmy::infer(params, buffers, scratch, x, y), emmy::Status::ok);
  for (int t = 0; t < kT; ++t) {
    double next[kU];
    for (int o = 0; o < kU; ++o) {
      double of_x[3], of_h[3];
      for (int gate = 0; gate < 3; ++gate) {
        const int row = gate * kU + o;
        of_x[gate] = b_ih[row] + ih[row][0] * x[t * kI] + ih[row][1] * x[t * kI + 1];
        of_h[gate] = b_hh[row] + hh[row][0] * h[0] + hh[row][1] * h[1];
      }
      const double r = 1 / (1 + std::exp(-of_x[0] - of_h[0])), z = 1 / (1 + std::exp(-of_x[1] - of_h[1]));
      next[o] = (1 - z) * std::tanh(of_x[2] + r * of_h[2]) + z * h[o];
    }
    for (int o = 0; o < kU; ++o) EXPECT_NEAR(y[t * kU + o], h[o] = next[o], 1e-15) << t;
  }
}

// Each gate by itself: limits are those of its own fans, biases 0 or as wide as asked for.
TEST(Recurrent, DrawsEveryGateAsAMatrix) {
  using Net = emmy::Net<Input<4, 5>, Gru<24>, Rnn<6, Relu>, Last, Dense<2>>;
  static emmy::Params<Net> params;
  emmy::Pcg32 rng{3};
  const auto top = [&](int block) {
    const auto& b = emmy::kPlan<Net>.block[block];
    float most = 0;
    for (int i = 0; i < b.rows; ++i) {
      for (int o = 0; o < b.cols; ++o) most = std::fmax(most, std::fabs(params.data[b.at(i, o)]));
    }
    return most;
  };
  const auto expect_limit = [&](int block, double limit) {
    EXPECT_LE(static_cast<double>(top(block)), limit) << block;
    EXPECT_GE(static_cast<double>(top(block)), 0.85 * limit) << block;
  };
  emmy::init(params, rng);
  const double he[] = {std::sqrt(6.0 / 5), std::sqrt(6.0 / 24), 0, std::sqrt(6.0 / 24), 1.0, 0};
  for (int b = 0; b < 6; ++b) expect_limit(b, he[b]);
  const auto hash = emmy::weight_hash(params);
  emmy::init(params, rng, emmy::Glorot{});
  const double glorot[] = {std::sqrt(6.0 / 29), std::sqrt(6.0 / 48), 0, std::sqrt(6.0 / 30), std::sqrt(6.0 / 12), 0};
  for (int b = 0; b < 6; ++b) expect_limit(b, glorot[b]);
  EXPECT_NE(emmy::weight_hash(params), hash);
  emmy::init(params, rng, emmy::Uniform<float>{0.5f});
  for (int b = 0; b < 5; ++b) expect_limit(b, 0.5);
  EXPECT_GT(top(5), 0.3f);  // of six
}

}  // namespace
