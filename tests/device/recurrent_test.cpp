// A net with states against double loops: loss and gradient, then steps with momentum and decay whose charges keep their
// budgets; and the same net position by position.
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/recurrent.hpp>

namespace {

using Net = emmy::Net<emmy::Input<5, 3>, emmy::Rnn<5, emmy::Relu>, emmy::Gru<3>, emmy::Last, emmy::Dense<3>>;
constexpr int kBatch = 2, kT = 5, kRows = kBatch * kT;
static_assert(emmy::kPlan<Net>.weights == 3 * 5 + 5 * 5 + 5 + 3 * 5 * 3 + 3 * 3 * 3 + 4 * 3 + 3 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0}};
constinit emmy::Ledger<Net> ledger{};

double rectified(double a) { return a > 0 ? a : 0; }
double rectified_slope(double y) { return y > 0 ? 1 : 0; }

double reference_gradient() {
  static double in[kRows * 3], first[kRows * 5], states[kRows * 3], gates[kRows * 12], last[kBatch * 3],
      out[kBatch * 3], d_first[kRows * 5], d_states[kRows * 3], d_last[kBatch * 3];
  const reference::Window of_first{kBatch, kT, 3, 5}, of_states{kBatch, kT, 5, 3};
  const double *wx = twin.theta, *wh = wx + 15, *b = wh + 25, *gx = b + 5, *gh = gx + 45, *gb = gh + 27, *w = gb + 12,
               *bias = w + 9;
  double *dwx = twin.slope, *dwh = dwx + 15, *db = dwh + 25, *dgx = db + 5, *dgh = dgx + 45, *dgb = dgh + 27,
         *dw = dgb + 12, *dbias = dw + 9;
  for (int i = 0; i < kRows * 3; ++i) in[i] = static_cast<double>(twin.x[i]);
  reference::rnn_forward(first, in, wx, wh, b, of_first, rectified);
  reference::gru_forward(states, gates, first, gx, gh, gb, of_states, reference::tanh, reference::sigmoid);
  reference::last_forward(last, states, kBatch, kT, 3);
  reference::dense(last, w, bias, out, kBatch, 3, 3);
  const double loss = reference::cross_entropy(out, twin.labels, kBatch, 3);  // out becomes its gradient
  reference::clear(twin.slope), reference::clear(d_first), reference::clear(d_states);
  reference::dense_backward(last, w, out, dw, dbias, d_last, kBatch, 3, 3);
  reference::last_backward(d_states, d_last, kBatch, kT, 3);
  reference::gru_backward(d_first, dgx, dgh, dgb, d_states, gates, states, first, gx, gh, of_states);
  reference::rnn_backward(static_cast<double*>(nullptr), dwx, dwh, db, d_first, first, in, wx, wh, of_first,
                          rectified_slope);
  return loss;
}

void stream() {
  static emmy::Scratch<Net, 1, emmy::Infer> window;
  static emmy::Scratch<Net, 1, emmy::Stream> next;
  float whole[3] = {}, y[3] = {};
  CHECK(emmy::infer(twin.trainer.params, twin.trainer.buffers, window, twin.x, whole) == emmy::Status::ok);
  for (int turn = 0; turn < 2; ++turn) {
    emmy::reset(twin.trainer.buffers);
    for (int t = 0; t < kT; ++t)
      CHECK(emmy::infer_next(twin.trainer.params, twin.trainer.buffers, next, twin.x + t * 3, y).ready);
    for (int o = 0; o < 3; ++o) CHECK_NEAR(static_cast<double>(y[o]), static_cast<double>(whole[o]), 2e-6);
  }
}

}  // namespace

int main() {
  twin.check_all(reference_gradient, ledger);
  check::begin("stream");
  stream();
  return check::end();
}
