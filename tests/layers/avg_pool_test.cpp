// emmy/layers/avg_pool.hpp: shapes, and nets with means at every place against double loops and finite differences.
#include <emmy/layers/avg_pool.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::AvgPool;
using emmy::Conv1d;
using emmy::Dense;
using emmy::GlobalAvgPool;
using emmy::Input;
using emmy::Relu;
using support::check_net;

TEST(AvgPool, StatesItsShape) {
  static_assert(std::is_same_v<emmy::output_shape<AvgPool<2>, emmy::Shape<124, 16>>, emmy::Shape<62, 16>>);
  static_assert(std::is_same_v<emmy::output_shape<AvgPool<3>, emmy::Shape<11, 5>>, emmy::Shape<3, 5>>);
  static_assert(std::is_same_v<emmy::output_shape<GlobalAvgPool, emmy::Shape<11, 5>>, emmy::Shape<5>>);
  static_assert(std::is_empty_v<AvgPool<2>> && std::is_empty_v<GlobalAvgPool>);
  SUCCEED();  // the compiler has checked it
}

TEST(AvgPool, OfTheInput) { check_net<3, Input<7, 3>, AvgPool<2>, Dense<5>, Relu, Dense<2>>(61); }
TEST(AvgPool, BeforeItsActivation) { check_net<3, Input<8, 5>, Dense<6>, AvgPool<3>, Relu, Conv1d<3, 2>>(62); }
TEST(AvgPool, BehindActivationsOfEitherKind) {
  check_net<2, Input<9, 4>, Dense<17>, emmy::Tanh, AvgPool<2>, Dense<5>, emmy::PowerRelu<2>, AvgPool<2>, Dense<3>>(63);
}
// Its gradient is added to that of the skip; the activation before it has two readers.
TEST(AvgPool, InsideAResidual) {
  check_net<3, Input<4, 3>, Dense<6>, Relu, emmy::Residual<AvgPool<1>, Dense<6>>, AvgPool<4>, Dense<2>>(64);
}
TEST(AvgPool, Last) { check_net<3, Input<6, 4>, Dense<5>, Relu, AvgPool<3>>(65); }
TEST(GlobalAvgPool, BeforeDense) { check_net<3, Input<12, 3>, Conv1d<5, 4>, Relu, GlobalAvgPool, Dense<2>>(66); }
TEST(GlobalAvgPool, LastAndOfOnePosition) {
  check_net<2, Input<6, 4>, Dense<5>, emmy::Tanh, GlobalAvgPool>(67);
  check_net<2, Input<3, 4>, Conv1d<5, 3>, Relu, GlobalAvgPool, Dense<1>>(68);
}

}  // namespace
