// Parameters from plain arrays, at compile time.
#include <emmy/net/pack.hpp>

#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/parametrize/product.hpp>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets

// Every kind of block; no width is a multiple of a vector.
using Mixed = Net<Input<2>, Dense<3>, Relu, Parametrized<Dense<2, NoBias>, Product>, Tanh, Dense<1>>;
constexpr float kW0[] = {1, 2, 3, 4, 5, 6}, kB0[] = {7, 8, 9};
constexpr float kU[] = {10, 11, 12, 13, 14, 15}, kV[] = {16, 17, 18, 19, 20, 21};
constexpr float kW2[] = {22, 23}, kB2[] = {24};
constexpr Params<Mixed> kPacked = packed<Mixed>(kW0, kB0, kU, kV, kW2, kB2);

TEST(Pack, PutsEveryValueInItsPlaceAndZerosBetween) {
  int logical = 0;
  float next = 1;
  for (const auto& block : kPlan<Mixed>.block) {
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o, ++logical)
        EXPECT_EQ(kPacked.data[block.at(i, o)], next++)
            << "block at " << block.offset << ", row " << i << ", column " << o;
    for (int k = 0; k < block.size(); ++k) {
      if (block.is_weight(k)) continue;
      EXPECT_EQ(kPacked.data[block.offset + k], 0.0f) << "pad " << k << " of block at " << block.offset;
    }
  }
  EXPECT_EQ(logical, 24);
}

TEST(Pack, IsReadByLayerAndTag) {
  static_assert(kPacked.weight<Layer<0>>(2, 1) == 6.0f && kPacked.bias<Layer<0>>(1) == 8.0f);
  static_assert(kPacked.weight<Layer<4>>(0, 1) == 23.0f && kPacked.bias<Layer<4>>(0) == 24.0f);
}

}  // namespace
