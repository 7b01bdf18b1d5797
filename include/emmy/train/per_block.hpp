// Rates for each block of weights: biases without decay, layers with their own rate, factors of a constraint.
#pragma once

#include <emmy/net/plan.hpp>
#include <emmy/optim/rule.hpp>

namespace emmy {

// `rule` with rates for each block of Net, as in  PerBlock<Momentum, Net> r{rule}; r.fill(); r.bias_decay(0);
// `rule` itself stays the reference that the ledger measures unequal rates against.
template <class Rule, class Net>
struct PerBlock {
  using scalar = typename Rule::scalar;
  static constexpr bool kHasMemory = Rule::kHasMemory;
  static constexpr bool kClips = false;
  Rule rule;
  Rates<scalar> rates[kPlan<Net>.kBlocks];

  // Every block gets the reference's rates.
  EMMY_INLINE constexpr void fill() noexcept {
    for (auto& r : rates) r = {rule.learning_rate, rule.weight_decay};
  }
  // The decay of every bias.
  EMMY_INLINE constexpr void bias_decay(scalar decay) noexcept {
    for (int b = 0; b < kPlan<Net>.kBlocks; ++b)
      if (kPlan<Net>.block[b].role == Role::bias) rates[b].weight_decay = decay;
  }
  // The rates of all blocks of the layer that Site names.
  template <class Site>
  EMMY_INLINE constexpr void layer(Rates<scalar> r) noexcept {
    constexpr int kNode = kNodeOf<Net, Site>;
    static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
    for (int b = kPlan<Net>.first_block[kNode]; b < kPlan<Net>.first_block[kNode + 1]; ++b) rates[b] = r;
  }
  // The decay of the factors of the layer that Site names, of whatever else it has none: the strength of a constraint.
  template <class Site>
  EMMY_INLINE constexpr void constrain(scalar decay) noexcept {
    constexpr int kNode = kNodeOf<Net, Site>;
    static_assert(kNode >= 0, "emmy: this net has no such layer (Layer<1> is the second one after Input)");
    for (int b = kPlan<Net>.first_block[kNode]; b < kPlan<Net>.first_block[kNode + 1]; ++b)
      rates[b].weight_decay = kPlan<Net>.block[b].role == Role::factor ? decay : scalar(0);
  }
};

namespace detail {
template <class Rule, class Net>
struct NetOfRule<PerBlock<Rule, Net>> {
  using type = Net;
};
}  // namespace detail

template <class Rule, class Net>
EMMY_INLINE constexpr Rule of_block(const PerBlock<Rule, Net>& rule, int block) noexcept {
  Rule r = rule.rule;
  r.learning_rate = rule.rates[block].learning_rate;
  r.weight_decay = rule.rates[block].weight_decay;
  return r;
}

}  // namespace emmy
