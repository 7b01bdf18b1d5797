// A net with drawn weights on a drawn batch, and its loss and gradient.
#pragma once

#include <gtest/gtest.h>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

namespace fixture {

template <class N>
struct RandomNet : testing::Test {
  using Real = typename N::scalar;
  static constexpr int kBatch = 4;
  emmy::Params<N> params{};
  emmy::Buffers<N> buffers{};
  emmy::Scratch<N, kBatch, emmy::Train<emmy::BasicSgd<Real>>> scratch{};
  emmy::Gradient<N> g{};
  Data<N, kBatch> data{};
  emmy::Pcg32 rng{47};

  void SetUp() override {
    randomise(params, rng, 0.9);
    data.refill(rng, false);
  }
  Real loss() {
    const auto r = emmy::gradient<false>(params, buffers, scratch, data.x, data.values, emmy::SquaredError{}, kBatch,
                                         Real(1) / Real(kBatch), g);
    EXPECT_EQ(r.status, emmy::Status::ok);
    return r.loss;
  }
};

}  // namespace fixture
