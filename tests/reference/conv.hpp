// Convolution and pooling over positions as plain double loops: x (N, P, I), w (K, I, O), y (N, P - K + 1, O).
#pragma once

namespace reference {

// b may be null.
inline void conv_forward(double* y, const double* x, const double* w, const double* b, int N, int P, int K, int I,
                         int O) {
  const int R = P - K + 1;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R; ++p)
      for (int o = 0; o < O; ++o) {
        double sum = b == nullptr ? 0.0 : b[o];
        for (int k = 0; k < K; ++k)
          for (int i = 0; i < I; ++i) sum += x[(n * P + p + k) * I + i] * w[(k * I + i) * O + o];
        y[(n * R + p) * O + o] = sum;
      }
}

// Adds to dx, dw and db; dx and db may be null.
inline void conv_backward(double* dx, double* dw, double* db, const double* dy, const double* x, const double* w, int N,
                          int P, int K, int I, int O) {
  const int R = P - K + 1;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R; ++p)
      for (int o = 0; o < O; ++o) {
        const double d = dy[(n * R + p) * O + o];
        if (db != nullptr) db[o] += d;
        for (int k = 0; k < K; ++k)
          for (int i = 0; i < I; ++i) {
            dw[(k * I + i) * O + o] += d * x[(n * P + p + k) * I + i];
            if (dx != nullptr) dx[(n * P + p + k) * I + i] += d * w[(k * I + i) * O + o];
          }
      }
}

// The first position of the window of y[n, p, c] that holds its maximum; x (N, P, C).
inline int first_maximum(const double* x, int window, int C, int first, int c) {
  int best = first;
  for (int k = first + 1; k < first + window; ++k)
    if (x[k * C + c] > x[best * C + c]) best = k;
  return best;
}
inline void max_pool_forward(double* y, const double* x, int N, int P, int window, int C) {
  const int R = P / window;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R; ++p)
      for (int c = 0; c < C; ++c)
        y[(n * R + p) * C + c] = x[first_maximum(x, window, C, n * P + p * window, c) * C + c];
}
inline void avg_pool_forward(double* y, const double* x, int N, int P, int window, int C) {
  const int R = P / window;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R; ++p)
      for (int c = 0; c < C; ++c) {
        double sum = 0;
        for (int k = 0; k < window; ++k) sum += x[(n * P + p * window + k) * C + c];
        y[(n * R + p) * C + c] = sum / window;
      }
}
inline void avg_pool_backward(double* dx, const double* dy, int N, int P, int window, int C) {
  const int R = P / window;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R * window; ++p)
      for (int c = 0; c < C; ++c) dx[(n * P + p) * C + c] += dy[(n * R + p / window) * C + c] / window;
}
inline void max_pool_backward(double* dx, const double* dy, const double* x, int N, int P, int window, int C) {
  const int R = P / window;
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < R; ++p)
      for (int c = 0; c < C; ++c)
        dx[first_maximum(x, window, C, n * P + p * window, c) * C + c] += dy[(n * R + p) * C + c];
}

}  // namespace reference
