// What a step knows of its activations and deltas before it moves anything: that they are finite, and the sums of their
// squares, which bounds (step.hpp), slack and laws (noether/law.hpp) are made of.
// Test: tests/train/step_test.cpp, tests/noether/predict_test.cpp.
#pragma once

#include <emmy/kernels/inspect.hpp>
#include <emmy/noether/law.hpp>
#include <emmy/train/lazy.hpp>
#include <emmy/train/passes.hpp>
#include <emmy/train/sweeps.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Tensor T is seen by a pool alone, perhaps through an activation in place: what is not finite in its values is so in those of
// the pool, and its delta is no longer than theirs. Which tensor that is, 0 if none.
template <class Net, int T>
inline constexpr int kPooled = [] {
  constexpr auto& plan = kPlan<Net>;
  constexpr auto read_by = []<int At>(std::integral_constant<int, At>) {
    if constexpr (At >= Net::kNodes) return false;
    else
      return plan.tensor[At].consumers == 1 && node_at<Net, At>::kFrom == At && plan.tensor[At + 1].root == At + 1 &&
             kIsPool<typename node_at<Net, At>::layer>;
  };
  if constexpr (T == 0 || T >= Net::kNodes || plan.tensor[T].root != T || plan.tensor[T].consumers != 1) return 0;
  else if constexpr (!kIsAffine<typename node_at<Net, T - 1>::layer>) return 0;
  else if constexpr (kInPlace<Net, T> && node_at<Net, T>::kFrom == T)
    return read_by(std::integral_constant<int, T + 1>{}) && kIsContraction<typename node_at<Net, T>::layer> ? T + 2 : 0;
  else return read_by(std::integral_constant<int, T>{}) ? T + 1 : 0;
}();

// Are the squares of tensor T, of its delta, summed by the node that makes it?
template <class Net, int Batch, int T>
inline constexpr bool kActIsTold = [] {
  if constexpr (T == 0) return false;
  else return kTellsAct<Net, Batch, T - 1>;
}();
template <class Net, int Batch, int T>
inline constexpr bool kDeltaIsTold = []<int... I>(std::integer_sequence<int, I...>) {
  return ((kTellsDelta<Net, Batch, I> && kPlan<Net>.tensor[node_at<Net, I>::kFrom].root == T) || ...);
}
(std::make_integer_sequence<int, Net::kNodes>{});

// Do the passes of a step with this rule and ledger tell any? Statistics are of whole tensors, and a lazy rule has a pass of its
// own.
template <class Net, int Batch, class Rule, class Led>
inline constexpr bool kTells = []<int... I>(std::integer_sequence<int, I...>) {
  return ((kTellsAct<Net, Batch, I> || kTellsDelta<Net, Batch, I>) || ...) && !kLazy<Rule> && !kUnchecked<Rule> &&
         (!kIsLedger<Led> || kFollowsLaw<Led>);
}
(std::make_integer_sequence<int, Net::kNodes>{});

// Where the passes tell it.
template <bool Told, class Net>
EMMY_INLINE auto& told_to(Totals<Net>& totals, NoTotals& none) noexcept {
  if constexpr (Told) return totals;
  else return none;
}

template <int T, bool Told, class Net, int Batch, class Led>
EMMY_INLINE void inspect_tensor(const Memory<Net, Batch, true>& m, Totals<Net>& totals, Led& ledger) noexcept {
  using S = typename Net::scalar;
  constexpr auto kTensor = kPlan<Net>.tensor[T];
  constexpr int kRows = Batch * kTensor.positions, kAt = kActivity<Net, T>;
  constexpr bool kStatistics = kIsLedger<Led> && !kFollowsLaw<Led>;  // for the bounds of what is audited
  if constexpr (kTensor.root == T && (kStatistics || kPooled<Net, T> == 0)) {
    constexpr bool kActTold = Told && kActIsTold<Net, Batch, T>, kDeltaTold = Told && kDeltaIsTold<Net, Batch, T>;
    Inspection<S> act{}, delta{};
    if constexpr (kActTold) act.squares = totals.act[T];
    if constexpr (kDeltaTold) delta.squares = totals.delta[T];
    S *act_abs = nullptr, *delta_abs = nullptr;
    if constexpr (kStatistics) {
      act_abs = ledger.act_abs + kAt;
      delta_abs = ledger.delta_abs + kAt;
    }
    const auto look = [&](const S* p, S* abs, Inspection<S>& seen) EMMY_LAMBDA {
      if constexpr (kStatistics) inspect<kRows, kTensor.channels, kTensor.stride, true>(p, abs, seen);
      else seen.squares = squares_of_rows<kRows, kTensor.channels, kTensor.stride>(p);
    };
    if constexpr (!kActTold && !kBecomesDelta<Net, Batch, T>) look(m.template act<T>(), act_abs, act);
    if constexpr (!kDeltaTold && kPlan<Net>.needs_delta[T]) look(m.template delta<T>(), delta_abs, delta);
    if constexpr (T > 0 && kPlan<Net>.needs_delta[T]) {
      using L = typename node_at<Net, T - 1>::layer;
      if constexpr (kLooksInside<L>) look_inside(L{}, m.template frame<T - 1>(), act, delta);
    }
    totals.act[T] = act.squares;
    totals.delta[T] = delta.squares;
    totals.all += act.squares + delta.squares;
    const auto stand_for = [&]<int Of>(std::integral_constant<int, Of>) EMMY_LAMBDA {
      if constexpr (Of > 0 && !kStatistics)
        if constexpr (kPooled<Net, Of> == T) totals.act[Of] = act.squares, totals.delta[Of] = delta.squares;
    };
    stand_for(std::integral_constant<int, T - 1>{});
    stand_for(std::integral_constant<int, T - 2>{});
    if constexpr (kStatistics) {
      ledger.act[T] = {root(act.row_norm) + kLostToSquares<S>, act.row_sum};
      ledger.delta[T] = {root(delta.row_norm) + kLostToSquares<S>, delta.row_sum};
    }
  }
  if constexpr (T < Net::kNodes) inspect_tensor<T + 1, Told>(m, totals, ledger);
}
// Told: did the passes write what they can?
template <bool Told = false, class Net, int Batch, class Led>
EMMY_NODE void inspect_all(const Memory<Net, Batch, true>& m, Totals<Net>& totals, Led& ledger) noexcept {
  totals.all = 0;
  inspect_tensor<0, Told>(m, totals, ledger);
}

// The sum of the squares of what the gradient of node I takes for x: a bias 1, a norm at most 1 a channel, a recurrent layer
// its own states besides, attention what its heads make. Times that of the deltas it bounds |sum_r x[r, i] dy[r, o]|^2
// (Cauchy-Schwarz).
template <int I, class Net>
EMMY_INLINE typename Net::scalar seen_squared(const Totals<Net>& totals, int rows) noexcept {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  [[maybe_unused]] constexpr int kIn = kPlan<Net>.tensor[N::kFrom].root, kOut = kPlan<Net>.tensor[I + 1].root;
  if constexpr (kIsNorm<typename N::layer>) return S(rows) * S(N::in::kChannels);
  else if constexpr (kMakesDeltas<typename N::layer>) return larger(larger(S(rows), totals.act[kOut]), totals.act[kIn]);
  else return larger(S(rows), totals.act[kIn]);
}
template <int I, class Net>
EMMY_INLINE typename Net::scalar delta_squared(const Totals<Net>& totals) noexcept {
  return totals.delta[kPlan<Net>.tensor[I + 1].root];
}

// |x|^2 and |dy|^2 of node I as they were inspected, or from themselves where that took in more.
template <int I, class Net, class Frame>
EMMY_INLINE auto outer_squares(const Totals<Net>& totals, const Frame& f) noexcept {
  using N = node_at<Net, I>;
  constexpr int kFrom = kPlan<Net>.tensor[N::kFrom].root;
  OuterSquares<typename Net::scalar> squares{totals.act[kFrom], delta_squared<I>(totals)};
  if constexpr (kFrom > 0)
    if constexpr (kLooksInside<typename node_at<Net, kFrom - 1>::layer>)
      squares.input = summed_row<N::in::kChannels, kPlan<Net>.tensor[N::kFrom].stride>(f.x).squares;
  return squares;
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
