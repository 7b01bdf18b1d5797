// A net of convolutions and pools over positions against double loops: loss and gradient, then steps with momentum and
// decay whose charges keep their budgets; and the same net position by position. A net of the units that no other device test
// has: a depthwise filter, squares, exponentials, sigmoids.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/conv.hpp>

namespace {

// Positions 10, 8, 4, 3, 1.
using Net = emmy::Net<emmy::Input<10, 3>, emmy::StreamingConv1d<5, 3>, emmy::Relu, emmy::Streaming<emmy::MaxPool<2>>,
                      emmy::StreamingConv1d<6, 2>, emmy::Relu, emmy::Streaming<emmy::AvgPool<3>>, emmy::Dense<3>>;
constexpr int kBatch = 2;
static_assert(emmy::kPlan<Net>.weights == 9 * 5 + 5 + 10 * 6 + 6 + 6 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0}};
constinit emmy::Ledger<Net> ledger{};

double reference_gradient() {
  static double in[kBatch * 30], first[kBatch * 40], pooled[kBatch * 20], second[kBatch * 18], mean[kBatch * 6],
      out[kBatch * 3], d_first[kBatch * 40], d_pooled[kBatch * 20], d_second[kBatch * 18], d_mean[kBatch * 6];
  const double *w1 = twin.theta, *b1 = w1 + 45, *w2 = b1 + 5, *b2 = w2 + 60, *w3 = b2 + 6, *b3 = w3 + 18;
  double *g1 = twin.slope, *gb1 = g1 + 45, *g2 = gb1 + 5, *gb2 = g2 + 60, *g3 = gb2 + 6, *gb3 = g3 + 18;
  for (int i = 0; i < kBatch * 30; ++i) in[i] = static_cast<double>(twin.x[i]);
  reference::conv_forward(first, in, w1, b1, kBatch, 10, 3, 3, 5);
  reference::relu(first, kBatch * 40);
  reference::max_pool_forward(pooled, first, kBatch, reference::pooling(8, 2), 5);
  reference::conv_forward(second, pooled, w2, b2, kBatch, 4, 2, 5, 6);
  reference::relu(second, kBatch * 18);
  reference::avg_pool_forward(mean, second, kBatch, reference::pooling(3, 3), 6);
  reference::dense(mean, w3, b3, out, kBatch, 6, 3);
  const double loss = reference::cross_entropy(out, twin.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(twin.slope), reference::clear(d_second), reference::clear(d_pooled), reference::clear(d_first);
  reference::dense_backward(mean, w3, out, g3, gb3, d_mean, kBatch, 6, 3);
  reference::avg_pool_backward(d_second, d_mean, kBatch, reference::pooling(3, 3), 6);
  reference::relu_backward(d_second, second, kBatch * 18);
  reference::conv_backward(d_pooled, g2, gb2, d_second, pooled, w2, kBatch, 4, 2, 5, 6);
  reference::max_pool_backward(d_first, d_pooled, first, kBatch, reference::pooling(8, 2), 5);
  reference::relu_backward(d_first, first, kBatch * 40);
  reference::conv_backward(nullptr, g1, gb1, d_first, in, w1, kBatch, 10, 3, 3, 5);
  return loss;
}

// Two windows in a row: the output comes with the last position.
void stream() {
  static emmy::Scratch<Net, 1, emmy::Infer> window;
  static emmy::Scratch<Net, 1, emmy::Stream> next;
  for (int turn = 0; turn < 2; ++turn) {
    const float* const x = twin.x + turn * Net::kInputs;
    float whole[3] = {}, y[3] = {};
    CHECK(emmy::infer(twin.trainer.params, twin.trainer.buffers, window, x, whole) == emmy::Status::ok);
    emmy::reset(twin.trainer.buffers);
    for (int t = 0; t < 10; ++t) {
      const auto result = emmy::infer_next(twin.trainer.params, twin.trainer.buffers, next, x + t * 3, y);
      CHECK(result.status == emmy::Status::ok && result.ready == (t == 9));
    }
    for (int o = 0; o < 3; ++o) CHECK_NEAR(static_cast<double>(y[o]), static_cast<double>(whole[o]), 2e-6);
  }
}

#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32  // a second net
using Units = emmy::Net<emmy::Input<6, 2>, emmy::DepthwiseConv1d<3>, emmy::PowerRelu<2>, emmy::Flatten, emmy::Dense<5>,
                        emmy::Exp, emmy::Dense<4>, emmy::Sigmoid, emmy::Dense<3>>;
static_assert(emmy::kPlan<Units>.weights == 3 * 2 + 2 + 8 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3);
constinit Twin<Units, kBatch> units{.labels = {1, 2}};
constinit emmy::Ledger<Units> units_ledger{};

double units_gradient() {
  constexpr reference::Grid kFilter{1, 6, 1, 3};
  static double in[kBatch * 12], filtered[kBatch * 8], squared[kBatch * 8], second[kBatch * 5], third[kBatch * 4],
      out[kBatch * 3], d_third[kBatch * 4], d_second[kBatch * 5], d_squared[kBatch * 8];
  const double *w1 = units.theta, *b1 = w1 + 6, *w2 = b1 + 2, *b2 = w2 + 40, *w3 = b2 + 5, *b3 = w3 + 20, *w4 = b3 + 4,
               *b4 = w4 + 12;
  double *g1 = units.slope, *gb1 = g1 + 6, *g2 = gb1 + 2, *gb2 = g2 + 40, *g3 = gb2 + 5, *gb3 = g3 + 20, *g4 = gb3 + 4,
         *gb4 = g4 + 12;
  for (int i = 0; i < kBatch * 12; ++i) in[i] = static_cast<double>(units.x[i]);
  reference::depthwise_forward(filtered, in, w1, b1, kBatch, kFilter, 2);
  for (int i = 0; i < kBatch * 8; ++i) squared[i] = filtered[i] > 0 ? filtered[i] * filtered[i] : 0;
  reference::dense(squared, w2, b2, second, kBatch, 8, 5);
  for (double& v : second) v = reference::exp(v);
  reference::dense(second, w3, b3, third, kBatch, 5, 4);
  for (double& v : third) v = reference::sigmoid(v);
  reference::dense(third, w4, b4, out, kBatch, 4, 3);
  const double loss = reference::cross_entropy(out, units.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(units.slope);
  reference::dense_backward(third, w4, out, g4, gb4, d_third, kBatch, 4, 3);
  for (int i = 0; i < kBatch * 4; ++i) d_third[i] *= third[i] * (1 - third[i]);
  reference::dense_backward(second, w3, d_third, g3, gb3, d_second, kBatch, 5, 4);
  for (int i = 0; i < kBatch * 5; ++i) d_second[i] *= second[i];
  reference::dense_backward(squared, w2, d_second, g2, gb2, d_squared, kBatch, 8, 5);
  for (int i = 0; i < kBatch * 8; ++i) d_squared[i] *= filtered[i] > 0 ? 2 * filtered[i] : 0;
  reference::depthwise_backward(nullptr, g1, gb1, d_squared, in, w1, kBatch, kFilter, 2);
  return loss;
}
#endif

}  // namespace

int main() {
  twin.check_all(reference_gradient, ledger);
#if !defined(EMMY_BOARD_RAM_KIB) || EMMY_BOARD_RAM_KIB >= 32
  units.check_all(units_gradient, units_ledger);
#endif
  check::begin("stream");
  stream();
  return check::end();
}
