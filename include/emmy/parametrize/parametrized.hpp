// A layer whose weights are a differentiable function of its parameters.
#pragma once

#include <emmy/layers/dense.hpp>
#include <emmy/layers/lora.hpp>
#include <emmy/net/net.hpp>

namespace emmy {

// Parametrized<Dense<10>, Product>: the Dense that it stands for, with the factors of Product as its parameters; with
// WeightNorm its gains and directions.
template <class L, class Parametrization>
struct Parametrized {
  static_assert(sizeof(L) == 0,
                "emmy: Parametrized<L, P> takes Product, ProductByInput, ProductByOutput or WeightNorm of a Dense, or "
                "another parametrisation of docs/constraints.md, with its header included");
};

namespace detail {
// The first of two layers whose weights are the factors of those of Whole.
template <class L, class Whole>
struct FirstFactor : L {};
template <class L>
inline constexpr bool kIsFirstFactor = false;
template <class L, class Whole>
inline constexpr bool kIsFirstFactor<FirstFactor<L, Whole>> = true;

template <class L, int Rank>
struct LowRankOf {
  static_assert(
      sizeof(L) == 0,
      "emmy: LowRank<L, Rank> takes a Dense, or with parametrize/low_rank.hpp included a Conv1d, Conv2d, Rnn or "
      "Gru, and a rank of at least 1");
};
template <int Out, class Bias, int Rank>
requires(Rank > 0) struct LowRankOf<Dense<Out, Bias>, Rank> {
  using type = Sequence<FirstFactor<Dense<Rank, NoBias>, Dense<Out, Bias>>, Dense<Out, Bias>>;
};
}  // namespace detail

// LowRank<Dense<Out>, Rank>: y = (x U) V + b, two layers at two positions (parametrize/low_rank.hpp). `fold` makes one of them.
template <class L, int Rank>
using LowRank = typename detail::LowRankOf<L, Rank>::type;

namespace detail {
template <class L>
struct PlainLayer {
  using type = L;
};
template <class L, class P>
struct PlainLayer<Parametrized<L, P>> {
  using type = L;
};
template <class L>
struct PlainLayer<Frozen<L>> {
  using type = Frozen<typename PlainLayer<L>::type>;
};
template <class Tag, class L>
struct PlainLayer<Named<Tag, L>> {
  using type = Named<Tag, typename PlainLayer<L>::type>;
};
template <class... L>
struct PlainLayer<Residual<L...>> {
  using type = Residual<typename PlainLayer<L>::type...>;
};
template <class Join, class... A, class... B>
struct PlainLayer<Parallel<Join, Branch<A...>, Branch<B...>>> {
  using type = Parallel<Join, Branch<typename PlainLayer<A>::type...>, Branch<typename PlainLayer<B>::type...>>;
};
template <class L, class Whole, class Second>
struct PlainLayer<Sequence<FirstFactor<L, Whole>, Second>> {
  using type = Whole;
};
// An adapted layer is the one that it adapts.
template <class L, class Down, class Up>
struct PlainLayer<Parallel<Add, Branch<Frozen<L>>, Branch<Down, AdapterUp<Up>>>> {
  using type = L;
};
template <class Net>
struct PlainNet;
template <class... L>
struct PlainNet<Net<L...>> {
  using type = Net<typename PlainLayer<L>::type...>;
};
}  // namespace detail

// Net<..., LowRank<Dense<10>, 3>> with the two layers themselves, Dense<3, NoBias>, Dense<10>; those of a chain.
namespace detail {
template <class Done, class... L>
struct Unpaired {
  using type = Done;
};
template <class... Done, class L, class... Rest>
struct Unpaired<Net<Done...>, L, Rest...> : Unpaired<Net<Done..., L>, Rest...> {};
template <class... Done, class L, class Whole, class Second, class... Rest>
struct Unpaired<Net<Done...>, Sequence<FirstFactor<L, Whole>, Second>, Rest...>
    : Unpaired<Net<Done..., L, Second>, Rest...> {};
template <class Net>
struct UnpairedNet;
template <class First, class... L>
struct UnpairedNet<Net<First, L...>> : Unpaired<Net<First>, L...> {};
}  // namespace detail
template <class Net>
using unpaired_of = typename detail::UnpairedNet<Net>::type;

// The same net with plain weights: what a parametrised or adapted net is at inference, and what its certificate is taken on.
template <class Net>
using plain_of = typename detail::PlainNet<Net>::type;

}  // namespace emmy
