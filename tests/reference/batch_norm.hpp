// BatchNorm as plain loops: x (N, C), each column by itself; gain, bias (C).
#pragma once

#include <tests/reference/norm.hpp>

namespace reference {

template <class R>
struct Column {
  R mean, variance, scale;  // n = scale (x - mean)
};
template <class R>
Column<R> column_of(const R* x, int c, int N, int C, R epsilon) {
  R mean = 0, square = 0;
  for (int n = 0; n < N; ++n) mean += x[n * C + c] / static_cast<R>(N);
  for (int n = 0; n < N; ++n) square += (x[n * C + c] - mean) * (x[n * C + c] - mean) / static_cast<R>(N);
  return {mean, square, 1 / root(square + epsilon)};
}

// bias may be null.
template <class R>
void batch_norm_forward(R* y, const R* x, const R* gain, const R* bias, int N, int C, R epsilon) {
  for (int c = 0; c < C; ++c) {
    const auto column = column_of(x, c, N, C, epsilon);
    for (int n = 0; n < N; ++n)
      y[n * C + c] = (x[n * C + c] - column.mean) * column.scale * gain[c] + (bias == nullptr ? R(0) : bias[c]);
  }
}

// Adds to dx, dgain and dbias; dx and dbias may be null. By the chain rule through mean and scale.
template <class R>
void batch_norm_backward(R* dx, R* dgain, R* dbias, const R* dy, const R* x, const R* gain, int N, int C, R epsilon) {
  for (int c = 0; c < C; ++c) {
    const auto column = column_of(x, c, N, C, epsilon);
    R dscale = 0, dmean = 0;
    for (int n = 0; n < N; ++n) {
      const R d = dy[n * C + c], away = x[n * C + c] - column.mean;
      dgain[c] += d * away * column.scale;
      if (dbias != nullptr) dbias[c] += d;
      dscale += d * gain[c] * away;
      dmean -= d * gain[c] * column.scale;
    }
    // The mean moves no variance: sum_n (x - mean) = 0.
    const R dsquare = -dscale * column.scale * column.scale * column.scale / 2;
    for (int n = 0; n < N && dx != nullptr; ++n)
      dx[n * C + c] += dy[n * C + c] * gain[c] * column.scale +
                       (2 * dsquare * (x[n * C + c] - column.mean) + dmean) / static_cast<R>(N);
  }
}

// The statistics after one more batch; `seen` batches before it.
template <class R>
void move_running(R* mean, R* variance, const R* x, int seen, int N, int C, R momentum) {
  for (int c = 0; c < C; ++c) {
    const auto column = column_of(x, c, N, C, R(0));
    const R unbiased = column.variance * static_cast<R>(N) / static_cast<R>(N - 1), share = seen == 0 ? R(1) : momentum;
    mean[c] += share * (column.mean - mean[c]);
    variance[c] += share * (unbiased - variance[c]);
  }
}

}  // namespace reference
