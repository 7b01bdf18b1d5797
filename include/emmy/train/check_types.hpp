// Do the types of a step fit each other? What does not compile says what to take instead (tests/refuses).
#pragma once

#include <emmy/noether/law.hpp>
#include <emmy/train/lazy.hpp>
#include <emmy/train/per_block.hpp>
#include <emmy/train/shared_adam.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class Led>
inline constexpr bool kSplitsKinetic = false;
template <class Net, class Spec, class Mode>
inline constexpr bool kSplitsKinetic<Ledger<Net, Spec, Mode>> = kKinetic<Mode>;

// Do rule and ledger fit the net?
template <class Net, class Rule, class Led>
EMMY_INLINE constexpr void check_rule() noexcept {
  static_assert(detail::kRuleFits<Rule, Net>,
                "emmy: this PerBlock holds the rates of another net: PerBlock<Rule, Net>");
  static_assert(detail::kMomentsFit<Rule, Net>,
                "emmy: this SharedAdam shares second moments as another net ties them: SharedAdam<Net>");
  static_assert(!kPreconditioned<Rule> || !kIsLedger<Led> || kSplitsKinetic<Led> || kFollowsLaw<Led>,
                "emmy: a rule with a preconditioner (Adam, RmsProp, Lion, SignSgd) needs a ledger of mode Kinetic: "
                "Ledger<Net, Spec, Kinetic> or Every<N, Kinetic>");
}

// Are rule and targets those of such a net and loss?
template <class Net, int Batch, class Rule, class Loss, class Target, class Led>
EMMY_INLINE constexpr void check_types() noexcept {
  using S = typename Net::scalar;
  check_rule<Net, Rule, Led>();
  static_assert(!kUnchecked<Rule> || !kIsLedger<Led>,
                "emmy: a ledger needs the checks of a step: take the rule without Unchecked");
  static_assert(!kLazy<Rule> || !kIsLedger<Led>,
                "emmy: a ledger sums weights that a Lazy rule has not updated yet: take the rule without Lazy");
  static_assert(!kLazy<Rule> || Batch == 1,
                "emmy: Lazy delays the update of one sample: take the rule without Lazy, or a batch of 1");
  static_assert(__is_same(typename Rule::scalar, S),
                "emmy: the rule computes in another type than the net: Sgd is BasicSgd<float>, a net of Scalar<double> "
                "takes BasicSgd<double>");
  static_assert(
      requires(Loss loss, const S* y, const Target* target, S* dy) {
        check_targets<1>(loss, target, 1);
        loss_and_delta<1, 1>(loss, y, target, 1, S(1), dy);
      },
      "emmy: this loss takes no targets of this type: CrossEntropy takes labels (const int*) or scalars of the net, "
      "SquaredError scalars of the net; a loss of your own needs check_targets and loss_and_delta for them "
      "(docs/DESIGN.md), KeepOutputs outputs of the net's scalar");
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
