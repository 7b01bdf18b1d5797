// Lazy<Rule>: the update of one sample's weights waits for the next forward pass, which reads them anyway. Weights that
// do not fit into L1 are then read and written once a step instead of read twice and written once.
//   Lazy<Sgd> rule{{.learning_rate = 0.01f}};  ... trainer.step(x, target, loss, rule) ...;  flush(params, state);
// Between steps the weights lag one update behind. `flush` brings them up to date, to the bits of the same steps without
// Lazy; call it before anything else reads or writes them. A step that fails leaves weights and state together as they
// were. What waits: weights of Dense layers on one position; a column, biases, tiny nets and all else are updated at once,
// and on targets with assembly panels (kernels/panel.hpp), whose products only read weights, what waits costs its pass.
// Test: tests/train/lazy_test.cpp.
#pragma once

#include <emmy/kernels/outer_sweep.hpp>
#include <emmy/optim/rule.hpp>
#include <emmy/train/passes.hpp>

namespace emmy {

template <class Rule>
struct Lazy {
  static_assert(!Rule::kHasMemory, "emmy: Lazy takes a rule without memory (Sgd): a momentum buffer is read anyway");
  static_assert(!Rule::kClips, "emmy: Lazy takes a rule without clipping: a norm needs the gradient");
  static_assert(decltype(coefficients(plain_rule<Rule>{}, typename Rule::scalar(1)))::kMotion == Motion::plain,
                "emmy: Lazy takes plain gradient descent (Sgd)");
  using scalar = typename Rule::scalar;
  static constexpr bool kHasMemory = false;
  static constexpr bool kClips = false;
  Rule rule;
};
template <class Rule>
inline constexpr bool kLazy = false;
template <class Rule>
inline constexpr bool kLazy<Lazy<Rule>> = true;
template <class Rule>
inline constexpr bool kUnchecked<Lazy<Rule>> = kUnchecked<Rule>;

namespace detail {
// Does the update of node I wait?
template <class Net, int I>
inline constexpr bool kWaits = [] {
  using N = node_at<Net, I>;
  if constexpr (!kHasPlainWeights<typename N::layer> || kIsWindowed<typename N::layer> || EMMY_GRADIENT_HOOKED)
    return false;
  else {
    constexpr auto kBlock = kPlan<Net>.block[kPlan<Net>.first_block[I]];
    return kBlock.trained && !kBlock.turned && N::in::kPositions == 1;
  }
}();

// Where the inputs and deltas of a node lie in what waits; [kNodes]: how many scalars there are.
struct Waiting {
  int input, delta;
};
template <class Net>
inline constexpr auto kWaiting = []<int... I>(std::integer_sequence<int, I...>) {
  struct {
    Waiting node[Net::kNodes + 1];
  } table{};
  Waiting at{0, 0};
  const auto place = [&](int i, bool waits, int in, int out) {
    table.node[i] = at;
    if (waits) at = {at.input + in, at.delta + out};
  };
  (place(I, kWaits<Net, I>, node_at<Net, I>::in::kChannels,
         padded<typename Net::scalar>(node_at<Net, I>::out::kChannels)),
   ...);
  table.node[Net::kNodes] = at;
  return table;
}
(std::make_integer_sequence<int, Net::kNodes>{});
}  // namespace detail

// The update that waits: W' = kept W - input step^T of every node that can.
template <class Net, class Rule>
struct State<Net, Lazy<Rule>, false> {
  using S = typename Net::scalar;
  Largest<Net, false> largest;
  bool waits;
  S kept[Net::kNodes];
  alignas(kAlign<S>) S input[detail::at_least_one(detail::kWaiting<Net>.node[Net::kNodes].input)];
  alignas(kAlign<S>) S step[detail::at_least_one(detail::kWaiting<Net>.node[Net::kNodes].delta)];
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// Weights up to date: as without Lazy.
template <class Net, class Rule>
EMMY_OUTLINE void flush(Params<Net>& params, State<Net, Lazy<Rule>>& state) noexcept {
  using S = typename Net::scalar;
  if (!state.waits) return;
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    if constexpr (detail::kWaits<Net, I>) {
      constexpr auto kAt = detail::kWaiting<Net>.node[I];
      sweep_outer<node_at<Net, I>::out::kChannels, node_at<Net, I>::in::kChannels>(
          state.kept[I], S(1), params.data + kPlan<Net>.block[kPlan<Net>.first_block[I]].offset,
          state.input + kAt.input, state.step + kAt.delta, static_cast<S*>(nullptr));
    }
  });
  state.waits = false;
}

namespace inner {

// w'[i, o] = kept w[i, o] - input_i step_o and y[o] = activation(b[o] + sum_i x_i w'[i, o]) in one pass: the bits of
// sweep_outer, and then those of affine_forward.
template <int In, int Out, class T, class Activation>
EMMY_INLINE void update_forward(T kept, T* w, const T* input, const T* step, const T* x, const T* b, T* y,
                                Activation) noexcept {
  using V = simd::Vec<T>;
  constexpr int kStride = padded<T>(Out);
  const int lanes = static_cast<int>(simd::lanes<T>());
  for_panels<T, kStride, row_panel<T, kStride>()>([&](int col, auto n_) EMMY_LAMBDA {
    constexpr int N = decltype(n_)::value, kParts = row_parts<T, N, In>();
    [&]<int... J>(std::integer_sequence<int, J...>) EMMY_LAMBDA {
      with_vectors<T, N>([&](auto&... steps) EMMY_LAMBDA {
        ((steps = simd::load(step + col + J * lanes)), ...);
        with_vectors<T, kParts * N>([&](auto&... sum) EMMY_LAMBDA {
          if (b != nullptr) ((pick<J>(sum...) = simd::load(b + col + J * lanes)), ...);
          const auto pass = [&](auto decays) EMMY_LAMBDA {
            const auto row = [&]<int Part>(std::size_t i, std::integral_constant<int, Part>) EMMY_LAMBDA {
              const V xi = simd::set(x[i]), last = simd::set(input[i]);
              T* at = w + i * kStride + static_cast<std::size_t>(col);
              const auto vector = [&](T* p, V held, V& total) EMMY_LAMBDA {
                V v = simd::load(p);
                if constexpr (decltype(decays)::value) v = simd::mul(simd::set(kept), v);
                v = simd::neg_mul_add(last, held, v);
                simd::store(v, p);
                total = simd::mul_add(xi, v, total);
              };
              (vector(at + J * lanes, steps, pick<Part * N + J>(sum...)), ...);
            };
            constexpr std::size_t kWhole = In / kParts * kParts;
            for (std::size_t i = 0; i < kWhole; i += kParts)
              [&]<int... P>(std::integer_sequence<int, P...>) EMMY_LAMBDA {
                (row(i + P, std::integral_constant<int, P>{}), ...);
              }
            (std::make_integer_sequence<int, kParts>{});
            for (std::size_t i = kWhole; i < In; ++i) row(i, std::integral_constant<int, 0>{});
          };
          if (kept == T(1)) pass(std::false_type{});
          else pass(std::true_type{});
          (simd::store(activate(Activation{}, tree_sum<J, kParts, N>(sum...)), y + col + J * lanes), ...);
        });
      });
    }
    (std::make_integer_sequence<int, N>{});
  });
  if constexpr (!Activation::kFixesZero)
    for (int o = Out; o < kStride; ++o) y[o] = T(0);
}

// Node I forward, its weights updated on the way.
template <int I, class Net, class Rule>
EMMY_NODE void forward_waiting(const Memory<Net, 1, true>& m, Params<Net>& params,
                               const State<Net, Lazy<Rule>>& state) noexcept {
  if constexpr (!detail::kWaits<Net, I>) {
    NoTotals none;
    forward_node<I>(m, none);
  } else {
    using S = typename Net::scalar;
    using N = node_at<Net, I>;
    constexpr int kFirst = kPlan<Net>.first_block[I];
    constexpr auto kAt = detail::kWaiting<Net>.node[I];
    const S* b = nullptr;
    if constexpr (kPlan<Net>.first_block[I + 1] - kFirst == 2) b = params.data + kPlan<Net>.block[kFirst + 1].offset;
    const auto f = m.template frame<I>();
    update_forward<N::in::kChannels, N::out::kChannels>(state.kept[I], params.data + kPlan<Net>.block[kFirst].offset,
                                                        state.input + kAt.input, state.step + kAt.delta, f.x, b, f.y,
                                                        epilogue<Net, I>());
  }
}

// The forward pass; nothing waits after it.
template <class Net, class Rule>
EMMY_INLINE void forward_lazily(const Memory<Net, 1, true>& m, Params<Net>& params,
                                State<Net, Lazy<Rule>>& state) noexcept {
  if constexpr (kHasPanels<typename Net::scalar>) flush(params, state);  // the panels of `forward` only read weights
  if (state.waits) {
    [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA { (forward_waiting<I>(m, params, state), ...); }
    (std::make_integer_sequence<int, Net::kNodes>{});
    state.waits = false;
  } else {
    forward_pass(m);
  }
}

// Leaves the update of node I's weights for the next pass; its bias moves now.
template <int I, class Net, class Rule>
EMMY_INLINE void postpone(const Memory<Net, 1, true>& m, Params<Net>& params, State<Net, Lazy<Rule>>& state,
                          const Lazy<Rule>& rule) noexcept {
  using S = typename Net::scalar;
  using N = node_at<Net, I>;
  constexpr int kFirst = kPlan<Net>.first_block[I], kOut = N::out::kChannels, kStride = padded<S>(kOut);
  const auto f = m.template frame<I>();
  const auto weight = coefficients(of_block(rule, kFirst), S(1));
  state.kept[I] = weight.k;
  __builtin_memcpy(state.input + detail::kWaiting<Net>.node[I].input, f.x, sizeof(S) * N::in::kChannels);
  S* step = state.step + detail::kWaiting<Net>.node[I].delta;
  scaled(weight.a0, static_cast<const S*>(f.dy), kStride, step);
  if constexpr (kPlan<Net>.first_block[I + 1] - kFirst == 2) {
    const auto bias = coefficients(of_block(rule, kFirst + 1), S(1));
    S* b = params.data + kPlan<Net>.block[kFirst + 1].offset;
    sweep_outer<kOut, 0>(bias.k, bias.a0, b, f.x, static_cast<const S*>(f.dy), b);
  }
  state.waits = true;
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
