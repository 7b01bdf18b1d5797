// A product of two factors with one factor a channel of the input (parametrize/product.hpp has those of a Dense, deep_product.hpp more).
//
//   ProductByChannel    W[k, i, o] = u[i] Z[k, i, o]      decay lam on u, Z  =  lam sum over i of |W[:, i, :]|_2
//
// i a channel that the layer reads, k a tap of a convolution; of an Rnn or a Gru the weights of the input. A group is all that the
// layer makes of a channel: where it collapses, the channel, and what makes it in the layer below, is gone. It is certified like the
// outgoing weights of a unit (parametrize/certificate.hpp). Biases and inner weights are plain. Rescalings of units go through Z.
// Blocks: Z as the layer's first one, its others, then u [1][channels].
// Source: theory.md section 4 (rescaling). Test: tests/parametrize/channel_product_test.cpp.
#pragma once

#include <emmy/parametrize/deep_product.hpp>

namespace emmy {

struct ProductByChannel {
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1, kBehind = 0;
};

template <class M>
consteval auto blocks_of_parameters(ProductByChannel, M) {
  static_assert(!detail::kWeight<M>.column, "emmy: ProductByChannel needs a layer of more than one output");
  return detail::joined(detail::factored_blocks<1, M>(), Blocks<1>{{{1, M::kChannels, Role::factor}}});
}
template <class M>
consteval int group_count(ProductByChannel, M) {
  return M::kChannels;
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

}  // namespace emmy::inline EMMY_TARGET
