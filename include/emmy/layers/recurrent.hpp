// Rnn and Gru: a state that goes from position to position. Last: the state that a window ends with.
#pragma once

#include <emmy/kernels/inspect.hpp>
#include <emmy/kernels/recurrent.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

namespace detail {
template <class InShape, int Units>
struct RecurrentShape {
  static_assert(InShape::kRank == 2, "emmy: Rnn and Gru take Shape<positions, channels>");
  using type = Shape<InShape::kPositions, Units>;
};
template <class InShape>
struct LastShape {
  static_assert(InShape::kRank == 2, "emmy: Last takes Shape<positions, channels>, such as Rnn and Gru give");
  using type = Shape<1, InShape::kChannels>;
};
// Positions and gradients run through the whole window (truncated back-propagation: the state before it is 0). One backward
// pass a forward pass: the deltas take the place of what was kept.
template <int Units, int Gates>
struct Recurrent {
  static_assert(Units > 0, "emmy: a recurrent layer needs at least one unit");
  static constexpr bool kRecurrent = true, kTakesBelow = true;
  static constexpr int kGates = Gates;
  template <class InShape>
  using output = typename RecurrentShape<InShape, Units>::type;
  template <class InShape>
  static constexpr int kRoundings = InShape::kChannels + Gates* Units + 8;
  template <class InShape>
  static constexpr int kBuffers = Units;  // the state of a stream
};
template <class S>
EMMY_INLINE constexpr int recurrent_work(int units, int gates, int in) noexcept {
  return gates * units * padded<S>(in > units ? in : units);
}
// f(0) = 0 keeps pads and the state before a window at 0; f' from y alone leaves nothing else to keep.
template <class Activation>
inline constexpr bool kFitsRnn = requires {
  requires Activation::kElementwise && Activation::kFromOutput && Activation::kFixesZero;
};
// Degree 1 alone: the scale of a state must come out of the next one as it went in.
template <class Activation>
inline constexpr bool kRescalesRnn = requires {
  requires Activation::kDegree.numerator == Activation::kDegree.denominator;
};
}  // namespace detail

// h[t] = f(b + x[t] Wx + h[t - 1] Wh), y = all states. Blocks: Wx [in][pad(Units)], Wh [Units][pad(Units)], row = the unit
// that it comes from, b [1][pad(Units)].
// Homogeneous of degree 1 from either side where f is (Relu): unit j has the column j of Wx and Wh and b[j] coming in, and
// beside the next layer's row the row j of Wh going out; Wh[j, j] is on both sides. Source: theory.md section 1 #23.
template <int Units, class Activation = Tanh>
struct Rnn : detail::Recurrent<Units, 1> {
  static_assert(detail::kFitsRnn<Activation>,
                "emmy: Rnn<Units, Activation> takes an activation whose derivative can be had from its output and that "
                "leaves 0 at 0 (Tanh, Relu, LeakyRelu, Identity)");
  template <class S, class InShape, int Batch>
  static constexpr int kWork = detail::recurrent_work<S>(Units, 1, InShape::kChannels);
};

// The gated unit of Cho et al. 2014 in the form of PyTorch and cuDNN, the reset gate behind the product:
//   r = sigmoid(x Wx_r + h Wh_r + b_r)   z = sigmoid(x Wx_z + h Wh_z + b_z)   n = tanh(x Wx_n + b_n + r (h Wh_n + b_q))
//   h' = (1 - z) n + z h,                                                                              y = all states
// Blocks: Wx [3 in][pad(Units)] and Wh [3 Units][pad(Units)], gate after gate r, z, n, and b [4][pad(Units)]: b_r, b_z, b_n,
// b_q. Of PyTorch's two biases a gate those of r and z are one here, bias_ih + bias_hh; b_n = bias_ih, b_q = bias_hh.
// Neither sigmoid nor tanh keeps a scale: a Gru makes no units that rescale, but its Wx meets those of the layer before.
template <int Units>
struct Gru : detail::Recurrent<Units, 3> {
  static constexpr bool kLooksInside = true;
  template <class S, class InShape, int Batch>
  static constexpr int kKept = kGruPlanes* Batch* InShape::kPositions* padded<S>(Units);
  template <class S, class InShape, int Batch>
  static constexpr int kWork = detail::recurrent_work<S>(Units, 3, InShape::kChannels);
};

// y[0, c] = x[P - 1, c], of P positions the last one. In a stream, the last one so far.
struct Last {
  static constexpr bool kTakesBelow = true, kByChannel = true, kForgetsOutput = true, kAverages = true;
  static constexpr Ratio kDegree{1, 1};
  template <class InShape>
  using output = typename detail::LastShape<InShape>::type;
};

template <int Units, class Activation, class InShape>
consteval auto blocks(Rnn<Units, Activation>, InShape) {
  return Blocks<3>{{{InShape::kChannels, Units, Role::weight}, {Units, Units, Role::weight}, {1, Units, Role::bias}}};
}
template <int Units, class InShape>
consteval auto blocks(Gru<Units>, InShape) {
  return Blocks<3>{
      {{3 * InShape::kChannels, Units, Role::weight}, {3 * Units, Units, Role::weight}, {4, Units, Role::bias}}};
}
template <int Units, class Activation>
requires detail::kRescalesRnn<Activation>
consteval auto incoming(Rnn<Units, Activation>) {
  return Parts<3>{{{0, Axis::column, 1}, {1, Axis::column, 1}, {2, Axis::column, 1}}};
}
template <int Units, class Activation>
requires detail::kRescalesRnn<Activation>
consteval auto recurring(Rnn<Units, Activation>) { return Parts<1>{{{1, Axis::row, 1}}}; }
template <int Units, class Activation>
consteval auto outgoing(Rnn<Units, Activation>) {
  return Parts<1>{{{0, Axis::row, 1}}};
}
template <int Units>
consteval auto outgoing(Gru<Units>) {
  return Parts<1>{{{0, Axis::row, 1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// The blocks behind the first one.
template <class F>
EMMY_INLINE auto* recurrent_weights(const F& f) noexcept {
  return f.params + F::layer::kGates * F::kIn * F::kOutStride;
}
template <class F>
EMMY_INLINE auto* recurrent_bias(const F& f) noexcept {
  return recurrent_weights(f) + F::layer::kGates * F::kOut * F::kOutStride;
}

// Gate `gate` of dWx and dWh, from the deltas that either sees.
template <class F, class S, class Visitor>
EMMY_INLINE void gate_gradients(const F& f, int gate, const S* of_x, const S* of_h, Visitor& visitor) noexcept {
  constexpr int kPositions = F::in_shape::kPositions;
  const S* const y = f.y;
  const int x_row = gate * F::kIn, h_row = gate * F::kOut;
  matrix_gradient<0, F::kIn, F::kOutStride, F::kOutRows>(f.x, F::kInStride, of_x, x_row, visitor);
  if constexpr (requires(simd::Vec<S> v) { visitor.vector(0, 0, v); })
    recurrent_gradient_tiles<F::kBatch, kPositions, F::kOut>(
        y, of_h, [&](int row, int col, auto v) EMMY_LAMBDA { visitor.template vector<1>(h_row + row, col, v); });
  else
    recurrent_gradient_rows<F::kBatch, kPositions, F::kOut>(
        y, of_h, [&](int row, auto m, const S* g) EMMY_LAMBDA { visitor.template rows<1>(h_row + row, m, g); });
}
}  // namespace inner

// ---- Rnn

template <int Units, class Activation, class F>
EMMY_INLINE void forward(Rnn<Units, Activation>, const F& f) noexcept {
  rnn_forward<F::kBatch, F::in_shape::kPositions, F::kIn, F::kInStride, Units>(
      f.x, f.params, inner::recurrent_weights(f), inner::recurrent_bias(f), f.y, Activation{});
}

// dy becomes the gradient of what f is taken of.
template <int Units, class Activation, class F>
EMMY_INLINE void deltas(Rnn<Units, Activation>, const F& f) noexcept {
  using S = typename F::scalar;
  rnn_deltas<F::kBatch, F::in_shape::kPositions, Units>(inner::recurrent_weights(f), static_cast<const S*>(f.y), f.dy,
                                                        f.work, Activation{});
}

template <bool kAdd, int Units, class Activation, class F, class Below>
EMMY_INLINE void backward(Rnn<Units, Activation>, const F& f, Below below) noexcept {
  affine_backward<kAdd, F::kOutRows, F::kIn, Units>(f.params, f.dy, f.x, f.dx, f.work, below);
}

template <int Units, class Activation, class F, class Visitor>
EMMY_INLINE void gradients(Rnn<Units, Activation>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  const S* const d = f.dy;
  inner::gate_gradients(f, 0, d, d, visitor);
  bias_gradient<F::kOutStride, F::kOutRows>(
      f.dy, [&](const S* g) EMMY_LAMBDA { visitor.template rows<2>(0, std::integral_constant<int, 1>{}, g); });
}

template <int Units, class Activation, class F>
EMMY_INLINE bool forward_next(Rnn<Units, Activation>, const F& f) noexcept {
  using S = typename F::scalar;
  affine_forward<1, F::kIn, F::kInStride, Units>(f.x, f.params, inner::recurrent_bias(f), f.y, Identity{});
  rnn_step<1, Units>(static_cast<const S*>(f.buffers), F::kOutStride, inner::recurrent_weights(f), f.y, Activation{});
  return true;
}

// ---- Gru

template <int Units, class F>
EMMY_INLINE void forward(Gru<Units>, const F& f) noexcept {
  gru_forward<F::kBatch, F::in_shape::kPositions, F::kIn, F::kInStride, Units>(
      f.x, f.params, inner::recurrent_weights(f), inner::recurrent_bias(f), f.y, f.kept);
}

// dy becomes the gradient of each state, what was kept that of what the gates' functions are taken of.
template <int Units, class F>
EMMY_INLINE void deltas(Gru<Units>, const F& f) noexcept {
  using S = typename F::scalar;
  gru_deltas<F::kBatch, F::in_shape::kPositions, Units>(inner::recurrent_weights(f), static_cast<const S*>(f.y), f.dy,
                                                        f.kept, f.work);
}

template <int Units, class F, class S>
EMMY_INLINE void look_inside(Gru<Units>, const F& f, Inspection<S>&, Inspection<S>& delta) noexcept {
  alignas(kAlign<S>) S by_column[F::kOutStride];
  inspect<kGruPlanes * F::kOutRows, Units, F::kOutStride, true>(static_cast<const S*>(f.kept), by_column, delta);
}

template <bool kAdd, int Units, class F, class Below>
EMMY_INLINE void backward(Gru<Units>, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  gru_backward<kAdd, F::kOutRows, F::kIn, Units>(f.params, static_cast<const S*>(f.kept), f.x, f.dx, f.work, below);
}

template <int Units, class F, class Visitor>
EMMY_INLINE void gradients(Gru<Units>, const F& f, Visitor& visitor) noexcept {
  using S = typename F::scalar;
  constexpr int kStride = F::kOutStride, kPlane = F::kOutRows * kStride;
  const S *const n = f.kept, *const r = n + kPlane, *const z = r + kPlane, *const q = z + kPlane;
  const S *const of_x[] = {r, z, n}, *const of_h[] = {r, z, q}, *const of_b[] = {r, z, n, q};
  for (int gate = 0; gate < 3; ++gate) inner::gate_gradients(f, gate, of_x[gate], of_h[gate], visitor);
  alignas(kAlign<S>) S g[4 * kStride];
  for (int row = 0; row < 4; ++row) sum_rows<kStride, F::kOutRows>(of_b[row], g + row * kStride);
  EMMY_GRADIENT_HOOK(g, 4 * kStride);
  visitor.template rows<2>(0, std::integral_constant<int, 4>{}, static_cast<const S*>(g));
}

template <int Units, class F>
EMMY_INLINE bool forward_next(Gru<Units>, const F& f) noexcept {
  using S = typename F::scalar;
  const S* const b = inner::recurrent_bias(f);
  gru_inputs<1, F::kIn, F::kInStride, Units>(f.x, f.params, b, f.kept);
  gru_step<1, Units>(static_cast<const S*>(f.buffers), F::kOutStride, inner::recurrent_weights(f),
                     b + 3 * F::kOutStride, f.kept, F::kOutStride, f.y);
  return true;
}

// The state of a stream is the last row of y.
template <int Units, int Gates, class F>
EMMY_INLINE void commit_next(detail::Recurrent<Units, Gates>, const F& f) noexcept {
  pass_on<false>(static_cast<const typename F::scalar*>(f.y), f.buffers, F::kOutStride);
}

// ---- Last

template <class F>
EMMY_INLINE void forward(Last, const F& f) noexcept {
  last_forward<F::kBatch, F::in_shape::kPositions, F::kIn, F::kInStride>(f.x, f.y);
}
template <bool kAdd, class F, class Below>
EMMY_INLINE void backward(Last, const F& f, Below below) noexcept {
  using S = typename F::scalar;
  last_backward<kAdd, F::kBatch, F::in_shape::kPositions, F::kIn>(f.x, static_cast<const S*>(f.dy), f.dx, below);
}
template <class F>
EMMY_INLINE bool forward_next(Last, const F& f) noexcept {
  forward(Last{}, f);  // of one position
  return true;
}

}  // namespace emmy::inline EMMY_TARGET
