// All continuous symmetries of a net, from the traits of its layers.
#pragma once

#include <emmy/symmetry/exp_unit.hpp>
#include <emmy/symmetry/key_bias.hpp>
#include <emmy/symmetry/rescaling.hpp>
#include <emmy/symmetry/scale.hpp>
#include <emmy/symmetry/translation.hpp>

namespace emmy {
namespace detail {

template <class Net, int Node>
consteval auto symmetries_at() {
  using Site = typename node_at<Net, Node>::site;
  constexpr bool kRescales = can_rescale<Net, Node>(), kFactors = has_factors<Net, Node>(),
                 kShifts = can_shift<Net, Node>(), kScales = can_scale<Net, Node>(),
                 kTranslates = can_translate<Net, Node>();
  const auto factors = [] {
    if constexpr (kFactors) return Symmetries<FactorBalance<Site>>{};
    else return Symmetries<>{};
  }();
  const auto rescaling = [] {
    if constexpr (kRescales) return Symmetries<Rescaling<Site>>{};
    else return Symmetries<>{};
  }();
  const auto exp_unit = [] {
    if constexpr (kShifts) return Symmetries<ExpUnit<Site>>{};
    else return Symmetries<>{};
  }();
  const auto scale = [] {
    if constexpr (kScales) return Symmetries<Scale<Site>>{};
    else return Symmetries<>{};
  }();
  const auto translation = [] {
    if constexpr (kTranslates) return Symmetries<Translation<Site>>{};
    else return Symmetries<>{};
  }();
  const auto key_bias = [] {
    if constexpr (has_dead_key_bias<Net, Node>()) return Symmetries<KeyBias<Site>>{};
    else return Symmetries<>{};
  }();
  return factors + rescaling + exp_unit + scale + translation + key_bias;
}

template <class Net, int Node = 0>
consteval auto all_symmetries() {
  if constexpr (Node == Net::kNodes) return Symmetries<>{};
  else return symmetries_at<Net, Node>() + all_symmetries<Net, Node + 1>();
}

}  // namespace detail

// Symmetries<Rescaling<Layer<1>>, Translation<Layer<2>>> for Input<64>, Dense<32>, Relu, Dense<10>. Translation is a
// symmetry of the loss only if that is shift invariant.
template <class Net>
using symmetries_of = decltype(detail::all_symmetries<Net>());

}  // namespace emmy
