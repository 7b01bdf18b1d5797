// Update rules as plain double loops over N weights w with gradient g and, where the rule has memory, buf.
#pragma once

#include <cmath>

namespace reference {

// w' = w - rate (g + decay w); coupled and decoupled decay are the same here.
inline void sgd_update(double* w, const double* g, double rate, double decay, int N) {
  for (int n = 0; n < N; ++n) w[n] -= rate * (g[n] + decay * w[n]);
}

// buf' = momentum buf + (1 - dampening)(g + decay w), w' = w - rate buf'
inline void momentum_update(double* w, double* buf, const double* g, double rate, double momentum, double decay,
                            double dampening, int N) {
  for (int n = 0; n < N; ++n) {
    buf[n] = momentum * buf[n] + (1 - dampening) * (g[n] + decay * w[n]);
    w[n] -= rate * buf[n];
  }
}

// The same with decoupled decay: buf' = momentum buf + (1 - dampening) g, w' = (1 - rate decay) w - rate buf'
inline void momentum_decoupled_update(double* w, double* buf, const double* g, double rate, double momentum,
                                      double decay, double dampening, int N) {
  for (int n = 0; n < N; ++n) {
    buf[n] = momentum * buf[n] + (1 - dampening) * g[n];
    w[n] = w[n] - rate * decay * w[n] - rate * buf[n];
  }
}

// d = g + decay w, buf' = momentum buf + d, w' = w - rate (d + momentum buf')
inline void nesterov_update(double* w, double* buf, const double* g, double rate, double momentum, double decay,
                            int N) {
  for (int n = 0; n < N; ++n) {
    const double d = g[n] + decay * w[n];
    buf[n] = momentum * buf[n] + d;
    w[n] -= rate * (d + momentum * buf[n]);
  }
}

inline double square_norm(const double* g, int N) {
  double sum = 0;
  for (int n = 0; n < N; ++n) sum += g[n] * g[n];
  return sum;
}
// The factor min(1, limit / |g|) for a gradient with this squared norm.
inline double clip_factor(double squares, double limit) {
  return std::sqrt(squares) > limit ? limit / std::sqrt(squares) : 1.0;
}

}  // namespace reference
