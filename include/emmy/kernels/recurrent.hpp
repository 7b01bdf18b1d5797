// Recurrent layers over windows of Positions rows a sample: states h[s, t] from x[s, t] and h[s, t - 1], h[s, -1] = 0.
//
//   rnn_forward   h[t] = f(b + x[t] Wx + h[t - 1] Wh)
//   rnn_deltas    da[t] = (dh[t] + da[t + 1] Wh^T) f'(h[t]), in the memory of dh
//   gru_forward   r[t] = sigmoid(b_r + x[t] Wx_r + h[t - 1] Wh_r)      z[t] = sigmoid(b_z + x[t] Wx_z + h[t - 1] Wh_z)
//                 q[t] = b_q + h[t - 1] Wh_n                           n[t] = tanh(b_n + x[t] Wx_n + r[t] q[t])
//                 h[t] = (1 - z[t]) n[t] + z[t] h[t - 1]               products of elements
//   gru_deltas    dn = dh (1 - z) (1 - n^2)   dq = dn r   dr = dn q r (1 - r)   dz = dh (h[t - 1] - n) z (1 - z),
//                 each of what the gate's function is taken of, and dh[t - 1] += dh z + dr Wh_r^T + dz Wh_z^T + dq Wh_n^T
//   gru_backward  dx (+)= below'(x) (dr Wx_r^T + dz Wx_z^T + dn Wx_n^T)
//
// Layout: x rows of InStride (backward: padded), states and deltas padded rows, row s Positions + t. Weights [in][pad(Units)],
// those of a Gru gate after gate: r, z, n; biases r, z, n, q. The input's part of all rows is one product, the states'
// part a product of Batch rows a position. What a Gru keeps are four planes of such rows, n, r, z, q, which gru_deltas
// overwrites with dn, dr, dz, dq: the three gates of x and those of h lie side by side, so either sum is one.
// Errors, given what the position before (of deltas, behind) became, in units of w_r, with A = (In + Units + 2) (|b| + sum
// |x Wx| + sum |h Wh|) of what a function is taken of:
//   h (Rnn)   A f' + 6 |h| (tanh)                     da   (Units + 5) (|dh| + sum |da Wh|)
//   r, z      A / 4 + 6 r, 6 z       q   A            n    A + 2 (|b_n + x Wx_n| + |r q|) + 6 |n|
//   h (Gru)   3 (|n| + |h[t - 1]|)                    dh   (3 Units + 3) (|dh| + |dh z| + sum |dr Wh_r| + ...)
//   dn, dq    12 |dh|                dr  12 |dh q|    dz   12 |dh| (|h[t - 1]| + |n|)
//   dx        3 Units sum |d Wx|, |dx| more where it is added
// Test: tests/kernels/recurrent_test.cpp.
#pragma once

#include <emmy/kernels/affine.hpp>
#include <emmy/kernels/transcendental.hpp>

namespace emmy {

inline constexpr int kGruPlanes = 4;  // n, r, z, q

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// out[s os + o] = put(s, o, start[s ss + o] + sum_k h[s hs + k] w[k, o]) for Batch rows, a vector at a time; w [Units][pad],
// out may be start. None: the activation that is none, as a default so that it need not be known here.
template <int Batch, int Units, class None = Identity, class T, class Put>
EMMY_INLINE void step_product(const T* h, int hs, const T* w, const T* start, int ss, T* out, int os,
                              Put&& put) noexcept {
  constexpr int kStride = padded<T>(Units);
  const auto row = [](int s, int stride, int col) EMMY_LAMBDA { return static_cast<std::ptrdiff_t>(s) * stride + col; };
  if constexpr (Batch == 1 && Units >= 4 && kHasPanels<T>) {
    affine_forward<1, Units, kStride, Units>(h, w, start, out, None{});
    for (int o = 0; o < kStride; o += static_cast<int>(simd::lanes<T>()))
      simd::store(put(0, o, simd::load(out + o)), out + o);
  } else {
    gemm<Batch, kStride, Units>(
        h, static_cast<std::size_t>(hs), 1, w, Units,
        [&](int s, int o) EMMY_LAMBDA { return simd::load(start + row(s, ss, o)); },
        [&](int s, int o, auto v) EMMY_LAMBDA { simd::store(put(s, o, v), out + row(s, os, o)); });
  }
}

namespace inner {
struct AsItIs {
  template <class V>
  EMMY_INLINE V operator()(int, int, V v) const noexcept {
    return v;
  }
};
// f(at) for every vector of row t of each sample.
template <int Batch, int Positions, int Stride, class T, class F>
EMMY_INLINE void for_step(int t, F&& f) noexcept {
  for (int s = 0; s < Batch; ++s)
    for (int o = 0; o < Stride; o += static_cast<int>(simd::lanes<T>())) f((s * Positions + t) * Stride + o);
}
// One matrix after the other, transposed: [Units][pad(In)] each.
template <int In, int Units, class T, class... Gate>
EMMY_INLINE void transpose_gates(const T* w, T* work, Gate... gate) noexcept {
  int to = 0;
  (transpose<In, Units, padded<T>(In), padded<T>(Units)>(w + gate * In * padded<T>(Units),
                                                         work + to++ * Units * padded<T>(In)),
   ...);
}
}  // namespace inner

// ---- Rnn

// One position of every sample: y holds the input's part and becomes the state.
template <int Batch, int Units, class T, class Activation>
EMMY_INLINE void rnn_step(const T* h, int stride, const T* wh, T* y, Activation) noexcept {
  step_product<Batch, Units>(h, stride, wh, static_cast<const T*>(y), stride, y, stride,
                             [](int, int, auto v) EMMY_LAMBDA { return activate(Activation{}, v); });
}

// f fixes 0, so pads stay 0.
template <int Batch, int Positions, int In, int InStride, int Units, class None = Identity, class T, class Activation>
EMMY_INLINE void rnn_forward(const T* x, const T* wx, const T* wh, const T* b, T* y, Activation activation) noexcept {
  constexpr int kStride = padded<T>(Units);
  affine_forward<Batch * Positions, In, InStride, Units>(x, wx, b, y, None{});
  inner::for_step<Batch, Positions, kStride, T>(
      0, [&](int at) EMMY_LAMBDA { simd::store(activate(Activation{}, simd::load(y + at)), y + at); });
  for (int t = 1; t < Positions; ++t)
    rnn_step<Batch, Units>(y + (t - 1) * kStride, Positions * kStride, wh, y + t * kStride, activation);
}

// work: Units padded(Units) scalars.
template <int Batch, int Positions, int Units, class T, class Activation>
EMMY_INLINE void rnn_deltas(const T* wh, const T* y, T* dy, T* work, Activation) noexcept {
  constexpr int kStride = padded<T>(Units), kNext = Positions * kStride;
  inner::for_step<Batch, Positions, kStride, T>(Positions - 1, [&](int at) EMMY_LAMBDA {
    simd::store(through_output(Activation{}, simd::load(y + at), simd::load(dy + at)), dy + at);
  });
  if constexpr (Positions == 1) return;
  transpose<Units, Units, kStride, kStride>(wh, work);
  for (int t = Positions - 2; t >= 0; --t) {
    T* const d = dy + t * kStride;
    const T* const state = y + t * kStride;
    step_product<Batch, Units>(static_cast<const T*>(d + kStride), kNext, static_cast<const T*>(work),
                               static_cast<const T*>(d), kNext, d, kNext, [&](int s, int o, auto v) EMMY_LAMBDA {
                                 return through_output(Activation{}, simd::load(state + s * kNext + o), v);
                               });
  }
}

// ---- Gru

// One position of every sample: the planes n, r, z at `row`, `plane` apart, hold the input's parts. h: the states before, or
// null; the rows of h, of planes and of y are `stride` apart.
template <int Batch, int Units, class T>
EMMY_INLINE void gru_step(const T* h, int stride, const T* wh, const T* bq, T* row, int plane, T* y) noexcept {
  constexpr int kStride = padded<T>(Units), kGate = Units * kStride;
  T *const n = row, *const r = row + plane, *const z = row + 2 * plane, *const q = row + 3 * plane;
  if (h != nullptr) {
    const auto add = [&](int gate, const T* start, int ss, T* to) EMMY_LAMBDA {
      step_product<Batch, Units>(h, stride, wh + gate * kGate, start, ss, to, stride, inner::AsItIs{});
    };
    add(0, r, stride, r);
    add(1, z, stride, z);
    add(2, bq, 0, q);
  }
  inner::for_step<Batch, 1, kStride, T>(0, [&](int at) EMMY_LAMBDA {
    const int o = at % kStride, from = at / kStride * stride + o;
    const auto product = h == nullptr ? simd::load(bq + o) : simd::load(q + from);
    const auto reset = sigmoid(simd::load(r + from)), update = sigmoid(simd::load(z + from)),
               next = tanh(simd::mul_add(reset, product, simd::load(n + from))),
               last = h == nullptr ? simd::zero<T>() : simd::load(h + from);
    simd::store(reset, r + from);
    simd::store(update, z + from);
    simd::store(product, q + from);
    simd::store(next, n + from);
    simd::store(simd::mul_add(update, simd::sub(last, next), next), y + from);
  });
}

// The input's part of the planes n, r, z of Rows rows.
template <int Rows, int In, int InStride, int Units, class None = Identity, class T>
EMMY_INLINE void gru_inputs(const T* x, const T* wx, const T* b, T* planes) noexcept {
  constexpr int kStride = padded<T>(Units), kGate = In * kStride;
  const auto gate = [&](int from, int to) EMMY_LAMBDA {
    affine_forward<Rows, In, InStride, Units>(x, wx + from * kGate, b + from * kStride, planes + to * Rows * kStride,
                                              None{});
  };
  gate(2, 0);
  gate(0, 1);
  gate(1, 2);
}

// Pads stay 0: n is 0 there, and h with it.
template <int Batch, int Positions, int In, int InStride, int Units, class T>
EMMY_INLINE void gru_forward(const T* x, const T* wx, const T* wh, const T* b, T* y, T* planes) noexcept {
  constexpr int kRows = Batch * Positions, kStride = padded<T>(Units);
  gru_inputs<kRows, In, InStride, Units>(x, wx, b, planes);
  for (int t = 0; t < Positions; ++t)
    gru_step<Batch, Units>(t == 0 ? static_cast<const T*>(nullptr) : y + (t - 1) * kStride, Positions * kStride, wh,
                           b + 3 * kStride, planes + t * kStride, kRows * kStride, y + t * kStride);
}

// work: 3 Units padded(Units) scalars.
template <int Batch, int Positions, int Units, class T>
EMMY_INLINE void gru_deltas(const T* wh, const T* y, T* dy, T* planes, T* work) noexcept {
  constexpr int kStride = padded<T>(Units), kPlane = Batch * Positions * kStride, kNext = Positions * kStride;
  T *const n = planes, *const r = planes + kPlane, *const z = planes + 2 * kPlane, *const q = planes + 3 * kPlane;
  if constexpr (Positions > 1) inner::transpose_gates<Units, Units>(wh, work, 0, 1, 2);
  for (int t = Positions - 1; t >= 0; --t) {
    inner::for_step<Batch, Positions, kStride, T>(t, [&](int at) EMMY_LAMBDA {
      const auto d = simd::load(dy + at), next = simd::load(n + at), reset = simd::load(r + at),
                 update = simd::load(z + at), last = t == 0 ? simd::zero<T>() : simd::load(y + at - kStride);
      const auto kept = simd::mul(d, update);
      const auto dn = simd::mul(simd::sub(d, kept), simd::neg_mul_add(next, next, simd::set(T(1))));
      const auto dq = simd::mul(dn, reset);
      simd::store(dn, n + at);
      simd::store(simd::mul(simd::mul(dq, simd::load(q + at)), simd::sub(simd::set(T(1)), reset)), r + at);
      simd::store(simd::mul(simd::neg_mul_add(kept, update, kept), simd::sub(last, next)), z + at);
      simd::store(dq, q + at);
      if (t > 0) simd::store(simd::add(simd::load(dy + at - kStride), kept), dy + at - kStride);
    });
    if (t == 0) break;
    T* const to = dy + (t - 1) * kStride;
    if constexpr (Batch == 1) {  // a sum of three products in parts: a tile of one row would wait for itself
      for (int gate = 0; gate < 3; ++gate)
        step_product<1, Units>(static_cast<const T*>(r + gate * kPlane + t * kStride), kNext,
                               static_cast<const T*>(work + gate * Units * kStride), static_cast<const T*>(to), kNext,
                               to, kNext, inner::AsItIs{});
    } else {
      gemm<Batch, kStride, Units, 3>(
          static_cast<const T*>(r + t * kStride), kNext, 1, static_cast<const T*>(work), Units,
          [&](int s, int o) EMMY_LAMBDA { return simd::load(to + s * kNext + o); },
          [&](int s, int o, auto v) EMMY_LAMBDA { simd::store(v, to + s * kNext + o); }, kPlane);
    }
  }
}

// Behind gru_deltas. work: 3 Units padded(In) scalars; below as in affine_backward.
template <bool kAdd, int Rows, int In, int Units, class T, class Below>
EMMY_INLINE void gru_backward(const T* wx, const T* planes, const T* x, T* dx, T* work, Below) noexcept {
  constexpr int kStride = padded<T>(Units), kInPad = padded<T>(In);
  inner::transpose_gates<In, Units>(wx, work, 2, 0, 1);
  gemm<Rows, kInPad, Units, 3>(
      planes, kStride, 1, static_cast<const T*>(work), Units, [](int, int) EMMY_LAMBDA { return simd::zero<T>(); },
      [&](int row, int col, auto v) EMMY_LAMBDA { put_dx<kAdd>(Below{}, x, dx, row * kInPad + col, v); },
      Rows * kStride);
}

// ---- both

// dWh in tiles as for_gradient_tiles gives them, or in whole rows: of every sample the states but the last one times the
// deltas but the first one.
template <int Batch, int Positions, int Units, class T, class Put>
EMMY_INLINE void recurrent_gradient_tiles(const T* y, const T* dy, Put&& put) noexcept {
  constexpr int kStride = padded<T>(Units);
  constexpr std::size_t kNext = static_cast<std::size_t>(Positions) * kStride;
  for_gradient_tiles<Units, kStride, Positions - 1, Batch>(
      y, kStride, dy + kStride, [&](int row, int m, int col, auto v) EMMY_LAMBDA { put(row + m, col, v); },
      [](int, auto) EMMY_LAMBDA {}, kNext, kNext);
}
template <int Batch, int Positions, int Units, class T, class Visit>
EMMY_INLINE void recurrent_gradient_rows(const T* y, const T* dy, Visit&& visit) noexcept {
  constexpr int kStride = padded<T>(Units);
  constexpr std::size_t kNext = static_cast<std::size_t>(Positions) * kStride;
  for_gradient_rows<Units, kStride, Positions - 1, Batch>(y, kStride, dy + kStride, visit, kNext, kNext);
}

// y[s] = the last row of x[s], rows of padded length.
template <int Batch, int Positions, int Cols, int InStride, class T>
EMMY_INLINE void last_forward(const T* x, T* y) noexcept {
  constexpr int kStride = padded<T>(Cols);
  // x and y lie in one arena. Where g++ 12 (-O1, -O2) sees that, it makes both one induction variable, then takes the whole
  // loop for one without effect and drops it (batches of 8 and more; not with -fno-ivopts).
  __asm__("" : "+r"(y));
  for (int s = 0; s < Batch; ++s)
    for (int c = 0; c < kStride; c += static_cast<int>(simd::lanes<T>())) {
      const T* row = x + (s * Positions + Positions - 1) * InStride;
      simd::store(c < Cols ? load_part<Cols, InStride>(row, c) : simd::zero<T>(), y + s * kStride + c);
    }
}

// dx of the last row of each sample (+)= dy below'(x), of the others 0 (nothing is added).
template <bool kAdd, int Batch, int Positions, int Cols, class T, class Below>
EMMY_INLINE void last_backward(const T* x, const T* dy, T* dx, Below) noexcept {
  constexpr int kStride = padded<T>(Cols);
  for (int s = 0; s < Batch; ++s) {
    if constexpr (!kAdd) clear(dx + s * Positions * kStride, (Positions - 1) * kStride);
    for (int c = 0; c < kStride; c += static_cast<int>(simd::lanes<T>()))
      put_dx<kAdd>(Below{}, x, dx, (s * Positions + Positions - 1) * kStride + c, simd::load(dy + s * kStride + c));
  }
}

}  // namespace emmy::inline EMMY_TARGET
