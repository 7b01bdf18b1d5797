// LayerNorm (centred) and RmsNorm as plain loops: x (N, C), each row by itself; gain, bias (C).
#pragma once

namespace reference {

// By Heron's rule, for boards have no libm.
template <class R>
R root(R square) {
  R s = (1 + square) / 2;
  for (int k = 0; k < 200; ++k) s = (s + square / s) / 2;
  return s;
}

template <class R>
struct NormOfRow {
  R mean, scale;  // n = scale (x - mean)
};
template <class R>
NormOfRow<R> norm_of_row(const R* x, int C, bool centred, R epsilon) {
  R mean = 0, square = 0;
  for (int c = 0; c < C && centred; ++c) mean += x[c] / static_cast<R>(C);
  for (int c = 0; c < C; ++c) square += (x[c] - mean) * (x[c] - mean) / static_cast<R>(C);
  return {mean, 1 / root(square + epsilon)};
}

// bias may be null.
template <class R>
void norm_forward(R* y, const R* x, const R* gain, const R* bias, int N, int C, bool centred, R epsilon) {
  for (int n = 0; n < N; ++n) {
    const auto row = norm_of_row(x + n * C, C, centred, epsilon);
    for (int c = 0; c < C; ++c)
      y[n * C + c] = (x[n * C + c] - row.mean) * row.scale * gain[c] + (bias == nullptr ? R(0) : bias[c]);
  }
}

// Adds to dx, dgain and dbias; dx and dbias may be null. By the chain rule through mean and scale.
template <class R>
void norm_backward(R* dx, R* dgain, R* dbias, const R* dy, const R* x, const R* gain, int N, int C, bool centred,
                   R epsilon) {
  for (int n = 0; n < N; ++n) {
    const R *in = x + n * C, *d = dy + n * C;
    const auto row = norm_of_row(in, C, centred, epsilon);
    R dscale = 0, dmean = 0;
    for (int c = 0; c < C; ++c) {
      dgain[c] += d[c] * (in[c] - row.mean) * row.scale;
      if (dbias != nullptr) dbias[c] += d[c];
      dscale += d[c] * gain[c] * (in[c] - row.mean);
      dmean -= d[c] * gain[c] * row.scale;
    }
    // The mean moves no variance: sum_c (x - mean) = 0.
    const R dsquare = -dscale * row.scale * row.scale * row.scale / 2;
    for (int c = 0; c < C && dx != nullptr; ++c)
      dx[n * C + c] += d[c] * gain[c] * row.scale + 2 * dsquare * (in[c] - row.mean) / static_cast<R>(C) +
                       (centred ? dmean / static_cast<R>(C) : R(0));
  }
}

}  // namespace reference
