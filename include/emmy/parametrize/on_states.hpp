// A parametrisation of the recurrent weights of an Rnn or a Gru in the place of those of the input.
//
//   Parametrized<Gru<Units>, OnStates<ProductByBlock<4>>>    Wh [gates Units][Units] as ProductByBlock has a Dense's, Wx plain
//
// P is a product of weights: ProductOfDepth<D>, ProductByBlock<N>, ProductByChannel (a group is all that the layer makes of a
// state). Groups, certificate and charges are those of P; rescalings of units go through its last factor.
// Blocks: Wx, then those of P with Wh as its weights and the bias behind.
// Source: theory.md section 4. Test: tests/parametrize/channel_product_test.cpp.
#pragma once

#include <emmy/layers/recurrent.hpp>
#include <emmy/parametrize/channel_product.hpp>

namespace emmy {

template <class P>
struct OnStates {
  static constexpr bool kFits = requires { P::kBehind; };
  static_assert(kFits,
                "emmy: OnStates<P> takes a product of weights: ProductOfDepth, ProductByBlock, ProductByChannel");
  static constexpr bool kMaterialises = true, kMultiplies = P::kMultiplies;
  static constexpr int kAmplifies = P::kAmplifies, kBehind = P::kBehind;
};

namespace detail {
// The blocks of weights M behind the first one, met by the states.
template <class M>
struct BehindFirst {
  static_assert(M::kBlocks == 3, "emmy: OnStates takes an Rnn or a Gru");
  static constexpr auto kList = [] {
    Blocks<M::kBlocks - 1> rest{};
    for (int b = 1; b < M::kBlocks; ++b) rest.block[b - 1] = M::kList.block[b];
    return rest;
  }();
  static constexpr int kChannels = M::kCols;
};
template <class M>
using StatesOf = WeightTable<typename M::scalar, BehindFirst<M>>;
}  // namespace detail

template <class P, class M>
consteval auto blocks_of_parameters(OnStates<P>, M) {
  return detail::joined(Blocks<1>{{M::kList.block[0]}}, blocks_of_parameters(P{}, detail::StatesOf<M>{}));
}
template <class P, class M>
consteval int group_count(OnStates<P>, M) {
  return group_count(P{}, detail::StatesOf<M>{});
}
template <class P, int Blocks>
requires requires { balanced(P{}, std::integral_constant<int, Blocks - 1>{}); }
consteval auto balanced(OnStates<P>, std::integral_constant<int, Blocks>) {
  auto parts = balanced(P{}, std::integral_constant<int, Blocks - 1>{});
  for (Part& part : parts.part) ++part.block;
  return parts;
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// Blocks of parameters counted from the second on.
template <class Visitor>
struct BehindVisitor {
  Visitor& visitor;
  template <int Local, class Rows, class G>
  EMMY_INLINE void rows(int row, Rows count, const G* g) noexcept {
    visitor.template rows<Local + 1>(row, count, g);
  }
};
}  // namespace inner

template <class M, class P, class S>
EMMY_INLINE void compose(OnStates<P>, const S* params, S* w) noexcept {
  constexpr int kFirst = detail::kWeightSize<M>;
  for (int i = 0; i < kFirst; i += static_cast<int>(simd::lanes<S>())) simd::store(simd::load(params + i), w + i);
  compose<detail::StatesOf<M>>(P{}, params + kFirst, w + kFirst);
}
template <class M, class P, class S, class Visitor>
EMMY_INLINE void pull_back(OnStates<P>, const S* params, S* g, Visitor& visitor) noexcept {
  constexpr auto kBlock = detail::kWeight<M>;
  for (int line = 0; line < kBlock.lines; ++line)
    visitor.template rows<0>(line, std::integral_constant<int, 1>{}, static_cast<const S*>(g + line * kBlock.width));
  inner::BehindVisitor<Visitor> behind{visitor};
  pull_back<detail::StatesOf<M>>(P{}, params + detail::kWeightSize<M>, g + detail::kWeightSize<M>, behind);
}
template <class M, class P, class S>
EMMY_INLINE void decompose(OnStates<P>, S* params) noexcept {
  decompose<detail::StatesOf<M>>(P{}, params + detail::kWeightSize<M>);
}
template <class M, class P, class S>
EMMY_INLINE S group_size(OnStates<P>, const S* params, int group) noexcept {
  return group_size<detail::StatesOf<M>>(P{}, params + detail::kWeightSize<M>, group);
}
template <class M, class P, class S>
EMMY_INLINE void clear_group(OnStates<P>, S* data, int group) noexcept {
  clear_group<detail::StatesOf<M>>(P{}, data + detail::kWeightSize<M>, group);
}
template <class M, class P, class S>
EMMY_INLINE S group_slope(OnStates<P>, const S* g, int group) noexcept {
  return group_slope<detail::StatesOf<M>>(P{}, g + detail::kWeightSize<M>, group);
}
template <class M, class P>
EMMY_INLINE bool group_has_unit(OnStates<P>, int group, int unit) noexcept {
  return group_has_unit<detail::StatesOf<M>>(P{}, group, unit);
}

}  // namespace emmy::inline EMMY_TARGET
