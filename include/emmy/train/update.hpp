// The update of all nodes with the books of the ledger: phase B of a step (step.hpp). Nothing here can fail.
#pragma once

#include <emmy/train/totals.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

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
template <int Batch, class Net, class Spec, class Mode, class Rule, class Squares = FromBooks>
EMMY_INLINE void end_books(Ledger<Net, Spec, Mode>& ledger, const Rule& rule,
                           [[maybe_unused]] const Clips<Net, Rule::kClips>& clips,
                           [[maybe_unused]] const Squares& squares = {}) noexcept {
  if constexpr (kByLaw<Mode>) {
    end_by_law<Batch>(ledger, rule, reference_share<Net>(rule, clips), squares);
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

// Phase B of node I and its blocks; Plain: are the numbers of the rule? Back: dx becomes the dots that it is made of.
template <int I, bool Measuring, bool Plain, bool Back, int Batch, class Net, class Rule, class Led, class Known,
          int... Block>
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
  if constexpr (Back) sweep.outer(frame.x, frame.dy, frame.dx);
  else gradients(typename node_at<Net, I>::layer{}, frame, sweep);
  sweep.finish(state.largest);
}
template <int I, bool Measuring, bool Back = false, int Batch, class Net, class Rule, class Led, class Known,
          int... Local>
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
        sweep_node<I, Measuring, true, Back>(m, params, state, rule, clips, ledger, known, blocks);
        return;
      }
    }
    sweep_node<I, Measuring, false, Back>(m, params, state, rule, clips, ledger, known, blocks);
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

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
