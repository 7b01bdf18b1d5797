// BlockSparse: a Dense most of whose weights are zero, for inference.
#pragma once

#include <emmy/kernels/block_sparse.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

// y[r, o] = sum_i x[r, i] W[i, o] + b[o] with W zero outside the blocks that Pattern names (kernels/block_sparse.hpp). Blocks: four
// weights each, b. Where it comes from: train Parametrized<Dense<Out>, ProductByBlock<4>>, snap, fold, pack_blocks
// (parametrize/pack_blocks.hpp); emmy export --blocks writes all of it as a header. No training: which weights are zero is decided.
// Test: tests/layers/block_sparse_test.cpp.
template <int Out, class Pattern, class Bias = WithBias>
struct BlockSparse {
  static_assert(Out > 0, "emmy: BlockSparse<Out, Pattern> needs at least one output");
  static constexpr bool kAffine = true;
  static constexpr bool kHasBias = __is_same(Bias, WithBias);
  using pattern = Pattern;
  template <class InShape>
  using output = with_channels<InShape, Out>;
};

template <int Out, class Pattern, class Bias, class InShape>
consteval auto blocks(BlockSparse<Out, Pattern, Bias>, InShape) {
  static_assert(
      fits<Pattern>(InShape::kChannels, Out),
      "emmy: this pattern is not one of these inputs and outputs: kCount has a number for each four outputs, kInput "
      "an input for each block, in ascending order");
  constexpr Block weights{kBlockOutputs * BlockTable<Pattern>::kStored, 1, Role::latent, true};
  if constexpr (__is_same(Bias, WithBias)) return Blocks<2>{{weights, {1, Out, Role::bias}}};
  else return Blocks<1>{{weights}};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

template <int Out, class Pattern, class Bias, class F, class Activation>
EMMY_INLINE void forward(BlockSparse<Out, Pattern, Bias>, const F& f, Activation activation) noexcept {
  using S = typename F::scalar;
  block_sparse_forward<Pattern, __is_same(Bias, WithBias), F::kOutRows, F::kIn, F::kInStride, Out>(
      f.x, f.params, f.params + padded<S>(kBlockOutputs * BlockTable<Pattern>::kStored), f.y, activation);
}

template <bool kAdd, int Out, class Pattern, class Bias, class F, class Below>
void backward(BlockSparse<Out, Pattern, Bias>, const F&, Below) noexcept {
  static_assert(sizeof(F) == 0,
                "emmy: BlockSparse is for inference: train Parametrized<Dense<Out>, ProductByBlock<4>>, then fold and "
                "pack_blocks");
}
template <int Out, class Pattern, class Bias, class F, class Visitor>
void gradients(BlockSparse<Out, Pattern, Bias>, const F&, Visitor&) noexcept {
  static_assert(sizeof(F) == 0,
                "emmy: BlockSparse is for inference: train Parametrized<Dense<Out>, ProductByBlock<4>>, then fold and "
                "pack_blocks");
}

}  // namespace emmy::inline EMMY_TARGET
