// Second moments of the gradient between the state of a rule and the sweep of a block: see optim/adam.hpp, shared_adam.hpp.
#pragma once

#include <emmy/kernels/rows.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/train/clips.hpp>
#include <emmy/train/shared_adam.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Of a block whose weights share: the moment of each of its lines in memory, and ones where there are weights.
template <class Net, class Rule, int Block>
consteval int shared_lines() {
  if constexpr (!kSharesMoments<Rule>) return 0;
  else {
    constexpr auto how = plain_rule<Rule>::kShared.block[Block].how;
    constexpr auto& block = kPlan<Net>.block[Block];
    if (!block.trained || how == detail::Shared::by_weight) return 0;
    const bool along_rows = how != detail::Shared::whole &&
                            block.in_memory(how == detail::Shared::by_row ? Axis::row : Axis::column) == Axis::row;
    return along_rows ? block.lines : -block.width;
  }
}
template <class Net, class Rule, int Block, int Lines = shared_lines<Net, Rule, Block>()>
struct SharedLines {
  using S = typename Net::scalar;
  static constexpr bool kByRow = Lines > 0;
  static constexpr int kWidth = kPlan<Net>.block[Block].width;
  alignas(kAlign<S>) S line[Lines > 0 ? Lines : -Lines];
  alignas(kAlign<S>) S real[kByRow ? kWidth : 1];
};
template <class Net, class Rule, int Block>
struct SharedLines<Net, Rule, Block, 0> {};

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

// c with the second moments of a block, and the corrections of the first steps.
template <int Block, class Net, class Rule, class S, bool Memory, class Shared>
EMMY_INLINE auto with_state(AdamCoefficients<S, Memory> c, const Params<Net>& params, State<Net, Rule>& state,
                            [[maybe_unused]] Shared& shared) noexcept {
  constexpr auto& block = kPlan<Net>.block[Block];
  if constexpr (Memory) c.scale1 = S(1) / state.second.grown1, c.scale2 = S(1) / state.second.grown2;
  const S* theta = params.data + block.offset;
  constexpr int kLines = shared_lines<Net, Rule, Block>();
  if constexpr (kLines == 0) {
    int first = block.offset;
    if constexpr (kSharesMoments<Rule>) first = plain_rule<Rule>::kShared.block[Block].first;
    c.second = {state.second.data + first, theta};
    return c;
  } else {
    constexpr int kCols = block.column ? block.rows : block.cols, kCount = kLines > 0 ? kLines : kCols;
    for (int i = 0; i < (kLines > 0 ? kLines : block.width); ++i)
      shared.line[i] = i < kCount ? state.second.data[component_of<Net, Rule, Block>(i)] : S(0);
    if constexpr (kLines > 0)
      for (int o = 0; o < block.width; ++o) shared.real[o] = S(o < kCols ? 1 : 0);
    using Second = std::conditional_t<(kLines > 0), SecondByRow<S, block.width>, SecondByColumn<S, block.width>>;
    return AdamCoefficients<S, Memory, Second>{
        c.k,       c.a0,     c.clip,   c.beta1,   c.beta2,
        c.epsilon, c.scale1, c.scale2, c.mean_of, {shared.line, shared.real, theta}};
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
    constexpr int kLines = shared_lines<Net, Rule, Block>(), kWidth = kPlan<Net>.block[Block].width;
    if constexpr (kLines != 0) {
      const S square = clip * clip;
      for (int m = 0; m < M; ++m) {
        const S* p = g + m * kWidth;
        if constexpr (kLines > 0 || kShared.block[Block].how == detail::Shared::whole) {
          S squares;
          if constexpr (simd::kStrict) squares = ordered_dot(p, p, kWidth, S(0));
          else squares = summed_row<kWidth, kWidth>(p).squares;
          sum[component_of<Net, Rule, Block>(kLines > 0 ? row + m : 0)] += square * squares;
        } else {
          constexpr auto kBlock = kPlan<Net>.block[Block];
          for (int o = 0; o < (kBlock.column ? kBlock.rows : kBlock.cols); ++o)
            sum[component_of<Net, Rule, Block>(o)] += square * p[o] * p[o];
        }
      }
    }
  }
  EMMY_INLINE void update(const Rule& rule, State<Net, Rule>& state) const noexcept {
    const auto& r = reference(rule);
    for (int i = 0; i < kShared.components; ++i) {
      if (kShared.entries[i] == 0) continue;
      const S v = r.beta2 * state.second.data[i] + (S(1) - r.beta2) * sum[i] / S(kShared.entries[i]);
      state.second.data[i] = v < kForgotten<S> ? S(0) : v;
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

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
