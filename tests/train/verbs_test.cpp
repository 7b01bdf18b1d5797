// The public verbs against plain double loops, and against each other.
#include <emmy/train/verbs.hpp>

#include <tests/train/fixture.hpp>

#include <algorithm>

#include <gtest/gtest.h>

// A loss of a user's own, as docs/DESIGN.md shows it: |d| - 1/2 far from the target, d^2 / 2 near it.
namespace robot {
struct Huber {};
template <int Cols, class S>
emmy::Status check_targets(Huber, const S*, int) noexcept {
  return emmy::Status::ok;
}
template <int Rows, int Cols, class T>
T loss_and_delta(Huber, const T* y, const T* target, int rows, T scale, T* dy) noexcept {
  constexpr int kStride = emmy::padded<T>(Cols);
  T loss = 0;
  for (int r = 0; r < Rows; ++r)
    for (int o = 0; o < kStride; ++o) {
      const T d = r < rows && o < Cols ? y[r * kStride + o] - target[r * Cols + o] : T(0);
      const T bounded = d > T(1) ? T(1) : d < T(-1) ? T(-1) : d;
      loss += bounded * (d - bounded / 2);
      dy[r * kStride + o] = bounded * scale;
    }
  return loss * scale;
}
}  // namespace robot

namespace {

using namespace emmy;  // the verbs

template <class T>
struct Verbs : testing::Test {
  static constexpr int kBatch = 6;
  using N = fixture::TwoHidden<T>;
  using R = BasicMomentum<T>;
  const double bound = sizeof(T) == 4 ? 2e-6 : 1e-14;
  Trainer<N, R, kBatch> trainer{};
  Scratch<N, kBatch, Infer> scratch{};
  Gradient<N> g{};
  fixture::Data<N, kBatch> data{};
  Pcg32 rng{37};
  const reference::Model model = reference::model_of<N>();
  T y[kBatch * 3];

  void SetUp() override {
    fixture::randomise(trainer.params, rng, 0.8);
    data.refill(rng, false);
  }
  reference::Blocks theta() const { return reference::read_blocks<N>(trainer.params.data); }
  reference::Blocks stored() const { return reference::read_blocks<N>(g.data); }
  StepResult<T> gradient_of(int count, T scale) {
    return gradient<false>(trainer.params, trainer.buffers, trainer.scratch, data.x, data.label, CrossEntropy{}, count,
                           scale, g);
  }
};
using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Verbs, Scalars);

TYPED_TEST(Verbs, InferAndForwardComputeTheOutputs) {
  const auto want = reference::forward(this->model, this->theta(), this->data.inputs(), 6).back();
  const auto& params = this->trainer.params;  // inference shares const parameters
  ASSERT_EQ(infer(params, this->trainer.buffers, this->scratch, this->data.x, this->y), Status::ok);
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(static_cast<double>(this->y[i]), want[i], this->bound);
  TypeParam again[6 * 3];
  ASSERT_EQ(forward(params, this->trainer.buffers, this->trainer.scratch, this->data.x, again), Status::ok);
  EXPECT_EQ(std::memcmp(again, this->y, sizeof again), 0);
  this->data.x[20] = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(infer(params, this->trainer.buffers, this->scratch, this->data.x, this->y), Status::not_finite);
  EXPECT_EQ(forward(params, this->trainer.buffers, this->trainer.scratch, this->data.x, again), Status::not_finite);
}

TYPED_TEST(Verbs, GradientIsThatOfThePlainLoops) {
  const auto pass = reference::run(this->model, this->theta(), this->data.inputs(), 6,
                                   this->data.template reference_targets<CrossEntropy, int>());
  const auto r = this->gradient_of(6, TypeParam(1) / TypeParam(6));
  ASSERT_EQ(r.status, Status::ok);
  EXPECT_NEAR(static_cast<double>(r.loss), pass.loss, this->bound);
  EXPECT_LT(fixture::relative_difference(this->stored(), pass.gradient), this->bound);
  EXPECT_TRUE((fixture::pads_are_zero<typename TestFixture::N>(this->g.data)));
}

using VerbsInDouble = Verbs<double>;  // differences need the digits
TEST_F(VerbsInDouble, GradientIsTheSlopeOfTheLoss) {
  ASSERT_EQ(gradient_of(6, 1.0 / 6).status, Status::ok);
  const auto slope = stored();
  for (std::size_t b = 0; b < slope.size(); ++b) {
    const auto& block = kPlan<N>.block[b];
    double& w = trainer.params.data[block.at(block.rows - 1, block.cols - 1)];
    const double kept = w, h = 1e-6;
    w = kept + h;
    const double above = gradient_of(6, 1.0 / 6).loss;
    w = kept - h;
    const double below = gradient_of(6, 1.0 / 6).loss;
    w = kept;
    EXPECT_NEAR((above - below) / (2 * h), slope[b].back(), 1e-8) << b;
  }
}

TYPED_TEST(Verbs, GradientsAddUpOverBatches) {
  const auto whole = this->gradient_of(6, TypeParam(1) / TypeParam(6));
  ASSERT_EQ(whole.status, Status::ok);
  const auto want = this->stored();
  // The same six samples as two calls of four and two; the slots beyond count hold other numbers and bad labels.
  fixture::Data<typename TestFixture::N, 6> part = this->data;
  std::fill(part.x + 4 * 7, part.x + 6 * 7, TypeParam(9));
  std::fill(part.label + 4, part.label + 6, -5);
  const auto first = gradient<false>(this->trainer.params, this->trainer.buffers, this->trainer.scratch, part.x,
                                     part.label, CrossEntropy{}, 4, TypeParam(1) / TypeParam(6), this->g);
  std::copy(this->data.x + 4 * 7, this->data.x + 6 * 7, part.x);
  std::copy(this->data.label + 4, this->data.label + 6, part.label);
  std::fill(part.label + 2, part.label + 6, 77);
  const auto second = gradient<true>(this->trainer.params, this->trainer.buffers, this->trainer.scratch, part.x,
                                     part.label, CrossEntropy{}, 2, TypeParam(1) / TypeParam(6), this->g);
  ASSERT_EQ(first.status, Status::ok);
  ASSERT_EQ(second.status, Status::ok);
  EXPECT_NEAR(static_cast<double>(first.loss + second.loss), static_cast<double>(whole.loss), this->bound);
  EXPECT_LT(fixture::relative_difference(this->stored(), want), this->bound);
}

TYPED_TEST(Verbs, GradientRefusesWrongCountsAndLabels) {
  const auto before = this->g;
  for (const int count : {0, -1, 7}) EXPECT_EQ(this->gradient_of(count, TypeParam(1)).status, Status::wrong_size);
  this->data.label[5] = 3;
  EXPECT_EQ(this->gradient_of(6, TypeParam(1)).status, Status::bad_label);
  this->data.label[5] = 0;
  this->data.x[3] = std::numeric_limits<TypeParam>::infinity();
  EXPECT_EQ(this->gradient_of(6, TypeParam(1)).status, Status::not_finite);
  EXPECT_EQ(std::memcmp(&before, &this->g, sizeof before), 0) << "a refused gradient is not stored";
}

// Predict, then learn on the same forward pass, with a loss of the user's own: the steps that train_step is made of.
TYPED_TEST(Verbs, ComposeToATrainingStep) {
  using Fixture = TestFixture;
  typename Fixture::R rule{TypeParam(0.05), TypeParam(0.9), TypeParam(0.01), TypeParam(0)};
  auto other = this->trainer;
  NoLedger none;
  for (int k = 0; k < 10; ++k) {
    this->data.refill(this->rng, false);
    auto& t = this->trainer;
    ASSERT_EQ(forward(t.params, t.buffers, t.scratch, this->data.x, this->y), Status::ok);
    TypeParam dy[6 * 3];
    for (int i = 0; i < 6 * 3; ++i) dy[i] = (this->y[i] - this->data.values[i]) * (TypeParam(1) / TypeParam(6));
    ASSERT_EQ(backward(t.params, t.buffers, t.scratch, this->data.x, dy), Status::ok);
    gradient<false>(t.params, t.scratch, this->data.x, this->g);
    ASSERT_EQ(apply(t.params, t.state, this->g, rule, none), Status::ok);
    ASSERT_EQ(other.step(this->data.x, this->data.values, SquaredError{}, rule).status, Status::ok);
    ASSERT_EQ(std::memcmp(&t.params, &other.params, sizeof t.params), 0) << k;
    ASSERT_EQ(std::memcmp(t.state.buf, other.state.buf, sizeof other.state.buf), 0) << k;
  }
  TypeParam dy[6 * 3] = {};
  dy[17] = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(backward(other.params, other.buffers, other.scratch, this->data.x, dy), Status::not_finite);
}

TYPED_TEST(Verbs, TrainWithALossOfTheUsersOwn) {
  using Fixture = TestFixture;
  const typename Fixture::R rule{TypeParam(0.05), TypeParam(0.9), TypeParam(0), TypeParam(0)};
  auto& t = this->trainer;
  for (auto& v : this->data.values) v *= TypeParam(3);  // some beyond the bend
  const auto want = reference::forward(this->model, this->theta(), this->data.inputs(), 6).back();
  double loss = 0;
  TypeParam dy[6 * 3];
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double d = want[i] - static_cast<double>(this->data.values[i]), a = std::fabs(d);
    loss += (a > 1 ? a - 0.5 : d * d / 2) / 6;
    dy[i] = static_cast<TypeParam>(std::clamp(d, -1.0, 1.0) / 6);
  }
  auto composed = t;
  NoLedger none;
  ASSERT_EQ(forward(composed.params, composed.buffers, composed.scratch, this->data.x, this->y), Status::ok);
  ASSERT_EQ(backward(composed.params, composed.buffers, composed.scratch, this->data.x, dy), Status::ok);
  gradient<false>(composed.params, composed.scratch, this->data.x, this->g);
  ASSERT_EQ(apply(composed.params, composed.state, this->g, rule, none), Status::ok);
  const auto r = t.step(this->data.x, this->data.values, robot::Huber{}, rule);
  ASSERT_EQ(r.status, Status::ok);
  EXPECT_NEAR(static_cast<double>(r.loss), loss, this->bound * (1 + loss));
  for (int k = 0; k < kPlan<typename Fixture::N>.params; ++k)
    ASSERT_NEAR(static_cast<double>(t.params.data[k]), static_cast<double>(composed.params.data[k]), this->bound) << k;
}

TYPED_TEST(Verbs, AStepHandsOutItsPrediction) {
  using Fixture = TestFixture;
  const typename Fixture::R rule{TypeParam(0.05), TypeParam(0.9), TypeParam(0), TypeParam(0)};
  auto& t = this->trainer;
  auto plain = t;
  TypeParam kept[6 * 3] = {};
  ASSERT_EQ(forward(t.params, t.buffers, t.scratch, this->data.x, this->y), Status::ok);
  const auto r = t.step(this->data.x, this->data.label, KeepOutputs<CrossEntropy, TypeParam>{{}, kept}, rule);
  ASSERT_EQ(r.status, Status::ok);
  EXPECT_EQ(std::memcmp(kept, this->y, sizeof kept), 0);
  EXPECT_EQ(plain.step(this->data.x, this->data.label, CrossEntropy{}, rule).loss, r.loss);
  EXPECT_EQ(std::memcmp(&t.params, &plain.params, sizeof t.params), 0);
  this->data.label[2] = 3;
  EXPECT_EQ(t.step(this->data.x, this->data.label, KeepOutputs<CrossEntropy, TypeParam>{{}, kept}, rule).status,
            Status::bad_label);
  static_assert(kShiftInvariant<KeepOutputs<CrossEntropy, float>> &&
                !kShiftInvariant<KeepOutputs<SquaredError, float>>);
}

TYPED_TEST(Verbs, EvaluateCountsLossAndRightAnswers) {
  Evaluation<TypeParam> result{};
  double loss = 0;
  int correct = 0;
  for (int k = 0; k < 5; ++k) {
    this->data.refill(this->rng, false);
    const int count = 6 - k;
    const auto out = reference::forward(this->model, this->theta(), this->data.inputs(), 6).back();
    for (int r = 0; r < count; ++r) {
      const double* row = out.data() + r * 3;
      loss += reference::log_sum_exp(row, 3) - row[this->data.label[r]];
      correct += std::max_element(row, row + 3) - row == this->data.label[r];
    }
    std::fill(this->data.label + count, this->data.label + 6, -1);
    ASSERT_EQ(evaluate(this->trainer.params, this->trainer.buffers, this->scratch, this->data.x, this->data.label,
                       count, result),
              Status::ok);
  }
  EXPECT_EQ(result.correct, correct);
  EXPECT_NEAR(static_cast<double>(result.loss), loss, 20 * this->bound);
  const auto before = result;
  const auto call = [&](int count) {
    return evaluate(this->trainer.params, this->trainer.buffers, this->scratch, this->data.x, this->data.label, count,
                    result);
  };
  EXPECT_EQ(call(0), Status::wrong_size);
  EXPECT_EQ(call(7), Status::wrong_size);
  EXPECT_EQ(call(6), Status::bad_label);
  this->data.x[0] = std::numeric_limits<TypeParam>::quiet_NaN();
  EXPECT_EQ(call(1), Status::not_finite);
  EXPECT_EQ(std::memcmp(&before, &result, sizeof before), 0);
}

}  // namespace
