// emmy/layers/max_pool.hpp: shapes, and nets with pooling at every place against double loops and finite differences.
#include <emmy/layers/max_pool.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Conv1d;
using emmy::Dense;
using emmy::Input;
using emmy::MaxPool;
using emmy::Relu;
using support::check_net;

TEST(MaxPool, StatesItsShape) {
  static_assert(std::is_same_v<emmy::output_shape<MaxPool<2>, emmy::Shape<124, 16>>, emmy::Shape<62, 16>>);
  static_assert(std::is_same_v<emmy::output_shape<MaxPool<3>, emmy::Shape<11, 5>>, emmy::Shape<3, 5>>);
  static_assert(std::is_empty_v<MaxPool<2>>);
  SUCCEED();  // the compiler has checked it
}

TEST(MaxPool, OfTheInput) { check_net<3, Input<7, 3>, MaxPool<2>, Dense<5>, Relu, Dense<2>>(51); }
TEST(MaxPool, BeforeItsActivation) { check_net<3, Input<8, 5>, Dense<6>, MaxPool<3>, Relu, Conv1d<3, 2>>(52); }
TEST(MaxPool, BehindActivationsOfEitherKind) {
  check_net<2, Input<9, 4>, Dense<17>, emmy::Tanh, MaxPool<2>, Dense<5>, emmy::PowerRelu<2>, MaxPool<2>, Dense<3>>(53);
}
// Its gradient is added to that of the skip; the activation before it has two readers.
TEST(MaxPool, InsideAResidual) {
  check_net<3, Input<4, 3>, Dense<6>, Relu, emmy::Residual<MaxPool<1>, Dense<6>>, MaxPool<4>, Dense<2>>(54);
}
TEST(MaxPool, Last) { check_net<3, Input<6, 4>, Dense<5>, Relu, MaxPool<3>>(55); }
TEST(MaxPool, OfPooling) { check_net<2, Input<13, 3>, Dense<4>, Relu, MaxPool<2>, MaxPool<3>, Dense<3>>(56); }

}  // namespace
