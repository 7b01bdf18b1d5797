// infer_next: position by position what infer gives on the whole window, and a stream that bad input does not touch.
#include <emmy/train/streaming.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

// A layer of a user's: y[p, c] = x[p, c] - x[p + 1, c], so that the first position of y ends at the second one of x.
namespace user {
struct Difference {
  template <class InShape>
  using output = emmy::Shape<InShape::kPositions - 1, InShape::kChannels>;
  template <class InShape>
  static constexpr int kBuffers = InShape::kChannels + 1;  // the last x, and whether there was one
};
namespace inner {
template <class F, class S>
void subtract(const F&, const S* last, const S* x, S* y) {
  for (int c = 0; c < F::kOutStride; ++c) y[c] = c < F::kOut ? last[c] - x[c] : S(0);
}
}  // namespace inner
template <class F>
void forward(Difference, const F& f) {
  for (int r = 0; r < F::kOutRows; ++r) {
    const int from = r / F::out_shape::kPositions * F::in_shape::kPositions + r % F::out_shape::kPositions;
    inner::subtract(f, f.x + from * F::kInStride, f.x + (from + 1) * F::kInStride, f.y + r * F::kOutStride);
  }
}
template <class F>
bool forward_next(Difference, const F& f) {
  if (f.buffers[F::kIn] == 0) return false;
  inner::subtract(f, f.buffers, f.x, f.y);
  return true;
}
template <class F>
void commit_next(Difference, const F& f) {
  for (int c = 0; c < F::kIn; ++c) f.buffers[c] = f.x[c];
  f.buffers[F::kIn] = 1;
}
}  // namespace user

namespace {

using namespace emmy;  // the names of nets

template <class N>
struct Streamed {
  using S = typename N::scalar;
  static constexpr int kIn = N::input::kChannels, kOut = N::output::kChannels;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, 1, Infer> scratch{};
  Scratch<N, 1, Stream> next{};
  S x[N::kInputs], window[N::kOutputs], row[kOut];

  explicit Streamed(std::uint64_t seed) {
    Pcg32 rng{seed};
    fixture::randomise(params, rng, 0.8);
    for (S& v : x) v = static_cast<S>(fixture::draw(rng));
    support::poison<S>(scratch);
    support::poison<S>(next);
    EXPECT_EQ(infer(params, buffers, scratch, x, window), Status::ok);
  }
  NextResult at(int position) { return infer_next(params, buffers, next, x + position * kIn, row); }
  // The positions of the output, as far as the window has them.
  void expect_the_window(int first, double tolerance) {
    for (int p = 0; p < N::input::kPositions; ++p) {
      const auto [status, ready] = at(p);
      ASSERT_EQ(status, Status::ok);
      ASSERT_EQ(ready, p >= first) << p;
      for (int o = 0; ready && o < kOut; ++o)
        ASSERT_NEAR(static_cast<double>(row[o]), static_cast<double>(window[(p - first) * kOut + o]), tolerance) << p;
    }
  }
};

// Windows of positions that follow each other, that begin before the first one, that leave some out and that lie apart.
template <class S>
using Recordings = Net<Scalar<S>, Input<17, 3>, StreamingConv1d<6, 4>, Relu, emmy::Streaming<MaxPool<2>>,
                       emmy::Streaming<DepthwiseConv1d<3, Padding<2>>>, Tanh, StreamingConv1d<5, 1, NoBias>,
                       StreamingConv1d<4, 2, Stride<2>>, Dense<3>>;
template <class S>
using Means = Net<Scalar<S>, Input<14, 2>, emmy::Streaming<AvgPool<3>>, StreamingConv1d<5, 3, Same>, Sigmoid,
                  emmy::Streaming<DepthwiseConv1d<2, NoBias>>, Dense<3>>;

template <class S>
using Positions = Net<Scalar<S>, Input<6, 5>, Dense<7>, Tanh, Residual<LayerNorm<>, Dense<9>, Silu, Dense<7>>, Glu<8>,
                      user::Difference, Sigmoid, RmsNorm<>, Dense<3>>;

// `count` positions of the output, those of the window in turn, as soon as each is known: positions of the input at which it is.
template <class N>
void expect_the_stream(std::uint64_t seed, std::initializer_list<int> positions, double tolerance) {
  Streamed<N> s(seed);
  for (int turn = 0; turn < 2; ++turn) {
    auto next = positions.begin();
    for (int p = 0; p < N::input::kPositions; ++p) {
      const auto [status, ready] = s.at(p);
      ASSERT_EQ(status, Status::ok);
      ASSERT_EQ(ready, next != positions.end() && *next == p) << p;
      if (!ready) continue;
      const auto row = next++ - positions.begin();
      for (int o = 0; o < s.kOut; ++o)
        ASSERT_NEAR(static_cast<double>(s.row[o]), static_cast<double>(s.window[row * s.kOut + o]), tolerance) << p;
    }
    ASSERT_EQ(next, positions.end());
    reset(s.buffers);
  }
}
// States of all kinds, one on top of the other; what Last leaves goes on in any layer.
template <class S>
using States =
    Net<Scalar<S>, Input<9, 3>, Rnn<18, Relu>, user::Difference, Gru<7>, LayerNorm<>, Rnn<4>, Last, Flatten, Dense<2>>;

template <class S>
struct Streaming : testing::Test {};
TYPED_TEST_SUITE(Streaming, support::Scalars);

TYPED_TEST(Streaming, GivesThePositionsOfTheWindow) {
  Streamed<Positions<TypeParam>> s(5);
  const double tolerance = sizeof(TypeParam) == 4 ? 2e-6 : 1e-14;
  s.expect_the_window(1, tolerance);
  EXPECT_TRUE(s.at(0).ready) << "the stream goes on";
  reset(s.buffers);
  s.expect_the_window(1, tolerance);
}

// A convolution of 4 positions, a pool of 2, a convolution that begins before its first position, one with a stride: the first output
// comes with position 6 of the input, the next ones every 4 positions.
TYPED_TEST(Streaming, ConvolutionsAndPoolsGiveThePositionsOfTheWindow) {
  const double tolerance = sizeof(TypeParam) == 4 ? 2e-6 : 1e-14;
  expect_the_stream<Recordings<TypeParam>>(7, {6, 10, 14}, tolerance);
  expect_the_stream<Means<TypeParam>>(8, {8, 11}, tolerance);
}

// In one lane and in strict text the same bits.
TYPED_TEST(Streaming, GoesOnFromTheStateBefore) {
  using S = TypeParam;
  using N = States<S>;
  static_assert(kPlan<N>.buffers >= 18 + 19 + 7 + 4);
  Streamed<N> s(7);
  for (int turn = 0; turn < 2; ++turn) {
    reset(s.buffers);
    for (int p = 0; p < 9; ++p) ASSERT_EQ(s.at(p).ready, p > 0);
    for (int o = 0; o < 2; ++o) {
      if (one_lane<S>() && !kHasPanels<S>) ASSERT_EQ(s.row[o], s.window[o]);
      else ASSERT_NEAR(static_cast<double>(s.row[o]), static_cast<double>(s.window[o]), 100 * support::kRoundoff<S>);
    }
  }
  // Another past, another output.
  const S kept = s.row[0];
  ASSERT_TRUE(s.at(8).ready);
  EXPECT_NE(s.row[0], kept);
}

// Neither what is not finite nor what becomes so moves the stream on.
TYPED_TEST(Streaming, BadInputLeavesTheStreamWhereItWas) {
  using S = TypeParam;
  Streamed<Positions<S>> s(6);
  for (const S bad : {std::numeric_limits<S>::quiet_NaN(), std::numeric_limits<S>::max()}) {
    reset(s.buffers);
    for (int p = 0; p < 3; ++p) ASSERT_EQ(s.at(p).status, Status::ok);
    const fixture::Snapshot<Buffers<Positions<S>>> before(s.buffers);
    const S kept = std::exchange(s.x[3 * 5 + 2], bad);
    if (bad == bad) s.params.template weight<Layer<0>>(1, 2) = S(4);  // overflows
    const auto [status, ready] = s.at(3);
    EXPECT_EQ(status, Status::not_finite);
    EXPECT_FALSE(ready);
    EXPECT_TRUE(before.still_is(s.buffers));
    s.x[3 * 5 + 2] = kept;
    EXPECT_TRUE(s.at(3).ready);
  }
}

// The ring and the phase of a convolution stay too.
TYPED_TEST(Streaming, BadInputLeavesTheRingAsItWas) {
  using S = TypeParam;
  Streamed<Recordings<S>> s(9);
  for (int p = 0; p < 9; ++p) ASSERT_EQ(s.at(p).status, Status::ok);
  const fixture::Snapshot<Buffers<Recordings<S>>> before(s.buffers);
  const S kept = std::exchange(s.x[9 * 3 + 1], std::numeric_limits<S>::infinity());
  EXPECT_EQ(s.at(9).status, Status::not_finite);
  EXPECT_TRUE(before.still_is(s.buffers));
  s.x[9 * 3 + 1] = kept;
  EXPECT_FALSE(s.at(9).ready);
  EXPECT_FALSE(before.still_is(s.buffers));
  EXPECT_TRUE(s.at(10).ready);
}

// It trains on whole windows as the layer that it is made of.
TYPED_TEST(Streaming, TrainsOnWindows) {
  using S = TypeParam;
  using N = Recordings<S>;
  static_assert(sizeof(Buffers<N>) > 0 && emmy::kPlan<N>.buffers > 0);
  static Trainer<N, BasicSgd<S>, 2> trainer{};
  Pcg32 rng{11};
  fixture::randomise(trainer.params, rng, 0.8);
  fixture::Data<N, 2> data{};
  data.refill(rng, false);
  const auto before = trainer.params;
  ASSERT_EQ(trainer.step(data.x, data.label, CrossEntropy{}, BasicSgd<S>{S(0.1)}).status, Status::ok);
  EXPECT_NE(std::memcmp(&before, &trainer.params, sizeof before), 0);
  support::check_against_reference(support::NetObjects<N, 2>::get(), 12);
}

}  // namespace
