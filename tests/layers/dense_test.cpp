// emmy/layers/dense.hpp: shapes and blocks, and whole nets against double loops and finite differences.
#include <emmy/layers/dense.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::NoBias;
using emmy::Relu;
using support::check_net;

TEST(Dense, StatesItsShapeAndBlocks) {
  static_assert(std::is_same_v<emmy::output_shape<Dense<10>, emmy::Shape<64>>, emmy::Shape<10>>);
  static_assert(std::is_same_v<emmy::output_shape<Dense<10>, emmy::Shape<5, 7>>, emmy::Shape<5, 10>>);
  constexpr auto kBoth = emmy::blocks_of<Dense<10>, emmy::Shape<64>>();
  static_assert(kBoth.kCount == 2 && kBoth.block[0].rows == 64 && kBoth.block[0].cols == 10 &&
                kBoth.block[0].role == emmy::Role::weight);
  static_assert(kBoth.block[1].rows == 1 && kBoth.block[1].cols == 10 && kBoth.block[1].role == emmy::Role::bias);
  constexpr auto kWeights = emmy::blocks_of<Dense<10, NoBias>, emmy::Shape<5, 7>>();
  static_assert(kWeights.kCount == 1 && kWeights.block[0].rows == 7 && kWeights.block[0].cols == 10);
  static_assert(sizeof(Dense<10>) == 1 && std::is_empty_v<Dense<10>>);
  SUCCEED();  // the compiler has checked it
}

TEST(Dense, TwoHiddenLayers) { check_net<7, Input<7>, Dense<9>, Relu, Dense<5>, Relu, Dense<3>>(1); }
TEST(Dense, WithoutBias) {
  check_net<5, Input<6>, Dense<17, NoBias>, Relu, Dense<5, NoBias>, Relu, Dense<2, NoBias>>(2);
}
TEST(Dense, MixedBiasAndNoActivation) { check_net<3, Input<5>, Dense<4>, Dense<8, NoBias>, Dense<3>>(3); }
TEST(Dense, WidthsOfOne) { check_net<2, Input<1>, Dense<1>, Dense<1>, Dense<1>>(4); }
TEST(Dense, FewOutputsOfWholePads) {
  check_net<3, Input<32>, Dense<4>, Relu, Dense<16, NoBias>, Relu, Dense<10>, Dense<16>, Dense<2, NoBias>>(8);
}
TEST(Dense, TheDemo) {
  using Net = emmy::Net<Input<64>, Dense<32>, Relu, Dense<10>>;
  support::check_against_reference(support::NetObjects<Net, 1>::get(), 5);
  support::check_against_reference(support::NetObjects<Net, 16>::get(), 6);
}
// Dense acts on the channels of every position; x has rows of 3, not padded.
TEST(Dense, OnAnImage) { check_net<3, Input<2, 4, 3>, Dense<5>, Relu, Dense<17>, Relu, Dense<2>>(7); }

}  // namespace
