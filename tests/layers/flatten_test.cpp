// emmy/layers/flatten.hpp: the same memory where rows have no pads, a copy where they do.
#include <emmy/layers/flatten.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>

namespace {

using emmy::Dense;
using emmy::Flatten;
using emmy::Input;
using emmy::Relu;
using support::check_net;

template <class Net>
constexpr bool shares(int tensor) {
  return emmy::kPlan<Net>.tensor[tensor].root != tensor;
}

TEST(Flatten, IsNoCopyWhereRowsHaveNoPads) {
  static_assert(std::is_same_v<emmy::output_shape<Flatten, emmy::Shape<29, 32>>, emmy::Shape<928>>);
  using First = emmy::Net<Input<4, 3>, Flatten, Dense<5>>;
  using Whole = emmy::Net<Input<4, 3>, Dense<32>, Relu, Flatten, Dense<5>>;
  static_assert(shares<First>(1) && emmy::kPlan<First>.tensor[1].stride == 12, "the user's input");
  static_assert(shares<Whole>(3) && emmy::kPlan<Whole>.tensor[3].root == 1);
  static_assert(emmy::kArena<Whole, 2, true>.act[3] == emmy::kArena<Whole, 2, true>.act[1]);
  // Outputs have pads, other readers want the old shape.
  static_assert(!shares<emmy::Net<Input<4, 3>, Flatten>>(1));
  static_assert(emmy::kPadBytes == 4 || !shares<emmy::Net<Input<4, 3>, Dense<3>, Relu, Flatten, Dense<5>>>(3));
  SUCCEED();  // the compiler has checked it
}

TEST(Flatten, OfTheInput) { check_net<3, Input<4, 3>, Flatten, Dense<5>, Relu, Dense<2>>(61); }
TEST(Flatten, OfPaddedRows) { check_net<3, Input<4, 3>, Dense<5>, Relu, Flatten, Dense<7>, Relu, Dense<2>>(62); }
TEST(Flatten, OfWholeRows) { check_net<3, Input<3, 4>, Dense<16>, Relu, Flatten, Dense<7>, Relu, Dense<2>>(63); }
TEST(Flatten, IntoOneOutput) { check_net<3, Input<3, 4>, Dense<16>, Relu, Flatten, Dense<1>>(64); }
TEST(Flatten, BeforeItsActivation) { check_net<2, Input<3, 4>, Dense<16>, Flatten, emmy::Tanh, Dense<3>>(65); }
TEST(Flatten, LastOfWholeAndOfPaddedRows) {
  check_net<3, Input<3, 4>, Dense<16>, Relu, Flatten>(66);
  check_net<3, Input<3, 4>, Dense<5>, Relu, Flatten>(67);
}
TEST(Flatten, BehindAndBeforeAResidual) {
  check_net<2, Input<3, 4>, Dense<16>, emmy::Residual<Dense<16>, Relu>, Flatten, emmy::Residual<Dense<48>>, Dense<3>>(
      68);
}
// A vector stays one; its gradient is added to that of the skip.
TEST(Flatten, InsideAResidual) {
  check_net<3, Input<3>, Dense<7>, Relu, emmy::Residual<Flatten, Dense<7>>, Dense<2>>(70);
}
TEST(Flatten, OfAnImage) { check_net<2, Input<2, 3, 4>, Flatten, Dense<5>>(69); }

}  // namespace
