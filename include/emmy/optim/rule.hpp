// What an optimizer is to Emmy.
//
// A rule is a small aggregate of rates, set by the user before each step; its type fixes what State holds. Per block b
// of weights every rule is   theta' = k_b theta - u_b,   u the rest of the update, u0 = a0 g its memoryless part (what
// is left of u without momentum and decay). The ledger needs no more than (k, a0, eta_ref) and products of theta, g, u.
//
//   rule.learning_rate, rule.weight_decay     the rates that may differ by block
//   coefficients(rule, clip)                  plain numbers for the sweep, with k, a0 (clip: factor on g)
//   apply(coefficients, theta, g, buf, next, u)   on vectors; buf and next are written
//
// Where u is no sum of gradient and momentum (Motion::general: Adam, signs, clipping by value), u0 is what is left of u
// without momentum and decay, and apply has three more vectors: the second moment, u0, and d, the gradient with memory.
//
// train/per_block.hpp gives blocks their own rates; ClipByNorm and ClipByTensor scale the gradient. Test: tests/optim/rules_test.cpp.
#pragma once

#include <emmy/core/macros.hpp>
#include <emmy/kernels/motion.hpp>

namespace emmy {

// Coupled decay is part of the gradient (it enters the momentum buffer); decoupled decay only shrinks the weights.
enum class Decay : unsigned char { coupled, decoupled };

// Rates of one block.
template <class S>
struct Rates {
  S learning_rate;
  S weight_decay;
};

// g *= min(1, limit / |g|), |g| over all trained weights or for each block by itself. The second treats the two sides of
// a unit unequally: the ledger books it as breaking.
template <class Rule, bool ByTensor>
struct Clip {
  static_assert(!Rule::kClips, "emmy: a rule is clipped once: by norm or by tensor");
  using scalar = typename Rule::scalar;
  static constexpr bool kHasMemory = Rule::kHasMemory;
  static constexpr bool kClips = true;
  Rule rule;
  scalar limit;
};
template <class Rule>
using ClipByNorm = Clip<Rule, false>;
template <class Rule>
using ClipByTensor = Clip<Rule, true>;

// A rule whose steps check nothing but labels, and always answer ok: inputs, targets and rates are finite and in range,
// and the weights stay so, or they are lost. For inner loops whose caller answers for that; all_finite(weights, n) tells
// afterwards. It takes no ledger, since an unsound value has no bound.
template <class Rule>
struct Unchecked {
  static_assert(!Rule::kClips, "emmy: Unchecked takes a rule without clipping: a norm needs the gradients checked");
  using scalar = typename Rule::scalar;
  static constexpr bool kHasMemory = Rule::kHasMemory;
  static constexpr bool kClips = false;
  Rule rule;
};
template <class Rule>
inline constexpr bool kUnchecked = false;
template <class Rule>
inline constexpr bool kUnchecked<Unchecked<Rule>> = true;

template <class Rule>
inline constexpr bool kClipsByTensor = false;
template <class Rule>
inline constexpr bool kClipsByTensor<ClipByTensor<Rule>> = true;

// A rule around another one: clipped, unchecked, lazy, with rates by block.
template <class Rule>
concept RuleAround = requires(const Rule& r) {
  r.rule;
};

// The rule without its wrappers: the reference rates.
template <class Rule>
EMMY_INLINE constexpr const auto& reference(const Rule& rule) noexcept {
  if constexpr (RuleAround<Rule>) return reference(rule.rule);
  else return rule;
}

// Can the numbers of a rule be plain ones, of half the operations and the same bits: without decay and dampening?
template <class Rule>
inline constexpr bool kMayBePlain = false;

// The one rule that block b follows; per_block.hpp has the one whose blocks differ.
template <class Rule>
EMMY_INLINE constexpr auto of_block(const Rule& rule, [[maybe_unused]] int block) noexcept {
  if constexpr (RuleAround<Rule>) return of_block(rule.rule, block);
  else return rule;
}

template <class Rule>
using plain_rule = decltype(of_block(Rule{}, 0));

// How many second moments it keeps: 0, kOneAWeight, or as many as are shared.
template <class Rule>
inline constexpr int kSecondMoments = [] {
  if constexpr (requires { Rule::kSecondMoments; }) return Rule::kSecondMoments;
  else if constexpr (RuleAround<Rule>) return kSecondMoments<decltype(Rule::rule)>;
  else return 0;
}();
// A rule whose u is a preconditioned gradient: the ledger compares it with the gradient times one number a unit.
template <class Rule>
inline constexpr bool kPreconditioned = [] {
  if constexpr (RuleAround<Rule>) return kPreconditioned<decltype(Rule::rule)>;
  else return requires {
      Rule::kPreconditioned;
    };
}();

namespace detail {
// The net that a rule has rates for; void: any.
template <class Rule>
struct NetOfRule {
  using type = void;
};
template <RuleAround Rule>
struct NetOfRule<Rule> : NetOfRule<decltype(Rule::rule)> {};
// May blocks have rates of their own?
template <class Rule>
inline constexpr bool kRatesByBlock = !__is_same(typename NetOfRule<Rule>::type, void);
template <class Rule, class Net>
inline constexpr bool kRuleFits = !kRatesByBlock<Rule> || __is_same(typename NetOfRule<Rule>::type, Net);

// False for NaN too.
template <class S>
EMMY_INLINE constexpr bool within(S x, S low, S high) noexcept {
  return x >= low && x <= high;
}
// Learning rates up to 2^60 and decay that never flips the sign of a weight.
template <class S>
EMMY_INLINE constexpr bool rates_ok(S learning_rate, S weight_decay) noexcept {
  return within(learning_rate, S(0), S(0x1p60)) && within(weight_decay, S(0), S(0x1p60)) &&
         learning_rate * weight_decay <= S(1);
}
}  // namespace detail

// What the closed law of a charge needs of a rule (noether/law.hpp): theta' = k theta - eta m, and what coupled
// decay puts into the buffer. A rule without such an overload cannot be predicted.
template <class S>
struct LawRates {
  S k, eta, beta, stored;
};
template <class Rule>
EMMY_INLINE constexpr auto law_rates(const ClipByNorm<Rule>& r) noexcept -> decltype(law_rates(r.rule)) {
  return law_rates(r.rule);
}

// What the ledger takes for the share of g that a step without memory would use: u0 = eta share c g.
template <class Rule>
EMMY_INLINE constexpr typename Rule::scalar gradient_share(const Rule& r) noexcept {
  if constexpr (requires { r.dampening; }) return typename Rule::scalar(1) - r.dampening;
  else return 1;
}

// A rule's u as a sum: u = gradient g + memory buf. Overloads of combination(coefficients) give it where it is one.
template <class S>
struct Combination {
  S gradient, memory;
};

// The limit of a clip must be positive; every block's rates must be in range.
template <class Rule>
EMMY_INLINE constexpr bool clip_ok(const Rule& rule) noexcept {
  if constexpr (Rule::kClips) return rule.limit > 0 && rule.limit - rule.limit == 0;
  else return true;
}

}  // namespace emmy
