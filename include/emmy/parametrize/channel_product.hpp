// Products of two factors with one factor a channel: of the input, or of what the layer makes (parametrize/product.hpp has those of a
// Dense, deep_product.hpp more).
//
//   ProductByChannel    W[k, i, o] = u[i] Z[k, i, o]                            decay lam on u, Z  =  lam sum over i of |W[:, i, :]|_2
//   ProductByUnit       W[k, i, o] = u[o] Z[k, i, o], b[o] = u[o] zb[o]         decay lam on u, Z  =  lam sum over o of |W[:, :, o], b[o]|_2
//
// ProductByChannel: i a channel that the layer reads, k a tap of a convolution; of an Rnn or a Gru the weights of the input. A group is
// all that the layer makes of a channel: where it collapses, the channel, and what makes it in the layer below, is gone. It is certified
// like the outgoing weights of a unit (parametrize/certificate.hpp). Biases and inner weights are plain.
// ProductByUnit: o a channel of the output, or a state; a group is all that makes it, inner weights, gates and biases too, so that it is
// exactly 0 where it collapses. Certified where the loss is smooth there (Tanh, Sigmoid, a Gru, nothing behind it); at the kink of a Relu
// Status::not_differentiable.
// Charges: FactorBalance<Site>, u[c]^2 - |Z of c|^2. Rescalings of units go through Z.
// Blocks: those of Z as the layer's, then u [1][channels].
// Source: theory.md section 4 (rescaling). Test: tests/parametrize/channel_product_test.cpp.
#pragma once

#include <emmy/parametrize/deep_product.hpp>

namespace emmy {

struct ProductByChannel {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1, kBehind = 0;
};
struct ProductByUnit {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1, kBehind = 0;
};

template <class M>
consteval auto blocks_of_parameters(ProductByChannel, M) {
  static_assert(!detail::kWeight<M>.turned, "emmy: ProductByChannel needs a layer of more than one output");
  return detail::joined(detail::factored_blocks<1, M>(), Blocks<1>{{{1, M::kChannels, Role::factor}}});
}
template <class M>
consteval int group_count(ProductByChannel, M) {
  return M::kChannels;
}
template <int Blocks>
consteval auto balanced(ProductByChannel, std::integral_constant<int, Blocks>) {
  return Parts<2>{{{Blocks, Axis::column, 1}, {0, Axis::row, -1}}};
}

template <class M>
consteval auto blocks_of_parameters(ProductByUnit, M) {
  static_assert(!detail::kWeight<M>.turned, "emmy: ProductByUnit needs a layer of more than one output");
  return detail::joined(detail::in_role(M::kList, Role::factor), Blocks<1>{{{1, M::kCols, Role::factor}}});
}
template <class M>
consteval int group_count(ProductByUnit, M) {
  return M::kCols;
}
template <int Blocks>
consteval auto balanced(ProductByUnit, std::integral_constant<int, Blocks>) {
  Parts<Blocks + 1> parts{{{Blocks, Axis::column, 1}}};
  for (int b = 0; b < Blocks; ++b) parts.part[b + 1] = {b, Axis::column, -1};
  return parts;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <class M, class S>
EMMY_INLINE void compose(ProductByChannel, const S* params, S* w) noexcept {
  constexpr auto kBlock = detail::kWeight<M>;
  for (int r = 0; r < kBlock.rows; ++r)
    scaled(params[M::kSize + r % M::kChannels], params + r * kBlock.stride, kBlock.stride, w + r * kBlock.stride);
  inner::copy_rest<M>(params + detail::kWeightSize<M>, w);
}
template <class M, class S, class Visitor>
EMMY_INLINE void pull_back(ProductByChannel, const S* params, S* g, Visitor& visitor) noexcept {
  constexpr auto kBlock = detail::kWeight<M>;
  alignas(kAlign<S>) S gu[padded<S>(M::kChannels)] = {};
  for (int r = 0; r < kBlock.rows; ++r) {
    S* const row = g + r * kBlock.stride;
    const int channel = r % M::kChannels;
    for (int o = 0; o < kBlock.cols; ++o) gu[channel] += row[o] * params[r * kBlock.stride + o];
    scaled(params[M::kSize + channel], row, kBlock.stride, row);
    visitor.template rows<0>(r, std::integral_constant<int, 1>{}, static_cast<const S*>(row));
  }
  inner::visit_rest<1, M>(static_cast<const S*>(g), visitor);
  visitor.template rows<M::kBlocks>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(gu));
}

namespace inner {
// f(row of weights) for each tap of a channel.
template <class M, class T, class F>
EMMY_INLINE void for_taps(T* weights, int channel, F&& f) noexcept {
  for (int r = channel; r < detail::kWeight<M>.rows; r += M::kChannels) f(weights + r * detail::kWeight<M>.stride);
}
template <class M, class S>
EMMY_INLINE S channel_norm(const S* weights, int channel) noexcept {
  S squares = 0;
  for_taps<M>(weights, channel, [&](const S* row) {
    for (int o = 0; o < detail::kWeight<M>.cols; ++o) squares += row[o] * row[o];
  });
  return root(squares);
}
}  // namespace inner

// |u| = |Z[:, i, :]| = sqrt |W[:, i, :]|.
template <class M, class S>
EMMY_INLINE void decompose(ProductByChannel, S* params) noexcept {
  for (int i = 0; i < M::kChannels; ++i) {
    const S size = root(inner::channel_norm<M>(params, i));
    params[M::kSize + i] = size;
    inner::for_taps<M>(params, i, [&](S* row) {
      for (int o = 0; o < detail::kWeight<M>.cols; ++o) row[o] = size > S(0) ? row[o] / size : S(0);
    });
  }
}
template <class M, class S>
EMMY_INLINE S group_size(ProductByChannel, const S* params, int group) noexcept {
  const S u = params[M::kSize + group];
  return (u < S(0) ? -u : u) * inner::channel_norm<M>(params, group);
}
template <class M, class S>
EMMY_INLINE void clear_group(ProductByChannel, S* data, int group) noexcept {
  data[M::kSize + group] = 0;
  inner::for_taps<M>(data, group, [](S* row) {
    for (int o = 0; o < detail::kWeight<M>.cols; ++o) row[o] = 0;
  });
}
template <class M, class S>
EMMY_INLINE S group_slope(ProductByChannel, const S* g, int group) noexcept {
  return inner::channel_norm<M>(g, group);
}
template <class M>
EMMY_INLINE bool group_has_unit(ProductByChannel, int, int) noexcept {
  return true;
}

// ---- ProductByUnit: rows of all blocks are of the same width, one after the other

namespace inner {
template <class M>
inline constexpr int kWidth = detail::kWeight<M>.stride;

template <class M, class S>
EMMY_INLINE S unit_norm(const S* weights, int unit) noexcept {
  S squares = 0;
  for (int r = 0; r < M::kRows; ++r) squares += weights[r * kWidth<M> + unit] * weights[r * kWidth<M> + unit];
  return root(squares);
}
}  // namespace inner

template <class M, class S>
EMMY_INLINE void compose(ProductByUnit, const S* params, S* w) noexcept {
  const S* const u = params + M::kSize;
  for (int at = 0; at < M::kSize; at += static_cast<int>(simd::lanes<S>()))
    simd::store(simd::mul(simd::load(u + at % inner::kWidth<M>), simd::load(params + at)), w + at);
}
template <class M, class S, class Visitor>
EMMY_INLINE void pull_back(ProductByUnit, const S* params, S* g, Visitor& visitor) noexcept {
  alignas(kAlign<S>) S gu[inner::kWidth<M>] = {};
  for (int at = 0; at < M::kSize; at += static_cast<int>(simd::lanes<S>())) {
    const int o = at % inner::kWidth<M>;
    const auto slope = simd::load(g + at);
    simd::store(simd::mul_add(slope, simd::load(params + at), simd::load(gu + o)), gu + o);
    simd::store(simd::mul(slope, simd::load(params + M::kSize + o)), g + at);
  }
  inner::visit_blocks<0, M>(static_cast<const S*>(g), visitor);
  visitor.template rows<M::kBlocks>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(gu));
}
// |u| = |Z of o| = sqrt |W of o|.
template <class M, class S>
EMMY_INLINE void decompose(ProductByUnit, S* params) noexcept {
  for (int o = 0; o < M::kCols; ++o) {
    const S size = root(inner::unit_norm<M>(params, o));
    params[M::kSize + o] = size;
    for (int r = 0; r < M::kRows; ++r) {
      S& z = params[r * inner::kWidth<M> + o];
      z = size > S(0) ? z / size : S(0);
    }
  }
}
template <class M, class S>
EMMY_INLINE S group_size(ProductByUnit, const S* params, int group) noexcept {
  const S u = params[M::kSize + group];
  return (u < S(0) ? -u : u) * inner::unit_norm<M>(params, group);
}
template <class M, class S>
EMMY_INLINE void clear_group(ProductByUnit, S* data, int group) noexcept {
  for (int r = 0; r < M::kRows; ++r) data[r * inner::kWidth<M> + group] = 0;
  data[M::kSize + group] = 0;
}
template <class M, class S>
EMMY_INLINE S group_slope(ProductByUnit, const S* g, int group) noexcept {
  return inner::unit_norm<M>(g, group);
}
template <class M>
EMMY_INLINE bool group_has_unit(ProductByUnit, int group, int unit) noexcept {
  return group == unit;
}

}  // namespace emmy::inline EMMY_TARGET
