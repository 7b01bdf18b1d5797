// Residual<...>: y = x + f(x), its gradient added where two paths meet.
#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::Relu;
using emmy::Residual;
using support::check_net;

TEST(Residual, BetweenTwoHiddenLayers) {
  check_net<5, Input<6>, Dense<9>, Relu, Residual<Dense<7>, Relu, Dense<9>>, Relu, Dense<3>>(21);
}
TEST(Residual, FirstOnUnpaddedInputAndLast) {
  check_net<3, Input<5>, Residual<Dense<5>, emmy::Tanh>, Dense<6>, Relu, Dense<3>,
            Residual<Dense<3>, emmy::Tanh, Dense<3>>>(22);
}
TEST(Residual, OnAnImageWithFrozenInside) {
  check_net<2, Input<3, 5>, Dense<6>, Residual<emmy::Frozen<Dense<11>>, Relu, Dense<6>>, emmy::Sigmoid, Dense<2>>(24);
}
// The inner activation may not work in place: the skip still needs its input.
TEST(Residual, StartsWithAnActivation) {
  check_net<3, Input<5>, Dense<6>, Residual<Relu, Dense<6>>, Residual<emmy::Tanh>, Dense<2>>(25);
}
TEST(Residual, InsideAResidual) {
  check_net<3, Input<4>, Dense<5>, Residual<Dense<7>, Relu, Residual<Dense<7>, emmy::Tanh>, Dense<5>>, Relu,
            Residual<Residual<Dense<5>>>, Dense<2>>(26);
}
TEST(Residual, ActivationThatNeedsItsInputAfterTheSum) {
  check_net<3, Input<5>, Dense<6>, Residual<Dense<6>, emmy::PowerRelu<3, 2>>, emmy::PowerRelu<2>, Dense<3>>(27);
}

}  // namespace
