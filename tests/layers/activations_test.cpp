// emmy/layers/activations.hpp: every activation first on unpadded input, fused into the layer before it, fused into the
// layer after it, fused into both, into none, and last.
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Dense;
using emmy::Input;

template <class A>
class Activations : public testing::Test {};
using Types = testing::Types<emmy::Identity, emmy::Relu, emmy::LeakyRelu<1, 8>, emmy::PowerRelu<2>,
                             emmy::PowerRelu<3, 2>, emmy::Tanh, emmy::Sigmoid, emmy::Silu, emmy::GeluTanh>;
TYPED_TEST_SUITE(Activations, Types);

TYPED_TEST(Activations, InEveryPlaceOfANet) {
  using A = TypeParam;
  support::check_net<3, Input<7>, A, Dense<9>, A, A, Dense<5>, A, Dense<3>, A>(11);
}

// No weights: nothing to train, forward and infer only.
TYPED_TEST(Activations, AloneAsANet) {
  support::check_against_reference(support::NetObjects<emmy::Net<Input<2, 17>, TypeParam>, 3>::get(), 12);
}

// Its slope is 1 - y^2, which is that of tanh up to 4e-5 and not of the approximation: central differences would differ.
TEST(Activations, FastTanhInEveryPlaceOfANet) {
  using A = emmy::FastTanh;
  using Wide = emmy::Net<emmy::Scalar<double>, Input<7>, A, Dense<9>, A, A, Dense<5>, A, Dense<3>, A>;
  using Single = emmy::Net<Input<2, 17>, A, Dense<9>, A>;
  support::check_against_reference(support::NetObjects<Wide, 3>::get(), 15);
  support::check_against_reference(support::NetObjects<Single, 1>::get(), 16);
}

// Not of itself: e^e^x leaves no digits for differences.
TEST(Activations, ExpInPlacesOfANet) {
  support::check_net<3, Input<7>, emmy::Exp, Dense<9>, emmy::Exp, emmy::Tanh, Dense<5>, emmy::Tanh, emmy::Exp, Dense<3>,
                     emmy::Tanh, emmy::Exp>(17);
}

TEST(Activations, OfDifferentKindsInOneNet) {
  support::check_net<4, Input<3, 5>, emmy::Tanh, Dense<6>, emmy::Sigmoid, Dense<7>, emmy::PowerRelu<2>, emmy::Tanh,
                     Dense<4>, emmy::LeakyRelu<>>(14);
}

}  // namespace
