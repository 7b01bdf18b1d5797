// Parallel<...>: y = f(x) + g(x) or f(x) g(x), its gradients through both branches; Glu, which is one.
#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

#include <type_traits>

namespace {

using emmy::Add;
using emmy::Branch;
using emmy::Dense;
using emmy::Glu;
using emmy::Input;
using emmy::Layer;
using emmy::Multiply;
using emmy::NoBias;
using emmy::Parallel;
using emmy::Relu;
using support::check_net;

// Nodes in order: the first branch, the second one, the join; named by position.
TEST(Parallel, NamesTheLayersOfItsBranches) {
  using Net = emmy::Net<Input<4>, Dense<6>, Parallel<Add, Branch<Dense<5>, Relu>, Branch<Dense<5>>>, Dense<2>>;
  static_assert(Net::kNodes == 6);
  static_assert(emmy::kNodeOf<Net, Layer<1, 0, 0>> == 1 && emmy::kNodeOf<Net, Layer<1, 0, 1>> == 2);
  static_assert(emmy::kNodeOf<Net, Layer<1, 1, 0>> == 3 && emmy::kNodeOf<Net, Layer<1>> == 4);
  static_assert(emmy::kNodeOf<Net, Layer<2>> == 5 && emmy::kNodeOf<Net, Layer<1, 1, 1>> == -1);
  static_assert(emmy::node_at<Net, 3>::kFrom == 1 && emmy::node_at<Net, 4>::kFrom == 3 &&
                emmy::node_at<Net, 4>::kSkip == 4 && emmy::node_at<Net, 5>::kFrom == 5);
  static_assert(std::is_same_v<emmy::node_at<Net, 4>::out, emmy::Shape<5>>);
  SUCCEED();  // the compiler has checked it
}

TEST(Parallel, AddsBranchesOfAnotherShape) {
  check_net<3, Input<7>, Dense<9>, Relu, Parallel<Add, Branch<Dense<5>, emmy::Tanh>, Branch<Dense<8>, Relu, Dense<5>>>,
            Relu, Dense<3>>(91);
}
TEST(Parallel, MultipliesFirstOnUnpaddedInputAndLast) {
  check_net<3, Input<5>, Parallel<Multiply, Branch<Dense<6>>, Branch<Dense<6>, emmy::Sigmoid>>, Dense<4>,
            Parallel<Multiply, Branch<Dense<3>, emmy::Tanh>, Branch<Dense<3>>>>(92);
}
// x itself on one side: of the user's input, of a tensor that an activation made in place.
TEST(Parallel, GatesWhatItReads) {
  check_net<4, Input<5>, Parallel<Multiply, Branch<>, Branch<Dense<5>, emmy::Sigmoid>>, Dense<6>, Relu,
            Parallel<Multiply, Branch<Dense<6>, emmy::Silu>, Branch<>>, Dense<2>>(93);
}
TEST(Parallel, InsideEachOtherAndAResidual) {
  check_net<2, Input<4>, Dense<5>,
            emmy::Residual<Parallel<Multiply, Branch<Dense<6>, Relu>,
                                    Branch<Parallel<Add, Branch<Dense<6>>, Branch<Dense<6>, emmy::Tanh>>>>,
                           Dense<5>>,
            Dense<2>>(94);
}
TEST(Parallel, OnPositionsWithAFrozenBranch) {
  check_net<2, Input<6, 3>, emmy::Conv1d<5, 2>,
            Parallel<Multiply, Branch<emmy::Frozen<Dense<4>>, Relu>, Branch<emmy::LayerNorm<>, Dense<4>>>,
            emmy::Flatten, Dense<2>>(95);
}

TEST(Glu, AsItIsAndWithOtherGates) {
  static_assert(
      std::is_same_v<Glu<9>, Parallel<Multiply, Branch<Dense<9, NoBias>>, Branch<Dense<9, NoBias>, emmy::Silu>>>);
  check_net<3, Input<7>, Glu<9>, Dense<5, NoBias>, Glu<6, emmy::GeluTanh, emmy::WithBias>, Dense<3>>(96);
}
// Dense<1> has a layout of its own.
TEST(Glu, OfOneUnit) { check_net<3, Input<7>, Glu<1, Relu>, Dense<3>>(97); }

}  // namespace
