// A net of attention, one layer of several heads with rotary positions and one behind a mask, against double loops: loss and
// gradient, then steps with momentum and decay whose charges keep their budgets.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/attention.hpp>
#include <tests/reference/recurrent.hpp>

namespace {

using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 2, emmy::Rope<16>, emmy::OutputChannels<4>>,
                      emmy::Attention<1, 3, emmy::Causal>, emmy::Last, emmy::Dense<3>>;
constexpr int kBatch = 2, kT = 4, kRows = kBatch * kT;
static_assert(emmy::kPlan<Net>.weights == 3 * 12 + 16 + 3 * 4 + 4 + 3 * 12 + 12 + 3 * 3 + 4 + 4 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0}};
constinit emmy::Ledger<Net> ledger{};

// The blocks of a layer: three matrices, that of the outputs, four biases.
template <class Pointers, class R>
Pointers blocks_of(R* from, int in, int columns, int out) {
  R *const back = from + 3 * in * columns, *const bias = back + columns * out;
  return {from, from + in * columns, from + 2 * in * columns, back,
          bias, bias + columns,      bias + 2 * columns,      bias + 3 * columns};
}

double reference_gradient() {
  using Weights = reference::HeadWeights<double>;
  using Slopes = reference::HeadGradients<double>;
  constexpr reference::HeadSizes kFirst{kBatch, kT, 3, 2, 2, 4, false}, kSecond{kBatch, kT, 4, 1, 3, 4, true};
  static double in[kRows * 3], first[kRows * 4], second[kRows * 4], last[kBatch * 4], out[kBatch * 3],
      d_first[kRows * 4], d_second[kRows * 4], d_last[kBatch * 4], turns[2 * kT], work[kT * 13],
      room_a[reference::Attended<double>::size(kFirst)], room_b[reference::Attended<double>::size(kSecond)];
  double *const w = twin.theta, *const dw = twin.slope;
  constexpr int kNext = 3 * 12 + 16 + 3 * 4 + 4, kDense = kNext + 3 * 12 + 12 + 3 * 3 + 4;
  for (int i = 0; i < kRows * 3; ++i) in[i] = static_cast<double>(twin.x[i]);
  for (int t = 0; t < kT; ++t) {  // one plane: the angle is the position
    double c = 1, s = 1;
    for (int n = 30; n > 1; n -= 2) {
      c = 1 - c * t * t / (n * (n - 1));
      s = 1 - s * t * t / (n * (n + 1));
    }
    turns[2 * t] = c;
    turns[2 * t + 1] = s * t;
  }
  const reference::Attended<double> a(room_a, kFirst), b(room_b, kSecond);
  const auto exp = [](double x, int) { return reference::exp(x); };
  reference::attention_forward(first, in, blocks_of<Weights>(w, 3, 4, 4), a, turns, 0.70710678118654752, kFirst, exp);
  reference::attention_forward(second, first, blocks_of<Weights>(w + kNext, 4, 3, 4), b,
                               static_cast<const double*>(nullptr), 0.57735026918962576, kSecond, exp);
  reference::last_forward(last, second, kBatch, kT, 4);
  reference::dense(last, w + kDense, w + kDense + 12, out, kBatch, 4, 3);
  const double loss = reference::cross_entropy(out, twin.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(twin.slope), reference::clear(d_first), reference::clear(d_second);
  reference::dense_backward(last, w + kDense, out, dw + kDense, dw + kDense + 12, d_last, kBatch, 4, 3);
  reference::last_backward(d_second, d_last, kBatch, kT, 4);
  reference::attention_backward(d_first, blocks_of<Slopes>(dw + kNext, 4, 3, 4), d_second, first,
                                blocks_of<Weights>(w + kNext, 4, 3, 4), b, static_cast<const double*>(nullptr),
                                0.57735026918962576, kSecond, work);
  reference::attention_backward(static_cast<double*>(nullptr), blocks_of<Slopes>(dw, 3, 4, 4), d_first, in,
                                blocks_of<Weights>(w, 3, 4, 4), a, turns, 0.70710678118654752, kFirst, work);
  return loss;
}

}  // namespace

int main() { return twin.run(reference_gradient, ledger); }
