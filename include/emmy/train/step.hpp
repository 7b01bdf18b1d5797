// One training step: forward, loss, backward, ledger, update. The only file that sees everything.
//
// Phase A computes all activations and deltas and makes every check that can fail; phase B updates and cannot fail. So
// a Status other than ok means that parameters, buffers and state are bit-identical to before, on fused paths too.
//   checks: targets, rates, every activation and delta finite, and a bound on |theta'| and on the sums of the ledger.
// The gradient is never stored: `gradients` makes it row by row and rule and meter use it at once. Clipping forms it
// twice (its norm first) rather than keep it.
#pragma once

#include <emmy/losses/cross_entropy.hpp>
#include <emmy/losses/keep_outputs.hpp>
#include <emmy/losses/squared_error.hpp>
#include <emmy/train/check_types.hpp>
#include <emmy/train/lazy.hpp>
#include <emmy/train/sweeps.hpp>
#include <emmy/train/tiny_step.hpp>
#include <emmy/train/totals.hpp>

namespace emmy {

template <class S>
struct StepResult {
  Status status;
  S loss;  // of the batch, before the update
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// The largest |value| of the weights: read once, and after they were changed from outside. False where something is not
// finite or a second moment is negative.
template <class Net, class Rule>
EMMY_OUTLINE bool measure_largest(const Params<Net>& params, const State<Net, Rule>& state,
                                  Largest<Net, Rule::kHasMemory>& largest) noexcept {
  using S = typename Net::scalar;
  bool finite = true;
  for (int b = 0; b < largest.kCount; ++b) largest.assign(b, S(0), S(0));
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
    const auto& block = kPlan<Net>.block[b];
    const auto count = static_cast<std::size_t>(block.size());
    const Range<S> weights = range(params.data + block.offset, count);
    Range<S> memory{S(0), true};
    if constexpr (Rule::kHasMemory) memory = range(state.buf + block.offset, count);
    largest.raise(b, weights.max_abs, memory.max_abs);
    finite = finite && weights.finite && memory.finite;
  }
  if constexpr (kSecondMoments<Rule> != 0)
    for (const S v : state.second.data) finite = finite && v >= S(0) && v - v == S(0);
  return finite;
}

// What the bounds after a step start from: frozen blocks keep theirs.
template <class Net, bool Memory>
EMMY_INLINE Largest<Net, Memory> unraised(const Largest<Net, Memory>& before) noexcept {
  Largest<Net, Memory> after = before;
  if constexpr (!Largest<Net, Memory>::kByBlock) after.assign(0, 0, 0);
  return after;
}

// The bounds of a block after one step with gradients up to g. The result is not finite where the sum of the squares of
// all that the step computes may overflow.
template <int Block, class Net, class Rule, bool Memory>
EMMY_INLINE typename Net::scalar bound_block(const Rule& plain, typename Net::scalar g,
                                             const Largest<Net, Memory>& before, Largest<Net, Memory>& after) noexcept {
  using S = typename Net::scalar;
  S theta = before.theta_of(Block), memory = before.memory_of(Block);
  const S size = theta + memory + g;
  bound_step(coefficients(plain, S(1)), g, theta, memory);
  if constexpr (Largest<Net, Memory>::kByBlock) after.assign(Block, theta, memory * after.kRounding);
  else after.raise(Block, theta, memory * after.kRounding);
  const S bound = size + theta + memory;
  return bound * bound * S(kPlan<Net>.params);
}

// f(constant<B>) for every block of node I.
template <class Net, int I, class F>
EMMY_INLINE void for_blocks(F&& f) noexcept {
  constexpr int kFirst = kPlan<Net>.first_block[I];
  [&]<int... Local>(std::integer_sequence<int, Local...>) EMMY_LAMBDA {
    (f(std::integral_constant<int, kFirst + Local>{}), ...);
  }
  (std::make_integer_sequence<int, kPlan<Net>.first_block[I + 1] - kFirst>{});
}

// What the bounds of mode Measure are made of.
template <int Batch, class Net, class Led>
EMMY_INLINE void note_squares([[maybe_unused]] const Totals<Net>& totals, Led& ledger) noexcept {
  ledger.unbounded = false;
  if constexpr (kMeasuresLaw<Led>)
    for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
      constexpr int I = decltype(node)::value;
      constexpr int kRows = Batch * node_at<Net, I>::out::kPositions;
      ledger.slack.seen[I] = seen_squared<I>(totals, kRows);
      ledger.slack.delta[I] = delta_squared<I>(totals);
    });
}

// Rates in range, and an upper bound of all that phase B computes in range: squares of it are summed by the ledger.
// `largest` becomes that of the weights after the step.
template <int Batch, class Net, class Rule>
EMMY_OUTLINE Status check_update(const Totals<Net>& totals, Largest<Net, Rule::kHasMemory>& largest,
                                 const Rule& rule) noexcept {
  using S = typename Net::scalar;
  constexpr bool kByBlock = kHasFactors<Net> || detail::kRatesByBlock<Rule>;
  if (!clip_ok(rule)) return Status::bad_rate;
  bool rates_ok = true;
  S squares = 0, largest_square = 0;
  Largest<Net, Rule::kHasMemory> after = unraised(largest);
  const auto bound = [&](auto block, S square) EMMY_LAMBDA {
    constexpr int kBlock = decltype(block)::value;
    const S g = root(square) + S(0x1p-60);  // squares may underflow
    const auto plain = of_block(rule, kBlock);
    rates_ok = rates_ok && valid(plain);
    squares += bound_block<kBlock>(plain, g * partner_of<kBlock>(largest), largest, after);
  };
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    if constexpr (!kIsFrozen<typename node_at<Net, I>::layer>) {
      const S square = seen_squared<I>(totals, Batch * node_at<Net, I>::out::kPositions) * delta_squared<I>(totals);
      if constexpr (kByBlock) for_blocks<Net, I>([&](auto block) EMMY_LAMBDA { bound(block, square); });
      else largest_square = larger(square, largest_square);
    }
  });
  if constexpr (!kByBlock) bound(std::integral_constant<int, 0>{}, largest_square);  // one bound and one rate for all
  if (!rates_ok) return Status::bad_rate;
  largest = after;
  return is_finite(squares) ? Status::ok : Status::out_of_range;
}

template <class Net, class Rule>
EMMY_INLINE void clips_from_squares(const typename Net::scalar* squares, const Rule& rule, Clips<Net>& clips) noexcept {
  using S = typename Net::scalar;
  S total = 0;
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) total += kPlan<Net>.block[b].trained ? squares[b] : S(0);
  const auto factor = [&](S square) { return square > rule.limit * rule.limit ? rule.limit / root(square) : S(1); };
  clips.all = kClipsByTensor<Rule> ? S(1) : factor(total);
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) clips.block[b] = kClipsByTensor<Rule> ? factor(squares[b]) : clips.all;
}

template <class Net, int Batch, class Rule>
EMMY_OUTLINE void find_clips(const Memory<Net, Batch, true>& m, const Rule& rule, Clips<Net>& clips) noexcept {
  typename Net::scalar squares[kPlan<Net>.kBlocks] = {};
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    if constexpr (!kIsFrozen<typename node_at<Net, I>::layer>) {
      NormVisitor<Net, kPlan<Net>.first_block[I]> visitor{squares};
      gradients(typename node_at<Net, I>::layer{}, m.template frame<I>(), visitor);
    }
  });
  clips_from_squares(squares, rule, clips);
}

// Opens and closes the books of one step.
template <class Net, class Spec, class Mode, class Rule>
EMMY_INLINE void begin_books(Ledger<Net, Spec, Mode>& ledger, const Params<Net>& params,
                             const State<Net, Rule>& state) noexcept {
  if constexpr (kByLaw<Mode>) {
    if constexpr (kInvariants<Net> != 0)
      for (auto& step : ledger.last) step = {};
    const typename Net::scalar* buf = nullptr;
    if constexpr (Rule::kHasMemory) buf = state.buf;
    if (!kReadsBefore<Mode> && (!ledger.known || ledger.turned)) read_charges(ledger, params.data, buf);
  } else {
    begin_step(ledger);
  }
}
template <int Batch, class Net, class Spec, class Mode, class Rule>
EMMY_INLINE void end_books(Ledger<Net, Spec, Mode>& ledger, const Rule& rule,
                           [[maybe_unused]] const Clips<Net, Rule::kClips>& clips) noexcept {
  if constexpr (kByLaw<Mode>) {
    end_by_law<Batch>(ledger, rule, reference_share<Net>(rule, clips));
  } else {
    if constexpr (kPreconditioned<Rule>) book_kinetic(ledger, reference(rule), reference_share<Net>(rule, clips));
    else if constexpr (kKinetic<Mode>)
      for (int u = 0; u < ledger.kUnits; ++u) ledger.units[PerUnitKinetic::reference][u] = 1;
    end_step(ledger);
  }
}

// What the norms tell of the gradients of their inputs, before their gains move.
template <class Net, int Batch, class Rule, class Spec, class Mode>
EMMY_INLINE void note_invariances(const Memory<Net, Batch, true>& m, const Rule& rule,
                                  const Clips<Net, Rule::kClips>& clips, Ledger<Net, Spec, Mode>& ledger) noexcept {
  if constexpr (kInvariants<Net> != 0) {
    for_invariant_nodes<Net>([&](auto node, int at) EMMY_LAMBDA {
      auto& to = ledger.invariances;
      tell_invariance<Net, decltype(node)::value>(m, to.along + at, to.along_error + at, to.across_error + at);
    });
    ledger.invariances.share = reference_share<Net>(rule, clips);
  }
}

// Phase B of node I and its blocks; Plain: are the numbers of the rule?
template <int I, bool Measuring, bool Plain, int Batch, class Net, class Rule, class Led, class Known, int... Block>
EMMY_INLINE void sweep_node(const Memory<Net, Batch, true>& m, Params<Net>& params, State<Net, Rule>& state,
                            const Rule& rule, const Clips<Net, Rule::kClips>& clips, Led& ledger,
                            [[maybe_unused]] const Known& known, std::integer_sequence<int, Block...>) noexcept {
  using Sweep = LayerSweep<Net, Rule, Led, Measuring, I, Batch, Plain, Block...>;
  const auto frame = m.template frame<I>();
  const auto squares = [&]() EMMY_LAMBDA {
    if constexpr (Sweep::kTakesSquares) return outer_squares<I>(known, frame);
    else return NoSquares{};
  };
  Sweep sweep(params, state, rule, clips, ledger, frame, squares());
  gradients(typename node_at<Net, I>::layer{}, frame, sweep);
  sweep.finish(state.largest);
}
template <int I, bool Measuring, int Batch, class Net, class Rule, class Led, class Known, int... Local>
EMMY_NODE void update_node(const Memory<Net, Batch, true>& m, Params<Net>& params, State<Net, Rule>& state,
                           const Rule& rule, const Clips<Net, Rule::kClips>& clips, Led& ledger, const Known& known,
                           std::integer_sequence<int, Local...>) noexcept {
  using N = node_at<Net, I>;
  constexpr std::integer_sequence<int, (kPlan<Net>.first_block[I] + Local)...> blocks{};
  if constexpr (kLazy<Rule> && detail::kWaits<Net, I>) {
    postpone<I>(m, params, state, rule);
  } else if constexpr (kPlan<Net>.needs_delta[I + 1] && (Measuring || !kIsFrozen<typename N::layer>)) {
    // A second text costs flash: not where lanes are few. One sample's sweep sees to it itself; of many rows the update is a
    // small part.
    constexpr int kRows = Batch * N::out::kPositions;
    constexpr bool kHasPlainText = kTurnsNarrow && kMayBePlain<Rule> && kRows > 1 && kRows <= 64;
    if constexpr (kHasPlainText && (!Measuring || kFollowsLaw<Led>)) {
      if (are_plain<Net>(rule, clips, blocks)) {
        sweep_node<I, Measuring, true>(m, params, state, rule, clips, ledger, known, blocks);
        return;
      }
    }
    sweep_node<I, Measuring, false>(m, params, state, rule, clips, ledger, known, blocks);
  }
}

template <bool Measuring, int Batch, class Net, class Rule, class Led, class Known>
EMMY_INLINE void update_all(const Memory<Net, Batch, true>& m, Params<Net>& params, State<Net, Rule>& state,
                            const Rule& rule, const Clips<Net, Rule::kClips>& clips, Led& ledger,
                            const Known& known) noexcept {
  move_second(m, state, rule, clips);
  if constexpr (Measuring) {
    begin_books(ledger, params, state);
    note_invariances(m, rule, clips, ledger);
  }
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    update_node<I, Measuring>(
        m, params, state, rule, clips, ledger, known,
        std::make_integer_sequence<int, kPlan<Net>.first_block[I + 1] - kPlan<Net>.first_block[I]>{});
  });
  if constexpr (Measuring) end_books<Batch>(ledger, rule, clips);
}

// Layers with buffers write them now.
template <class Net, int Batch, int I = 0>
EMMY_INLINE void commit_all(const Memory<Net, Batch, true>& m) noexcept {
  using L = typename node_at<Net, I>::layer;
  if constexpr (requires { commit(L{}, m.template frame<I>()); }) commit(L{}, m.template frame<I>());
  if constexpr (I + 1 < Net::kNodes) commit_all<Net, Batch, I + 1>(m);
}

template <class Loss, class Net, class Spec, class Mode>
EMMY_INLINE void note_loss(Ledger<Net, Spec, Mode>& ledger) noexcept {
  static_assert(detail::Watched<Net, Spec>::kAll || kShiftInvariant<Loss> || !kWatchesLoss<Net, Spec>,
                "emmy: Translation is no symmetry of this loss: it needs one that ignores a number added to all logits "
                "(CrossEntropy)");
  ledger.turned = ledger.turned || (kShiftInvariant<Loss> && !ledger.translating);
  ledger.translating = kShiftInvariant<Loss>;
}
template <class Loss>
EMMY_INLINE void note_loss(NoLedger&) noexcept {}

// Behind a forward pass: loss and the deltas of the outputs of the first `count` samples, each weighted by `scale`. NaN
// if an output is not finite.
template <class Net, int Batch, class Loss, class Target>
EMMY_INLINE typename Net::scalar loss_pass(const Memory<Net, Batch, true>& m, Loss loss, const Target* target,
                                           int count, typename Net::scalar scale) noexcept {
  using S = typename Net::scalar;
  constexpr int kRows = Batch * Net::output::kPositions, kCols = Net::output::kChannels;
  const S* y = m.template act<Net::kNodes>();
  Inspection<S> outputs{};
  if constexpr (kBecomesDelta<Net, Batch, Net::kNodes>)
    inspect<kRows, kCols, padded<S>(kCols), false>(y, static_cast<S*>(nullptr), outputs);
  return outputs.squares * S(0) + loss_and_delta<kRows, kCols>(loss, y, target, count * Net::output::kPositions, scale,
                                                               m.template delta<Net::kNodes>());
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
  constexpr bool kTold = kTells<Net, Batch, Rule, Led>;
  Totals<Net> totals;
  NoTotals none;
  auto& told = told_to<kTold>(totals, none);
  if constexpr (kLazy<Rule>) forward_lazily(m, params, state);
  else forward_pass(m, told);
  const S value = loss_pass(m, loss, target, Batch, S(1) / S(Batch));
  backward_pass(m, told);
  if constexpr (kUnchecked<Rule>) {
    update_all<false>(m, params, state, rule, Clips<Net, false>{}, ledger, NoSquares{});
    commit_all(m);
    return {Status::ok, value};
  }
  inspect_all<kTold>(m, totals, ledger);
  if (!is_finite(totals.all + value)) return {Status::not_finite, value};
  auto largest = state.largest;
  if (!largest.known() && !measure_largest(params, state, largest)) return {Status::not_finite, value};
  Status checked = check_update<Batch>(totals, largest, rule);
  if (checked == Status::out_of_range && state.largest.known()) {  // bounds only grow: look at the weights again
    if (!measure_largest(params, state, largest)) return {Status::not_finite, value};
    checked = check_update<Batch>(totals, largest, rule);
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
      update_all<false>(m, params, state, rule, clips, ledger, totals);
    }
    ++ledger.steps;
  } else {
    update_all<false>(m, params, state, rule, clips, ledger, totals);
  }
  commit_all(m);
  return {Status::ok, value};
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
