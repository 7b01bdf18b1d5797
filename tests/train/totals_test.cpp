// What the passes tell of their squares is what an inspection finds; they tell only of what nobody changes later.
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include <tests/train/fixture.hpp>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::Relu;
using emmy::Residual;

// How many sums of squares the passes of a batch tell, where they tell any.
template <class Net, int Batch>
inline constexpr int kTold = []<int... I>(std::integer_sequence<int, I...>) {
  return ((int{emmy::inner::kTellsAct<Net, Batch, I>} + int{emmy::inner::kTellsDelta<Net, Batch, I>}) + ...);
}
(std::make_integer_sequence<int, Net::kNodes>{});

template <class S>
struct Totals : testing::Test {
  template <int Batch, int Expected, class... Layers>
  static void check() {
    using Net = emmy::Net<emmy::Scalar<S>, Layers...>;
    if (emmy::kSumsSquaresInTiles<S>) EXPECT_EQ((kTold<Net, Batch>), Expected);
    else EXPECT_EQ((kTold<Net, Batch>), 0);
    emmy::Params<Net> params{};
    emmy::Scratch<Net, Batch, emmy::Train<emmy::BasicSgd<S>>> scratch{};
    emmy::Pcg32 rng{71};
    fixture::randomise(params, rng, 0.9);
    fixture::Data<Net, Batch> data{};
    data.refill(rng, false);
    const emmy::Memory<Net, Batch, true> m{params.data, nullptr, scratch.data, data.x};
    emmy::inner::Totals<Net> told{}, inspected{};
    emmy::forward_pass(m, told);
    emmy::inner::loss_pass(m, emmy::SquaredError{}, data.values, Batch, S(1));
    emmy::backward_pass(m, told);
    emmy::NoLedger none;
    emmy::inner::inspect_all<true>(m, told, none);
    emmy::inner::inspect_all<false>(m, inspected, none);
    const double bound = sizeof(S) == 4 ? 1e-5 : 1e-13;
    for (int t = 0; t <= Net::kNodes; ++t) {
      EXPECT_NEAR(told.act[t], inspected.act[t], bound * inspected.act[t]) << "tensor " << t;
      EXPECT_NEAR(told.delta[t], inspected.delta[t], bound * inspected.delta[t]) << "delta " << t;
    }
    EXPECT_NEAR(told.all, inspected.all, bound * inspected.all);
    EXPECT_GT(inspected.all, S(0));
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Totals, Scalars);

TYPED_TEST(Totals, OfDenseLayersAndTheirActivations) {
  this->template check<3, 4, Input<7>, Dense<9>, Relu, Dense<5>, emmy::Tanh, Dense<3>>();
  this->template check<16, 4, Input<16>, Dense<32>, Relu, Dense<32>, Relu, Dense<20>>();
  this->template check<5, 2, Input<7>, Dense<33>, Dense<3>>();
}
TYPED_TEST(Totals, NotOfFewRows) {
  this->template check<1, 0, Input<7>, Dense<9>, Relu, Dense<5>>();
  this->template check<2, 0, Input<7>, Dense<9>, Relu, Dense<5>>();
}
// The pads of a sigmoid are 1/2 until they are cleared; without pads there are none.
TYPED_TEST(Totals, OfAnActivationThatDoesNotFixZero) {
  this->template check<4, 1, Input<7>, Dense<9>, emmy::Sigmoid, Dense<5>>();
  this->template check<4, 2, Input<7>, Dense<16>, emmy::Sigmoid, Dense<5>>();
}
// The second activation has memory of its own, so the delta that passes through it is no product's.
TYPED_TEST(Totals, OfTwoActivations) { this->template check<4, 2, Input<7>, Dense<9>, Relu, emmy::Tanh, Dense<5>>(); }
// Where two paths meet, the delta is a sum.
TYPED_TEST(Totals, NotOfADeltaOfTwoReaders) {
  this->template check<4, 5, Input<7>, Dense<9>, Relu, Residual<Dense<11>, Relu, Dense<9>>, Relu, Dense<5>>();
  this->template check<4, 5, Input<7>, Dense<9>, Residual<Dense<11>, Relu, Dense<9>>, Dense<5>>();
}
// A recurrent layer makes of the delta of its states another; a view changes nothing, but where an activation lies before it the
// delta is not the product's.
TYPED_TEST(Totals, OfDeltasThatStay) {
  this->template check<4, 0, Input<3, 2>, emmy::Rnn<5>, Dense<3>>();
  this->template check<4, 1, Input<6, 2>, emmy::Conv1d<16, 3>, emmy::Flatten, Dense<3>>();
  this->template check<4, 0, Input<6, 2>, emmy::Conv1d<16, 3>, Relu, emmy::Flatten, Dense<3>>();
}
// Outputs few enough for columns: their dots are not summed, the gradients of their inputs are.
TYPED_TEST(Totals, OfFewOutputs) {
  this->template check<4, emmy::kTurnsNarrow ? 3 : 4, Input<16>, Dense<4>, Relu, Dense<16>, Relu, Dense<3>>();
}

// One value that is no number, in the middle of what is told.
TYPED_TEST(Totals, FindNoNumber) {
  using S = TypeParam;
  using Net = emmy::Net<emmy::Scalar<S>, Input<7>, Dense<9>, Relu, Dense<5>, Relu, Dense<3>>;
  constexpr int kBatch = 6;
  emmy::Trainer<Net, emmy::BasicSgd<S>, kBatch> trainer{};
  emmy::Pcg32 rng{72};
  fixture::randomise(trainer.params, rng, 0.9);
  fixture::Data<Net, kBatch> data{};
  data.refill(rng, false);
  const S infinity = std::numeric_limits<S>::infinity();
  for (int sample = 0; sample < kBatch; ++sample)
    for (const S bad : {infinity, -infinity, std::numeric_limits<S>::quiet_NaN(), std::numeric_limits<S>::max()}) {
      auto spoilt = data;
      spoilt.x[sample * Net::kInputs + 3] = bad;
      const auto before = fixture::Snapshot{trainer.params};
      EXPECT_NE(trainer.step(spoilt.x, spoilt.values, emmy::SquaredError{}, emmy::BasicSgd<S>{S(0.01)}).status,
                emmy::Status::ok);
      EXPECT_TRUE(before.still_is(trainer.params));
    }
  EXPECT_EQ(trainer.step(data.x, data.values, emmy::SquaredError{}, emmy::BasicSgd<S>{S(0.01)}).status,
            emmy::Status::ok);
}

}  // namespace
