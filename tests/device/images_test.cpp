// A net of convolutions and pools over an image against double loops: loss and gradient, then steps with momentum and decay
// whose charges keep their budgets.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/conv.hpp>

namespace {

// Zeros on all sides and on one, a stride, a depthwise convolution: 5 x 4, 2 x 2 positions.
using Image = emmy::Net<emmy::Input<5, 4, 2>, emmy::Conv2d<3, 3, 2, emmy::Same>, emmy::Relu, emmy::MaxPool<2>,
                        emmy::DepthwiseConv2d<2, 2, emmy::Same>, emmy::Relu,
                        emmy::Conv2d<4, 3, 3, emmy::Stride<2>, emmy::Padding<1>>, emmy::GlobalAvgPool, emmy::Dense<3>>;
static_assert(emmy::kPlan<Image>.weights == 12 * 3 + 3 + 4 * 3 + 3 + 27 * 4 + 4 + 4 * 3 + 3);

constexpr int kBatch = 2;
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
  reference::relu(first, kBatch * 60);
  reference::max_pool_forward(pooled, first, kBatch, kPool, 3);
  reference::depthwise_forward(own, pooled, w2, b2, kBatch, kOwn, 3);
  reference::relu(own, kBatch * 12);
  reference::conv2d_forward(last, own, w3, b3, kBatch, kLast, 3, 4);  // one position, its own mean
  reference::dense(last, w4, b4, out, kBatch, 4, 3);
  const double loss = reference::cross_entropy(out, image.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(image.slope), reference::clear(d_own), reference::clear(d_pooled), reference::clear(d_first);
  reference::dense_backward(last, w4, out, g4, gb4, d_last, kBatch, 4, 3);
  reference::conv2d_backward(d_own, g3, gb3, d_last, own, w3, kBatch, kLast, 3, 4);
  reference::relu_backward(d_own, own, kBatch * 12);
  reference::depthwise_backward(d_pooled, g2, gb2, d_own, pooled, w2, kBatch, kOwn, 3);
  reference::max_pool_backward(d_first, d_pooled, first, kBatch, kPool, 3);
  reference::relu_backward(d_first, first, kBatch * 60);
  reference::conv2d_backward(nullptr, g1, gb1, d_first, in, w1, kBatch, kFirst, 2, 3);
  return loss;
}

}  // namespace

int main() { return image.run(image_gradient, image_ledger); }
