// From a net with BatchNorm to the one that is deployed without: at inference it is a factor and a number for each channel, which
// the layer below takes over.
#pragma once

#include <utility>

#include <emmy/layers/batch_norm.hpp>
#include <emmy/layers/conv2d.hpp>
#include <emmy/layers/depthwise.hpp>
#include <emmy/layers/frozen.hpp>
#include <emmy/parametrize/fold.hpp>

namespace emmy {

namespace detail {
template <class L>
inline constexpr bool kIsBatchNorm = false;
template <class Bias, int... Numbers>
inline constexpr bool kIsBatchNorm<BatchNorm<Bias, Numbers...>> = true;
template <class L>
inline constexpr bool kIsBatchNorm<Frozen<L>> = kIsBatchNorm<L>;
template <class Tag, class L>
inline constexpr bool kIsBatchNorm<Named<Tag, L>> = kIsBatchNorm<L>;
// Does a BatchNorm fold into it?
template <class L>
inline constexpr bool kTakesNorm = kIsAffine<L> && !kIsBatchNorm<L>;
template <class Tag, class L>
inline constexpr bool kTakesNorm<Named<Tag, L>> = kTakesNorm<L>;

// The same layer with a bias.
template <class Option>
using biased = std::conditional_t<__is_same(Option, NoBias), WithBias, Option>;
template <class L>
struct Biased {
  using type = L;
};
template <int Out>
struct Biased<Dense<Out, NoBias>> {
  using type = Dense<Out>;
};
template <int Channels, int Kernel, class... Options>
struct Biased<Conv1d<Channels, Kernel, Options...>> {
  using type = Conv1d<Channels, Kernel, biased<Options>...>;
};
template <int Channels, int Height, int Width, class... Options>
struct Biased<Conv2d<Channels, Height, Width, Options...>> {
  using type = Conv2d<Channels, Height, Width, biased<Options>...>;
};
template <int Kernel, class... Options>
struct Biased<DepthwiseConv1d<Kernel, Options...>> {
  using type = DepthwiseConv1d<Kernel, biased<Options>...>;
};
template <int Height, int Width, class... Options>
struct Biased<DepthwiseConv2d<Height, Width, Options...>> {
  using type = DepthwiseConv2d<Height, Width, biased<Options>...>;
};
template <class L>
struct Biased<Frozen<L>> {
  using type = Frozen<typename Biased<L>::type>;
};
template <class Tag, class L>
struct Biased<Named<Tag, L>> {
  using type = Named<Tag, typename Biased<L>::type>;
};

template <class Done, class... Rest>
struct WithoutNorms;
template <class... Done>
struct WithoutNorms<Net<Done...>> {
  using type = Net<Done...>;
};
template <class... Done, class L, class... Rest>
struct WithoutNorms<Net<Done...>, L, Rest...> : WithoutNorms<Net<Done..., L>, Rest...> {};
template <class... Done, class L, class Norm, class... Rest>
requires(kTakesNorm<L>&& kIsBatchNorm<Norm>) struct WithoutNorms<Net<Done...>, L, Norm, Rest...>
    : WithoutNorms<Net<Done..., typename Biased<L>::type>, Rest...> {
};
template <class Net>
struct NormlessNet;
template <class... L>
struct NormlessNet<Net<L...>> : WithoutNorms<Net<>, L...> {};

template <class... N>
consteval bool has_batch_norm(Nodes<N...>) {
  return (kIsBatchNorm<typename N::layer> || ...);
}
}  // namespace detail

// The same net without the BatchNorms that follow a Dense or a convolution, whose layers have biases instead.
template <class Net>
using normless_of = typename detail::NormlessNet<Net>::type;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// W[:, o] and b[o] of node I, the first two blocks of node To, by what the BatchNorm after it makes of channel o:
// y = (x - mean) gain s + bias.
template <int I, int To, class Net, class Target>
EMMY_INLINE void fold_norm(const Params<Net>& from, const Buffers<Net>& buffers, Params<Target>& to) noexcept {
  using S = typename Net::scalar;
  using Norm = typename node_at<Net, I + 1>::layer;
  constexpr int kChannels = node_at<Net, I + 1>::in::kChannels, kStride = padded<S>(kChannels);
  constexpr int kGain = kPlan<Net>.first_block[I + 1], kTarget = kPlan<Target>.first_block[To];
  constexpr auto w = kPlan<Target>.block[kTarget], b = kPlan<Target>.block[kTarget + 1];
  alignas(kAlign<S>) S kept[kBatchNormKept * kStride];
  running_statistics<kChannels>(buffers.data + kPlan<Net>.buffer_offset[I + 1], Norm::template kEpsilon<S>, kept);
  for (int o = 0; o < kChannels; ++o) {
    const S factor = from.data[kPlan<Net>.block[kGain].offset + o] * kept[2 * kStride + o];
    for (int i = 0; i < w.rows; ++i) to.data[w.at(i, o)] *= factor;
    S& bias = to.data[b.offset + o];
    bias = (bias - kept[o]) * factor;
    if constexpr (Norm::kHasBias) bias += from.data[kPlan<Net>.block[kGain + 1].offset + o];
  }
}

template <class Net, class Target, int I = 0, int To = 0>
EMMY_INLINE void fold_norms_from(const Params<Net>& from, const Buffers<Net>& buffers, Params<Target>& to) noexcept {
  if constexpr (I < Net::kNodes) {
    fold_node<I, To>(from, to);
    constexpr bool kFolds = [] {
      if constexpr (I + 1 < Net::kNodes) return detail::kIsBatchNorm<typename node_at<Net, I + 1>::layer>;
      else return false;
    }();
    if constexpr (kFolds) fold_norm<I, To>(from, buffers, to);
    fold_norms_from<Net, Target, I + (kFolds ? 2 : 1), To + 1>(from, buffers, to);
  }
}

}  // namespace inner

// Weights of the net without BatchNorms that does at inference what `from` does with the statistics in `buffers`, up to
// rounding. Test: tests/parametrize/fold_norms_test.cpp.
template <class Net>
void fold_norms(const Params<Net>& from, const Buffers<Net>& buffers, Params<normless_of<Net>>& to) noexcept {
  using Target = normless_of<Net>;
  static_assert(detail::is_chain(typename Net::nodes{}) && __is_same(Net, plain_of<Net>),
                "emmy: fold_norms takes a chain of plain weights: call fold first; a BatchNorm in a branch stays");
  static_assert(!detail::has_batch_norm(typename Target::nodes{}),
                "emmy: fold_norms needs a Dense or a convolution just before each BatchNorm");
  static_assert(detail::has_batch_norm(typename Net::nodes{}), "emmy: this net has no BatchNorm to fold");
  for (auto& v : to.data) v = 0;
  inner::fold_norms_from<Net, Target>(from, buffers, to);
}

}  // namespace emmy::inline EMMY_TARGET
