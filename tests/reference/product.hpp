// Product parametrisations as plain double loops. w, z (I, O); u has the shape that each function says. x_backward pulls
// the gradient dw of w back to the factors and adds to du and dz.
#pragma once

namespace reference {

// w[i, o] = u[i, o] z[i, o], u (I, O)
inline void product_forward(double* w, const double* u, const double* z, int I, int O) {
  for (int k = 0; k < I * O; ++k) w[k] = u[k] * z[k];
}
inline void product_backward(double* du, double* dz, const double* dw, const double* u, const double* z, int I, int O) {
  for (int k = 0; k < I * O; ++k) {
    du[k] += dw[k] * z[k];
    dz[k] += dw[k] * u[k];
  }
}

// w[i, o] = u[i] z[i, o], u (I)
inline void product_by_input_forward(double* w, const double* u, const double* z, int I, int O) {
  for (int i = 0; i < I; ++i) {
    for (int o = 0; o < O; ++o) w[i * O + o] = u[i] * z[i * O + o];
  }
}
inline void product_by_input_backward(double* du, double* dz, const double* dw, const double* u, const double* z, int I,
                                      int O) {
  for (int i = 0; i < I; ++i) {
    for (int o = 0; o < O; ++o) {
      du[i] += dw[i * O + o] * z[i * O + o];
      dz[i * O + o] += dw[i * O + o] * u[i];
    }
  }
}

// w[i, o] = u[o] z[i, o], u (O); a bias row is one more row of z
inline void product_by_output_forward(double* w, const double* u, const double* z, int I, int O) {
  for (int i = 0; i < I; ++i) {
    for (int o = 0; o < O; ++o) w[i * O + o] = u[o] * z[i * O + o];
  }
}
inline void product_by_output_backward(double* du, double* dz, const double* dw, const double* u, const double* z,
                                       int I, int O) {
  for (int i = 0; i < I; ++i) {
    for (int o = 0; o < O; ++o) {
      du[o] += dw[i * O + o] * z[i * O + o];
      dz[i * O + o] += dw[i * O + o] * u[o];
    }
  }
}

}  // namespace reference
