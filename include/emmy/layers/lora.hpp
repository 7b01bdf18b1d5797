// A low-rank adapter beside a frozen Dense.
#pragma once

#include <emmy/layers/dense.hpp>
#include <emmy/layers/frozen.hpp>

namespace emmy {

namespace detail {
// The way back of an adapter: it starts at zero, whatever the initialisation, so that the net starts as the frozen one.
template <class L>
struct AdapterUp : L {
  static constexpr bool kStartsAtZero = true;
};

template <class L, int Rank>
struct LoraOf {
  static_assert(sizeof(L) == 0, "emmy: Lora<L, Rank> takes a Dense: it adapts plain weights");
};
template <int Out, class Bias, int Rank>
struct LoraOf<Dense<Out, Bias>, Rank> {
  static_assert(Rank > 0, "emmy: Lora<L, Rank> needs a rank of at least 1");
  using type =
      Parallel<Add, Branch<Frozen<Dense<Out, Bias>>>, Branch<Dense<Rank, NoBias>, AdapterUp<Dense<Out, NoBias>>>>;
};
}  // namespace detail

// Lora<Dense<Out>, Rank>: y = x W + b + (x A) B, W and b frozen, A [in][Rank] drawn, B [Rank][Out] zero at first. No gradient
// and no state for W and b. Layer<i, 0, 0> is the Dense, Layer<i, 1, 0> is A, Layer<i, 1, 1> is B. The usual factor alpha / Rank is
// not written out: it belongs into A or the learning rates. A and B are balanced: Balance<Layer<i, 1, 0>>. `adapt` takes W and
// b from a trained net, `fold` adds A B to W (parametrize/fold.hpp). Hu et al. 2021; source of the charge: theory.md section 1 #9.
// Test: tests/layers/lora_test.cpp.
template <class L, int Rank>
using Lora = typename detail::LoraOf<L, Rank>::type;

}  // namespace emmy
