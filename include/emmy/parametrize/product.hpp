// Products of factors: weight decay on both factors is an L1 penalty on their product, so decay makes exact zeros.
//
//   Product           W = U * Z, element by element; b plain       decay lam on U, Z  =  lam |W|_1
//   ProductByInput    W[i, :] = u_i Z[i, :]; b plain               decay lam on u, Z  =  lam sum_i |W[i, :]|_2
//   ProductByOutput   W[:, o] = u_o z[:, o], b_o = u_o zb_o
//
// ProductByInput after an activation has its group on the outgoing weights of a hidden unit, where the loss is smooth:
// it removes whole units with a certificate. ProductByOutput puts the group on the incoming side; behind a ReLU its
// gradient at 0 is always 0, so there is no certificate (parametrize/certificate.hpp refuses it).
// The effective W is made once a step (kept in Scratch); its gradient g is pulled back as g * Z, g * U. Factors are held
// above 1e-18 until they are snapped (kernels/update_sweep.hpp), so that none becomes denormal.
// Source: theory.md section 4. Test: tests/parametrize/product_test.cpp.
#pragma once

#include <emmy/parametrize/parametrized.hpp>

namespace emmy {

struct Product {};
struct ProductByInput {};
struct ProductByOutput {};

namespace detail {
template <class P>
inline constexpr bool kIsProduct = __is_same(P, Product) || __is_same(P, ProductByInput) ||
                                   __is_same(P, ProductByOutput);
}

// Blocks: the factor u (or U), the factor Z, the bias (for ProductByOutput a factor too).
template <int Out, class Bias, class P>
requires(detail::kIsProduct<P>) struct Parametrized<Dense<Out, Bias>, P> {
  static constexpr bool kAffine = true;
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  template <class InShape>
  using output = with_channels<InShape, Out>;
  template <class S, class InShape, int>
  static constexpr int kKept = (InShape::kChannels + 1) * padded<S>(Out);  // effective W and b
  template <class S, class InShape, int Batch>
  static constexpr int kWork = affine_work<S>(Batch* InShape::kPositions, InShape::kChannels, Out);
};

template <int Out, class Bias, class P, class InShape>
requires(detail::kIsProduct<P>) consteval auto blocks(Parametrized<Dense<Out, Bias>, P>, InShape) {
  constexpr int kIn = InShape::kChannels;
  constexpr Block u = __is_same(P, Product)          ? Block{kIn, Out, Role::factor}
                      : __is_same(P, ProductByInput) ? Block{1, kIn, Role::factor}
                                                     : Block{1, Out, Role::factor};
  constexpr Block b{1, Out, __is_same(P, ProductByOutput) ? Role::factor : Role::bias};
  if constexpr (__is_same(Bias, WithBias)) return Blocks<3>{{u, {kIn, Out, Role::factor}, b}};
  else return Blocks<2>{{u, {kIn, Out, Role::factor}}};
}
// A unit is rescaled through Z (and the bias); u does not take part.
template <int Out, class Bias, class P>
requires(detail::kIsProduct<P>) consteval auto incoming(Parametrized<Dense<Out, Bias>, P>) {
  if constexpr (__is_same(Bias, WithBias)) return Parts<2>{{{1, Axis::column, 1}, {2, Axis::column, 1}}};
  else return Parts<1>{{{1, Axis::column, 1}}};
}
template <int Out, class Bias, class P>
requires(detail::kIsProduct<P>) consteval auto outgoing(Parametrized<Dense<Out, Bias>, P>) {
  return Parts<1>{{{1, Axis::row, 1}}};
}
// U[i, :] against Z[i, :] (each weight has a charge of its own: their sum over the outputs of an input is watched), u_i against
// Z[i, :], u_o against z[:, o] and zb_o.
template <int Out, class Bias>
consteval auto internal(Parametrized<Dense<Out, Bias>, Product>) {
  return Parts<2>{{{0, Axis::row, 1}, {1, Axis::row, -1}}};
}
template <int Out, class Bias>
consteval auto internal(Parametrized<Dense<Out, Bias>, ProductByInput>) {
  return Parts<2>{{{0, Axis::column, 1}, {1, Axis::row, -1}}};
}
template <int Out, class Bias>
consteval auto internal(Parametrized<Dense<Out, Bias>, ProductByOutput>) {
  if constexpr (__is_same(Bias, WithBias))
    return Parts<3>{{{0, Axis::column, 1}, {1, Axis::column, -1}, {2, Axis::column, -1}}};
  else return Parts<2>{{{0, Axis::column, 1}, {1, Axis::column, -1}}};
}

// Where element-wise factors start: small, so that weights that nothing holds die soon, and apart from |z|: with u = z
// or u = -z one of u + z, u - z is 0 for ever and the weight could never change its sign.
template <class S>
inline constexpr S kFactorStart = S(0.125);

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// w = effective weights [In][padded(Out)], then the effective bias row (zero without a bias) unless Rows leaves it out.
// params: the layer's blocks.
template <int In, int Rows = In + 1, int Out, class Bias, class P, class T>
requires(detail::kIsProduct<P>) EMMY_INLINE
    void effective_weights(Parametrized<Dense<Out, Bias>, P>, const T* params, T* w) noexcept {
  constexpr int kStride = padded<T>(Out);
  constexpr int kFirst = __is_same(P, Product) ? In * kStride : __is_same(P, ProductByInput) ? padded<T>(In) : kStride;
  const T *u = params, *z = params + kFirst, *b = z + In * kStride;
  const int lanes = static_cast<int>(simd::lanes<T>());
  for (int i = 0; i < Rows; ++i) {
    for (int o = 0; o < kStride; o += lanes) {
      const int at = i * kStride + o;
      auto v = simd::zero<T>();
      if (i < In) {
        if constexpr (__is_same(P, Product)) v = simd::mul(simd::load(u + at), simd::load(z + at));
        else if constexpr (__is_same(P, ProductByInput)) v = simd::mul(simd::set(u[i]), simd::load(z + at));
        else v = simd::mul(simd::load(u + o), simd::load(z + at));
      } else if constexpr (__is_same(Bias, WithBias)) {
        v = simd::load(b + o);
        if constexpr (__is_same(P, ProductByOutput)) v = simd::mul(simd::load(u + o), v);
      }
      simd::store(v, w + at);
    }
  }
}

// Z holds W: splits it so that the product is W again. Product: u = kFactorStart. Groups: |u| = |z| = sqrt |w|.
template <int In, int Out, class Bias, class P, class T>
requires(detail::kIsProduct<P>) EMMY_INLINE
    void split_factors(Parametrized<Dense<Out, Bias>, P>, std::integral_constant<int, In>, T* params) noexcept {
  constexpr int kStride = padded<T>(Out);
  constexpr int kFirst = __is_same(P, Product) ? In * kStride : __is_same(P, ProductByInput) ? padded<T>(In) : kStride;
  T *u = params, *z = params + kFirst;
  const auto split = [&](T& factor, int i, int o, int rows, int cols) EMMY_LAMBDA {
    T square = 0, size;
    for (int r = i; r < i + rows; ++r)
      for (int c = o; c < o + cols; ++c) square += z[r * kStride + c] * z[r * kStride + c];
    simd::store_first(simd::sqrt(simd::sqrt(simd::set(square))), &size, 1);
    factor = size;
    for (int r = i; r < i + rows; ++r)
      for (int c = o; c < o + cols; ++c) z[r * kStride + c] = size > T(0) ? z[r * kStride + c] / size : T(0);
  };
  if constexpr (__is_same(P, Product)) {
    for (int i = 0; i < In; ++i)
      for (int o = 0; o < Out; ++o) {
        u[i * kStride + o] = kFactorStart<T>;
        z[i * kStride + o] /= kFactorStart<T>;
      }
  } else if constexpr (__is_same(P, ProductByInput)) {
    for (int i = 0; i < In; ++i) split(u[i], i, 0, 1, Out);
  } else {
    for (int o = 0; o < Out; ++o) split(u[o], 0, o, In, 1);
  }
}

template <int Out, class Bias, class P, class F, class Activation>
requires(detail::kIsProduct<P>) EMMY_INLINE
    void forward(Parametrized<Dense<Out, Bias>, P> layer, const F& f, Activation activation) noexcept {
  effective_weights<F::kIn>(layer, f.params, f.kept);
  affine_forward<F::kOutRows, F::kIn, F::kInStride, Out>(
      f.x, static_cast<const typename F::scalar*>(f.kept),
      static_cast<const typename F::scalar*>(f.kept + F::kIn * F::kOutStride), f.y, activation);
}

template <bool kAdd, int Out, class Bias, class P, class F, class Below>
requires(detail::kIsProduct<P>) EMMY_INLINE
    void backward(Parametrized<Dense<Out, Bias>, P>, const F& f, Below below) noexcept {
  affine_backward<kAdd, F::kOutRows, F::kIn, Out>(static_cast<const typename F::scalar*>(f.kept),
                                                  static_cast<const typename F::scalar*>(f.dy), f.x, f.dx, f.work,
                                                  below);
}

// The pullback of M rows of the effective gradient g. Z is read before the visitor may change it.
template <class P, class Bias, int Out, class F, class Visitor>
EMMY_INLINE void product_gradients(const F& f, Visitor& visitor) noexcept {
  using T = typename F::scalar;
  constexpr int kStride = F::kOutStride, kInPad = padded<T>(F::kIn);
  constexpr int kFirst = __is_same(P, Product) ? F::kIn * kStride : __is_same(P, ProductByInput) ? kInPad : kStride;
  const T *u = f.params, *z = f.params + kFirst;
  const int lanes = static_cast<int>(simd::lanes<T>());
  constexpr int kRows = gradient_tile_rows<T, F::kIn, kStride>();
  alignas(kAlign<T>) T gz[kRows * kStride];
  alignas(kAlign<T>) T gu[__is_same(P, Product)          ? kRows * kStride
                          : __is_same(P, ProductByInput) ? kInPad
                                                         : kStride] = {};
  for_gradient_rows<F::kIn, kStride, F::kOutRows>(
      f.x, F::kInStride, static_cast<const T*>(f.dy), [&](int row, auto m_, const T* g) EMMY_LAMBDA {
        visitor.check(row, m_, g);
        for (int m = 0; m < decltype(m_)::value; ++m) {
          auto dot = simd::zero<T>();
          for (int o = 0; o < kStride; o += lanes) {
            const int at = m * kStride + o, from = (row + m) * kStride + o;
            const auto gv = simd::load(g + at), zv = simd::load(z + from);
            if constexpr (__is_same(P, Product)) {
              simd::store(simd::mul(gv, zv), gu + at);
              simd::store(simd::mul(gv, simd::load(u + from)), gz + at);
            } else if constexpr (__is_same(P, ProductByInput)) {
              dot = simd::mul_add(gv, zv, dot);
              simd::store(simd::mul(gv, simd::set(u[row + m])), gz + at);
            } else {
              simd::store(simd::mul_add(gv, zv, simd::load(gu + o)), gu + o);
              simd::store(simd::mul(gv, simd::load(u + o)), gz + at);
            }
          }
          if constexpr (__is_same(P, ProductByInput))
            gu[row + m] =
                simd::kStrict ? ordered_dot(g + m * kStride, z + (row + m) * kStride, kStride) : simd::sum(dot);
        }
        if constexpr (__is_same(P, Product)) visitor.template rows<0>(row, m_, static_cast<const T*>(gu));
        visitor.template rows<1>(row, m_, static_cast<const T*>(gz));
      });
  if constexpr (__is_same(Bias, WithBias))
    bias_gradient<kStride, F::kOutRows>(static_cast<const T*>(f.dy), [&](const T* g) EMMY_LAMBDA {
      visitor.check_bias(g);
      if constexpr (__is_same(P, ProductByOutput)) {
        const T* zb = z + F::kIn * kStride;
        for (int o = 0; o < kStride; o += lanes) {
          const auto gv = simd::load(g + o);
          simd::store(simd::mul_add(gv, simd::load(zb + o), simd::load(gu + o)), gu + o);
          simd::store(simd::mul(gv, simd::load(u + o)), gz + o);
        }
        visitor.template rows<2>(0, std::integral_constant<int, 1>{}, static_cast<const T*>(gz));
      } else {
        visitor.template rows<2>(0, std::integral_constant<int, 1>{}, g);
      }
    });
  if constexpr (!__is_same(P, Product))
    visitor.template rows<0>(0, std::integral_constant<int, 1>{}, static_cast<const T*>(gu));
}

template <int Out, class Bias, class P, class F, class Visitor>
requires(detail::kIsProduct<P>) EMMY_INLINE
    void gradients(Parametrized<Dense<Out, Bias>, P>, const F& f, Visitor& visitor) noexcept {
  product_gradients<P, Bias, Out>(f, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
