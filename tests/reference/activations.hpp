// Activations as plain double loops: y (N) = f(x (N)); x_backward adds dy f'(x) to dx.
#pragma once

#include <cmath>

namespace reference {

inline void identity_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = x[n];
}
inline void identity_backward(double* dx, const double* dy, const double*, int N) {
  for (int n = 0; n < N; ++n) dx[n] += dy[n];
}

// x > 0 ? x : slope x; slope 0 is the ReLU. At 0 the derivative is the slope.
inline void leaky_relu_forward(double* y, const double* x, double slope, int N) {
  for (int n = 0; n < N; ++n) y[n] = x[n] > 0 ? x[n] : slope * x[n];
}
inline void leaky_relu_backward(double* dx, const double* dy, const double* x, double slope, int N) {
  for (int n = 0; n < N; ++n) dx[n] += x[n] > 0 ? dy[n] : slope * dy[n];
}

// max(x, 0)^power, power >= 1
inline void power_relu_forward(double* y, const double* x, double power, int N) {
  for (int n = 0; n < N; ++n) y[n] = x[n] > 0 ? std::pow(x[n], power) : 0.0;
}
inline void power_relu_backward(double* dx, const double* dy, const double* x, double power, int N) {
  for (int n = 0; n < N; ++n) {
    if (x[n] > 0) dx[n] += dy[n] * power * std::pow(x[n], power - 1);
  }
}

inline void tanh_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = std::tanh(x[n]);
}
inline void tanh_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) dx[n] += dy[n] / (std::cosh(x[n]) * std::cosh(x[n]));
}

// The rational function of fast_tanh, not tanh itself; the slope is 1 - y^2, as for tanh.
inline double fast_tanh(double x) {
  const double c = x < -6.25 ? -6.25 : x > 6.25 ? 6.25 : x, z = c * c;
  const double p = 1 + 0x1.d4795ep-4 * z + 0x1.852ee2p-10 * std::pow(z, 2);
  const double q = 1 + 0x1.ca6598p-2 * z + 0x1.1dacaap-6 * std::pow(z, 2) + 0x1.c80f08p-15 * std::pow(z, 3);
  return c * p / q;
}
inline void fast_tanh_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = fast_tanh(x[n]);
}
inline void fast_tanh_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) dx[n] += dy[n] * (1 - fast_tanh(x[n]) * fast_tanh(x[n]));
}

inline void sigmoid_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = 1 / (1 + std::exp(-x[n]));
}
inline void sigmoid_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) dx[n] += dy[n] / ((1 + std::exp(-x[n])) * (1 + std::exp(x[n])));
}

inline void exp_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = std::exp(x[n]);
}
inline void exp_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) dx[n] += dy[n] * std::exp(x[n]);
}

inline void silu_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = x[n] / (1 + std::exp(-x[n]));
}
inline void silu_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) {
    const double s = 1 / (1 + std::exp(-x[n]));
    dx[n] += dy[n] * (s + x[n] * s / (1 + std::exp(x[n])));
  }
}

inline double gelu_argument(double x) { return std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x); }
inline void gelu_tanh_forward(double* y, const double* x, int N) {
  for (int n = 0; n < N; ++n) y[n] = x[n] / (1 + std::exp(-2 * gelu_argument(x[n])));
}
inline void gelu_tanh_backward(double* dx, const double* dy, const double* x, int N) {
  for (int n = 0; n < N; ++n) {
    const double u = gelu_argument(x[n]), slope = std::sqrt(2 / std::acos(-1.0)) * (1 + 3 * 0.044715 * x[n] * x[n]);
    const double s = 1 / (1 + std::exp(-2 * u));
    dx[n] += dy[n] * (s + x[n] * s / (1 + std::exp(2 * u)) * 2 * slope);
  }
}

}  // namespace reference
