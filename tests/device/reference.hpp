// Plain double text to compare with: functions without libm (their relative error is below 1e-14, a float ulp is 6e-8),
// layers and rules as loops over unpadded arrays.
#pragma once

#include <bit>
#include <cstdint>

namespace reference {

inline double power_of_two(int n) { return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52); }

// e^x for |x| < 700: e^r by its series, |r| <= ln 2 / 2.
inline double exp(double x) {
  constexpr double kLn2Hi = 0x1.62e42fefa38p-1, kLn2Lo = 0x1.ef35793c76730p-45;
  const double scaled = x * 0x1.71547652b82fep+0;
  const int n = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  double sum = 1;
  for (int k = 16; k > 0; --k) sum = 1 + sum * r / k;
  return sum * power_of_two(n / 2) * power_of_two(n - n / 2);
}

// ln x for positive normal x: 2 artanh((m - 1) / (m + 1)) + e ln 2.
inline double log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int e = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
  if (m > 1.4142135623730951) m /= 2, ++e;
  const double s = (m - 1) / (m + 1), z = s * s;
  double sum = 0;
  for (int k = 23; k > 0; k -= 2) sum = sum * z + 1.0 / k;
  return 2 * s * sum + e * 0.6931471805599453;
}

inline double tanh(double x) {
  if (x < 0) return -tanh(-x);
  if (x < 1e-3) return x - x * x * x / 3;  // the next term is 2/15 x^5
  if (x > 40) return 1;
  const double e = exp(2 * x);
  return (e - 1) / (e + 1);
}

inline void relu(double* v, int n) {
  for (int i = 0; i < n; ++i) v[i] = v[i] > 0 ? v[i] : 0;
}
inline void relu_backward(double* d, const double* y, int n) {
  for (int i = 0; i < n; ++i) d[i] = y[i] > 0 ? d[i] : 0;
}

template <int N>
void clear(double (&v)[N]) {
  for (double& each : v) each = 0;
}

inline double sigmoid(double x) { return 1 / (1 + exp(-x)); }
inline double silu(double x) { return x * sigmoid(x); }
inline double silu_slope(double x) { return sigmoid(x) * (1 + x * sigmoid(-x)); }
// x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
inline constexpr double kTwoOfGelu = 1.5957691216057308;  // 2 sqrt(2 / pi)
inline double gelu(double x) { return x * sigmoid(kTwoOfGelu * (x + 0.044715 * x * x * x)); }
inline double gelu_slope(double x) {
  const double twice = kTwoOfGelu * (x + 0.044715 * x * x * x);
  return sigmoid(twice) * (1 + x * sigmoid(-twice) * kTwoOfGelu * (1 + 3 * 0.044715 * x * x));
}

// y [rows][out] = x [rows][in] w [in][out] + b
inline void dense(const double* x, const double* w, const double* b, double* y, int rows, int in, int out) {
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < out; ++o) {
      double sum = b == nullptr ? 0 : b[o];
      for (int i = 0; i < in; ++i) sum += x[r * in + i] * w[i * out + o];
      y[r * out + o] = sum;
    }
}

// dw [in][out], db [out] unless null; dx [rows][in] unless null.
inline void dense_backward(const double* x, const double* w, const double* dy, double* dw, double* db, double* dx,
                           int rows, int in, int out) {
  for (int o = 0; o < out; ++o) {
    if (db != nullptr) db[o] = 0;
    for (int r = 0; r < rows && db != nullptr; ++r) db[o] += dy[r * out + o];
    for (int i = 0; i < in; ++i) {
      dw[i * out + o] = 0;
      for (int r = 0; r < rows; ++r) dw[i * out + o] += x[r * in + i] * dy[r * out + o];
    }
  }
  for (int r = 0; r < rows && dx != nullptr; ++r)
    for (int i = 0; i < in; ++i) {
      dx[r * in + i] = 0;
      for (int o = 0; o < out; ++o) dx[r * in + i] += dy[r * out + o] * w[i * out + o];
    }
}

// Mean loss of softmax and cross-entropy; y becomes its gradient.
inline double cross_entropy(double* y, const int* labels, int rows, int classes) {
  double loss = 0;
  for (int r = 0; r < rows; ++r, y += classes) {
    double top = y[0], sum = 0;
    for (int o = 1; o < classes; ++o) top = y[o] > top ? y[o] : top;
    for (int o = 0; o < classes; ++o) sum += exp(y[o] - top);
    loss += top + log(sum) - y[labels[r]];
    for (int o = 0; o < classes; ++o) y[o] = (exp(y[o] - top) / sum - (o == labels[r] ? 1 : 0)) / rows;
  }
  return loss / rows;
}

}  // namespace reference
