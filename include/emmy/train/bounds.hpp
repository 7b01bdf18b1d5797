// What a step checks before it moves anything: rates in range, and bounds of all that the update computes, from the sums of
// squares of totals.hpp and a bound of the weights that moves along (Largest in net/memory.hpp).
// Test: tests/train/step_test.cpp.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/train/totals.hpp>

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

// Moves bounds of a weight and its memory by one step with gradients up to g. Returned: a bound of all that the step computes of it.
template <class Rule, class S>
EMMY_INLINE S move_bounds(const Rule& plain, S g, S& theta, S& memory) noexcept {
  const S size = theta + memory + g;
  bound_step(coefficients(plain, S(1)), g, theta, memory);
  return size + theta + memory;
}

// The bounds of a block after one step with gradients up to g. The result is not finite where the sum of the squares of
// all that the step computes may overflow.
template <int Block, class Net, class Rule, bool Memory>
EMMY_INLINE typename Net::scalar bound_block(const Rule& plain, typename Net::scalar g,
                                             const Largest<Net, Memory>& before, Largest<Net, Memory>& after) noexcept {
  using S = typename Net::scalar;
  S theta = before.theta_of(Block), memory = before.memory_of(Block);
  const S bound = move_bounds(plain, g, theta, memory);
  if constexpr (Largest<Net, Memory>::kByBlock) after.assign(Block, theta, memory * after.kRounding);
  else after.raise(Block, theta, memory * after.kRounding);
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

// Rates in range, and an upper bound of all that phase B computes in range: squares of it are summed by the ledger.
// `largest` becomes that of the weights after the step.
template <int Batch, class Net, class Rule>
EMMY_NODE Status check_update(const Totals<Net>& totals, Largest<Net, Rule::kHasMemory>& largest,
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

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
