// Losses as plain double loops. y, dy, p, t (N, O); labels (N). Both losses are means over the N rows.
#pragma once

#include <cmath>

namespace reference {

// The largest of y (O), and sum_o exp(y[o] - largest).
inline double largest_of(const double* y, int O) {
  double top = y[0];
  for (int o = 1; o < O; ++o) top = y[o] > top ? y[o] : top;
  return top;
}
inline double sum_of_exp(const double* y, double top, int O) {
  double sum = 0;
  for (int o = 0; o < O; ++o) sum += std::exp(y[o] - top);
  return sum;
}
// log sum_o exp(y[o])
inline double log_sum_exp(const double* y, int O) {
  const double top = largest_of(y, O);
  return top + std::log(sum_of_exp(y, top, O));
}
// p[n, o] = exp(y[n, o]) / sum_k exp(y[n, k])
inline void softmax_forward(double* p, const double* y, int N, int O) {
  for (int n = 0; n < N; ++n) {
    const double top = largest_of(y + n * O, O), sum = sum_of_exp(y + n * O, top, O);
    for (int o = 0; o < O; ++o) p[n * O + o] = std::exp(y[n * O + o] - top) / sum;
  }
}

// L = 1/N sum_n sum_o t[n, o] (log sum exp(y[n]) - y[n, o])
inline double cross_entropy_forward(const double* y, const double* t, int N, int O) {
  double loss = 0;
  for (int n = 0; n < N; ++n) {
    const double log_sum = log_sum_exp(y + n * O, O);
    for (int o = 0; o < O; ++o) loss += t[n * O + o] * (log_sum - y[n * O + o]);
  }
  return loss / N;
}
// dy[n, o] = (p[n, o] sum_k t[n, k] - t[n, o]) / N
inline void cross_entropy_backward(double* dy, const double* y, const double* t, int N, int O) {
  softmax_forward(dy, y, N, O);
  for (int n = 0; n < N; ++n) {
    double mass = 0;
    for (int o = 0; o < O; ++o) mass += t[n * O + o];
    for (int o = 0; o < O; ++o) dy[n * O + o] = (dy[n * O + o] * mass - t[n * O + o]) / N;
  }
}
// t[n, o] = 1 where o is the label of row n
inline void one_hot(double* t, const int* labels, int N, int O) {
  for (int n = 0; n < N; ++n) {
    for (int o = 0; o < O; ++o) t[n * O + o] = labels[n] == o ? 1.0 : 0.0;
  }
}

// L = 1/(2N) sum (y - t)^2
inline double squared_error_forward(const double* y, const double* t, int N, int O) {
  double loss = 0;
  for (int k = 0; k < N * O; ++k) loss += (y[k] - t[k]) * (y[k] - t[k]);
  return loss / (2 * N);
}
// dy = (y - t) / N
inline void squared_error_backward(double* dy, const double* y, const double* t, int N, int O) {
  for (int k = 0; k < N * O; ++k) dy[k] = (y[k] - t[k]) / N;
}

}  // namespace reference
