// Parametrisations that make the weights of a layer once a step, all of them, and pull their gradient back.
//
//   weights = compose(parameters)        kept in Scratch from forward to update, in the layout of the layer's own blocks
//   gradient of the parameters = (d weights / d parameters)' g        g, the gradient of the weights, is kept beside them
//
// One text for every layer with plain weights (Dense, convolutions) and recurrent ones: the layer runs on the weights in Scratch. A
// parametrisation P states kMaterialises and is found by its type; M describes the weights (EffectiveWeights below):
//   blocks_of_parameters(P, M)  consteval        its blocks, the first as large as the layer's where check sums are wanted
//   compose<M>(P, parameters, w)                 the weights, pads zero
//   pull_back<M>(P, parameters, g, visitor)      hands the gradient of each block to visitor.rows<block>; may write over g
//   decompose<M>(P, parameters)                  for `init`: the first block holds the drawn weights and becomes parameters
//   kMultiplies, kSquares, kAmplifies            as a layer's (layers/layer.hpp)
//   balanced(P, constant<blocks of the layer>)  consteval   the two sides of a charge of its factors, where they have one (FactorBalance)
//   kBehind                                      where the first block multiplies each weight: rescalings of units go through it
// and, where it removes groups (parametrize/certificate.hpp),
//   group_count(P, M)  consteval, group_size<M>(P, parameters, group), clear_group<M>(P, parameters or momentum, group),
//   group_slope<M>(P, g, group)                  |gradient of the group|
//   group_has_unit<M>(P, group, unit)            is a weight into that output in the group?
//   group_status<M>(P), kRoundsZeros             where groups can be missing, where a snapped weight is 0 up to rounding
// Memory: twice the layer's weights in Scratch, also where nothing is trained: fold for inference.
// Test: tests/parametrize/materialised_test.cpp.
#pragma once

#include <utility>

#include <emmy/kernels/inspect.hpp>
#include <emmy/net/plan.hpp>
#include <emmy/parametrize/parametrized.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// Blocks of weights one after the other, in rows of `width` scalars: Source::kList, whose first block meets Source::kChannels channels.
template <class Scalar, class Source>
struct WeightTable {
  using scalar = Scalar;
  static constexpr auto kList = Source::kList;
  static constexpr int kBlocks = decltype(kList)::kCount;
  struct Place {
    int rows, cols, stride, offset, lines, width, first_row;
    bool turned;
  };
  struct Table {
    Place block[kBlocks];
    int rows, size, entries;
  };
  static constexpr Table kTable = [] {
    Table t{};
    for (int b = 0; b < kBlocks; ++b) {
      const Block& from = kList.block[b];
      const int stride = from.turned ? 1 : padded<Scalar>(from.cols);
      t.block[b] = {from.rows,
                    from.cols,
                    stride,
                    t.size,
                    from.turned ? 1 : from.rows,
                    from.turned ? padded<Scalar>(from.rows) : stride,
                    t.rows,
                    from.turned};
      t.size += t.block[b].lines * t.block[b].width;
      t.rows += from.rows;
      t.entries += from.rows * from.cols;
    }
    return t;
  }();
  static constexpr int kSize = kTable.size;        // scalars, with pads
  static constexpr int kEntries = kTable.entries;  // weights
  static constexpr int kRows = kTable.rows;        // of all blocks together: a bias is the last one
  static constexpr int kCols = kList.block[0].cols;
  static constexpr int kChannels = Source::kChannels;  // row k kChannels + i of the first block meets channel i

  // Where the weight in row `row`, counted through all blocks, and column `col` is.
  EMMY_INLINE static constexpr int at(int row, int col) noexcept {
    int b = 0;
    while (b + 1 < kBlocks && row >= kTable.block[b + 1].first_row) ++b;
    return kTable.block[b].offset + (row - kTable.block[b].first_row) * kTable.block[b].stride + col;
  }
};

namespace detail {
template <class L, class InShape>
struct LayerBlocks {
  static constexpr auto kList = blocks_of<L, InShape>();
  static constexpr int kChannels = InShape::kChannels;
};
}  // namespace detail
// The weights of layer L on inputs InShape.
template <class L, class Scalar, class InShape>
struct EffectiveWeights : WeightTable<Scalar, detail::LayerBlocks<L, InShape>> {};

namespace detail {
template <class P>
inline constexpr bool kIsMaterialised = requires {
  requires P::kMaterialises;
};
// The blocks of a layer as parameters of another role.
template <int Count>
consteval Blocks<Count> in_role(Blocks<Count> list, Role role) {
  for (Block& block : list.block) block.role = role;
  return list;
}
template <class L>
consteval bool has_bias() {
  if constexpr (requires { L::kHasBias; }) return L::kHasBias;
  else return true;
}
template <class L, class S, class InShape, int Batch>
consteval int kept_inside() {
  if constexpr (requires { L::template kKept<S, InShape, Batch>; }) return L::template kKept<S, InShape, Batch>;
  else return 0;
}
template <class P, int Count>
consteval Parts<Count> moved_back(Parts<Count> parts) {
  for (Part& part : parts.part) part.block += part.block > 0 ? P::kBehind : 0;
  return parts;
}
template <int First, int Second>
consteval auto joined(Blocks<First> first, Blocks<Second> second) {
  Blocks<First + Second> all{};
  for (int b = 0; b < First; ++b) all.block[b] = first.block[b];
  for (int b = 0; b < Second; ++b) all.block[First + b] = second.block[b];
  return all;
}
}  // namespace detail

// It has the shapes, windows and memory of L.
template <class L, class P>
requires(detail::kIsMaterialised<P>) struct Parametrized<L, P> : L {
  static_assert(kHasPlainWeights<L> || kIsRecurrent<L>,
                "emmy: this parametrisation takes a layer with plain weights: a Dense, a convolution, an Rnn or a Gru");
  static constexpr bool kPlainWeights = false;
  using layer = L;
  using composition = P;
  template <class S, class InShape>
  using weights = EffectiveWeights<L, S, InShape>;
  static constexpr bool kMultiplies = P::kMultiplies;
  static constexpr bool kSquares = requires { requires P::kSquares; };
  static constexpr int kAmplifies = P::kAmplifies;
  template <class S, class InShape, int Batch>
  static constexpr int kKept = 2 * EffectiveWeights<L, S, InShape>::kSize + detail::kept_inside<L, S, InShape, Batch>();
};

template <class L, class P, class InShape>
requires(detail::kIsMaterialised<P>) consteval auto blocks(Parametrized<L, P>, InShape) {
  return blocks_of_parameters(P{}, EffectiveWeights<L, float, InShape>{});
}
// The node of a net that Site names, as a composed layer.
template <class Net, class Site>
struct ComposedSite {
  static constexpr int kNode = kNodeOf<Net, Site>;
  static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
  using L = typename node_at<Net, kNode>::layer;
  using composition = typename L::composition;
  using weights = typename L::template weights<typename Net::scalar, typename node_at<Net, kNode>::in>;
  static constexpr int kOffset = kPlan<Net>.block[kPlan<Net>.first_block[kNode]].offset;
};

// Where the first block is a factor of each weight (P states kBehind: how much further back the layer's other blocks lie) units are
// rescaled through it as through the weights. Elsewhere no charge of its neighbours is a sum over its blocks.
template <class L, class P>
requires(detail::kIsMaterialised<P>) consteval auto incoming(Parametrized<L, P>) {
  if constexpr (requires {
                  P::kBehind;
                  incoming(L{});
                })
    return detail::moved_back<P>(incoming(L{}));
  else return Parts<0>{};
}
template <class L, class P>
requires(detail::kIsMaterialised<P>) consteval auto outgoing(Parametrized<L, P>) {
  if constexpr (requires {
                  P::kBehind;
                  outgoing(L{});
                })
    return detail::moved_back<P>(outgoing(L{}));
  else return Parts<0>{};
}
template <class L, class P>
requires(detail::kIsMaterialised<P>) consteval auto recurring(Parametrized<L, P>) {
  if constexpr (requires {
                  P::kBehind;
                  recurring(L{});
                })
    return detail::moved_back<P>(recurring(L{}));
  else return Parts<0>{};
}
// ... but those of its factors may be.
template <class L, class P>
requires(detail::kIsMaterialised<P>) consteval auto internal(Parametrized<L, P>) {
  using Blocks = std::integral_constant<int, kIsRecurrent<L> ? 3 : detail::has_bias<L>() ? 2 : 1>;
  if constexpr (requires { balanced(P{}, Blocks{}); }) return balanced(P{}, Blocks{});
  else return Parts<0>{};
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// clang 14 needs to know that these names, found by the parametrisation's type, are templates.
template <int>
void compose() = delete;
template <int>
void pull_back() = delete;
template <int>
void group_size() = delete;
template <int>
void clear_group() = delete;
template <int>
void group_slope() = delete;

namespace inner {

template <class F>
using weights_of = typename F::layer::template weights<typename F::scalar, typename F::in_shape>;

// What the layer inside sees: its weights are those in Scratch, in rows whatever their number.
template <class F>
EMMY_INLINE auto frame_inside(const F& f) noexcept {
  return Frame<typename F::layer, typename F::scalar, typename F::in_shape, typename F::out_shape, F::kInStride,
               F::kBatch>{f.kept, f.buffers, f.kept + 2 * weights_of<F>::kSize, f.work, f.x, f.y, f.dy, f.dx};
}

// Keeps the gradient of the weights; check sums are passed on.
template <class M, class Visitor>
struct KeepGradient {
  typename M::scalar* gradient;
  Visitor& visitor;

  template <int Local, int Rows, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, Rows>, const G* g) noexcept {
    constexpr auto kBlock = M::kTable.block[Local];
    auto* to = gradient + kBlock.offset + row * kBlock.width;
    for (int at = 0; at < Rows * kBlock.width; at += static_cast<int>(simd::lanes<G>()))
      simd::store(simd::load(g + at), to + at);
  }
  template <class Rows, class G>
  EMMY_INLINE void check(int row, Rows rows, const G* g) noexcept {
    visitor.check(row, rows, g);
  }
  template <class G>
  EMMY_INLINE void check_bias(const G* g) noexcept {
    visitor.check_bias(g);
  }
};

// Hands lines of parameters `first + Local` ... to the visitor, the blocks of M as they lie in g.
template <int First, class M, class Visitor>
EMMY_INLINE void visit_blocks(const typename M::scalar* g, Visitor& visitor) noexcept {
  [&]<int... B>(std::integer_sequence<int, B...>) EMMY_LAMBDA {
    const auto one = [&]<int Local>(std::integral_constant<int, Local>) EMMY_LAMBDA {
      constexpr auto kBlock = M::kTable.block[Local];
      for (int line = 0; line < kBlock.lines; ++line)
        visitor.template rows<First + Local>(line, std::integral_constant<int, 1>{},
                                             g + kBlock.offset + line * kBlock.width);
    };
    (one(std::integral_constant<int, B>{}), ...);
  }
  (std::make_integer_sequence<int, M::kBlocks>{});
}

// One row of parameters from a few numbers.
template <int Local, int Count, class S, class Visitor>
EMMY_INLINE void visit_row(const S* values, Visitor& visitor) noexcept {
  alignas(kAlign<S>) S row[padded<S>(Count)] = {};
  for (int i = 0; i < Count; ++i) row[i] = values[i];
  visitor.template rows<Local>(0, std::integral_constant<int, 1>{}, static_cast<const S*>(row));
}

}  // namespace inner

template <class L, class P, class F, class Activation>
requires(detail::kIsMaterialised<P>) EMMY_INLINE
    void forward(Parametrized<L, P>, const F& f, Activation activation) noexcept {
  compose<inner::weights_of<F>>(P{}, f.params, f.kept);
  forward(L{}, inner::frame_inside(f), activation);
}

template <class L, class P, class F>
requires(detail::kIsMaterialised<P>) EMMY_INLINE void forward(Parametrized<L, P>, const F& f) noexcept {
  compose<inner::weights_of<F>>(P{}, f.params, f.kept);
  forward(L{}, inner::frame_inside(f));
}
template <class L, class P, class F>
requires(detail::kIsMaterialised<P>&& kMakesDeltas<L>) EMMY_INLINE
    void deltas(Parametrized<L, P>, const F& f) noexcept {
  deltas(L{}, inner::frame_inside(f));
}
template <class L, class P, class F, class S>
requires(detail::kIsMaterialised<P>&& kLooksInside<L>) EMMY_INLINE
    void look_inside(Parametrized<L, P>, const F& f, Inspection<S>& act, Inspection<S>& delta) noexcept {
  look_inside(L{}, inner::frame_inside(f), act, delta);
}
template <class L, class P, class F>
requires(detail::kIsMaterialised<P>&& kIsRecurrent<L>) EMMY_INLINE
    bool forward_next(Parametrized<L, P>, const F& f) noexcept {
  compose<inner::weights_of<F>>(P{}, f.params, f.kept);
  return forward_next(L{}, inner::frame_inside(f));
}

template <bool kAdd, class L, class P, class F, class Below>
requires(detail::kIsMaterialised<P>) EMMY_INLINE void backward(Parametrized<L, P>, const F& f, Below below) noexcept {
  backward<kAdd>(L{}, inner::frame_inside(f), below);
}

template <class L, class P, class F, class Visitor>
requires(detail::kIsMaterialised<P>) EMMY_INLINE
    void gradients(Parametrized<L, P>, const F& f, Visitor& visitor) noexcept {
  using M = inner::weights_of<F>;
  inner::KeepGradient<M, Visitor> keep{f.kept + M::kSize, visitor};
  gradients(L{}, inner::frame_inside(f), keep);
  pull_back<M>(P{}, f.params, f.kept + M::kSize, visitor);
}

}  // namespace emmy::inline EMMY_TARGET
