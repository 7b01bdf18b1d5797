// Layers that a user writes, in a namespace of his own, without registration, macro or base class (layers/layer.hpp):
// a running statistic, an activation from its output, one from its input, and a layer with weights; on 2-D shapes, in
// residual branches, fused and unfused.
#include <emmy/emmy.hpp>

#include <gtest/gtest.h>
#include <tests/support/numbers.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace app {

// y = x - m, m a running mean of each channel: m += rate (mean(x) - m) after a step, rate = 1 / Denominator.
template <int Denominator>
struct RunningMean {
  template <class InShape>
  static constexpr int kBuffers = InShape::kChannels;
};

template <int Denominator, class F>
void forward(RunningMean<Denominator>, const F& f) noexcept {
  for (int r = 0; r < F::kInRows; ++r) {
    for (int c = 0; c < F::kOutStride; ++c)
      f.y[r * F::kOutStride + c] = c < F::kIn ? f.x[r * F::kInStride + c] - f.buffers[c] : 0;
  }
}
template <bool kAdd, int Denominator, class F>
void backward(RunningMean<Denominator>, const F& f) noexcept {
  for (int k = 0; k < F::kInRows * F::kOutStride; ++k) f.dx[k] = (kAdd ? f.dx[k] : 0) + f.dy[k];
}
template <int Denominator, class F>
void commit(RunningMean<Denominator>, const F& f) noexcept {
  using S = typename F::scalar;
  for (int c = 0; c < F::kIn; ++c) {
    S sum = 0;
    for (int r = 0; r < F::kInRows; ++r) sum += f.x[r * F::kInStride + c];
    f.buffers[c] += (sum / S(F::kInRows) - f.buffers[c]) / S(Denominator);
  }
}

// x / (1 + |x|); its derivative (1 - |y|)^2 is had from the output, so it may work in place.
struct Softsign {
  static constexpr bool kElementwise = true, kFromOutput = true, kFixesZero = true;
};
template <class V>
V activate(Softsign, V x) noexcept {
  namespace simd = emmy::simd;
  return simd::div(x, simd::add(simd::set(simd::Scalar<V>(1)), simd::abs(x)));
}
template <class V>
V derivative_from_output(Softsign, V y) noexcept {
  namespace simd = emmy::simd;
  const V left = simd::sub(simd::set(simd::Scalar<V>(1)), simd::abs(y));
  return simd::mul(left, left);
}

// x^2 + 1: the derivative needs the input, and 0 does not stay 0.
struct Parabola {
  static constexpr bool kElementwise = true, kFromOutput = false, kFixesZero = false;
};
template <class V>
V activate(Parabola, V x) noexcept {
  return emmy::simd::mul_add(x, x, emmy::simd::set(emmy::simd::Scalar<V>(1)));
}
template <class V>
V derivative_from_input(Parabola, V x) noexcept {
  return emmy::simd::add(x, x);
}

// y = g x, one gain a channel.
struct Gain {};
template <class InShape>
consteval auto blocks(Gain, InShape) {
  return emmy::Blocks<1>{{{1, InShape::kChannels, emmy::Role::weight}}};
}
template <class F>
void forward(Gain, const F& f) noexcept {
  for (int r = 0; r < F::kInRows; ++r) {
    for (int c = 0; c < F::kOutStride; ++c)
      f.y[r * F::kOutStride + c] = c < F::kIn ? f.x[r * F::kInStride + c] * f.params[c] : 0;
  }
}
template <bool kAdd, class F>
void backward(Gain, const F& f) noexcept {
  for (int k = 0; k < F::kInRows * F::kOutStride; ++k)
    f.dx[k] = (kAdd ? f.dx[k] : 0) + f.dy[k] * f.params[k % F::kOutStride];
}
template <class F, class Visitor>
void gradients(Gain, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  alignas(emmy::kAlign<S>) S g[F::kOutStride] = {};
  for (int r = 0; r < F::kInRows; ++r) {
    for (int c = 0; c < F::kIn; ++c) g[c] += f.dy[r * F::kOutStride + c] * f.x[r * F::kInStride + c];
  }
  visitor.template rows<0>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(g));
}

constexpr int kBatch = 4;
// Softsign fused into Dense<7>, unfused after RunningMean and in the residual; Parabola after a sum.
template <class S>
using Net =
    emmy::Net<emmy::Scalar<S>, emmy::Input<3, 5>, RunningMean<2>, emmy::Dense<7>, Softsign, emmy::Dense<6>,
              RunningMean<4>, Softsign, emmy::Residual<Gain, emmy::Dense<6>, Softsign, Gain>, Parabola, emmy::Dense<2>>;

}  // namespace app

namespace {

using support::Random;

template <class S>
struct Fixture {
  using Net = app::Net<S>;
  using Trainer = emmy::Trainer<Net, emmy::BasicMomentum<S>, app::kBatch>;
  static inline Trainer t;
  S x[app::kBatch * Net::kInputs], target[app::kBatch * Net::kOutputs];
  emmy::BasicMomentum<S> rule{.learning_rate = S(0.05), .momentum = S(0.5)};

  explicit Fixture(std::uint64_t seed) {
    Random random(seed);
    std::memset(static_cast<void*>(&t), 0, sizeof t);
    // What scratch holds must not matter.
    for (S& v : t.scratch.data) v = std::numeric_limits<S>::quiet_NaN();
    for (const auto& block : emmy::kPlan<Net>.block) {
      for (int i = 0; i < block.rows; ++i) {
        for (int o = 0; o < block.cols; ++o)
          t.params.data[block.at(i, o)] = static_cast<S>(random() * (block.rows == 1 ? 1 : 0.5));
      }
    }
    for (S& v : x) v = static_cast<S>(1 + random());
    for (S& v : target) v = static_cast<S>(random());
  }
  emmy::StepResult<S> step() { return t.step(x, target, emmy::SquaredError{}, rule); }
  std::vector<S> infer() {
    static emmy::Scratch<Net, app::kBatch, emmy::Infer> scratch;
    for (S& v : scratch.data) v = std::numeric_limits<S>::quiet_NaN();
    std::vector<S> y(app::kBatch * Net::kOutputs);
    EXPECT_EQ(emmy::infer(t.params, t.buffers, scratch, x, y.data()), emmy::Status::ok);
    return y;
  }
};

template <class T>
class UserLayers : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(UserLayers, Types);

TYPED_TEST(UserLayers, TheNetHasBuffersForEachOfThem) {
  using Net = app::Net<TypeParam>;
  constexpr auto& plan = emmy::kPlan<Net>;
  static_assert(plan.buffers == 2 * emmy::padded<TypeParam>(6));  // 5 and 6 channels
  static_assert(sizeof(emmy::Buffers<Net>) == static_cast<std::size_t>(plan.buffers) * sizeof(TypeParam));
  static_assert(Net::kInputs == 15 && Net::kOutputs == 6 && Net::output::kPositions == 3);
  SUCCEED();
}

TYPED_TEST(UserLayers, Train) {
  Fixture<TypeParam> f(1);
  const auto [status, first] = f.step();
  ASSERT_EQ(status, emmy::Status::ok);
  TypeParam last = first;
  for (int s = 0; s < 400; ++s) {
    const auto result = f.step();
    ASSERT_EQ(result.status, emmy::Status::ok) << s;
    last = result.loss;
  }
  EXPECT_LT(last, TypeParam(0.1) * first);
}

// The first RunningMean sees the input itself: its buffer is known in closed form after every step.
TYPED_TEST(UserLayers, BuffersFollowTheStatistic) {
  using S = TypeParam;
  Fixture<S> f(2);
  std::vector<double> mean(5), expected(5, 0.0);
  for (std::size_t k = 0; k < std::size(f.x); ++k) mean[k % 5] += static_cast<double>(f.x[k]) / (app::kBatch * 3);
  for (int s = 0; s < 20; ++s) {
    ASSERT_EQ(f.step().status, emmy::Status::ok);
    for (std::size_t c = 0; c < 5; ++c) {
      expected[c] += (mean[c] - expected[c]) / 2;
      ASSERT_NEAR(static_cast<double>(f.t.buffers.data[c]), expected[c], 1e-6) << s;
    }
    for (std::size_t c = 5; c < static_cast<std::size_t>(emmy::padded<S>(5)); ++c)
      ASSERT_EQ(f.t.buffers.data[c], S(0)) << "pad lane";
  }
  bool moved = false;
  for (int c = 0; c < 6; ++c) moved = moved || f.t.buffers.data[emmy::padded<S>(5) + c] != S(0);
  EXPECT_TRUE(moved) << "the second RunningMean too";
}

// Phase A writes no buffer: whatever makes a step fail, parameters, buffers and state are those of before, bit for bit.
TYPED_TEST(UserLayers, FailedStepsLeaveNoTrace) {
  using S = TypeParam;
  using Limits = std::numeric_limits<S>;
  Fixture<S> f(3);
  for (int s = 0; s < 3; ++s) ASSERT_EQ(f.step().status, emmy::Status::ok);
  const auto params = f.t.params;
  const auto buffers = f.t.buffers;
  const auto state = f.t.state;
  const auto same = [&] {
    return std::memcmp(&params, &f.t.params, sizeof params) == 0 &&
           std::memcmp(&buffers, &f.t.buffers, sizeof buffers) == 0 &&
           std::memcmp(&state, &f.t.state, sizeof state) == 0;
  };
  const auto fails = [&](S& value, S bad, emmy::Status expected) {
    const S kept = value;
    value = bad;
    EXPECT_EQ(f.step().status, expected);
    EXPECT_TRUE(same()) << static_cast<double>(bad);
    value = kept;
  };
  for (const S bad : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity()}) {
    for (S& v : f.x) fails(v, bad, emmy::Status::not_finite);
    for (S& v : f.target) fails(v, bad, emmy::Status::not_finite);
    fails(f.rule.learning_rate, bad, emmy::Status::bad_rate);
  }
  fails(f.target[0], Limits::max() / 4, emmy::Status::not_finite);  // its square
  fails(f.rule.learning_rate, S(-1), emmy::Status::bad_rate);
  EXPECT_EQ(f.step().status, emmy::Status::ok);
  EXPECT_FALSE(same());
}

TYPED_TEST(UserLayers, InferUsesTheBuffersAndLeavesThem) {
  using S = TypeParam;
  Fixture<S> f(4);
  const auto before = f.infer();
  const auto kept = f.t.buffers;
  f.t.buffers.data[3] += S(0.5);
  const auto moved = f.infer();
  EXPECT_NE(before, moved);
  f.t.buffers = kept;
  EXPECT_EQ(f.infer(), before);
  EXPECT_EQ(std::memcmp(&kept, &f.t.buffers, sizeof kept), 0);
  // The same shift of the input gives the same: y = x - m.
  f.t.buffers.data[3] += S(0.5);
  for (std::size_t k = 3; k < std::size(f.x); k += 5) f.x[k] += S(0.5);
  const auto both = f.infer();
  for (std::size_t k = 0; k < both.size(); ++k)
    EXPECT_NEAR(static_cast<double>(both[k]), static_cast<double>(before[k]), 1e-5);
}

// The gradient of the whole net against central differences, buffers as they are.
TEST(UserLayersGradient, MatchesDifferences) {
  Fixture<double> f(5);
  using Net = app::Net<double>;
  for (int s = 0; s < 3; ++s) ASSERT_EQ(f.step().status, emmy::Status::ok);
  static emmy::Gradient<Net> g;
  const auto value = [&] {
    static emmy::Gradient<Net> unused;
    const auto [status, loss] = emmy::gradient<false>(
        f.t.params, f.t.buffers, f.t.scratch, static_cast<const double*>(f.x), static_cast<const double*>(f.target),
        emmy::SquaredError{}, app::kBatch, 1.0 / app::kBatch, unused);
    EXPECT_EQ(status, emmy::Status::ok);
    g = unused;
    return loss;
  };
  value();
  const emmy::Gradient<Net> gradient = g;
  for (const auto& block : emmy::kPlan<Net>.block) {
    for (int k = 0; k < block.size(); ++k) {
      if (!block.is_weight(k)) continue;
      double& weight = f.t.params.data[block.offset + k];
      const double kept = weight;
      weight = kept + 1e-6;
      const double up = value();
      weight = kept - 1e-6;
      const double down = value();
      weight = kept;
      ASSERT_NEAR(gradient.data[block.offset + k], (up - down) / 2e-6, 1e-8) << block.node << ' ' << k;
    }
  }
}

// A user's activation has whatever traits it states: this one scales, so its net has rescalings.
struct Cube {
  static constexpr bool kElementwise = true, kFromOutput = false;
  static constexpr emmy::Ratio kDegree{3, 1};
};
TEST(UserLayersSymmetry, FollowFromTheTraitsStated) {
  using Homogeneous = emmy::Net<emmy::Input<4>, emmy::Dense<5>, Cube, emmy::Dense<2>>;
  using Other = emmy::Net<emmy::Input<4>, emmy::Dense<5>, app::Softsign, emmy::Dense<2>>;
  static_assert(std::is_same_v<emmy::symmetries_of<Homogeneous>,
                               emmy::Symmetries<emmy::Rescaling<emmy::Layer<1>>, emmy::Translation<emmy::Layer<2>>>>);
  static_assert(std::is_same_v<emmy::symmetries_of<Other>, emmy::Symmetries<emmy::Translation<emmy::Layer<2>>>>);
  SUCCEED();
}

}  // namespace
