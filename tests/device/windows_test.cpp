// Nets of convolutions and pools over positions and over an image against double loops: loss and gradient, then steps with momentum
// and decay whose charges keep their budgets.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/conv.hpp>

namespace {

// Positions 10, 8, 4, 3, 1.
using Net = emmy::Net<emmy::Input<10, 3>, emmy::Conv1d<5, 3>, emmy::Relu, emmy::MaxPool<2>, emmy::Conv1d<6, 2>,
                      emmy::Relu, emmy::GlobalAvgPool, emmy::Dense<3>>;
constexpr int kBatch = 2;
static_assert(emmy::kPlan<Net>.weights == 9 * 5 + 5 + 10 * 6 + 6 + 6 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0}};
constinit emmy::Ledger<Net> ledger{};

void relu(double* v, int n) {
  for (int i = 0; i < n; ++i) v[i] = v[i] > 0 ? v[i] : 0;
}
void through_relu(double* d, const double* y, int n) {
  for (int i = 0; i < n; ++i) d[i] = y[i] > 0 ? d[i] : 0;
}
template <int N>
void clear(double (&v)[N]) {
  for (double& each : v) each = 0;
}

double reference_gradient() {
  static double in[kBatch * 30], first[kBatch * 40], pooled[kBatch * 20], second[kBatch * 18], mean[kBatch * 6],
      out[kBatch * 3], d_first[kBatch * 40], d_pooled[kBatch * 20], d_second[kBatch * 18], d_mean[kBatch * 6];
  const double *w1 = twin.theta, *b1 = w1 + 45, *w2 = b1 + 5, *b2 = w2 + 60, *w3 = b2 + 6, *b3 = w3 + 18;
  double *g1 = twin.slope, *gb1 = g1 + 45, *g2 = gb1 + 5, *gb2 = g2 + 60, *g3 = gb2 + 6, *gb3 = g3 + 18;
  for (int i = 0; i < kBatch * 30; ++i) in[i] = static_cast<double>(twin.x[i]);
  reference::conv_forward(first, in, w1, b1, kBatch, 10, 3, 3, 5);
  relu(first, kBatch * 40);
  reference::max_pool_forward(pooled, first, kBatch, reference::pooling(8, 2), 5);
  reference::conv_forward(second, pooled, w2, b2, kBatch, 4, 2, 5, 6);
  relu(second, kBatch * 18);
  reference::avg_pool_forward(mean, second, kBatch, reference::pooling(3, 3), 6);
  reference::dense(mean, w3, b3, out, kBatch, 6, 3);
  const double loss = reference::cross_entropy(out, twin.labels, kBatch, 3);  // out becomes its gradient
  clear(twin.slope), clear(d_second), clear(d_pooled), clear(d_first);
  reference::dense_backward(mean, w3, out, g3, gb3, d_mean, kBatch, 6, 3);
  reference::avg_pool_backward(d_second, d_mean, kBatch, reference::pooling(3, 3), 6);
  through_relu(d_second, second, kBatch * 18);
  reference::conv_backward(d_pooled, g2, gb2, d_second, pooled, w2, kBatch, 4, 2, 5, 6);
  reference::max_pool_backward(d_first, d_pooled, first, kBatch, reference::pooling(8, 2), 5);
  through_relu(d_first, first, kBatch * 40);
  reference::conv_backward(nullptr, g1, gb1, d_first, in, w1, kBatch, 10, 3, 3, 5);
  return loss;
}

// Zeros on all sides and on one, a stride, a depthwise convolution: 5 x 4, 2 x 2 positions.
using Image = emmy::Net<emmy::Input<5, 4, 2>, emmy::Conv2d<3, 3, 2, emmy::Same>, emmy::Relu, emmy::MaxPool<2>,
                        emmy::DepthwiseConv2d<2, 2, emmy::Same>, emmy::Relu,
                        emmy::Conv2d<4, 3, 3, emmy::Stride<2>, emmy::Padding<1>>, emmy::GlobalAvgPool, emmy::Dense<3>>;
static_assert(emmy::kPlan<Image>.weights == 12 * 3 + 3 + 4 * 3 + 3 + 27 * 4 + 4 + 4 * 3 + 3);

constinit Twin<Image, kBatch> image{.labels = {1, 2}};
constinit emmy::Ledger<Image> image_ledger{};

double image_gradient() {
  constexpr reference::Grid kFirst{5, 4, 3, 2, 1, 1, 1, 0, 5, 4}, kOwn{2, 2, 2, 2, 1, 1, 0, 0, 2, 2},
      kLast{2, 2, 3, 3, 2, 2, 1, 1, 1, 1}, kPool = reference::pooling(5, 4, 2, 2);
  static double in[kBatch * 40], first[kBatch * 60], pooled[kBatch * 12], own[kBatch * 12], last[kBatch * 4],
      out[kBatch * 3], d_first[kBatch * 60], d_pooled[kBatch * 12], d_own[kBatch * 12], d_last[kBatch * 4];
  const double *w1 = image.theta, *b1 = w1 + 36, *w2 = b1 + 3, *b2 = w2 + 12, *w3 = b2 + 3, *b3 = w3 + 108,
               *w4 = b3 + 4, *b4 = w4 + 12;
  double *g1 = image.slope, *gb1 = g1 + 36, *g2 = gb1 + 3, *gb2 = g2 + 12, *g3 = gb2 + 3, *gb3 = g3 + 108,
         *g4 = gb3 + 4, *gb4 = g4 + 12;
  for (int i = 0; i < kBatch * 40; ++i) in[i] = static_cast<double>(image.x[i]);
  reference::conv2d_forward(first, in, w1, b1, kBatch, kFirst, 2, 3);
  relu(first, kBatch * 60);
  reference::max_pool_forward(pooled, first, kBatch, kPool, 3);
  reference::depthwise_forward(own, pooled, w2, b2, kBatch, kOwn, 3);
  relu(own, kBatch * 12);
  reference::conv2d_forward(last, own, w3, b3, kBatch, kLast, 3, 4);  // one position, its own mean
  reference::dense(last, w4, b4, out, kBatch, 4, 3);
  const double loss = reference::cross_entropy(out, image.labels, kBatch, 3);  // out becomes its gradient
  clear(image.slope), clear(d_own), clear(d_pooled), clear(d_first);
  reference::dense_backward(last, w4, out, g4, gb4, d_last, kBatch, 4, 3);
  reference::conv2d_backward(d_own, g3, gb3, d_last, own, w3, kBatch, kLast, 3, 4);
  through_relu(d_own, own, kBatch * 12);
  reference::depthwise_backward(d_pooled, g2, gb2, d_own, pooled, w2, kBatch, kOwn, 3);
  reference::max_pool_backward(d_first, d_pooled, first, kBatch, kPool, 3);
  through_relu(d_first, first, kBatch * 60);
  reference::conv2d_backward(nullptr, g1, gb1, d_first, in, w1, kBatch, kFirst, 2, 3);
  return loss;
}

}  // namespace

int main() {
  twin.check_all(reference_gradient, ledger);
  check::begin("an image");
  return image.run(image_gradient, image_ledger);
}
