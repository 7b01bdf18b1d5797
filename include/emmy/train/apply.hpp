// The update with a stored gradient: checks and sweep of `apply`.
#pragma once

#include <emmy/train/step.hpp>

namespace emmy::inline EMMY_TARGET {
namespace inner {

// Is the gradient finite, are the rates in range, can anything overflow? Gives the squared norm of each block, and in
// `largest` the bounds after the step.
template <class Net, class Rule>
EMMY_INLINE Status check_gradient(const Gradient<Net>& g, Largest<Net, Rule::kHasMemory>& largest, const Rule& rule,
                                  typename Net::scalar* squares) noexcept {
  using S = typename Net::scalar;
  if (!clip_ok(rule)) return Status::bad_rate;
  Status status = Status::ok;
  auto after = unraised(largest);
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    for_blocks<Net, decltype(node)::value>([&](auto block) EMMY_LAMBDA {
      constexpr int kIndex = decltype(block)::value;
      constexpr auto kBlock = kPlan<Net>.block[kIndex];
      if constexpr (!kBlock.trained) return;
      Inspection<S> seen{};
      inspect<kBlock.lines, kBlock.width, kBlock.width, false>(g.data + kBlock.offset, static_cast<S*>(nullptr), seen);
      const auto plain = of_block(rule, kIndex);
      if (!valid(plain)) status = Status::bad_rate;
      if (!is_finite(seen.squares)) status = Status::not_finite;
      const S size = bound_block<kIndex>(plain, root(seen.squares) + S(0x1p-60), largest, after);
      if (!is_finite(size) && status == Status::ok) status = Status::out_of_range;
      NormVisitor<Net, kIndex> norm{squares};
      for_gradient_row_tiles<typename Net::scalar, kBlock.lines, kBlock.width>([&](int row, auto m) EMMY_LAMBDA {
        norm.template rows<0>(row, m, g.data + kPlan<Net>.block[kIndex].offset + row * kPlan<Net>.block[kIndex].width);
      });
    });
  });
  largest = after;
  return status;
}

// Without activations there is no scale for the Noether bounds: none is claimed.
template <class Net, class Spec, class Mode>
EMMY_INLINE void forget_tensors(Ledger<Net, Spec, Mode>& ledger) noexcept {
  for (auto& t : ledger.act) t = {};
  for (auto& t : ledger.delta) t = {};
  for (auto& v : ledger.act_abs) v = 0;
  for (auto& v : ledger.delta_abs) v = 0;
  ledger.unbounded = true;
  if constexpr (kMeasuresLaw<Ledger<Net, Spec, Mode>>) {
    for (auto& v : ledger.slack.seen) v = 0;
    for (auto& v : ledger.slack.delta) v = 0;
  }
}

template <int Block, class Net, class Rule>
EMMY_INLINE void add_squares(const Gradient<Net>& g, const Clips<Net, Rule::kClips>& clips,
                             SharedSquares<Net, Rule>& squares) noexcept {
  constexpr auto kBlock = kPlan<Net>.block[Block];
  if constexpr (kBlock.trained)
    for (int row = 0; row < kBlock.lines; ++row)
      squares.template add<Block, 1>(row, g.data + kBlock.offset + row * kBlock.width, clips.block[Block]);
}

template <bool Measuring, class Net, class Rule, class Led>
EMMY_INLINE void apply_all(Params<Net>& params, State<Net, Rule>& state, const Gradient<Net>& g, const Rule& rule,
                           const Clips<Net, Rule::kClips>& clips, Led& ledger) noexcept {
  advance(rule, state);
  if constexpr (kSharesMoments<Rule>) {
    SharedSquares<Net, Rule> squares;
    [&]<int... B>(std::integer_sequence<int, B...>) EMMY_LAMBDA { (add_squares<B>(g, clips, squares), ...); }
    (std::make_integer_sequence<int, kPlan<Net>.kBlocks>{});
    squares.update(rule, state);
  }
  if constexpr (Measuring) {
    begin_books(ledger, params, state);
    if constexpr (kInvariants<Net> != 0) {
      ledger.invariances = {};
      for (int at = 0; at < kInvariants<Net>; ++at) ledger.invariances.along[at] = g.along[at];
      ledger.invariances.share = reference_share<Net>(rule, clips);
    }
  }
  const auto one = [&]<int Block>(std::integral_constant<int, Block>) EMMY_LAMBDA {
    constexpr auto kBlock = kPlan<Net>.block[Block];
    if constexpr (Measuring || kBlock.trained) {
      BlockSweep<Net, Rule, Led, Measuring, Block, 0> sweep(params, state, rule, clips, ledger, 1);
      for_gradient_row_tiles<typename Net::scalar, kBlock.lines, kBlock.width>([&](int row, auto m) EMMY_LAMBDA {
        sweep.template rows<decltype(m)::value>(
            row, g.data + kPlan<Net>.block[Block].offset + row * kPlan<Net>.block[Block].width);
      });
      sweep.finish(state.largest);
    }
  };
  [&]<int... B>(std::integer_sequence<int, B...>) EMMY_LAMBDA { (one(std::integral_constant<int, B>{}), ...); }
  (std::make_integer_sequence<int, kPlan<Net>.kBlocks>{});
  if constexpr (Measuring) end_books<0>(ledger, rule, clips);
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
