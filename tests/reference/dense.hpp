// Dense as plain double loops. x (N, I), w (I, O), b (O) or null, y (N, O); no padding anywhere.
#pragma once

namespace reference {

// y[n, o] = b[o] + sum_i x[n, i] w[i, o]
inline void dense_forward(double* y, const double* x, const double* w, const double* b, int N, int I, int O) {
  for (int n = 0; n < N; ++n) {
    for (int o = 0; o < O; ++o) {
      double sum = b == nullptr ? 0.0 : b[o];
      for (int i = 0; i < I; ++i) sum += x[n * I + i] * w[i * O + o];
      y[n * O + o] = sum;
    }
  }
}

// Adds to dx (N, I), dw (I, O) and db (O); dx and db may be null.
inline void dense_backward(double* dx, double* dw, double* db, const double* dy, const double* x, const double* w,
                           int N, int I, int O) {
  for (int n = 0; n < N; ++n) {
    for (int o = 0; o < O; ++o) {
      const double d = dy[n * O + o];
      if (db != nullptr) db[o] += d;
      for (int i = 0; i < I; ++i) {
        dw[i * O + o] += d * x[n * I + i];
        if (dx != nullptr) dx[n * I + i] += d * w[i * O + o];
      }
    }
  }
}

}  // namespace reference
