// Second moments of the gradient between the state of a rule and the sweep of a block: see optim/adam.hpp, shared_adam.hpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/train/clips.hpp>
#include <emmy/train/passes.hpp>
#include <emmy/train/shared_adam.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// How the weights of a block that share lie in memory: each row has one moment, or each column, or all have the same.
enum class SharedAlong : unsigned char { none, rows, columns };
template <class Net, class Rule, int Block>
consteval SharedAlong shared_along() {
  if constexpr (!kSharesMoments<Rule>) return SharedAlong::none;
  else {
    constexpr auto how = plain_rule<Rule>::kShared.block[Block].how;
    constexpr auto& block = kPlan<Net>.block[Block];
    if (!block.trained || how == detail::Shared::by_weight) return SharedAlong::none;
    if (how == detail::Shared::whole) return SharedAlong::columns;
    return block.in_memory(how == detail::Shared::by_row ? Axis::row : Axis::column) == Axis::row
               ? SharedAlong::rows
               : SharedAlong::columns;
  }
}

// The component of a line of a block, along the axis that it shares by.
template <class Net, class Rule, int Block>
EMMY_INLINE constexpr int component_of(int line) noexcept {
  constexpr auto& shared = plain_rule<Rule>::kShared;
  constexpr auto own = shared.block[Block];
  constexpr auto& table = plain_rule<Rule>::kTable;
  constexpr const Charge& charge = table.charge[own.charge];
  const int unit =
      own.how == detail::Shared::whole || charge.is_whole ? 0 : charge.unit_of(charge.part[own.part], line);
  return shared.component[table.unit[own.charge] + unit];
}

// The moments of a block's lines for one step, and where they are as its sweep wants to know.
template <class Net, class Rule, int Block, SharedAlong Along = shared_along<Net, Rule, Block>()>
struct SharedLines {};
template <class Net, class Rule, int Block>
struct SharedLines<Net, Rule, Block, SharedAlong::rows> {
  using S = typename Net::scalar;
  static constexpr auto kBlock = kPlan<Net>.block[Block];
  alignas(kAlign<S>) S line[kBlock.lines], real[kBlock.width];

  EMMY_INLINE SecondByRow<S, kBlock.width> fill(const S* moments, const S* theta) noexcept {
    constexpr int kCols = kBlock.line_length();
    for (int i = 0; i < kBlock.lines; ++i) line[i] = moments[component_of<Net, Rule, Block>(i)];
    for (int o = 0; o < kBlock.width; ++o) real[o] = S(o < kCols ? 1 : 0);
    return {line, real, theta};
  }
};
template <class Net, class Rule, int Block>
struct SharedLines<Net, Rule, Block, SharedAlong::columns> {
  using S = typename Net::scalar;
  static constexpr auto kBlock = kPlan<Net>.block[Block];
  alignas(kAlign<S>) S line[kBlock.width];

  EMMY_INLINE SecondByColumn<S, kBlock.width> fill(const S* moments, const S* theta) noexcept {
    constexpr int kCols = kBlock.line_length();
    for (int o = 0; o < kBlock.width; ++o) line[o] = o < kCols ? moments[component_of<Net, Rule, Block>(o)] : S(0);
    return {line, theta};
  }
};

// c with the second moments of a block, and the corrections of the first steps.
template <int Block, class Net, class Rule, class S, bool Memory, class Shared>
EMMY_INLINE auto with_state(AdamCoefficients<S, Memory> c, const Params<Net>& params, State<Net, Rule>& state,
                            [[maybe_unused]] Shared& shared) noexcept {
  constexpr auto& block = kPlan<Net>.block[Block];
  if constexpr (Memory) c.scale1 = S(1) / state.second.grown1, c.scale2 = S(1) / state.second.grown2;
  const S* theta = params.data + block.offset;
  if constexpr (shared_along<Net, Rule, Block>() == SharedAlong::none) {
    int first = block.offset;
    if constexpr (kSharesMoments<Rule>) first = plain_rule<Rule>::kShared.block[Block].first;
    c.second = {state.second.data + first, theta};
    return c;
  } else {
    const auto second = shared.fill(state.second.data, theta);
    return AdamCoefficients<S, Memory, std::remove_const_t<decltype(second)>>{
        c.k, c.a0, c.clip, c.beta1, c.beta2, c.epsilon, c.scale1, c.scale2, c.mean_of, second};
  }
}
template <int Block, class Net, class Rule, class C, class S, class Shared>
EMMY_INLINE auto with_state(const ClippedCoefficients<C, S>& c, const Params<Net>& params, State<Net, Rule>& state,
                            Shared& shared) noexcept {
  auto inside = with_state<Block>(c.inside, params, state, shared);
  return ClippedCoefficients<decltype(inside), S>{c.k, c.a0, c.clip, c.limit, inside};
}

// One step more.
template <class Net, class Rule>
EMMY_INLINE void advance(const Rule& rule, State<Net, Rule>& state) noexcept {
  if constexpr (kSecondMoments<Rule> != 0 && Rule::kHasMemory) {
    const auto& r = reference(rule);
    using S = typename Net::scalar;
    state.second.grown1 = r.beta1 * state.second.grown1 + (S(1) - r.beta1);
    state.second.grown2 = r.beta2 * state.second.grown2 + (S(1) - r.beta2);
  }
}

// Adds the squares of a block's gradient to the sums of its components.
template <class Net, class Rule>
struct SharedSquares {
  using S = typename Net::scalar;
  static constexpr auto& kShared = plain_rule<Rule>::kShared;
  S sum[kShared.components > 0 ? kShared.components : 1] = {};

  template <int Block, int M>
  EMMY_INLINE void add(int row, const S* g, S clip) noexcept {
    constexpr SharedAlong kAlong = shared_along<Net, Rule, Block>();
    constexpr int kWidth = kPlan<Net>.block[Block].width;
    if constexpr (kAlong != SharedAlong::none) {
      const S square = clip * clip;
      for (int m = 0; m < M; ++m) {
        const S* p = g + m * kWidth;
        if constexpr (kAlong == SharedAlong::rows || kShared.block[Block].how == detail::Shared::whole) {
          S squares;
          if constexpr (simd::kStrict) squares = ordered_dot(p, p, kWidth, S(0));
          else squares = summed_row<kWidth, kWidth>(p).squares;
          sum[component_of<Net, Rule, Block>(kAlong == SharedAlong::rows ? row + m : 0)] += square * squares;
        } else {
          constexpr auto kBlock = kPlan<Net>.block[Block];
          for (int o = 0; o < kBlock.line_length(); ++o) sum[component_of<Net, Rule, Block>(o)] += square * p[o] * p[o];
        }
      }
    }
  }
  EMMY_INLINE void update(const Rule& rule, State<Net, Rule>& state) const noexcept {
    const auto& r = reference(rule);
    for (int i = 0; i < kShared.components; ++i) {
      if (kShared.entries[i] == 0) continue;
      const S v = r.beta2 * state.second.data[i] + (S(1) - r.beta2) * sum[i] / S(kShared.entries[i]);
      state.second.data[i] = v < kTiny<S> ? S(0) : v;
    }
  }
};
// As visitor of a layer's gradients.
template <class Net, class Rule, int First>
struct SharedVisitor {
  using S = typename Net::scalar;
  SharedSquares<Net, Rule>& squares;
  const Clips<Net, Rule::kClips>& clips;

  template <int Local, int M, class G>
  EMMY_INLINE void rows(int row, std::integral_constant<int, M>, const G* g) noexcept {
    squares.template add<First + Local, M>(row, g, clips.block[First + Local]);
  }
  template <class M, class G>
  EMMY_INLINE void check(int, M, const G*) noexcept {}
  template <class G>
  EMMY_INLINE void check_bias(const G*) noexcept {}
};

// The second moments of this step, but for those that move in the sweep.
template <class Net, int Batch, class Rule>
EMMY_INLINE void move_second(const Memory<Net, Batch, true>& m, State<Net, Rule>& state, const Rule& rule,
                             const Clips<Net, Rule::kClips>& clips) noexcept {
  advance(rule, state);
  if constexpr (kSharesMoments<Rule>) {
    SharedSquares<Net, Rule> squares;
    for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
      constexpr int I = decltype(node)::value;
      if constexpr (!kIsFrozen<typename node_at<Net, I>::layer>) {
        SharedVisitor<Net, Rule, kPlan<Net>.first_block[I]> visitor{squares, clips};
        gradients(typename node_at<Net, I>::layer{}, m.template frame<I>(), visitor);
      }
    });
    squares.update(rule, state);
  }
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
