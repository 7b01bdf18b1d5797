// infer_next: position by position what infer gives on the whole window, and a stream that bad input does not touch.
#include <emmy/train/streaming.hpp>

#include <gtest/gtest.h>
#include <tests/support/net_check.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>
#include <cstring>
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

template <class S>
using Positions = Net<Scalar<S>, Input<6, 5>, Dense<7>, Tanh, Residual<LayerNorm<>, Dense<9>, Silu, Dense<7>>, Glu<8>,
                      user::Difference, Sigmoid, RmsNorm<>, Dense<3>>;

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

}  // namespace
