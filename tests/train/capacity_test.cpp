// emmy/train/capacity.hpp: live, distinct and independent units, and the alarm.
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/init.hpp>
#include <emmy/train/capacity.hpp>

#include <gtest/gtest.h>

#include <limits>

namespace {

using emmy::Capacity;
using emmy::CollapseAlarm;
using emmy::Dense;
using emmy::Input;
using emmy::Layer;

template <class Activation>
using NetWith = emmy::Net<emmy::Scalar<double>, Input<6>, Dense<8>, Activation, Dense<3>>;

template <class Activation>
struct Units {
  using Net = NetWith<Activation>;
  emmy::Params<Net> params{};

  Units() {
    emmy::Pcg32 rng{5};
    emmy::init(params, rng);
    for (int j = 0; j < 8; ++j) params.template bias<Layer<0>>(j) = 0.1 * (j + 1);
  }
  // Unit `to` takes c times what comes in to `from`, and keeps what it sends on.
  void copy(int from, int to, double c) {
    for (int i = 0; i < 6; ++i) params.template weight<Layer<0>>(to, i) = c * params.template weight<Layer<0>>(from, i);
    params.template bias<Layer<0>>(to) = c * params.template bias<Layer<0>>(from);
  }
  void mute(int j) {
    for (int o = 0; o < 3; ++o) params.template weight<Layer<2>>(o, j) = 0;
  }
  [[nodiscard]] Capacity<double> now() const { return emmy::capacity<Layer<0>>(params, 1e-3); }
};

TEST(Capacity, AllUnitsAtFirst) {
  const auto now = Units<emmy::Relu>{}.now();
  EXPECT_EQ(now.live, 8);
  EXPECT_EQ(now.distinct, 8);
  EXPECT_GT(now.rank, 4);
}

TEST(Capacity, ACopyIsNoUnitOfItsOwn) {
  Units<emmy::Relu> relu;
  relu.copy(0, 5, 3);
  EXPECT_EQ(relu.now().distinct, 7);
  relu.copy(0, 6, -1);  // answers where the other is silent
  EXPECT_EQ(relu.now().distinct, 7);
  relu.copy(0, 6, 1 + 1e-9);
  relu.params.bias<Layer<0>>(6) *= 1.0005;
  EXPECT_EQ(relu.now().distinct, 6);  // within `part`
  relu.params.bias<Layer<0>>(6) *= 2;
  EXPECT_EQ(relu.now().distinct, 7);
  EXPECT_EQ(relu.now().live, 8);

  Units<emmy::Tanh> tanh;  // not homogeneous: 3 x saturates earlier than x
  tanh.copy(0, 5, 3);
  EXPECT_EQ(tanh.now().distinct, 8);
  tanh.copy(0, 5, 1);
  EXPECT_EQ(tanh.now().distinct, 7);
}

TEST(Capacity, DeadUnitsCountForNothing) {
  Units<emmy::Relu> net;
  net.copy(2, 3, 1);
  net.mute(2);  // and its copy is one of a kind again
  const auto now = net.now();
  EXPECT_EQ(now.live, 7);
  EXPECT_EQ(now.distinct, 7);
}

TEST(CollapseAlarm, RingsBelowItsShareOfAnyOfThem) {
  CollapseAlarm<double> alarm;
  Units<emmy::Relu> net;
  alarm.begin(net.now());
  EXPECT_FALSE(alarm.note(net.now()));
  for (int j = 0; j < 4; ++j) net.mute(j);
  EXPECT_FALSE(alarm.note({4, 8, 8}));
  EXPECT_TRUE(alarm.note({3, 8, 8}));
  EXPECT_TRUE(alarm.note({8, 3, 8}));
  EXPECT_TRUE(alarm.note({8, 8, 0.49 * alarm.first.rank}));
  EXPECT_TRUE(alarm.note({8, 8, std::numeric_limits<double>::quiet_NaN()}));
  net.mute(4);
  EXPECT_TRUE(alarm.note(net.now()));

  Units<emmy::Relu> ensemble;  // all live, none of its own
  for (int j = 1; j < 8; ++j) ensemble.copy(0, j, j);
  EXPECT_EQ(ensemble.now().live, 8);
  EXPECT_EQ(ensemble.now().distinct, 1);
  EXPECT_TRUE(alarm.note(ensemble.now()));
}

}  // namespace
