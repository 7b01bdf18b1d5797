// Convolution and pooling over positions as plain double loops, channels last: x (N, H, W, I), w (KH, KW, I, O), y (N, OH, OW,
// O); a vector of positions is an image of one row.
#pragma once

namespace reference {

// Windows of kh x kw positions of an h x w image, sh and sw apart, the first one ph rows above and pw columns left of it; what lies
// outside is zero.
struct Grid {
  int h, w, kh, kw, sh = 1, sw = 1, ph = 0, pw = 0, oh = h - kh + 1, ow = w - kw + 1;
};

// f(n, output, tap, position) for every tap of every window that is a position of the image.
template <class F>
void for_taps(const Grid& g, int N, F f) {
  for (int n = 0; n < N; ++n)
    for (int p = 0; p < g.oh; ++p)
      for (int q = 0; q < g.ow; ++q)
        for (int k = 0; k < g.kh; ++k)
          for (int l = 0; l < g.kw; ++l) {
            const int r = p * g.sh - g.ph + k, c = q * g.sw - g.pw + l;
            if (r >= 0 && r < g.h && c >= 0 && c < g.w)
              f((n * g.oh + p) * g.ow + q, k * g.kw + l, (n * g.h + r) * g.w + c);
          }
}

// b may be null.
inline void fill_biases(double* y, const double* b, int outputs, int O) {
  for (int p = 0; p < outputs; ++p)
    for (int o = 0; o < O; ++o) y[p * O + o] = b == nullptr ? 0.0 : b[o];
}
inline void conv2d_forward(double* y, const double* x, const double* w, const double* b, int N, const Grid& g, int I,
                           int O) {
  fill_biases(y, b, N * g.oh * g.ow, O);
  for_taps(g, N, [&](int out, int k, int at) {
    for (int i = 0; i < I; ++i)
      for (int o = 0; o < O; ++o) y[out * O + o] += x[at * I + i] * w[(k * I + i) * O + o];
  });
}

// Adds to db, which may be null.
inline void add_biases(double* db, const double* dy, int outputs, int O) {
  for (int p = 0; db != nullptr && p < outputs; ++p)
    for (int o = 0; o < O; ++o) db[o] += dy[p * O + o];
}
// Adds to dx, dw and db; dx and db may be null.
inline void conv2d_backward(double* dx, double* dw, double* db, const double* dy, const double* x, const double* w,
                            int N, const Grid& g, int I, int O) {
  add_biases(db, dy, N * g.oh * g.ow, O);
  for_taps(g, N, [&](int out, int k, int at) {
    for (int i = 0; i < I; ++i)
      for (int o = 0; o < O; ++o) {
        dw[(k * I + i) * O + o] += dy[out * O + o] * x[at * I + i];
        if (dx != nullptr) dx[at * I + i] += dy[out * O + o] * w[(k * I + i) * O + o];
      }
  });
}

// Each channel by itself: w (KH, KW, C).
inline void depthwise_forward(double* y, const double* x, const double* w, const double* b, int N, const Grid& g,
                              int C) {
  fill_biases(y, b, N * g.oh * g.ow, C);
  for_taps(g, N, [&](int out, int k, int at) {
    for (int c = 0; c < C; ++c) y[out * C + c] += x[at * C + c] * w[k * C + c];
  });
}
inline void depthwise_backward(double* dx, double* dw, double* db, const double* dy, const double* x, const double* w,
                               int N, const Grid& g, int C) {
  add_biases(db, dy, N * g.oh * g.ow, C);
  for_taps(g, N, [&](int out, int k, int at) {
    for (int c = 0; c < C; ++c) {
      dw[k * C + c] += dy[out * C + c] * x[at * C + c];
      if (dx != nullptr) dx[at * C + c] += dy[out * C + c] * w[k * C + c];
    }
  });
}

inline void conv_forward(double* y, const double* x, const double* w, const double* b, int N, int P, int K, int I,
                         int O) {
  conv2d_forward(y, x, w, b, N, {1, P, 1, K}, I, O);
}
inline void conv_backward(double* dx, double* dw, double* db, const double* dy, const double* x, const double* w, int N,
                          int P, int K, int I, int O) {
  conv2d_backward(dx, dw, db, dy, x, w, N, {1, P, 1, K}, I, O);
}

// Pools of kh x kw positions.
constexpr Grid pooling(int h, int w, int kh, int kw) { return {h, w, kh, kw, kh, kw, 0, 0, h / kh, w / kw}; }
constexpr Grid pooling(int positions, int window) { return pooling(1, positions, 1, window); }

// The first position of the window of y[n, p, c] that holds its maximum.
inline int first_maximum(const double* x, const Grid& g, int C, int out, int c) {
  const int n = out / (g.oh * g.ow), p = out / g.ow % g.oh, q = out % g.ow;
  const int first = (n * g.h + p * g.kh) * g.w + q * g.kw;
  int best = first;
  for (int k = 0; k < g.kh * g.kw; ++k) {
    const int at = first + k / g.kw * g.w + k % g.kw;
    if (x[at * C + c] > x[best * C + c]) best = at;
  }
  return best;
}
inline void max_pool_forward(double* y, const double* x, int N, const Grid& g, int C) {
  for (int out = 0; out < N * g.oh * g.ow; ++out)
    for (int c = 0; c < C; ++c) y[out * C + c] = x[first_maximum(x, g, C, out, c) * C + c];
}
inline void max_pool_backward(double* dx, const double* dy, const double* x, int N, const Grid& g, int C) {
  for (int out = 0; out < N * g.oh * g.ow; ++out)
    for (int c = 0; c < C; ++c) dx[first_maximum(x, g, C, out, c) * C + c] += dy[out * C + c];
}
inline void avg_pool_forward(double* y, const double* x, int N, const Grid& g, int C) {
  fill_biases(y, nullptr, N * g.oh * g.ow, C);
  for_taps(g, N, [&](int out, int, int at) {
    for (int c = 0; c < C; ++c) y[out * C + c] += x[at * C + c];
  });
  for (int k = 0; k < N * g.oh * g.ow * C; ++k) y[k] /= g.kh * g.kw;
}
inline void avg_pool_backward(double* dx, const double* dy, int N, const Grid& g, int C) {
  for_taps(g, N, [&](int out, int, int at) {
    for (int c = 0; c < C; ++c) dx[at * C + c] += dy[out * C + c] / (g.kh * g.kw);
  });
}

}  // namespace reference
