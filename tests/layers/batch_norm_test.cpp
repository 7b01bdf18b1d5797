// emmy/layers/batch_norm.hpp: blocks, nets with it at every place against double loops and differences, what training leaves
// for inference.
#include <emmy/layers/batch_norm.hpp>
#include <emmy/net/init.hpp>
#include <emmy/train/streaming.hpp>
#include <emmy/train/trainer.hpp>

#include <gtest/gtest.h>
#include <tests/reference/batch_norm.hpp>
#include <tests/support/net_check.hpp>

#include <limits>

namespace {

using emmy::BatchNorm;
using emmy::Conv1d;
using emmy::Dense;
using emmy::Input;
using emmy::Layer;
using emmy::NoBias;
using emmy::Relu;
using emmy::Status;
using emmy::WithBias;
using support::check_net;

TEST(BatchNorm, StatesItsBlocksAndBuffers) {
  constexpr auto kBoth = emmy::blocks_of<BatchNorm<>, emmy::Shape<7, 5>>();
  static_assert(kBoth.kCount == 2 && kBoth.block[0].rows == 1 && kBoth.block[0].cols == 5);
  static_assert(kBoth.block[0].role == emmy::Role::gain && kBoth.block[1].role == emmy::Role::bias);
  static_assert(emmy::blocks_of<BatchNorm<NoBias>, emmy::Shape<5>>().kCount == 1);
  static_assert(std::is_same_v<emmy::output_shape<BatchNorm<>, emmy::Shape<7, 5>>, emmy::Shape<7, 5>>);
  static_assert(std::is_empty_v<BatchNorm<>> && BatchNorm<>::kEpsilon<double> == 1e-5);
  static_assert(BatchNorm<>::kMomentum<float> == 0.1f && BatchNorm<NoBias, 0, 1, 1, 4>::kMomentum<double> == 0.25);
  static_assert(emmy::buffers_of<BatchNorm<>, emmy::Shape<7, 5>>() == 11);
  static_assert(emmy::kMixesSamples<emmy::Net<Input<4>, Dense<3>, BatchNorm<>>> &&
                !emmy::kMixesSamples<emmy::Net<Input<4>, Dense<3>>>);
  SUCCEED();  // the compiler has checked it
}

TEST(BatchNorm, OfTheInput) { check_net<5, Input<7>, BatchNorm<>, Dense<5>, Relu, Dense<2>>(81); }
TEST(BatchNorm, BehindDenseBeforeRelu) { check_net<4, Input<5>, Dense<17>, BatchNorm<>, Relu, Dense<3>>(82); }
TEST(BatchNorm, WithoutBiasBehindAnActivation) {
  check_net<6, Input<5>, Dense<9, NoBias>, emmy::Tanh, BatchNorm<NoBias, 1, 64>, Dense<3>>(83);
}
TEST(BatchNorm, OfChannels) { check_net<2, Input<9, 3>, Conv1d<6, 2>, BatchNorm<>, Relu, Conv1d<4, 3>>(84); }
TEST(BatchNorm, OfImages) {
  check_net<2, Input<4, 5, 2>, emmy::Conv2d<3, 2, 2>, BatchNorm<>, Relu, emmy::MaxPool<2>, emmy::Flatten, Dense<3>>(85);
}
// Its gradient is added to that of the skip; what it reads has two readers.
TEST(BatchNorm, InsideAResidual) {
  check_net<5, Input<4>, Dense<6>, Relu, emmy::Residual<BatchNorm<>, Dense<6>>, BatchNorm<>, Dense<2>>(86);
}
TEST(BatchNorm, LastAndFrozen) {
  check_net<6, Input<4>, Dense<6>, emmy::Frozen<BatchNorm<>>, emmy::Tanh, Dense<5>, BatchNorm<WithBias, 1, 64>>(87);
}

template <class S>
using Small = emmy::Net<emmy::Scalar<S>, Input<3, 4>, Dense<5>, BatchNorm<WithBias, 1, 32, 1, 4>, Relu, Dense<2>>;
template <class S>
constexpr double kTolerance = sizeof(S) == 4 ? 4e-6 : 1e-14;

template <class T>
struct Training : testing::Test {};
TYPED_TEST_SUITE(Training, support::Scalars);

// A trainer with weights, a batch of 6 samples, and the statistics that it should have.
template <class S>
struct Run {
  using N = Small<S>;
  using Rule = emmy::BasicMomentum<S>;
  static constexpr int kRows = 18, kChannels = 5;
  emmy::Trainer<N, Rule, 6> trainer{};
  S x[72], target[36];
  emmy::Pcg32 rng{9};
  double mean[kChannels] = {}, variance[kChannels] = {};
  int seen = 0;

  Run() { emmy::init(trainer.params, rng, emmy::Uniform<S>{S(0.7)}); }
  void draw() {
    for (S& v : x) v = S(4 * rng.uniform() - 1);
    for (S& v : target) v = S(rng.uniform());
  }
  // What the BatchNorm reads, and what it does to the statistics.
  void move() {
    double in[kRows * kChannels];
    for (int r = 0; r < kRows; ++r) {
      for (int o = 0; o < kChannels; ++o) {
        double& y = in[r * kChannels + o] = static_cast<double>(trainer.params.template bias<Layer<0>>(o));
        for (int i = 0; i < 4; ++i)
          y += static_cast<double>(x[r * 4 + i]) * static_cast<double>(trainer.params.template weight<Layer<0>>(o, i));
      }
    }
    reference::move_running(mean, variance, in, seen++, kRows, kChannels, 0.25);
  }
  Status step() {
    return trainer
        .step(static_cast<const S*>(x), static_cast<const S*>(target), emmy::SquaredError{},
              Rule{S(0.1), S(0.5), S(0.01)})
        .status;
  }
  void expect_statistics() const {
    for (int c = 0; c < kChannels; ++c) {
      EXPECT_NEAR(static_cast<double>(trainer.buffers.data[c]), mean[c], 4 * kTolerance<S>) << c;
      EXPECT_NEAR(static_cast<double>(trainer.buffers.data[kChannels + c]), variance[c], 16 * kTolerance<S>) << c;
    }
    EXPECT_EQ(trainer.buffers.data[2 * kChannels], S(seen > 0));
  }
};

TYPED_TEST(Training, EachStepMovesTheStatistics) {
  Run<TypeParam> run;
  run.expect_statistics();
  for (int k = 0; k < 5; ++k) {
    run.draw();
    run.move();
    ASSERT_EQ(run.step(), Status::ok);
    run.expect_statistics();
  }
}

// Neither weights nor statistics nor momentum.
TYPED_TEST(Training, ARefusedStepMovesNothing) {
  using S = TypeParam;
  Run<S> run;
  run.draw();
  ASSERT_EQ(run.step(), Status::ok);
  const auto params = run.trainer.params;
  const auto buffers = run.trainer.buffers;
  const auto state = run.trainer.state;
  const auto expect_unmoved = [&] {
    EXPECT_EQ(std::memcmp(&params, &run.trainer.params, sizeof params), 0);
    EXPECT_EQ(std::memcmp(&buffers, &run.trainer.buffers, sizeof buffers), 0);
    EXPECT_EQ(std::memcmp(state.buf, run.trainer.state.buf, sizeof state.buf), 0);
  };
  using Limits = std::numeric_limits<S>;
  for (const S bad : {Limits::quiet_NaN(), Limits::infinity(), Limits::max(), S(1e-2) * Limits::max()}) {
    run.draw();
    run.x[17] = bad;
    ASSERT_NE(run.step(), Status::ok);
    expect_unmoved();
  }
  run.draw();
  run.target[3] = std::numeric_limits<S>::quiet_NaN();
  ASSERT_NE(run.step(), Status::ok);
  expect_unmoved();
}

// infer: the statistics of the steps, whatever else is in the batch; the same position by position.
TYPED_TEST(Training, InferenceUsesWhatTheStepsLeft) {
  using S = TypeParam;
  using N = Small<S>;
  Run<S> run;
  emmy::Scratch<N, 6, emmy::Infer> scratch;
  emmy::Scratch<N, 1, emmy::Infer> alone;
  emmy::Scratch<N, 1, emmy::Stream> stream;
  for (int k = 0; k < 4; ++k) {
    auto& t = run.trainer;
    run.draw();
    S y[36], one[6];
    ASSERT_EQ(emmy::infer(t.params, t.buffers, scratch, run.x, y), Status::ok);
    for (int sample = 0; sample < 6; ++sample) {
      ASSERT_EQ(emmy::infer(t.params, t.buffers, alone, run.x + sample * 12, one), Status::ok);
      for (int o = 0; o < 6; ++o) ASSERT_NEAR(y[sample * 6 + o], one[o], kTolerance<S>);
      for (int p = 0; p < 3; ++p) {
        const auto next = emmy::infer_next(t.params, t.buffers, stream, run.x + sample * 12 + p * 4, one);
        ASSERT_TRUE(next.status == Status::ok && next.ready);
        for (int o = 0; o < 2; ++o) ASSERT_NEAR(y[sample * 6 + p * 2 + o], one[o], kTolerance<S>);
      }
    }
    for (int r = 0; r < 18; ++r) {
      double sum[2];
      for (int o = 0; o < 2; ++o) sum[o] = static_cast<double>(t.params.template bias<Layer<3>>(o));
      for (int c = 0; c < 5; ++c) {
        double v = static_cast<double>(t.params.template bias<Layer<0>>(c));
        for (int i = 0; i < 4; ++i)
          v += static_cast<double>(run.x[r * 4 + i]) * static_cast<double>(t.params.template weight<Layer<0>>(c, i));
        v = (v - run.mean[c]) / std::sqrt((k == 0 ? 1 : run.variance[c]) + 1.0 / 32);
        v = v * static_cast<double>(t.params.template gain<Layer<1>>(c)) +
            static_cast<double>(t.params.template bias<Layer<1>>(c));
        for (int o = 0; o < 2; ++o)
          sum[o] += std::fmax(v, 0.0) * static_cast<double>(t.params.template weight<Layer<3>>(o, c));
      }
      for (int o = 0; o < 2; ++o) ASSERT_NEAR(static_cast<double>(y[r * 2 + o]), sum[o], 20 * kTolerance<S>) << k;
    }
    emmy::reset(t.buffers);  // of a stream: statistics stay
    run.move();
    ASSERT_EQ(run.step(), Status::ok);
  }
}

// gradient and apply leave the statistics to commit; together they are a step. Part of a batch has no statistics of its own.
TYPED_TEST(Training, ByVerbs) {
  using S = TypeParam;
  using N = Small<S>;
  Run<S> run, other;
  emmy::Gradient<N> g{};
  const typename Run<S>::Rule rule{S(0.1), S(0.5), S(0.01)};
  emmy::NoLedger none;
  for (int k = 0; k < 3; ++k) {
    run.draw();
    other.draw();
    ASSERT_EQ(other.step(), Status::ok);
    auto& t = run.trainer;
    const auto kept = t.buffers;
    const S* const target = run.target;
    const auto part =
        emmy::gradient<false>(t.params, t.buffers, t.scratch, run.x, target, emmy::SquaredError{}, 5, S(1) / S(5), g);
    EXPECT_EQ(part.status, Status::wrong_size);
    const auto all =
        emmy::gradient<false>(t.params, t.buffers, t.scratch, run.x, target, emmy::SquaredError{}, 6, S(1) / S(6), g);
    ASSERT_EQ(all.status, Status::ok);
    ASSERT_EQ(emmy::apply(t.params, t.state, g, rule, none), Status::ok);
    EXPECT_EQ(std::memcmp(&kept, &t.buffers, sizeof kept), 0);
    emmy::commit(t.params, t.buffers, t.scratch, run.x);
    for (std::size_t i = 0; i < sizeof t.buffers.data / sizeof(S); ++i)
      ASSERT_NEAR(t.buffers.data[i], other.trainer.buffers.data[i], 16 * kTolerance<S>);
    for (int i = 0; i < emmy::kPlan<N>.params; ++i)
      ASSERT_NEAR(t.params.data[i], other.trainer.params.data[i], 16 * kTolerance<S>);
  }
}

// kNorm: what a gain meets in a batch has squares that add up to at most its rows.
TEST(BatchNorm, BoundsWhatItsGainsMeet) {
  using Net = emmy::Net<emmy::Scalar<double>, Input<6>, BatchNorm<NoBias>>;
  static_assert(emmy::kIsNorm<BatchNorm<>> && emmy::kIsUnitInvariant<BatchNorm<>> && emmy::kIsByChannel<BatchNorm<>>);
  emmy::Params<Net> params;
  emmy::Buffers<Net> buffers{};
  emmy::Scratch<Net, 3, emmy::Train<void>> scratch;
  emmy::Pcg32 rng{5};
  emmy::init(params, rng);
  for (int turn = 0; turn < 100; ++turn) {
    double x[18], y[18], squares[6] = {};
    for (double& v : x) v = (turn % 7) * (rng.uniform() - 0.4);
    ASSERT_EQ(emmy::forward(params, buffers, scratch, x, y), Status::ok);
    for (int k = 0; k < 18; ++k) squares[k % 6] += y[k] * y[k];
    for (const double square : squares) ASSERT_LE(square, 3 * (1 + 1e-14));
  }
}

}  // namespace
