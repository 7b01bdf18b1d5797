// A net with two hidden layers against double loops: loss, gradient, one step of each rule, inference; and that a refused
// step changes nothing.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>

#include <limits>

namespace {

using Net = emmy::Net<emmy::Input<5>, emmy::Dense<7>, emmy::Relu, emmy::Dense<6>, emmy::Tanh, emmy::Dense<3>>;
constexpr int kBatch = 3, kLayers = 3, kWidth[kLayers + 1] = {5, 7, 6, 3};
static_assert(emmy::kPlan<Net>.weights == 5 * 7 + 7 + 7 * 6 + 6 + 6 * 3 + 3);

constexpr auto& plan = emmy::kPlan<Net>;

constinit Twin<Net, kBatch> twin{.labels = {2, 0, 1}};
constinit auto& trainer = twin.trainer;
constinit auto& x = twin.x;
constinit auto& labels = twin.labels;

double reference_gradient() {
  static double act[kLayers + 1][kBatch * 8], delta[kLayers + 1][kBatch * 8];
  const double* at[kLayers];
  double* slope_at[kLayers];
  for (int i = 0; i < kBatch * 5; ++i) act[0][i] = static_cast<double>(x[i]);
  int offset = 0;
  for (int l = 0; l < kLayers; ++l) {
    const int in = kWidth[l], out = kWidth[l + 1];
    at[l] = twin.theta + offset;
    slope_at[l] = twin.slope + offset;
    offset += (in + 1) * out;
    reference::dense(act[l], at[l], at[l] + in * out, act[l + 1], kBatch, in, out);
    for (int i = 0; i < kBatch * out; ++i) {
      double& v = act[l + 1][i];
      if (l == 0) v = v > 0 ? v : 0;
      if (l == 1) v = reference::tanh(v);
    }
  }
  const double loss = reference::cross_entropy(act[kLayers], labels, kBatch, kWidth[kLayers]);
  for (int i = 0; i < kBatch * kWidth[kLayers]; ++i) delta[kLayers][i] = act[kLayers][i];
  for (int l = kLayers - 1; l >= 0; --l) {
    const int in = kWidth[l], out = kWidth[l + 1];
    reference::dense_backward(act[l], at[l], delta[l + 1], slope_at[l], slope_at[l] + in * out, delta[l], kBatch, in,
                              out);
    for (int i = 0; i < kBatch * in; ++i) {
      if (l == 1) delta[l][i] *= act[l][i] > 0 ? 1 : 0;
      if (l == 2) delta[l][i] *= 1 - act[l][i] * act[l][i];
    }
  }
  return loss;
}

// A refused step leaves weights, momentum and maxima as they are, to the bit.
void refused(const char* what, emmy::Status wanted, const emmy::Momentum& rule) {
  static constinit emmy::Trainer<Net, emmy::Momentum, kBatch> before{};
  before = trainer;
  const auto result = trainer.step(x, labels, emmy::CrossEntropy{}, rule);
  if (!check::count(result.status == wanted, what, 0)) trainer = before;
  for (int i = 0; i < plan.params; ++i) {
    check::same_bits(trainer.params.data[i], before.params.data[i], what, i);
    check::same_bits(trainer.state.buf[i], before.state.buf[i], what, i);
  }
  check::same_bits(trainer.state.largest.room[0], before.state.largest.room[0], what, 0);
}

void refusals() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const emmy::Momentum rule{.learning_rate = 0.125f, .momentum = 0.75f};
  twin.start(7);
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule).status == emmy::Status::ok);
  const float good = x[4];
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    x[4] = bad;
    refused("input that is not finite", emmy::Status::not_finite, rule);
  }
  x[4] = good;
  for (int block = 0; block < plan.kBlocks; ++block) {
    float& weight = trainer.params.data[plan.block[block].offset];
    const float before = weight;
    weight = kNan;  // a fault: nobody said so, and blocks 0 and 1 end in a ReLU, where max(0, NaN) must not be 0
    refused("weight that became NaN", emmy::Status::not_finite, rule);
    for (const float bad : {kNan, kInfinity}) {
      weight = bad;
      emmy::refresh(trainer.state);
      refused("weight that is not finite", emmy::Status::not_finite, rule);
    }
    weight = before;
    emmy::refresh(trainer.state);
  }
  labels[1] = 3;
  refused("label out of range", emmy::Status::bad_label, rule);
  labels[1] = -1;
  refused("negative label", emmy::Status::bad_label, rule);
  labels[1] = 0;
  refused("negative rate", emmy::Status::bad_rate, emmy::Momentum{.learning_rate = -0.125f});
  CHECK(trainer.step(x, labels, emmy::CrossEntropy{}, rule).status == emmy::Status::ok);
}

void inference() {
  static constinit emmy::Scratch<Net, kBatch, emmy::Infer> scratch{};
  static constinit emmy::Scratch<Net, kBatch, emmy::Train<emmy::Momentum>> training{};
  float y[kBatch * 3], z[kBatch * 3];
  twin.start(8);
  CHECK(emmy::infer(trainer.params, trainer.buffers, scratch, x, y) == emmy::Status::ok);
  CHECK(emmy::forward(trainer.params, trainer.buffers, training, x, z) == emmy::Status::ok);
  for (int i = 0; i < kBatch * 3; ++i) CHECK_BITS(y[i], z[i]);
}

#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32  // two trainers and a ledger
// The step of a tiny net against the general one, which a ledger makes the same net take; a refused one changes nothing.
template <class Tiny>
void tiny_steps() {
  static constinit emmy::Trainer<Tiny, emmy::Sgd, 1> fused{}, general{};
  static constinit emmy::Ledger<Tiny> ledger{};
  emmy::Pcg32 rng{3};
  emmy::init(fused.params, rng);
  general.params = fused.params;
  float in[Tiny::kInputs], target = 0;
  const emmy::Sgd rule{.learning_rate = 0.05f};
  for (int step = 0; step < 50; ++step) {
    target = rng.uniform();
    for (float& v : in) v = 2 * rng.uniform() - 1;
    const auto a = fused.step(in, &target, emmy::SquaredError{}, rule);
    const auto b = general.step(in, &target, emmy::SquaredError{}, rule, ledger);
    CHECK(a.status == emmy::Status::ok && b.status == emmy::Status::ok);
    CHECK_NEAR(static_cast<double>(a.loss), static_cast<double>(b.loss), 1e-5);
  }
  for (int k = 0; k < emmy::kPlan<Tiny>.params; ++k)
    if (!CHECK_NEAR(static_cast<double>(fused.params.data[k]), static_cast<double>(general.params.data[k]), 1e-5))
      break;
  const auto kept = fused.params;
  in[Tiny::kInputs - 1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(fused.step(in, &target, emmy::SquaredError{}, rule).status == emmy::Status::not_finite);
  in[Tiny::kInputs - 1] = 1;
  CHECK(fused.step(in, &target, emmy::SquaredError{}, {.learning_rate = -1.0f}).status == emmy::Status::bad_rate);
  for (int k = 0; k < emmy::kPlan<Tiny>.params; ++k)
    if (!CHECK_BITS(fused.params.data[k], kept.data[k])) break;
}
#endif

}  // namespace

int main() {
  check::begin("gradients");
  twin.gradients(reference_gradient);
  check::begin("steps");
  emmy::NoLedger none;
  twin.steps(reference_gradient, none, [] {});
  check::begin("refused steps");
  refusals();
#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32
  check::begin("steps of tiny nets");
  tiny_steps<emmy::Net<emmy::Input<2>, emmy::Dense<16>, emmy::Relu, emmy::Dense<1>>>();
  tiny_steps<emmy::Net<emmy::Input<6>, emmy::Dense<9>, emmy::Relu, emmy::Dense<1, emmy::NoBias>>>();
  tiny_steps<emmy::Net<emmy::Input<5>, emmy::Dense<7>, emmy::Tanh, emmy::Dense<1>>>();
#endif
  check::begin("inference");
  inference();
  return check::end();
}
