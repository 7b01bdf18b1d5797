// A net with norms, of weights too, against double loops: loss and gradient, then steps with momentum and decay whose charges keep
// their budgets; and the same function without BatchNorm.
#include <emmy/parametrize/fold_norms.hpp>
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/batch_norm.hpp>
#include <tests/reference/weight_norm.hpp>

namespace {

using Net = emmy::Net<emmy::Input<6>, emmy::Dense<7>, emmy::LayerNorm<>, emmy::Relu, emmy::Dense<5>,
                      emmy::RmsNorm<emmy::NoBias, 1, 64>, emmy::Parametrized<emmy::Dense<3>, emmy::WeightNorm>,
                      emmy::BatchNorm<emmy::WithBias, 1, 16>, emmy::Dense<3>>;
constexpr int kBatch = 3;
static_assert(emmy::kPlan<Net>.weights == 6 * 7 + 7 + 2 * 7 + 7 * 5 + 5 + 5 + 3 + 5 * 3 + 3 + 2 * 3 + 3 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0, 1}};
constinit emmy::Ledger<Net> ledger{};

double reference_gradient() {
  static double in[kBatch * 6], first[kBatch * 7], normed[kBatch * 7], second[kBatch * 5], rms[kBatch * 5],
      third[kBatch * 3], columns[kBatch * 3], out[kBatch * 3], d_first[kBatch * 7], d_normed[kBatch * 7],
      d_second[kBatch * 5], d_rms[kBatch * 5], d_third[kBatch * 3], d_columns[kBatch * 3], w3[5 * 3], gw3[5 * 3];
  constexpr double kEpsilon = 1e-5, kSecond = 1.0 / 64, kThird = 1.0 / 16;
  const double *w1 = twin.theta, *b1 = w1 + 42, *gain = b1 + 7, *bias = gain + 7, *w2 = bias + 7, *b2 = w2 + 35,
               *gain2 = b2 + 5, *length3 = gain2 + 5, *v3 = length3 + 3, *b3 = v3 + 15, *gain3 = b3 + 3,
               *bias3 = gain3 + 3, *w4 = bias3 + 3, *b4 = w4 + 9;
  double *g1 = twin.slope, *gb1 = g1 + 42, *gg = gb1 + 7, *gb = gg + 7, *g2 = gb + 7, *gb2 = g2 + 35, *gg2 = gb2 + 5,
         *glength3 = gg2 + 5, *g3 = glength3 + 3, *gb3 = g3 + 15, *gg3 = gb3 + 3, *gbias3 = gg3 + 3, *g4 = gbias3 + 3,
         *gb4 = g4 + 9;
  for (int i = 0; i < kBatch * 6; ++i) in[i] = static_cast<double>(twin.x[i]);
  reference::dense(in, w1, b1, first, kBatch, 6, 7);
  reference::norm_forward(normed, first, gain, bias, kBatch, 7, true, kEpsilon);
  reference::relu(normed, kBatch * 7);
  reference::dense(normed, w2, b2, second, kBatch, 7, 5);
  reference::norm_forward(rms, second, gain2, static_cast<const double*>(nullptr), kBatch, 5, false, kSecond);
  reference::weight_norm_forward(w3, length3, v3, 5, 3);
  reference::dense(rms, w3, b3, third, kBatch, 5, 3);
  reference::batch_norm_forward(columns, third, gain3, bias3, kBatch, 3, kThird);
  reference::dense(columns, w4, b4, out, kBatch, 3, 3);
  const double loss = reference::cross_entropy(out, twin.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(twin.slope), reference::clear(d_first), reference::clear(d_second), reference::clear(d_third);
  reference::dense_backward(columns, w4, out, g4, gb4, d_columns, kBatch, 3, 3);
  reference::batch_norm_backward(d_third, gg3, gbias3, d_columns, third, gain3, kBatch, 3, kThird);
  reference::dense_backward(rms, w3, d_third, gw3, gb3, d_rms, kBatch, 5, 3);
  reference::weight_norm_backward(glength3, g3, gw3, length3, v3, 5, 3);
  reference::norm_backward(d_second, gg2, static_cast<double*>(nullptr), d_rms, second, gain2, kBatch, 5, false,
                           kSecond);
  reference::dense_backward(normed, w2, d_second, g2, gb2, d_normed, kBatch, 7, 5);
  for (int i = 0; i < kBatch * 7; ++i) d_normed[i] = normed[i] > 0 ? d_normed[i] : 0;
  reference::norm_backward(d_first, gg, gb, d_normed, first, gain, kBatch, 7, true, kEpsilon);
  reference::dense_backward(in, w1, d_first, g1, gb1, static_cast<double*>(nullptr), kBatch, 6, 7);
  return loss;
}

constinit emmy::Params<Net> from{};
constinit emmy::Gradient<Net> before{};

emmy::StepResult<float> gradient(emmy::Gradient<Net>& g) {
  return emmy::gradient<false>(twin.trainer.params, twin.trainer.buffers, twin.trainer.scratch, twin.x, twin.labels,
                               emmy::CrossEntropy{}, kBatch, 1.0f / kBatch, g);
}

// A step does to the loss what the slopes at its ends say.
void energy() {
  constexpr float kRate = 0.0625f;
  twin.start(3);
  emmy::EnergyMeter meter{};
  const auto start = gradient(before);
  from = twin.trainer.params;
  CHECK(twin.trainer.step(twin.x, twin.labels, emmy::CrossEntropy{}, emmy::Momentum{kRate}).status == emmy::Status::ok);
  meter.begin(start.loss, emmy::slope(before, from, twin.trainer.params));
  const auto end = gradient(twin.gradient);
  meter.end(end.loss, emmy::slope(twin.gradient, from, twin.trainer.params));
  CHECK(meter.downhill() && meter.change < 0);
  CHECK_NEAR(static_cast<double>(meter.slope), -static_cast<double>(kRate * emmy::inner_product(before, before)), 1e-6);
  CHECK_NEAR(static_cast<double>(meter.trapezoid()), static_cast<double>(meter.change),
             -0.05 * static_cast<double>(meter.change));
  // The rate grows as far as the curvature along this one step lets it.
  const float most = kRate / meter.kappa_loss();
  CHECK(meter.tells() && most > kRate);
  emmy::RateGovernor governor{.learning_rate = kRate, .growth = 1e3f};
  CHECK_NEAR(static_cast<double>(governor.update(meter, kRate)), static_cast<double>(most),
             1e-5 * static_cast<double>(most));
}

#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32  // two more nets
// What it does at inference, its weights' norms and its BatchNorm folded away.
void folded() {
  using Plain = emmy::plain_of<Net>;
  using Folded = emmy::normless_of<Plain>;
  static emmy::Params<Plain> plain;
  static emmy::Params<Folded> to;
  static emmy::Buffers<Plain> statistics;
  static emmy::Scratch<Net, kBatch, emmy::Infer> scratch;
  static emmy::Scratch<Folded, kBatch, emmy::Infer> without;
  [[maybe_unused]] static emmy::Buffers<Folded> none;
  static_assert(emmy::kPlan<Plain>.buffers == emmy::kPlan<Net>.buffers && emmy::kPlan<Folded>.buffers == 0);
  for (int i = 0; i < emmy::kPlan<Net>.buffers; ++i) statistics.data[i] = twin.trainer.buffers.data[i];
  emmy::fold(twin.trainer.params, plain);
  emmy::fold_norms(plain, statistics, to);
  float y[kBatch * 3] = {}, z[kBatch * 3] = {};
  CHECK(emmy::infer(twin.trainer.params, twin.trainer.buffers, scratch, twin.x, y) == emmy::Status::ok);
  CHECK(emmy::infer(to, none, without, twin.x, z) == emmy::Status::ok);
  for (int i = 0; i < kBatch * 3; ++i) CHECK_NEAR(static_cast<double>(z[i]), static_cast<double>(y[i]), 4e-6);
}
#endif

}  // namespace

int main() {
  twin.check_all(reference_gradient, ledger);
#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32
  check::begin("folded norms");
  folded();
#endif
  check::begin("energy");
  energy();
  return check::end();
}
