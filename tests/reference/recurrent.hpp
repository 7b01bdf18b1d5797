// Rnn, Gru and Last as plain loops: x (N, T, I), states y (N, T, U). Weights of a Gru gate after gate (r, z, n): wx (3, I, U),
// wh (3, U, U), b (4, U) with that of the product of n last; of an Rnn one gate.
#pragma once

#include <cstddef>

namespace reference {

struct Window {
  int N, T, I, U;
};

// sum_i x[i] w[i, u], the sum of what is multiplied in `size`
template <class R>
R product(const R* x, const R* w, int I, int U, int u, R& size) {
  R sum = 0;
  for (int i = 0; i < I; ++i) {
    const R term = x[i] * w[i * U + u];
    sum += term;
    size += term < 0 ? -term : term;
  }
  return sum;
}
template <class R>
R product(const R* x, const R* w, int I, int U, int u) {
  R size = 0;
  return product(x, w, I, U, u, size);
}

// What one matrix gives back: x is (I), d (U); adds to dx (unless null) and dw.
template <class R>
void pull_back(R* dx, R* dw, const R* x, const R* w, const R* d, int I, int U) {
  for (int i = 0; i < I; ++i)
    for (int u = 0; u < U; ++u) {
      if (x != nullptr) dw[i * U + u] += x[i] * d[u];
      if (dx != nullptr) dx[i] += w[i * U + u] * d[u];
    }
}

template <class R, class F>
void rnn_forward(R* y, const R* x, const R* wx, const R* wh, const R* b, Window w, F f) {
  for (int row = 0; row < w.N * w.T; ++row)
    for (int u = 0; u < w.U; ++u) {
      R a = b[u] + product(x + row * w.I, wx, w.I, w.U, u);
      if (row % w.T > 0) a += product(y + (row - 1) * w.U, wh, w.U, w.U, u);
      y[row * w.U + u] = f(a);
    }
}
// dy is used up: it becomes the gradient of what f is taken of. slope: f' from y. Adds to dx (may be null), dwx, dwh and db.
template <class R, class F>
void rnn_backward(R* dx, R* dwx, R* dwh, R* db, R* dy, const R* y, const R* x, const R* wx, const R* wh, Window w,
                  F slope) {
  for (int row = w.N * w.T - 1; row >= 0; --row) {
    R* d = dy + row * w.U;
    for (int u = 0; u < w.U; ++u) {
      d[u] *= slope(y[row * w.U + u]);
      db[u] += d[u];
    }
    pull_back(dx == nullptr ? dx : dx + row * w.I, dwx, x + row * w.I, wx, d, w.I, w.U);
    if (row % w.T > 0) pull_back(d - w.U, dwh, y + (row - 1) * w.U, wh, d, w.U, w.U);
  }
}

// gates (N, T, 4, U): r, z, n, q.
template <class R, class Tanh, class Sigmoid>
void gru_forward(R* y, R* gates, const R* x, const R* wx, const R* wh, const R* b, Window w, Tanh tanh,
                 Sigmoid sigmoid) {
  const int gate_x = w.I * w.U, gate_h = w.U * w.U;
  for (int row = 0; row < w.N * w.T; ++row)
    for (int u = 0; u < w.U; ++u) {
      const bool first = row % w.T == 0;
      const auto of_x = [&](int g) { return b[g * w.U + u] + product(x + row * w.I, wx + g * gate_x, w.I, w.U, u); };
      const auto of_h = [&](int g) {
        return first ? R(0) : product(y + (row - 1) * w.U, wh + g * gate_h, w.U, w.U, u);
      };
      R* gate = gates + row * 4 * w.U + u;
      const R r = sigmoid(of_x(0) + of_h(0)), z = sigmoid(of_x(1) + of_h(1)), q = b[3 * w.U + u] + of_h(2),
              n = tanh(of_x(2) + r * q), last = first ? R(0) : y[(row - 1) * w.U + u];
      gate[0] = r, gate[w.U] = z, gate[2 * w.U] = n, gate[3 * w.U] = q;
      y[row * w.U + u] = (1 - z) * n + z * last;
    }
}
// dy becomes the gradient of each state, gates that of what r, z, n are taken of and of q.
template <class R>
void gru_backward(R* dx, R* dwx, R* dwh, R* db, R* dy, R* gates, const R* y, const R* x, const R* wx, const R* wh,
                  Window w) {
  for (int row = w.N * w.T - 1; row >= 0; --row) {
    const bool first = row % w.T == 0;
    const R *before = first ? nullptr : y + (row - 1) * w.U, *d = dy + row * w.U;
    R *last = first ? nullptr : dy + (row - 1) * w.U, *gate = gates + row * 4 * w.U;
    for (int u = 0; u < w.U; ++u) {
      R &r = gate[u], &z = gate[w.U + u], &n = gate[2 * w.U + u], &q = gate[3 * w.U + u];
      if (!first) last[u] += d[u] * z;
      const R dn = d[u] * (1 - z) * (1 - n * n), dz = d[u] * ((first ? R(0) : before[u]) - n) * z * (1 - z),
              dr = dn * q * r * (1 - r);
      q = dn * r, r = dr, z = dz, n = dn;
    }
    for (int k = 0; k < 4; ++k)
      for (int u = 0; u < w.U; ++u) db[k * w.U + u] += gate[k * w.U + u];
    for (int g = 0; g < 3; ++g) {
      pull_back(dx == nullptr ? dx : dx + row * w.I, dwx + g * w.I * w.U, x + row * w.I, wx + g * w.I * w.U,
                gate + g * w.U, w.I, w.U);
      if (!first)
        pull_back(last, dwh + g * w.U * w.U, before, wh + g * w.U * w.U, gate + (g == 2 ? 3 : g) * w.U, w.U, w.U);
    }
  }
}

// y (N, C), x (N, T, C)
template <class R>
void last_forward(R* y, const R* x, int N, int T, int C) {
  for (int n = 0; n < N; ++n)
    for (int c = 0; c < C; ++c) y[n * C + c] = x[(n * T + T - 1) * C + c];
}
template <class R>
void last_backward(R* dx, const R* dy, int N, int T, int C) {
  for (int n = 0; n < N; ++n)
    for (int c = 0; c < C; ++c) dx[(n * T + T - 1) * C + c] += dy[n * C + c];
}

}  // namespace reference
