// A healthy unit of layer 0, all of whose incoming groups are deleted by hand. The targets are what the net said with it.
#pragma once

#include <emmy/parametrize/certificate.hpp>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace emmy {

// groups: those that unit 0 has weights in; what else is in them goes too.
template <class N>
void check_deleted_unit(const std::vector<int>& groups) {
  constexpr int kRows = 16, kCount = Groups<N, Layer<0>>::kCount;
  constexpr double kLambda = 1e-6;
  using Plain = plain_of<N>;
  for (const double bias : {0.0, -0.25, 0.25}) {
    Params<N> params{};
    Params<Plain> plain{};
    State<N, BasicSgd<double>> state{};
    fixture::Data<N, kRows> data{};
    Pcg32 rng{4};
    data.refill(rng, false);
    fixture::randomise(params, rng, 3);
    const auto effective = [&] {
      fold(params, plain);
      for (int o = 0; o < node_at<N, 0>::out::kSize; ++o) plain.template bias<Layer<0>>(o) = bias;
    };
    effective();
    Buffers<Plain> buffers{};
    Scratch<Plain, kRows, Infer> forward{};
    double targets[kRows * N::kOutputs];
    ASSERT_EQ(infer(plain, buffers, forward, data.x, targets), Status::ok);
    for (const int g : groups) snap<Layer<0>>(params, state, g);
    effective();
    Scratch<Plain, kRows, Train<BasicSgd<double>>> scratch{};
    Gradient<Plain> full{};
    const auto r = gradient<false>(plain, buffers, scratch, data.x, targets, SquaredError{}, kRows, 1.0 / kRows, full);
    ASSERT_EQ(r.status, Status::ok);
    EXPECT_GT(r.loss, 1e-3) << "it was healthy";
    double margin[kCount];
    EXPECT_EQ((margins<Layer<0>, N>(plain, full, kLambda, margin)),
              bias == 0 ? Status::not_differentiable : Status::ok);
    for (int g = 0; g < kCount; ++g)
      EXPECT_TRUE(std::isfinite(margin[g]) || std::find(groups.begin(), groups.end(), g) != groups.end()) << g;
    for (const int g : groups) {
      const auto said = verdict(margin[g], kLambda);
      EXPECT_EQ(said.certified, bias < 0) << g << " " << bias;
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      if (bias < 0) {
        EXPECT_EQ(margin[g], kLambda) << "dead for every input";
      } else if (bias > 0) {
        EXPECT_LT(margin[g], -kLambda) << "linear: the gradient tells";
      } else {
        EXPECT_EQ(margin[g], -kInfinity);
        EXPECT_EQ(said.suggested_decay, kInfinity) << "no decay would do";
      }
    }
  }
}

}  // namespace emmy
