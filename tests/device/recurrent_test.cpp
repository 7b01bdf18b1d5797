// A net with states against double loops: loss and gradient, then steps with momentum and decay whose charges keep their
// budgets; and the same net position by position. Then one whose weights of the input and of the states are products.
#include <emmy/parametrize/low_rank_states.hpp>
#include <tests/device/reference.hpp>
#include <tests/device/twin.hpp>
#include <tests/reference/recurrent.hpp>

namespace {

using Net = emmy::Net<emmy::Input<5, 3>, emmy::Rnn<5, emmy::Relu>, emmy::Gru<3>, emmy::Last, emmy::Dense<3>>;
constexpr int kBatch = 2, kT = 5, kRows = kBatch * kT;
static_assert(emmy::kPlan<Net>.weights == 3 * 5 + 5 * 5 + 5 + 3 * 5 * 3 + 3 * 3 * 3 + 4 * 3 + 3 * 3 + 3);

constinit Twin<Net, kBatch> twin{.labels = {2, 0}};
constinit emmy::Ledger<Net> ledger{};

#ifndef __ARM_ARCH_6M__  // its RAM holds one of the two
// Rank 2: what goes into the Rnn, and the Gru's own states.
using Thin = emmy::Net<emmy::Input<5, 3>, emmy::LowRank<emmy::Rnn<5, emmy::Relu>, 2>,
                       emmy::Parametrized<emmy::Gru<3>, emmy::LowRankStates<2>>, emmy::Last, emmy::Dense<3>>;
static_assert(emmy::kPlan<Thin>.weights == 6 + 10 + 25 + 5 + 45 + 6 + 18 + 12 + 9 + 3);
constinit Twin<Thin, kBatch> thin{.labels = {2, 0}};
#endif

double rectified(double a) { return a > 0 ? a : 0; }
double rectified_slope(double y) { return y > 0 ? 1 : 0; }

double in[kRows * 3], first[kRows * 5], states[kRows * 3], gates[kRows * 12], last[kBatch * 3], out[kBatch * 3],
    d_first[kRows * 5], d_states[kRows * 3], d_last[kBatch * 3];
constexpr reference::Window of_states{kBatch, kT, 5, 3};

double reference_gradient() {
  const reference::Window of_first{kBatch, kT, 3, 5};
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

#ifndef __ARM_ARCH_6M__
double thin_gradient() {
  static double narrow[kRows * 2], d_narrow[kRows * 2], gh[27], dgh[27];
  const reference::Window of_first{kBatch, kT, 2, 5};
  const double *u = thin.theta, *wx = u + 6, *wh = wx + 10, *b = wh + 25, *gx = b + 5, *a = gx + 45, *v = a + 6,
               *gb = v + 18, *w = gb + 12, *bias = w + 9;
  double *du = thin.slope, *dwx = du + 6, *dwh = dwx + 10, *db = dwh + 25, *dgx = db + 5, *da = dgx + 45, *dv = da + 6,
         *dgb = dv + 18, *dw = dgb + 12, *dbias = dw + 9;
  for (int i = 0; i < kRows * 3; ++i) in[i] = static_cast<double>(thin.x[i]);
  for (int k = 0; k < kRows * 2; ++k) {
    narrow[k] = 0;
    for (int i = 0; i < 3; ++i) narrow[k] += in[k / 2 * 3 + i] * u[i * 2 + k % 2];
  }
  for (int k = 0; k < 27; ++k) {  // [gate][from][to]
    const int gate = k / 9, from = k / 3 % 3, to = k % 3;
    gh[k] = a[from * 2] * v[gate * 6 + to] + a[from * 2 + 1] * v[gate * 6 + 3 + to];
  }
  reference::rnn_forward(first, narrow, wx, wh, b, of_first, rectified);
  reference::gru_forward(states, gates, first, gx, gh, gb, of_states, reference::tanh, reference::sigmoid);
  reference::last_forward(last, states, kBatch, kT, 3);
  reference::dense(last, w, bias, out, kBatch, 3, 3);
  const double loss = reference::cross_entropy(out, thin.labels, kBatch, 3);
  reference::clear(thin.slope), reference::clear(d_first), reference::clear(d_states);
  reference::clear(d_narrow), reference::clear(dgh);
  reference::dense_backward(last, w, out, dw, dbias, d_last, kBatch, 3, 3);
  reference::last_backward(d_states, d_last, kBatch, kT, 3);
  reference::gru_backward(d_first, dgx, dgh, dgb, d_states, gates, states, first, gx, gh, of_states);
  reference::rnn_backward(d_narrow, dwx, dwh, db, d_first, first, narrow, wx, wh, of_first, rectified_slope);
  for (int k = 0; k < 27; ++k) {
    const int gate = k / 9, from = k / 3 % 3, to = k % 3;
    for (int r = 0; r < 2; ++r) {
      da[from * 2 + r] += dgh[k] * v[gate * 6 + r * 3 + to];
      dv[gate * 6 + r * 3 + to] += dgh[k] * a[from * 2 + r];
    }
  }
  for (int k = 0; k < kRows * 2; ++k)
    for (int i = 0; i < 3; ++i) du[i * 2 + k % 2] += in[k / 2 * 3 + i] * d_narrow[k];
  return loss;
}
#endif

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
#ifndef __ARM_ARCH_6M__
  check::begin("low ranks");
  thin.gradients(thin_gradient);
  emmy::NoLedger none;
  thin.steps(thin_gradient, none, [] {});
#endif
  return check::end();
}
