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
                "another parametrisation of docs/constraints.md of a Dense or a convolution, with its header included");
};

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

// The same net with plain weights: what a parametrised or adapted net is at inference, and what its certificate is taken on.
template <class Net>
using plain_of = typename detail::PlainNet<Net>::type;

}  // namespace emmy
