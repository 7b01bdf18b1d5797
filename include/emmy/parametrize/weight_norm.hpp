// Weight normalisation: the length and the direction of what makes a unit are learnt apart.
//
//   WeightNorm        W[:, j] = g_j v_j / |v_j|, v_j = V[:, j]; b plain
//
// With G the gradient of the effective W, h = v / |v|:   dg_j = <G_j, h_j>    dv_j = g_j / |v_j| (G_j - dg_j h_j)
// so <v_j, dv_j> = 0: |v_j|^2 is a charge of its own, which a plain step only lets grow (eta^2 |dv_j|^2), and what the next
// layer's weights are balanced with is the gain, g_j^2 + b_j^2. The units of the layer before have no rescaling: no linear
// action on V undoes it.
// v_j = 0 (|v_j|^2 that underflows counts as 0) has no direction: w_j = 0, and neither g_j nor v_j gets a gradient, so it
// stays. Below |v_j| = 2^-20 dv_j is |v_j| 2^20 of what it should be, so that g_j G_j bounds it; the identities still hold.
// The effective W is made once a step (kept in Scratch); its gradient is made twice, first for <G_j, v_j>, rather than kept.
// Source: Salimans, Kingma, "Weight Normalization", NeurIPS 2016, eq. 3; theory.md section 1 #14. Test:
// tests/parametrize/weight_norm_test.cpp.
#pragma once

#include <emmy/parametrize/product.hpp>

namespace emmy {

struct WeightNorm {};

// Blocks: the gains g, V, the bias.
template <int Out, class Bias>
struct Parametrized<Dense<Out, Bias>, WeightNorm> {
  static constexpr bool kAffine = true;
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  static constexpr int kSteepest = 1 << 20;  // 1 / |v_j| is at most this in a gradient
  template <class InShape>
  using output = with_channels<InShape, Out>;
  template <class S, class InShape, int>
  static constexpr int kKept = (InShape::kChannels + 1) * padded<S>(Out);  // effective W, |v_j|^2
  template <class S, class InShape, int Batch>
  static constexpr int kWork = affine_work<S>(Batch* InShape::kPositions, InShape::kChannels, Out);
};

template <int Out, class Bias, class InShape>
consteval auto blocks(Parametrized<Dense<Out, Bias>, WeightNorm>, InShape) {
  constexpr Block g{1, Out, Role::factor}, v{InShape::kChannels, Out, Role::factor};
  if constexpr (__is_same(Bias, WithBias)) return Blocks<3>{{g, v, {1, Out, Role::bias}}};
  else return Blocks<2>{{g, v}};
}
// A unit is rescaled through its gain and its bias ...
template <int Out, class Bias>
consteval auto incoming(Parametrized<Dense<Out, Bias>, WeightNorm>) {
  if constexpr (__is_same(Bias, WithBias)) return Parts<2>{{{0, Axis::column, 1}, {2, Axis::column, 1}}};
  else return Parts<1>{{{0, Axis::column, 1}}};
}
template <int Out, class Bias>
consteval auto outgoing(Parametrized<Dense<Out, Bias>, WeightNorm>) {
  return Parts<0>{};
}
// ... and v_j by itself.
template <int Out, class Bias>
consteval auto internal(Parametrized<Dense<Out, Bias>, WeightNorm>) {
  return Parts<1>{{{1, Axis::column, 1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// squares[j] = |v_j|^2 and w = g_j v_j / |v_j|, In rows.
template <int In, int Out, class T>
EMMY_INLINE void normalise_weights(const T* gain, const T* v, T* w, T* squares) noexcept {
  constexpr int kStride = padded<T>(Out);
  for (int o = 0; o < kStride; o += static_cast<int>(simd::lanes<T>())) {
    const auto none = simd::zero<T>();
    auto square = none;
    for (int i = 0; i < In; ++i) {
      const auto value = simd::load(v + i * kStride + o);
      square = simd::mul_add(value, value, square);
    }
    simd::store(square, squares + o);
    const auto size = simd::sqrt(square);
    const auto scale = simd::select(simd::less(none, square), simd::div(simd::load(gain + o), size), none);
    for (int i = 0; i < In; ++i) simd::store(simd::mul(scale, simd::load(v + i * kStride + o)), w + i * kStride + o);
  }
}

// w = effective weights [In][padded(Out)], then the bias row (zero without a bias) unless Rows leaves it out.
template <int In, int Rows = In + 1, int Out, class Bias, class T>
EMMY_INLINE void effective_weights(Parametrized<Dense<Out, Bias>, WeightNorm>, const T* params, T* w) noexcept {
  constexpr int kStride = padded<T>(Out);
  alignas(kAlign<T>) T squares[kStride];
  normalise_weights<In, Out>(params, params + kStride, w, squares);
  for (int o = 0; o < (Rows - In) * kStride; ++o)
    w[In * kStride + o] = __is_same(Bias, WithBias) ? params[(In + 1) * kStride + o] : T(0);
}

// V holds W: it stays, with its length for a gain.
template <int In, int Out, class Bias, class T>
EMMY_INLINE void split_factors(Parametrized<Dense<Out, Bias>, WeightNorm>, std::integral_constant<int, In>,
                               T* params) noexcept {
  constexpr int kStride = padded<T>(Out);
  for (int o = 0; o < Out; ++o) {
    T square = 0;
    for (int i = 1; i <= In; ++i) square += params[i * kStride + o] * params[i * kStride + o];
    params[o] = root(square);
  }
}

template <int Out, class Bias, class F, class Activation>
EMMY_INLINE void forward(Parametrized<Dense<Out, Bias>, WeightNorm>, const F& f, Activation activation) noexcept {
  using T = typename F::scalar;
  constexpr int kStride = F::kOutStride;
  normalise_weights<F::kIn, Out>(f.params, f.params + kStride, f.kept, f.kept + F::kIn * kStride);
  const T* b = __is_same(Bias, WithBias) ? f.params + (F::kIn + 1) * kStride : nullptr;
  affine_forward<F::kOutRows, F::kIn, F::kInStride, Out>(f.x, static_cast<const T*>(f.kept), b, f.y, activation);
}

template <bool kAdd, int Out, class Bias, class F, class Below>
EMMY_INLINE void backward(Parametrized<Dense<Out, Bias>, WeightNorm>, const F& f, Below below) noexcept {
  using T = typename F::scalar;
  affine_backward<kAdd, F::kOutRows, F::kIn, Out>(static_cast<const T*>(f.kept), static_cast<const T*>(f.dy), f.x, f.dx,
                                                  f.work, below);
}

// V is read before the visitor may change it, and its lengths are those that forward kept.
template <int Out, class Bias, class F, class Visitor>
EMMY_INLINE void gradients(Parametrized<Dense<Out, Bias>, WeightNorm> layer, const F& f, Visitor& visitor) noexcept {
  using T = typename F::scalar;
  using One = std::integral_constant<int, 1>;
  constexpr int kStride = F::kOutStride, kRows = gradient_tile_rows<T, F::kIn, kStride>();
  const int lanes = static_cast<int>(simd::lanes<T>());
  const T *v = f.params + kStride, *squares = f.kept + F::kIn * kStride, *dy = f.dy;
  alignas(kAlign<T>) T along[kStride] = {}, dg[kStride], scale[kStride], dv[kRows * kStride];
  for_gradient_rows<F::kIn, kStride, F::kOutRows>(f.x, F::kInStride, dy, [&](int row, auto m, const T* g) EMMY_LAMBDA {
    for (int o = 0; o < kStride; o += lanes) {
      auto sum = simd::load(along + o);
      for (int k = 0; k < decltype(m)::value; ++k)
        sum = simd::mul_add(simd::load(g + k * kStride + o), simd::load(v + (row + k) * kStride + o), sum);
      simd::store(sum, along + o);
    }
  });
  for (int o = 0; o < kStride; o += lanes) {
    const auto none = simd::zero<T>(), square = simd::load(squares + o), sum = simd::load(along + o);
    const auto known = simd::less(none, square);
    const auto over = simd::select(known, simd::div(simd::set(T(1)), simd::sqrt(square)), none);
    const auto own = simd::mul(simd::load(f.params + o), simd::min(over, simd::set(T(layer.kSteepest))));
    simd::store(simd::mul(sum, over), dg + o);
    simd::store(own, scale + o);
    simd::store(simd::select(known, simd::mul(own, simd::div(sum, square)), none), along + o);
  }
  for_gradient_rows<F::kIn, kStride, F::kOutRows>(f.x, F::kInStride, dy, [&](int row, auto m, const T* g) EMMY_LAMBDA {
    visitor.check(row, m, g);
    for (int k = 0; k < decltype(m)::value; ++k)
      for (int o = 0; o < kStride; o += lanes)
        simd::store(simd::neg_mul_add(simd::load(along + o), simd::load(v + (row + k) * kStride + o),
                                      simd::mul(simd::load(scale + o), simd::load(g + k * kStride + o))),
                    dv + k * kStride + o);
    visitor.template rows<1>(row, m, static_cast<const T*>(dv));
  });
  if constexpr (__is_same(Bias, WithBias))
    bias_gradient<kStride, F::kOutRows>(dy, [&](const T* g) EMMY_LAMBDA {
      visitor.check_bias(g);
      visitor.template rows<2>(0, One{}, g);
    });
  visitor.template rows<0>(0, One{}, static_cast<const T*>(dg));
}

// What bounds |G| in the gradient of block Local is so many times that of G (train/sweeps.hpp): at any weights, from the
// largest gain, and at those that forward saw.
template <int Local, int Out, class Bias, class T>
EMMY_INLINE T steepest(Parametrized<Dense<Out, Bias>, WeightNorm> layer, std::integral_constant<int, Local>,
                       T largest_gain) noexcept {
  return Local == 1 ? largest_gain * T(layer.kSteepest) : T(1);
}
template <int Local, int Out, class Bias, class F>
EMMY_INLINE typename F::scalar partner(Parametrized<Dense<Out, Bias>, WeightNorm> layer,
                                       std::integral_constant<int, Local>, const F& f) noexcept {
  using T = typename F::scalar;
  if constexpr (Local != 1) {
    return T(1);
  } else {
    const T* squares = f.kept + F::kIn * F::kOutStride;
    auto most = simd::zero<T>();
    for (int o = 0; o < F::kOutStride; o += static_cast<int>(simd::lanes<T>())) {
      const auto square = simd::load(squares + o);
      const auto over = simd::min(simd::div(simd::set(T(1)), simd::sqrt(square)), simd::set(T(layer.kSteepest)));
      most = simd::max(most, simd::select(simd::less(simd::zero<T>(), square),
                                          simd::mul(simd::abs(simd::load(f.params + o)), over), simd::zero<T>()));
    }
    return simd::max_lane(most);
  }
}

}  // namespace emmy::inline EMMY_TARGET
