// What follows the loss of one sample in a chain of Dense layers, with Sgd, Momentum or Nesterov, on vectors of eight lanes and more
// and where there are 32 registers (NEON): backward, ledger and update in one way back. Weights move while the delta of the layer
// below is made of what they were, where registers hold both (kernels/backward_sweep.hpp).
//
// So weights move before all deltas are known, and nothing that can fail may depend on one. Bounds stand in for them: with w >= 1
// a bound of all weights (Largest in net/memory.hpp)
//   |dx|^2 <= w^2 In Out |dy|^2 through a Dense (Frobenius),  <= |dy|^2 through an activation with |f'| <= 1
// and |g|^2 <= (A + 1) max |dy|^2, A the sum of the squares of all activations. What they do not clear takes the general step
// (step.hpp), which looks at every value. The weights get the same bits either way. For steps without a ledger, those that it does
// not measure, and those that it predicts or measures by law. Test: tests/train/chain_step_test.cpp.
#pragma once

#include <emmy/train/bounds.hpp>
#include <emmy/train/update.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

template <class Net, class Rule, class Led, bool Measuring, int I, int... Local>
auto sweep_type(std::integer_sequence<int, Local...>)
    -> std::type_identity<LayerSweep<Net, Rule, Led, Measuring, I, 1, false, (kPlan<Net>.first_block[I] + Local)...>>;
// Does the sweep of node I also give the delta of what it reads?
template <class Net, class Rule, class Led, bool Measuring, int I>
inline constexpr bool kSweepsBack = [] {
  constexpr int kFirst = kPlan<Net>.first_block[I], kBlocks = kPlan<Net>.first_block[I + 1] - kFirst;
  if constexpr (kBlocks == 0 || !kPlan<Net>.needs_delta[I]) return false;
  else
    return decltype(sweep_type<Net, Rule, Led, Measuring, I>(
        std::make_integer_sequence<int, kBlocks>{}))::type::kSweepsBack;
}();

// A Dense that trains on what the node before makes, or an activation between two of them.
template <class Net, int I>
inline constexpr bool kIsLink = [] {
  using N = node_at<Net, I>;
  using L = typename N::layer;
  if constexpr (N::kFrom != I || N::out::kPositions != 1 || kPlan<Net>.tensor[I + 1].consumers > 1) return false;
  else if constexpr (kIsElementwise<L>) return kIsContraction<L> && kFusedForward<Net, I> && kFusedBackward<Net, I>;
  else return kIsDense<L> && kIsAffine<L> && N::in::kPositions == 1;
}();
// Are the parts of a charge that are booked into the same sums in one node? A way back books the last node first.
template <class Net, class Spec>
consteval bool books_by_node() {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    for (int p = 0; p < charge.parts; ++p)
      for (int q = 0; q < p; ++q)
        if (is_lost(charge, charge.part[p]) == is_lost(charge, charge.part[q]) &&
            kPlan<Net>.block[charge.part[p].block].node != kPlan<Net>.block[charge.part[q].block].node)
          return false;
  return true;
}
template <class Net, class Led>
inline constexpr bool kBooksByNode = true;
template <class Net, class Spec, class Mode>
inline constexpr bool kBooksByNode<Net, Ledger<Net, Spec, Mode>> = books_by_node<Net, Spec>();

// Vectors of few lanes, with few registers, gain less than a second text costs (SSE4: 64-32-10 2 %, for 1.3 kB).
template <class S>
inline constexpr bool kHasChainSteps = (kLanesOf<S> >= 8 || (kLanesOf<S> > 1 && simd::kRegisters >= 32)) &&
                                       !simd::kStrict;

// Rules whose bound is linear in |g|, by themselves: what is around another one checks more than its rates.
template <class Rule>
inline constexpr bool kIsChainRule = kMayBePlain<Rule>;
template <class Rule>
inline constexpr bool kIsChainRule<Unchecked<Rule>> = kMayBePlain<Rule>;

template <class Net, int Batch, class Rule, class Led, bool Measuring>
inline constexpr bool kTakesChainStep = []<int... I>(std::integer_sequence<int, I...>) {
  if constexpr (Batch != 1 || !kIsChainRule<Rule> || !kHasChainSteps<typename Net::scalar>) return false;
  else if constexpr (Measuring && !(kFollowsLaw<Led> && kBooksByNode<Net, Led>)) return false;
  else return (kIsLink<Net, I> && ...);
}
(std::make_integer_sequence<int, Net::kNodes>{});

// Can the |u|^2 of all that a ledger predicts be told from the rows x and dy of one sample? Each line of a block is one unit's.
template <class Net, class Spec>
consteval bool predicts_from_rows() {
  for (const Charge& charge : kCharges<Net, Spec>.charge)
    for (int p = 0; charge.power == 2 && p < charge.parts; ++p) {
      const ChargePart& part = charge.part[p];
      const auto& block = kPlan<Net>.block[part.block];
      if (charge.is_whole || part.lines != 1 || part.power != 2 || block.role == Role::factor ||
          (part.axis == Axis::row ? block.rows : block.cols) != charge.units)
        return false;
    }
  return true;
}
template <class Net, class Rule, class Led>
inline constexpr bool kPredictsFromRows = false;
template <class Net, class Rule, class Spec>
inline constexpr bool kPredictsFromRows<Net, Rule, Ledger<Net, Spec, Predict>> =
    !Rule::kHasMemory && !EMMY_GRADIENT_HOOKED && predicts_from_rows<Net, Spec>();

// That |u|^2 of each unit, u = a0 x dy^T, in the order that is_clear bounds: of a row a0^2 x_i^2 |dy|^2, of a column a0^2 dy_o^2 |x|^2, of a bias |x| = 1.
template <class Net, class Spec>
struct SampleSquares {
  using S = typename Net::scalar;
  const Memory<Net, 1, true>& m;
  const Totals<Net>& totals;
  S a0;

  template <int C>
  EMMY_INLINE simd::Vec<S> of(int unit, int n) const noexcept {
    auto sum = simd::zero<S>();
    for_parts<C, Net, Spec>([&](auto index) EMMY_LAMBDA {
      constexpr ChargePart part = kCharges<Net, Spec>.charge[C].part[decltype(index)::value];
      constexpr auto block = kPlan<Net>.block[part.block];
      constexpr bool kBias = block.role == Role::bias, kRow = part.axis == Axis::row;
      constexpr S kWeight = S(part.weight.numerator) / S(part.weight.denominator);
      const auto f = m.template frame<block.node>();
      const auto all = outer_squares<block.node>(totals, f);
      const S other = kRow ? all.delta : kBias ? S(1) : all.input;
      const auto v = load_units(!kRow ? static_cast<const S*>(f.dy) + unit : kBias ? kOnes<S>.value : f.x + unit, n);
      sum = simd::add(sum, simd::mul(simd::mul(simd::mul(v, v), simd::set(other)), simd::set(kWeight * a0 * a0)));
    });
    return sum;
  }
};

// p(constant<T>) += its squares, for the tensors From to To that have values of their own; all in one sum.
template <int From, int To, class Net, class Of>
EMMY_INLINE typename Net::scalar sum_of_squares(Of&& p) noexcept {
  constexpr auto kFirst = kPlan<Net>.tensor[From];
  if constexpr (From == To || kFirst.root != From) {
    static_assert(To - From <= 1);
    return 0;
  } else if constexpr (To - From == 1) {
    return squares_of_row<kFirst.channels, kFirst.stride>(p(std::integral_constant<int, From>{}));
  } else {
    simd::Vec<typename Net::scalar> total, other;
    begin_squares_of_row<kFirst.channels, kFirst.stride>(p(std::integral_constant<int, From>{}), total, other);
    [&]<int... T>(std::integer_sequence<int, T...>) EMMY_LAMBDA {
      const auto add = [&]<int At>(std::integral_constant<int, At> at) EMMY_LAMBDA {
        constexpr auto kTensor = kPlan<Net>.tensor[At];
        if constexpr (kTensor.root == At) add_squares_of_row<kTensor.channels, kTensor.stride>(p(at), total, other);
      };
      (add(std::integral_constant<int, From + 1 + T>{}), ...);
    }
    (std::make_integer_sequence<int, To - From - 1>{});
    return simd::sum(simd::add(total, other));
  }
}

// Squares may underflow: sums of them are bounds with this.
template <class S>
inline constexpr S kLostSquares = S(0x1p-110);

// The sums of squares of all activations and, as a bound, of the last delta; each by itself to `totals`, where a law wants it.
template <class S>
struct Seen {
  S activations, last_delta;
};
template <bool Measuring, class Net, class Told>
EMMY_INLINE Seen<typename Net::scalar> see(const Memory<Net, 1, true>& m, [[maybe_unused]] Told& totals) noexcept {
  using S = typename Net::scalar;
  constexpr int kLast = Net::kNodes;
  static_assert(kBecomesDelta<Net, 1, kLast>);
  const auto act = [&]<int At>(std::integral_constant<int, At>) EMMY_LAMBDA { return m.template act<At>(); };
  const auto delta = [&](auto) EMMY_LAMBDA { return static_cast<const S*>(m.template delta<kLast>()); };
  Seen<S> seen{0, sum_of_squares<kLast, kLast + 1, Net>(delta)};
  if constexpr (!Measuring) {
    seen.activations = sum_of_squares<0, kLast, Net>(act);
  } else {
    totals.delta[kLast] = seen.last_delta;
    [&]<int... T>(std::integer_sequence<int, T...>) EMMY_LAMBDA {
      ((seen.activations += totals.act[T] = sum_of_squares<T, T + 1, Net>(act)), ...);
    }
    (std::make_integer_sequence<int, kLast>{});
  }
  seen.last_delta += kLostSquares<S>;
  return seen;
}

// Can nothing of the way back overflow, nor the sum of the squares of all that it computes? What bounds them grows linearly with |g|,
// so its square is at most 1 + |g|^2 times what it is of a gradient of 1. 1 + a x <= a (1 + x) for a >= 1: one constant.
template <class Net, class Rule, bool Memory>
EMMY_INLINE bool is_clear(const Rule& rule, const Seen<typename Net::scalar>& seen,
                          const Largest<Net, Memory>& largest) noexcept {
  using S = typename Net::scalar;
  const S w = largest.theta_of(0);
  S delta = seen.last_delta, terms = S(2 * kPlan<Net>.params);
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    using N = node_at<Net, I>;
    if constexpr (kPlan<Net>.needs_delta[I]) delta *= w * w, terms *= S(N::in::kChannels * N::out::kChannels);
  });
  S theta = w, memory = largest.memory_of(0);
  const S bound = move_bounds(rule, S(1), theta, memory);
  return is_finite(bound * bound * terms * (S(1) + (seen.activations + S(1)) * delta));
}

// Node I and all below: the delta of what it reads and its update.
template <int I, bool Measuring, class Net, class Rule, class Led, class Told>
EMMY_INLINE void way_back(const Memory<Net, 1, true>& m, Params<Net>& params, State<Net, Rule>& state, const Rule& rule,
                          Led& ledger, Told& totals) noexcept {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  constexpr int kBlocks = kPlan<Net>.first_block[I + 1] - kPlan<Net>.first_block[I];
  if constexpr (kBlocks > 0) {
    constexpr bool kBack = kSweepsBack<Net, Rule, Led, Measuring, I>;
    NoTotals none;
    if constexpr (!kBack) backward_node<I>(m, none);
    update_node<I, Measuring, kBack>(m, params, state, rule, Clips<Net, false>{}, ledger, totals,
                                     std::make_integer_sequence<int, kBlocks>{});
    if constexpr (kBack && !kPlan<Net>.block[kPlan<Net>.first_block[I]].turned) {
      const auto f = m.template frame<I>();
      for (int i = 0; i < padded<S>(N::in::kChannels); i += kLanesOf<S>)
        put_dx<false>(below_of<Net, I>(), f.x, f.dx, i,
                      i < N::in::kChannels ? simd::load(static_cast<const S*>(f.dx + i)) : simd::zero<S>());
    }
    if constexpr (!__is_same(Told, NoTotals) && I > 0) {
      constexpr int kRoot = kPlan<Net>.tensor[I].root;
      totals.delta[kRoot] = sum_of_squares<kRoot, kRoot + 1, Net>(
          [&](auto) EMMY_LAMBDA { return static_cast<const S*>(m.template delta<kRoot>()); });
    }
  }
  if constexpr (I > 0) way_back<I - 1, Measuring>(m, params, state, rule, ledger, totals);
}

// Backward, ledger and update behind the loss `value`. False: left to the general step, nothing has changed.
template <bool Measuring, class Loss, class Net, class Rule, class Led>
EMMY_INLINE bool chain_step(const Memory<Net, 1, true>& m, Params<Net>& params, State<Net, Rule>& state,
                            const Rule& rule, Led& ledger, [[maybe_unused]] typename Net::scalar value) noexcept {
  using S = typename Net::scalar;
  const auto& plain = reference(rule);
  std::conditional_t<Measuring, Totals<Net>, NoTotals> totals;
  [[maybe_unused]] Seen<S> seen{};
  [[maybe_unused]] auto largest = state.largest;
  if constexpr (!kUnchecked<Rule>) {
    seen = see<Measuring>(m, totals);
    if (!valid(plain) || !is_finite(value)) return false;
    if (!is_clear(plain, seen, largest)) {  // nor is what stands for no bound
      // The bound only grows: look at the weights again where that may help.
      auto least = largest;
      least.assign(0, S(0), largest.memory_of(0));
      if (!is_clear(plain, seen, least) || !measure_largest(params, state, largest) || !is_clear(plain, seen, largest))
        return false;
    }
  }
  if constexpr (Measuring) {
    note_loss<Loss>(ledger);
    begin_books(ledger, params, state);
  }
  constexpr bool kFromRows = Measuring && kPredictsFromRows<Net, Rule, Led>;
  if constexpr (kFromRows) {  // sweeps like those of a step without a ledger
    NoLedger nobody;
    way_back<Net::kNodes - 1, false>(m, params, state, rule, nobody, totals);
  } else {
    way_back<Net::kNodes - 1, Measuring>(m, params, state, rule, ledger, totals);
  }
  if constexpr (!kUnchecked<Rule>) {
    S deltas = seen.last_delta;
    if constexpr (Measuring) {  // summed for the law already
      for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
        constexpr int kRoot = kPlan<Net>.tensor[decltype(node)::value].root;
        if constexpr (kRoot > 0) deltas += totals.delta[kRoot];
      });
    } else {
      deltas += sum_of_squares<1, Net::kNodes, Net>([&]<int At>(std::integral_constant<int, At>) EMMY_LAMBDA {
        return static_cast<const S*>(m.template delta<At>());
      });
    }
    const S g = root((seen.activations + S(1)) * deltas);
    S theta = largest.theta_of(0), memory = largest.memory_of(0);
    static_cast<void>(move_bounds(plain, g, theta, memory));
    // Finite, as is_clear said, but for weights that were changed without `refresh`: that stands for no bound.
    state.largest.assign(0, theta, memory * largest.kRounding);
  }
  if constexpr (Measuring) {
    note_squares<1>(totals, ledger);
    const Clips<Net, false> clips{};
    if constexpr (kFromRows)
      end_books<1>(ledger, rule, clips,
                   SampleSquares<Net, typename Led::spec>{m, totals, reference_share<Net>(rule, clips)});
    else end_books<1>(ledger, rule, clips);
  }
  return true;
}

// Is any step of this kind, measured or not, a chain step?
template <class Net, int Batch, class Rule, class Led>
inline constexpr bool kTakesChainSteps = kTakesChainStep<Net, Batch, Rule, Led, false> ||
                                         (kIsLedger<Led> && kTakesChainStep<Net, Batch, Rule, Led, true>);

// chain_step of a step that may be one; false of any other.
template <class Loss, class Net, int Batch, class Rule, class Led>
EMMY_INLINE bool try_chain_step(const Memory<Net, Batch, true>& m, Params<Net>& params, State<Net, Rule>& state,
                                const Rule& rule, Led& ledger, typename Net::scalar value) noexcept {
  const auto take = [&]<bool Measuring>(std::bool_constant<Measuring>) EMMY_LAMBDA {
    if constexpr (kTakesChainStep<Net, Batch, Rule, Led, Measuring>)
      return chain_step<Measuring, Loss>(m, params, state, rule, ledger, value);
    else return false;
  };
  if constexpr (kIsLedger<Led>) {
    const bool done = measuring(ledger) ? take(std::true_type{}) : take(std::false_type{});
    ledger.steps += done;
    return done;
  } else {
    return take(std::false_type{});
  }
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
