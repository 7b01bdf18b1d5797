// One training step: forward, loss, backward, ledger, update. The only file that sees everything.
//
// Phase A computes all activations and deltas and makes every check that can fail; phase B updates and cannot fail. So
// a Status other than ok means that parameters, buffers and state are bit-identical to before, on fused paths too.
//   checks: targets, rates, every activation and delta finite, and a bound on |theta'| and on the sums of the ledger;
//   of one sample in a chain of Dense bounds of the deltas stand in for them (chain_step.hpp).
// The gradient is never stored: `gradients` makes it row by row and rule and meter use it at once. Clipping forms it
// twice (its norm first) rather than keep it.
#pragma once

#include <emmy/losses/cross_entropy.hpp>
#include <emmy/losses/keep_outputs.hpp>
#include <emmy/losses/squared_error.hpp>
#include <emmy/train/chain_step.hpp>
#include <emmy/train/check_types.hpp>
#include <emmy/train/tiny_step.hpp>

namespace emmy {

template <class S>
struct StepResult {
  Status status;
  S loss;  // of the batch, before the update
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Behind a forward pass: loss and the deltas of the outputs of the first `count` samples, each weighted by `scale`. NaN
// if an output is not finite.
template <class Net, int Batch, class Loss, class Target>
EMMY_INLINE typename Net::scalar loss_pass(const Memory<Net, Batch, true>& m, Loss loss, const Target* target,
                                           int count, typename Net::scalar scale) noexcept {
  using S = typename Net::scalar;
  constexpr int kRows = Batch * Net::output::kPositions, kCols = Net::output::kChannels;
  const S* y = m.template act<Net::kNodes>();
  S squares = 0;
  if constexpr (kBecomesDelta<Net, Batch, Net::kNodes>) squares = squares_of_rows<kRows, kCols, padded<S>(kCols)>(y);
  return squares * S(0) + loss_and_delta<kRows, kCols>(loss, y, target, count * Net::output::kPositions, scale,
                                                       m.template delta<Net::kNodes>());
}

// What follows the loss `value`. totals: what the forward pass told.
template <class Loss, class Net, int Batch, class Rule, class Led>
EMMY_INLINE StepResult<typename Net::scalar> finish_step(const Memory<Net, Batch, true>& m, Params<Net>& params,
                                                         State<Net, Rule>& state, const Rule& rule, Led& ledger,
                                                         typename Net::scalar value, Totals<Net>& totals) noexcept {
  constexpr bool kTold = kTells<Net, Batch, Rule, Led>;
  NoTotals none;
  backward_pass(m, told_to<kTold>(totals, none));
  if constexpr (kUnchecked<Rule>) {
    update_all<false>(m, params, state, rule, Clips<Net, false>{}, ledger, none);
    commit_all(m);
    return {Status::ok, value};
  }
  inspect_all<kTold>(m, totals, ledger);
  if (!is_finite(totals.all + value)) return {Status::not_finite, value};
  auto largest = state.largest;
  Status checked;
  for (bool look = !largest.known();; look = true) {
    if (look && !measure_largest(params, state, largest)) return {Status::not_finite, value};
    checked = check_update<Batch>(totals, largest, rule);
    if (checked != Status::out_of_range || look) break;  // bounds only grow: look at the weights again
  }
  if (checked != Status::ok) return {checked, value};
  Clips<Net, Rule::kClips> clips;
  if constexpr (Rule::kClips) find_clips(m, rule, clips);
  // From here on nothing can fail.
  state.largest = largest;
  if constexpr (kIsLedger<Led>) {
    if (measuring(ledger)) {
      note_loss<Loss>(ledger);
      note_squares<Batch>(totals, ledger);
      update_all<true>(m, params, state, rule, clips, ledger, totals);
    } else {
      update_all<false>(m, params, state, rule, clips, ledger, none);
    }
    ++ledger.steps;
  } else {
    update_all<false>(m, params, state, rule, clips, ledger, none);
  }
  commit_all(m);
  return {Status::ok, value};
}
// The same by itself, for what a chain step leaves to it: what it keeps in registers is no burden to that one.
template <class Loss, class Net, int Batch, class Rule, class Led>
EMMY_OUTLINE StepResult<typename Net::scalar> finish_apart(const Memory<Net, Batch, true>& m, Params<Net>& params,
                                                           State<Net, Rule>& state, const Rule& rule, Led& ledger,
                                                           typename Net::scalar value) noexcept {
  static_assert(!kTells<Net, Batch, Rule, Led>);
  Totals<Net> totals;
  return finish_step<Loss>(m, params, state, rule, ledger, value, totals);
}

template <class Net, int Batch, class Rule, class Loss, class Target, class Led>
EMMY_INLINE StepResult<typename Net::scalar> general_step(Params<Net>& params, Buffers<Net>& buffers,
                                                          State<Net, Rule>& state,
                                                          Scratch<Net, Batch, Train<Rule>>& scratch,
                                                          const typename Net::scalar* x, const Target* target,
                                                          Loss loss, const Rule& rule, Led& ledger) noexcept {
  using S = typename Net::scalar;
  const Memory<Net, Batch, true> m{params.data, data_of(buffers), scratch.data, x};
  if (const Status s = check_targets<Net::output::kChannels>(loss, target, Batch * Net::output::kPositions);
      s != Status::ok)
    return {s, S(0)};
  Totals<Net> totals;
  NoTotals none;
  if constexpr (kLazy<Rule>) forward_lazily(m, params, state);
  else forward_pass(m, told_to<kTells<Net, Batch, Rule, Led>>(totals, none));
  const S value = loss_pass(m, loss, target, Batch, S(1) / S(Batch));
  constexpr bool kTriesChain = !kTakesTinyStep<Net, Batch, Rule, Led> && kTakesChainSteps<Net, Batch, Rule, Led>;
  if constexpr (kTriesChain) {
    if (try_chain_step<Loss>(m, params, state, rule, ledger, value)) return {Status::ok, value};
    return finish_apart<Loss>(m, params, state, rule, ledger, value);
  } else {
    return finish_step<Loss>(m, params, state, rule, ledger, value, totals);
  }
}

// The same by itself, for what a tiny step leaves to it.
template <class Net, int Batch, class Rule, class Loss, class Target>
EMMY_OUTLINE StepResult<typename Net::scalar> other_step(const typename Net::scalar* x, const Target* target,
                                                         Params<Net>& params, Buffers<Net>& buffers,
                                                         State<Net, Rule>& state,
                                                         Scratch<Net, Batch, Train<Rule>>& scratch, Loss loss,
                                                         typename Net::scalar learning_rate,
                                                         typename Net::scalar weight_decay) noexcept {
  using Plain = BasicSgd<typename Net::scalar>;
  const Rule rule{Plain{learning_rate, weight_decay}};
  NoLedger none;
  return general_step(params, buffers, state, scratch, x, target, loss, rule, none);
}

}  // namespace inner

// A training step on `Batch` samples x [Batch][inputs] with their targets. See the head of this file.
// Tests: tests/train/step_test.cpp, tests/golden.
template <class Net, int Batch, class Rule, class Loss, class Target, class Led>
StepResult<typename Net::scalar> train_step(Params<Net>& params, Buffers<Net>& buffers, State<Net, Rule>& state,
                                            Scratch<Net, Batch, Train<Rule>>& scratch, const typename Net::scalar* x,
                                            const Target* target, Loss loss, const Rule& rule, Led& ledger) noexcept {
  inner::check_types<Net, Batch, Rule, Loss, Target, Led>();
  return inner::general_step(params, buffers, state, scratch, x, target, loss, rule, ledger);
}

// The same where a tiny step may do it: small enough to be part of its caller.
template <class Net, int Batch, class Rule, class Loss, class Target, class Led>
requires(inner::kTakesTinyStep<Net, Batch, Rule, Led>) EMMY_INLINE StepResult<typename Net::scalar> train_step(
    Params<Net>& params, Buffers<Net>& buffers, State<Net, Rule>& state, Scratch<Net, Batch, Train<Rule>>& scratch,
    const typename Net::scalar* x, const Target* target, Loss loss, const Rule& rule, Led&)
noexcept {
  inner::check_types<Net, Batch, Rule, Loss, Target, Led>();
  typename Net::scalar value;
  if constexpr (kLazy<Rule>) flush(params, state);  // a step with decay may wait
  Params<Net>* weights = &params;
  __asm__("" : "+r"(weights));  // one base for all addresses, where the compiler knows the object
  if (check_targets<1>(loss, target, 1) == Status::ok &&
      inner::tiny_step<Net>(weights->data, state.largest.room[0], x, target, loss, rule, value))
    return {Status::ok, value};
  const auto& plain = reference(rule);  // as two numbers, which stay in registers
  return inner::other_step(x, target, *weights, buffers, state, scratch, loss, plain.learning_rate, plain.weight_decay);
}

}  // namespace emmy::inline EMMY_TARGET
