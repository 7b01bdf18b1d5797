// More products of factors (parametrize/product.hpp has those of two, by element, by input and by output).
//
//   ProductOfDepth<D>    W = F_1 * ... * F_D, element by element      decay lam on all F_k  =  (lam D / 2) |W|^(2/D)
//   ProductByBlock<N>    W[i, b N + j] = u[i, b] Z[i, b N + j]        decay lam on u, Z  =  lam sum of |block|_2
//   DiagonalProduct      W = (P * P - M * M) / 4, P = U + Z, M = U - Z of Product: the steps of Product where each weight meets
//                        its own gradient g alone, P *= 1 - eta lam - eta g, M *= 1 - eta lam + eta g
//
// Biases are plain. From D = 3 on zero is a local minimum at every lam > 0, so a zero says nothing of the data and there is no
// certificate; a small or a wrong sign collapses for good. Blocks of N neighbouring outputs of a row are what vectors of a
// kernel can skip. A DiagonalProduct hands on P g and - M g, the gradients of U + Z and U - Z, twice the slopes of P and M: its rates are
// those of Product, and with plain decay its steps too (with momentum as well: all is linear).
// Rescalings of units go through F_1 and through Z (theory.md section 1 #26). Charges: FactorBalance<Site>, one a row of the weights,
// |F_1[i, :]|^2 - |F_2[i, :]|^2 and |u[i, :]|^2 - |Z[i, :]|^2, sums of those of single weights and blocks. P and M have neither: U and Z
// are no blocks.
// Source: theory.md section 4 (deep factorisation, better arithmetic). Test: tests/parametrize/materialised_test.cpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/kernels/transcendental.hpp>
#include <emmy/parametrize/materialised.hpp>
#include <emmy/parametrize/product.hpp>

namespace emmy {

template <int Depth>
struct ProductOfDepth {
  static constexpr bool kMaterialises = true, kMultiplies = true;
  static constexpr int kAmplifies = 1, kFactors = Depth, kBehind = Depth - 1;
};
template <int Size>
struct ProductByBlock {
  static_assert(Size >= 1, "emmy: ProductByBlock<N> has blocks of N >= 1 neighbouring outputs");
  static constexpr bool kMaterialises = true, kMultiplies = false;
  static constexpr int kAmplifies = 1, kBlock = Size, kBehind = 0;
};
struct DiagonalProduct {
  static constexpr bool kMaterialises = true, kMultiplies = false, kSquares = true;
  static constexpr int kAmplifies = 1, kFactors = 2;
};

namespace detail {

// `Count` times the weights as factors, then the other blocks of the layer as they are.
template <int Count, class M>
consteval auto factored_blocks() {
  Blocks<Count + M::kBlocks - 1> all{};
  for (int k = 0; k < Count; ++k) {
    all.block[k] = M::kList.block[0];
    all.block[k].role = Role::factor;
  }
  for (int b = 1; b < M::kBlocks; ++b) all.block[Count - 1 + b] = M::kList.block[b];
  return all;
}
template <class M>
inline constexpr auto kWeight = M::kTable.block[0];
template <class M>
inline constexpr int kWeightSize = kWeight<M>.lines* kWeight<M>.width;

// The place of weight `index`, input by input, in the memory of its block.
template <class M>
EMMY_INLINE constexpr int place_of(int index) noexcept {
  return index / kWeight<M>.cols * kWeight<M>.stride + index % kWeight<M>.cols;
}

template <class P>
inline constexpr int kElementFactors = 0;
template <int Depth>
inline constexpr int kElementFactors<ProductOfDepth<Depth>> = Depth;
template <>
inline constexpr int kElementFactors<DiagonalProduct> = 2;

// Blocks of a row, and the stride of u, whose rows follow what is as the layer has it.
template <int Size, class M>
inline constexpr int kRowBlocks = (kWeight<M>.cols + Size - 1) / Size;
template <int Size, class M>
inline constexpr int kBlockStride = padded<typename M::scalar>(kRowBlocks<Size, M>);

}  // namespace detail

template <int Depth, class M>
consteval auto blocks_of_parameters(ProductOfDepth<Depth>, M) {
  return detail::factored_blocks<Depth, M>();
}
template <class M>
consteval auto blocks_of_parameters(DiagonalProduct, M) {
  return detail::factored_blocks<2, M>();
}
template <int Size, class M>
consteval auto blocks_of_parameters(ProductByBlock<Size>, M) {
  static_assert(!detail::kWeight<M>.turned, "emmy: ProductByBlock needs a layer of more than one output");
  return detail::joined(detail::factored_blocks<1, M>(),
                        Blocks<1>{{{detail::kWeight<M>.rows, detail::kRowBlocks<Size, M>, Role::factor}}});
}

template <int Depth, class M>
consteval int group_count(ProductOfDepth<Depth>, M) {
  return detail::kWeight<M>.rows * detail::kWeight<M>.cols;
}
template <class M>
consteval int group_count(DiagonalProduct, M) {
  return detail::kWeight<M>.rows * detail::kWeight<M>.cols;
}
template <int Size, class M>
consteval int group_count(ProductByBlock<Size>, M) {
  return detail::kWeight<M>.rows * detail::kRowBlocks<Size, M>;
}

// Rows, not columns: a row has all of its blocks.
template <int Depth, int Blocks>
requires(Depth > 1) consteval auto balanced(ProductOfDepth<Depth>, std::integral_constant<int, Blocks>) {
  return Parts<2>{{{0, Axis::row, 1}, {1, Axis::row, -1}}};
}
template <int Size, int Blocks>
consteval auto balanced(ProductByBlock<Size>, std::integral_constant<int, Blocks>) {
  return Parts<2>{{{Blocks, Axis::row, 1}, {0, Axis::row, -1}}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// What is behind the weights: plain.
template <class M, class S>
EMMY_INLINE void copy_rest(const S* from, S* w) noexcept {
  for (int i = detail::kWeightSize<M>; i < M::kSize; i += static_cast<int>(simd::lanes<S>()))
    simd::store(simd::load(from + i - detail::kWeightSize<M>), w + i);
}
template <int First, class M, class S, class Visitor>
EMMY_INLINE void visit_rest(const S* g, Visitor& visitor) noexcept {
  const auto one = [&]<int B>(std::integral_constant<int, B>) EMMY_LAMBDA {
    constexpr auto kBlock = M::kTable.block[1 + B];
    for (int line = 0; line < kBlock.lines; ++line)
      visitor.template rows<First + B>(line, std::integral_constant<int, 1>{}, g + kBlock.offset + line * kBlock.width);
  };
  [&]<int... B>(std::integer_sequence<int, B...>) EMMY_LAMBDA { (one(std::integral_constant<int, B>{}), ...); }
  (std::make_integer_sequence<int, M::kBlocks - 1>{});
}
}  // namespace inner

// ---- ProductOfDepth

template <class M, int Depth, class S>
EMMY_INLINE void compose(ProductOfDepth<Depth>, const S* params, S* w) noexcept {
  constexpr int kSize = detail::kWeightSize<M>;
  for (int i = 0; i < kSize; i += static_cast<int>(simd::lanes<S>())) {
    auto v = simd::load(params + i);
    for (int k = 1; k < Depth; ++k) v = simd::mul(v, simd::load(params + k * kSize + i));
    simd::store(v, w + i);
  }
  inner::copy_rest<M>(params + Depth * kSize, w);
}
template <class M, int Depth, class S, class Visitor>
EMMY_INLINE void pull_back(ProductOfDepth<Depth>, const S* params, S* g, Visitor& visitor) noexcept {
  constexpr int kSize = detail::kWeightSize<M>, kWidth = detail::kWeight<M>.width;
  alignas(kAlign<S>) S slope[Depth][kWidth];
  for (int line = 0; line < detail::kWeight<M>.lines; ++line) {
    const S* const own = params + line * kWidth;
    for (int i = 0; i < kWidth; i += static_cast<int>(simd::lanes<S>())) {
      // The factors before k, then those behind it.
      auto before = simd::load(g + line * kWidth + i);
      for (int k = 0; k < Depth; ++k) {
        simd::store(before, slope[k] + i);
        before = simd::mul(before, simd::load(own + k * kSize + i));
      }
      auto behind = simd::load(own + (Depth - 1) * kSize + i);
      for (int k = Depth - 2; k >= 0; --k) {
        simd::store(simd::mul(simd::load(slope[k] + i), behind), slope[k] + i);
        behind = simd::mul(behind, simd::load(own + k * kSize + i));
      }
    }
    [&]<int... K>(std::integer_sequence<int, K...>) EMMY_LAMBDA {
      (visitor.template rows<K>(line, std::integral_constant<int, 1>{}, static_cast<const S*>(slope[K])), ...);
    }
    (std::make_integer_sequence<int, Depth>{});
  }
  inner::visit_rest<Depth, M>(static_cast<const S*>(g), visitor);
}
// |F_k| = |W|^(1/D), the sign in the first.
template <class M, int Depth, class S>
EMMY_INLINE void decompose(ProductOfDepth<Depth>, S* params) noexcept {
  constexpr int kSize = detail::kWeightSize<M>;
  for (int n = 0; n < group_count(ProductOfDepth<Depth>{}, M{}); ++n) {
    const int i = detail::place_of<M>(n);
    const S w = params[i], size = w < S(0) ? -w : w;
    S part = 0;
    if (size > S(0)) {
      simd::store_first(exp(simd::mul(log(simd::set(size)), simd::set(S(1) / S(Depth)))), &part, 1);
    }
    S rest = 1;
    for (int k = 1; k < Depth; ++k) params[k * kSize + i] = part, rest *= part;
    params[i] = rest > S(0) ? w / rest : S(0);
  }
}

// ---- DiagonalProduct

template <class M, class S>
EMMY_INLINE void compose(DiagonalProduct, const S* params, S* w) noexcept {
  constexpr int kSize = detail::kWeightSize<M>;
  for (int i = 0; i < kSize; i += static_cast<int>(simd::lanes<S>())) {
    const auto p = simd::load(params + i), m = simd::load(params + kSize + i);
    simd::store(simd::mul(simd::mul(simd::add(p, m), simd::sub(p, m)), simd::set(S(0.25))), w + i);
  }
  inner::copy_rest<M>(params + 2 * kSize, w);
}
template <class M, class S, class Visitor>
EMMY_INLINE void pull_back(DiagonalProduct, const S* params, S* g, Visitor& visitor) noexcept {
  constexpr int kSize = detail::kWeightSize<M>, kWidth = detail::kWeight<M>.width;
  alignas(kAlign<S>) S gp[kWidth], gm[kWidth];
  for (int line = 0; line < detail::kWeight<M>.lines; ++line) {
    for (int i = 0; i < kWidth; i += static_cast<int>(simd::lanes<S>())) {
      const int at = line * kWidth + i;
      const auto gv = simd::load(g + at);
      simd::store(simd::mul(gv, simd::load(params + at)), gp + i);
      simd::store(simd::sub(simd::zero<S>(), simd::mul(gv, simd::load(params + kSize + at))), gm + i);
    }
    visitor.template rows<0>(line, std::integral_constant<int, 1>{}, static_cast<const S*>(gp));
    visitor.template rows<1>(line, std::integral_constant<int, 1>{}, static_cast<const S*>(gm));
  }
  inner::visit_rest<2, M>(static_cast<const S*>(g), visitor);
}
// U = kFactorStart, as Product has it.
template <class M, class S>
EMMY_INLINE void decompose(DiagonalProduct, S* params) noexcept {
  constexpr int kSize = detail::kWeightSize<M>;
  for (int n = 0; n < group_count(DiagonalProduct{}, M{}); ++n) {
    S &p = params[detail::place_of<M>(n)], &m = params[kSize + detail::place_of<M>(n)];
    const S z = p / kFactorStart<S>;
    p = kFactorStart<S> + z;
    m = kFactorStart<S> - z;
  }
}

// ---- of both: a group is a weight

template <class M, class P, class S>
requires(detail::kElementFactors<P> > 0) EMMY_INLINE S group_size(P, const S* params, int group)
noexcept {
  S w = 1;
  const int at = detail::place_of<M>(group);
  if constexpr (__is_same(P, DiagonalProduct)) {
    const S p = params[at], m = params[detail::kWeightSize<M> + at];
    w = (p + m) * (p - m) * S(0.25);
  } else {
    for (int k = 0; k < detail::kElementFactors<P>; ++k) w *= params[k * detail::kWeightSize<M> + at];
  }
  return w < S(0) ? -w : w;
}
template <class M, class P, class S>
requires(detail::kElementFactors<P> > 0) EMMY_INLINE void clear_group(P, S* data, int group) noexcept {
  for (int k = 0; k < detail::kElementFactors<P>; ++k)
    data[k * detail::kWeightSize<M> + detail::place_of<M>(group)] = 0;
}
template <class M, class P, class S>
requires(detail::kElementFactors<P> > 0) EMMY_INLINE S group_slope(P, const S* g, int group)
noexcept {
  static_assert(detail::kElementFactors<P> == 2,
                "emmy: a product of three factors or more has no certificate: zero is a local minimum at every decay");
  const S slope = g[detail::place_of<M>(group)];
  return slope < S(0) ? -slope : slope;
}
template <class M, class P>
requires(detail::kElementFactors<P> > 0) EMMY_INLINE bool group_has_unit(P, int group, int unit) noexcept {
  return group % detail::kWeight<M>.cols == unit;
}

// ---- ProductByBlock

template <class M, int Size, class S>
EMMY_INLINE void compose(ProductByBlock<Size>, const S* params, S* w) noexcept {
  constexpr auto kBlock = detail::kWeight<M>;
  for (int i = 0; i < kBlock.rows; ++i) {
    const S *const u = params + M::kSize + i * detail::kBlockStride<Size, M>, *const z = params + i * kBlock.stride;
    for (int o = 0; o < kBlock.stride; ++o) w[i * kBlock.stride + o] = o < kBlock.cols ? u[o / Size] * z[o] : S(0);
  }
  inner::copy_rest<M>(params + detail::kWeightSize<M>, w);
}
template <class M, int Size, class S, class Visitor>
EMMY_INLINE void pull_back(ProductByBlock<Size>, const S* params, S* g, Visitor& visitor) noexcept {
  constexpr auto kBlock = detail::kWeight<M>;
  constexpr int kScales = detail::kBlockStride<Size, M>;
  for (int i = 0; i < kBlock.rows; ++i) {
    const S *const u = params + M::kSize + i * kScales, *const own = params + i * kBlock.stride;
    S* const row = g + i * kBlock.stride;
    alignas(kAlign<S>) S gu[kScales] = {};
    for (int o = 0; o < kBlock.cols; ++o) {
      gu[o / Size] += row[o] * own[o];
      row[o] *= u[o / Size];
    }
    visitor.template rows<M::kBlocks>(i, std::integral_constant<int, 1>{}, static_cast<const S*>(gu));
    visitor.template rows<0>(i, std::integral_constant<int, 1>{}, static_cast<const S*>(row));
  }
  inner::visit_rest<1, M>(static_cast<const S*>(g), visitor);
}

namespace inner {
// The first weight of a group in its block of the layer, and how many follow each other.
template <int Size, class M>
EMMY_INLINE int block_start(int group) noexcept {
  return group / detail::kRowBlocks<Size, M> * detail::kWeight<M>.stride + group % detail::kRowBlocks<Size, M> * Size;
}
template <int Size, class M>
EMMY_INLINE int block_length(int group) noexcept {
  const int left = detail::kWeight<M>.cols - group % detail::kRowBlocks<Size, M> * Size;
  return left < Size ? left : Size;
}
template <int Size, class M>
EMMY_INLINE int scale_at(int group) noexcept {
  return M::kSize + group / detail::kRowBlocks<Size, M> * detail::kBlockStride<Size, M> +
         group % detail::kRowBlocks<Size, M>;
}
}  // namespace inner

// |u| = |block of Z| = sqrt |block of W|.
template <class M, int Size, class S>
EMMY_INLINE void decompose(ProductByBlock<Size>, S* params) noexcept {
  for (int group = 0; group < group_count(ProductByBlock<Size>{}, M{}); ++group) {
    S* const block = params + inner::block_start<Size, M>(group);
    const int count = inner::block_length<Size, M>(group);
    const S size = root(euclidean_norm(block, count));
    params[inner::scale_at<Size, M>(group)] = size;
    for (int i = 0; i < count; ++i) block[i] = size > S(0) ? block[i] / size : S(0);
  }
}
template <class M, int Size, class S>
EMMY_INLINE S group_size(ProductByBlock<Size>, const S* params, int group) noexcept {
  const S u = params[inner::scale_at<Size, M>(group)];
  return (u < S(0) ? -u : u) *
         euclidean_norm(params + inner::block_start<Size, M>(group), inner::block_length<Size, M>(group));
}
template <class M, int Size, class S>
EMMY_INLINE void clear_group(ProductByBlock<Size>, S* data, int group) noexcept {
  data[inner::scale_at<Size, M>(group)] = 0;
  S* const block = data + inner::block_start<Size, M>(group);
  for (int i = 0; i < inner::block_length<Size, M>(group); ++i) block[i] = 0;
}
template <class M, int Size, class S>
EMMY_INLINE S group_slope(ProductByBlock<Size>, const S* g, int group) noexcept {
  return euclidean_norm(g + inner::block_start<Size, M>(group), inner::block_length<Size, M>(group));
}
template <class M, int Size>
EMMY_INLINE bool group_has_unit(ProductByBlock<Size>, int group, int unit) noexcept {
  return group % detail::kRowBlocks<Size, M> == unit / Size;
}

}  // namespace emmy::inline EMMY_TARGET
