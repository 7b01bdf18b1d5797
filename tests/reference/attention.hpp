// Self-attention as plain loops: x (N, T, C), y (N, T, O). Weights by head: wq, wk, wv (H, C, D), wo (H, D, O); biases bq, bk, bv
// (H, D), bo (O), each may be null.
#pragma once

namespace reference {

struct HeadSizes {
  int N, T, C, H, D, O;
  bool causal;
};
template <class R>
struct HeadWeights {
  const R *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo;
};
template <class R>
struct HeadGradients {
  R *wq, *wk, *wv, *wo, *bq, *bk, *bv, *bo;
};
// What forward makes on its way: q, k, v, o (N, H, T, D), p (N, H, T, T), in `size` numbers from `room` on.
template <class R>
struct Attended {
  R *q, *k, *v, *o, *p;
  static constexpr int size(HeadSizes n) { return n.N * n.H * n.T * (4 * n.D + n.T); }
  Attended(R* room, HeadSizes n)
      : q(room), k(q + n.N * n.H * n.T * n.D), v(k + (k - q)), o(v + (k - q)), p(o + (k - q)) {}
};

// turns: (T, D / 2) pairs of cosine and sine, or null.
template <class R>
void turn_rows(R* x, const R* turns, int T, int D, bool backwards) {
  for (int at = 0; turns != nullptr && at < T * D; at += 2) {
    const R even = x[at], odd = x[at + 1], c = turns[at], s = backwards ? 0 - turns[at + 1] : turns[at + 1];
    x[at] = even * c - odd * s;
    x[at + 1] = even * s + odd * c;
  }
}

// exponential(score, its index in p): e^score
template <class R, class Exp>
void attention_forward(R* y, const R* x, const HeadWeights<R>& w, const Attended<R>& a, const R* turns, R scale,
                       HeadSizes n, Exp exponential) {
  const auto project = [&](R* to, const R* weights, const R* bias, const R* rows, int h) {
    for (int t = 0; t < n.T; ++t)
      for (int d = 0; d < n.D; ++d) {
        R sum = bias != nullptr ? bias[h * n.D + d] : R(0);
        for (int c = 0; c < n.C; ++c) sum += rows[t * n.C + c] * weights[(h * n.C + c) * n.D + d];
        to[t * n.D + d] = sum;
      }
  };
  for (int s = 0; s < n.N; ++s)
    for (int h = 0; h < n.H; ++h) {
      const int at = (s * n.H + h) * n.T * n.D;
      R *q = a.q + at, *k = a.k + at, *v = a.v + at, *o = a.o + at;
      project(q, w.wq, w.bq, x + s * n.T * n.C, h);
      project(k, w.wk, w.bk, x + s * n.T * n.C, h);
      project(v, w.wv, w.bv, x + s * n.T * n.C, h);
      turn_rows(q, turns, n.T, n.D, false);
      turn_rows(k, turns, n.T, n.D, false);
      for (int i = 0; i < n.T; ++i) {
        const int row = ((s * n.H + h) * n.T + i) * n.T, seen = n.causal ? i + 1 : n.T;
        R* p = a.p + row;
        for (int j = 0; j < n.T; ++j) p[j] = 0;
        for (int d = 0; d < n.D; ++d) o[i * n.D + d] = 0;
        R sum = 0, top = 0;
        for (int j = 0; j < seen; ++j) {
          R score = 0;
          for (int d = 0; d < n.D; ++d) score += q[i * n.D + d] * k[j * n.D + d];
          p[j] = score * scale;
          if constexpr (requires { top < p[j]; })  // of numbers, so that no exponential overflows
            if (j == 0 || top < p[j]) top = p[j];
        }
        for (int j = 0; j < seen; ++j) sum += p[j] = exponential(p[j] - top, row + j);
        for (int j = 0; j < seen; ++j) {
          p[j] = p[j] / sum;
          for (int d = 0; d < n.D; ++d) o[i * n.D + d] += p[j] * v[j * n.D + d];
        }
      }
    }
  for (int s = 0; s < n.N; ++s)
    for (int t = 0; t < n.T; ++t)
      for (int c = 0; c < n.O; ++c) {
        R sum = w.bo != nullptr ? w.bo[c] : R(0);
        for (int h = 0; h < n.H; ++h)
          for (int d = 0; d < n.D; ++d) sum += a.o[((s * n.H + h) * n.T + t) * n.D + d] * w.wo[(h * n.D + d) * n.O + c];
        y[(s * n.T + t) * n.O + c] = sum;
      }
}

// Adds to dx (may be null) and to the gradients. work: 4 T D + T numbers.
template <class R>
void attention_backward(R* dx, const HeadGradients<R>& g, const R* dy, const R* x, const HeadWeights<R>& w,
                        const Attended<R>& a, const R* turns, R scale, HeadSizes n, R* work) {
  const int size = n.T * n.D;
  R *const dq = work, *const dk = dq + size, *const dv = dk + size, *const dout = dv + size, *const dp = dout + size;
  const auto pull = [&](R* dw, R* db, const R* weights, const R* d, int s, int h) {
    for (int t = 0; t < n.T; ++t)
      for (int e = 0; e < n.D; ++e) {
        const R slope = d[t * n.D + e];
        if (db != nullptr) db[h * n.D + e] += slope;
        for (int c = 0; c < n.C; ++c) {
          dw[(h * n.C + c) * n.D + e] += x[(s * n.T + t) * n.C + c] * slope;
          if (dx != nullptr) dx[(s * n.T + t) * n.C + c] += weights[(h * n.C + c) * n.D + e] * slope;
        }
      }
  };
  for (int k = 0; g.bo != nullptr && k < n.N * n.T * n.O; ++k) g.bo[k % n.O] += dy[k];
  for (int s = 0; s < n.N; ++s)
    for (int h = 0; h < n.H; ++h) {
      const int at = (s * n.H + h) * n.T * n.D;
      const R *q = a.q + at, *k = a.k + at, *v = a.v + at, *o = a.o + at;
      for (int m = 0; m < 4 * size; ++m) work[m] = 0;
      for (int t = 0; t < n.T; ++t)
        for (int d = 0; d < n.D; ++d)
          for (int c = 0; c < n.O; ++c) {
            const R slope = dy[(s * n.T + t) * n.O + c];
            dout[t * n.D + d] += w.wo[(h * n.D + d) * n.O + c] * slope;
            g.wo[(h * n.D + d) * n.O + c] += o[t * n.D + d] * slope;
          }
      for (int i = 0; i < n.T; ++i) {
        const R *p = a.p + ((s * n.H + h) * n.T + i) * n.T, *d = dout + i * n.D;
        R mean = 0;
        for (int j = 0; j < n.T; ++j) {
          R& own = dp[j];
          own = 0;
          for (int e = 0; e < n.D; ++e) {
            own += d[e] * v[j * n.D + e];
            dv[j * n.D + e] += p[j] * d[e];
          }
          mean += p[j] * own;
        }
        for (int j = 0; j < n.T; ++j) {
          const R ds = p[j] * (dp[j] - mean) * scale;
          for (int e = 0; e < n.D; ++e) {
            dq[i * n.D + e] += ds * k[j * n.D + e];
            dk[j * n.D + e] += ds * q[i * n.D + e];
          }
        }
      }
      turn_rows(dq, turns, n.T, n.D, true);
      turn_rows(dk, turns, n.T, n.D, true);
      pull(g.wq, g.bq, w.wq, dq, s, h);
      pull(g.wk, g.bk, w.wk, dk, s, h);
      pull(g.wv, g.bv, w.wv, dv, s, h);
    }
}

}  // namespace reference
