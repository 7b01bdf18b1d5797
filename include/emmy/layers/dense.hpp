// Dense: y = x W + b on the channels of every position.
#pragma once

#include <emmy/kernels/affine.hpp>
#include <emmy/kernels/column.hpp>
#include <emmy/kernels/narrow.hpp>
#include <emmy/layers/layer.hpp>

namespace emmy {

struct WithBias {};
struct NoBias {};

// y[r, o] = sum_i x[r, i] W[i, o] + b[o], r over batch and positions. Blocks: W [in][pad(out)], b [1][pad(out)]; with
// one output W [pad(in)] (kernels/column.hpp), on x86 and 64-bit Arm with few [out][in] (kernels/narrow.hpp).
// Homogeneous of degree 1 in its weights from either side: the traits from which rescalings are derived.
template <int Out, class Bias = WithBias>
struct Dense {
  static_assert(Out > 0, "emmy: Dense<Out> needs at least one output");
  static constexpr bool kAffine = true;
  static constexpr bool kPlainWeights = true;  // its blocks are W and b themselves
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  template <class InShape>
  using output = with_channels<InShape, Out>;
  template <class S, class InShape, int Batch>
  static constexpr int kWork = Out == 1 ? 0 : affine_work<S>(Batch* InShape::kPositions, InShape::kChannels, Out);
};
template <int Out, class Bias>
inline constexpr int kTurnableOutputs<Dense<Out, Bias>> = Out;
template <int Out, class Bias>
inline constexpr bool kTellsSquares<Dense<Out, Bias>> = Out > 1;
// Does it train W and b of one position as they are?
template <class L>
inline constexpr bool kIsDense = kHasPlainWeights<L> && !kIsWindowed<L> && !kIsFrozen<L>;
// Of a frame: does its layer read its weights so? What wraps a Dense never does.
template <class F>
inline constexpr bool kReadsNarrow = is_narrow<typename F::scalar, typename F::layer>(F::kIn);

template <int Out, class InShape>
consteval auto blocks(Dense<Out, WithBias>, InShape) {
  return Blocks<2>{{{InShape::kChannels, Out, Role::weight, Out == 1}, {1, Out, Role::bias}}};
}
template <int Out, class InShape>
consteval auto blocks(Dense<Out, NoBias>, InShape) {
  return Blocks<1>{{{InShape::kChannels, Out, Role::weight, Out == 1}}};
}
// Scaling unit j by c: column j of W and b[j] by c ...
template <int Out, class Bias>
consteval auto incoming(Dense<Out, Bias>) {
  if constexpr (__is_same(Bias, WithBias)) return Parts<2>{{{0, Axis::column, 1}, {1, Axis::column, 1}}};
  else return Parts<1>{{{0, Axis::column, 1}}};
}
// ... and row j of the next W by 1/c.
template <int Out, class Bias>
consteval auto outgoing(Dense<Out, Bias>) {
  return Parts<1>{{{0, Axis::row, 1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// y = activation(x W + b)
template <int Out, class Bias, class F, class Activation, class Squares = std::nullptr_t>
EMMY_INLINE void forward(Dense<Out, Bias>, const F& f, Activation activation, Squares squares = {}) noexcept {
  constexpr int kWeights =
      Out == 1 || kReadsNarrow<F> ? Out * padded<typename F::scalar>(F::kIn) : F::kIn * F::kOutStride;
  const auto* b = Dense<Out, Bias>::kHasBias ? f.params + kWeights : nullptr;
  if constexpr (Out == 1) column_forward<F::kOutRows, F::kIn, F::kInStride>(f.x, f.params, b, f.y, activation);
  else if constexpr (kReadsNarrow<F>) narrow_forward<F::kOutRows, F::kIn, Out>(f.x, f.params, b, f.y, activation);
  else affine_forward<F::kOutRows, F::kIn, F::kInStride, Out>(f.x, f.params, b, f.y, activation, squares);
}

// dx (+)= (dy W^T) * below'(x), x the output of the activation below.
template <bool kAdd, int Out, class Bias, class F, class Below, class Squares = std::nullptr_t>
EMMY_INLINE void backward(Dense<Out, Bias>, const F& f, Below below, Squares squares = {}) noexcept {
  if constexpr (Out == 1) column_backward<kAdd, F::kOutRows, F::kIn>(f.params, f.dy, f.x, f.dx, below);
  else if constexpr (kReadsNarrow<F>)
    narrow_backward<kAdd, F::kOutRows, F::kIn, Out>(f.params, static_cast<const typename F::scalar*>(f.dy), f.x, f.dx,
                                                    below, squares);
  else affine_backward<kAdd, F::kOutRows, F::kIn, Out>(f.params, f.dy, f.x, f.dx, f.work, below, squares);
}

// Block Local of a gradient from its row `first` on, In rows of x^T d, d rows of Padded: to a visitor that can in vectors, else
// in rows.
template <int Local, int In, int Padded, int Rows, class S, class Visitor>
EMMY_INLINE void matrix_gradient(const S* x, int ldx, const S* d, int first, Visitor& visitor) noexcept {
  const auto stride = static_cast<std::size_t>(ldx);
  if constexpr (requires(simd::Vec<S> v) { visitor.template vector<Local>(0, 0, v); })
    for_gradient_tiles<In, Padded, Rows>(
        x, stride, d,
        [&](int row, int m, int col, auto v) EMMY_LAMBDA { visitor.template vector<Local>(first + row + m, col, v); },
        [](int, auto) EMMY_LAMBDA {});
  else
    for_gradient_rows<In, Padded, Rows>(x, stride, d, [&](int row, auto m, const S* g) EMMY_LAMBDA {
      visitor.template rows<Local>(first + row, m, g);
    });
}

// db, a layer's second block.
template <class S, class Visitor>
EMMY_INLINE void visit_bias(const S* db, Visitor& visitor) noexcept {
  visitor.check_bias(db);
  visitor.template rows<1>(0, std::integral_constant<int, 1>{}, db);
}
template <class F, class Visitor>
EMMY_INLINE void bias_gradients(const F& f, Visitor& visitor) noexcept {
  bias_gradient<F::kOutStride, F::kOutRows>(f.dy, [&](auto* g) EMMY_LAMBDA { visit_bias(g, visitor); });
}

// dW = x^T dy, db = sum of the rows of dy. One row: a visitor that can takes x and dy instead.
template <int Out, class Bias, class F, class Visitor>
EMMY_INLINE void gradients(Dense<Out, Bias>, const F& f, Visitor& visitor) noexcept {
  if constexpr (F::kOutRows == 1 && requires { visitor.outer(f.x, f.dy); }) {
    visitor.outer(f.x, f.dy);
  } else {
    const auto visit = [&](int row, auto m, auto* g) EMMY_LAMBDA {
      visitor.check(row, m, g);
      visitor.template rows<0>(row, m, g);
    };
    using S = typename F::scalar;
    const S* dy = f.dy;
    constexpr bool kBesides = Dense<Out, Bias>::kHasBias && Out > 1 && !kReadsNarrow<F> && kSumsBesideTiles<S>;
    alignas(kAlign<S>) [[maybe_unused]] S sums[kBesides ? F::kOutStride : 1];
    [[maybe_unused]] S* const db = kBesides ? sums : nullptr;
    [[maybe_unused]] const auto tiles = [&](auto&& put) EMMY_LAMBDA {
      const auto end = [](int, auto) EMMY_LAMBDA {};
      if constexpr (kReadsNarrow<F>) for_gradient_tiles<Out, F::kIn, F::kOutRows>(dy, F::kOutStride, f.x, put, end);
      else for_gradient_tiles<F::kIn, F::kOutStride, F::kOutRows>(f.x, F::kInStride, dy, put, end, 0, 0, db);
    };
    if constexpr (Out == 1)
      column_gradient<F::kIn, F::kInStride, F::kOutRows>(
          f.x, dy, [&](auto* g) EMMY_LAMBDA { visit(0, std::integral_constant<int, 1>{}, g); });
    else if constexpr (requires(simd::Vec<S> v) { visitor.vector(0, 0, v); }) {
      tiles([&](int row, int m, int col, auto v) EMMY_LAMBDA { visitor.vector(row + m, col, v); });
    } else if constexpr (requires(simd::Vec<S> v, std::integral_constant<int, 1> one) {
                           visitor.tile(0, one, 0, one, v);
                         }) {
      tiles([&](int row, auto m, int col, auto n, const auto&... g)
                EMMY_LAMBDA { visitor.tile(row, m, col, n, g...); });
    } else if constexpr (kReadsNarrow<F>) {
      for_gradient_rows<Out, F::kIn, F::kOutRows>(dy, F::kOutStride, f.x, visit);
    } else {
      for_gradient_rows<F::kIn, F::kOutStride, F::kOutRows>(f.x, F::kInStride, dy, visit, 0, 0, db);
    }
    if constexpr (kBesides) visit_bias(static_cast<const S*>(sums), visitor);
    else if constexpr (Dense<Out, Bias>::kHasBias) bias_gradients(f, visitor);
  }
}

}  // namespace emmy::inline EMMY_TARGET
