// Weight normalisation as plain double loops: g (O), v (I, O). weight_norm_backward pulls the gradient dw of w back and adds
// to dg and dv.
#pragma once

#include <tests/reference/norm.hpp>

namespace reference {

// |v[:, o]|
inline double length_of(const double* v, int o, int I, int O) {
  double square = 0;
  for (int i = 0; i < I; ++i) square += v[i * O + o] * v[i * O + o];
  return square > 0 ? root(square) : 0;
}

// w[i, o] = g[o] v[i, o] / |v[:, o]|; 0 where v[:, o] is
inline void weight_norm_forward(double* w, const double* g, const double* v, int I, int O) {
  for (int o = 0; o < O; ++o) {
    const double length = length_of(v, o, I, O);
    for (int i = 0; i < I; ++i) w[i * O + o] = length > 0 ? g[o] * v[i * O + o] / length : 0;
  }
}
inline void weight_norm_backward(double* dg, double* dv, const double* dw, const double* g, const double* v, int I,
                                 int O) {
  for (int o = 0; o < O; ++o) {
    const double length = length_of(v, o, I, O);
    if (length == 0) continue;
    double along = 0;
    for (int i = 0; i < I; ++i) along += dw[i * O + o] * v[i * O + o] / length;
    dg[o] += along;
    for (int i = 0; i < I; ++i) dv[i * O + o] += g[o] / length * (dw[i * O + o] - along * v[i * O + o] / length);
  }
}

}  // namespace reference
