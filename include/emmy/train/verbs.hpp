// The public verbs besides train_step: infer, forward, backward, gradient, apply, evaluate. train_step is their
// composition without the gradient array; custom losses, accumulation, averaging over threads and predict-then-learn on
// one forward pass are compositions of the user's. Test: tests/train/verbs_test.cpp.
#pragma once

#include <emmy/train/apply.hpp>

namespace emmy {

// What `evaluate` counts; add results of several batches up.
template <class S>
struct Evaluation {
  S loss;       // sum over samples
  int correct;  // samples whose largest logit is at the label
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Outputs without their pads, and are they finite?
template <class Net, int Batch, bool Training>
EMMY_INLINE Status copy_outputs(const Memory<Net, Batch, Training>& m, typename Net::scalar* y) noexcept {
  using S = typename Net::scalar;
  constexpr int kRows = Batch * Net::output::kPositions, kCols = Net::output::kChannels;
  const S* from = m.template act<Net::kNodes>();
  // Few outputs wait for no sum over lanes; few registers are those of few lanes.
  if constexpr (!one_lane<S>() && simd::kRegisters >= 16 && kRows * kCols >= 8) {
    const int lanes = static_cast<int>(simd::lanes<S>());
    auto probe = simd::zero<S>();
    for (int r = 0; r < kRows; ++r, from += padded<S>(kCols))
      for (int o = 0; o < kCols; o += lanes) {
        const auto v = simd::load(from + o);
        const int at = r * kCols + o;
        store_units(v, y + at, kRows * kCols - at);  // what lies behind a row is written by the next one
        probe = simd::mul_add(simd::zero<S>(), v, probe);
      }
    return simd::sum(probe) == S(0) ? Status::ok : Status::not_finite;
  }
  S probe = 0;
  for (int r = 0; r < kRows; ++r)
    for (int o = 0; o < kCols; ++o) {
      y[r * kCols + o] = from[r * padded<S>(kCols) + o];
      probe += S(0) * y[r * kCols + o];
    }
  return probe == S(0) ? Status::ok : Status::not_finite;
}

}  // namespace inner

// y [Batch][outputs] = net(x [Batch][inputs]). const parameters may be shared by threads, each with its own scratch.
template <class Net, int Batch>
Status infer(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Infer>& scratch,
             const typename Net::scalar* x, typename Net::scalar* y) noexcept {
  const Memory<Net, Batch, false> m{params.data, data_of(buffers), scratch.data, x};
  forward_pass(m);
  return inner::copy_outputs(m, y);
}

// Forward for training: activations stay in scratch for `backward`, outputs go to y.
template <class Net, int Batch, class Rule>
Status forward(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Train<Rule>>& scratch,
               const typename Net::scalar* x, typename Net::scalar* y) noexcept {
  const Memory<Net, Batch, true> m{params.data, data_of(buffers), scratch.data, x};
  forward_pass(m);
  return inner::copy_outputs(m, y);
}

// All deltas from dy [Batch][outputs], the gradient of any loss with respect to the outputs of `forward`.
template <class Net, int Batch, class Rule>
Status backward(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Train<Rule>>& scratch,
                const typename Net::scalar* x, const typename Net::scalar* dy) noexcept {
  using S = typename Net::scalar;
  constexpr int kRows = Batch * Net::output::kPositions, kCols = Net::output::kChannels, kStride = padded<S>(kCols);
  const Memory<Net, Batch, true> m{params.data, data_of(buffers), scratch.data, x};
  S* delta = m.template delta<Net::kNodes>();
  for (int r = 0; r < kRows; ++r)
    for (int o = 0; o < kStride; ++o) delta[r * kStride + o] = o < kCols ? dy[r * kCols + o] : S(0);
  backward_pass(m);
  inner::Totals<Net> totals;
  NoLedger none;
  inner::inspect_all(m, totals, none);
  return is_finite(totals.all) ? Status::ok : Status::not_finite;
}

// The gradient of the weights from the activations and deltas that forward and backward left, stored or added.
template <bool Accumulate, class Net, int Batch, class Rule>
void gradient(const Params<Net>& params, Scratch<Net, Batch, Train<Rule>>& scratch, const typename Net::scalar* x,
              Gradient<Net>& g) noexcept {
  const Memory<Net, Batch, true> m{params.data, nullptr, scratch.data, x};
  for_weighted_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    if constexpr (!kIsFrozen<typename node_at<Net, I>::layer>) {
      StoreVisitor<Net, kPlan<Net>.first_block[I], Accumulate> visitor{g.data};
      gradients(typename node_at<Net, I>::layer{}, m.template frame<I>(), visitor);
    }
  });
  if constexpr (kInvariants<Net> != 0)
    inner::for_invariant_nodes<Net>([&](auto node, int at) EMMY_LAMBDA {
      constexpr int I = decltype(node)::value, kCount = kInvariants<Net, I + 1> - kInvariants<Net, I>;
      typename Net::scalar along[kCount], unread[2 * kCount];
      inner::tell_invariance<Net, I>(m, along, unread, unread + kCount);
      for (int k = 0; k < kCount; ++k) g.along[at + k] = Accumulate ? g.along[at + k] + along[k] : along[k];
    });
}

// Loss and gradient of the first `count` samples, each weighted by `scale` (1 / count for the mean; 1 / N to add up the
// gradient of N samples over batches). x and targets hold Batch samples; those from count on are ignored, so a net whose
// training mixes samples (BatchNorm) takes a whole batch: else Status::wrong_size.
template <bool Accumulate, class Net, int Batch, class Rule, class Loss, class Target>
StepResult<typename Net::scalar> gradient(const Params<Net>& params, Buffers<Net>& buffers,
                                          Scratch<Net, Batch, Train<Rule>>& scratch, const typename Net::scalar* x,
                                          const Target* target, Loss loss, int count, typename Net::scalar scale,
                                          Gradient<Net>& g) noexcept {
  using S = typename Net::scalar;
  constexpr int kPositions = Net::output::kPositions;
  if (count < (kMixesSamples<Net> ? Batch : 1) || count > Batch) return {Status::wrong_size, S(0)};
  if (const Status s = check_targets<Net::output::kChannels>(loss, target, count * kPositions); s != Status::ok)
    return {s, S(0)};
  const Memory<Net, Batch, true> m{params.data, data_of(buffers), scratch.data, x};
  forward_pass(m);
  const S value = inner::loss_pass(m, loss, target, count, scale);
  backward_pass(m);
  inner::Totals<Net> totals;
  NoLedger none;
  inner::inspect_all(m, totals, none);
  if (!is_finite(totals.all + value)) return {Status::not_finite, value};
  gradient<Accumulate>(params, scratch, x, g);
  return {Status::ok, value};
}

// What a step leaves in the buffers (statistics of BatchNorm), after the forward pass of `forward` or `gradient`: for updates
// by `apply`, where it is ok.
template <class Net, int Batch, class Rule>
void commit(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Train<Rule>>& scratch,
            const typename Net::scalar* x) noexcept {
  inner::commit_all(Memory<Net, Batch, true>{params.data, data_of(buffers), scratch.data, x});
}

// One update of the rule with a given gradient: what train_step does after its backward pass. The ledger measures as
// there, without the check sums and Noether bounds that need activations.
template <class Net, class Rule, class Loss = CrossEntropy, class Led>
Status apply(Params<Net>& params, State<Net, Rule>& state, const Gradient<Net>& g, const Rule& rule, Led& ledger,
             Loss = {}) noexcept {
  using S = typename Net::scalar;
  inner::check_rule<Net, Rule, Led>();
  static_assert(!kLazy<Rule>, "emmy: apply updates at once: take the rule without Lazy");
  inner::note_loss<Loss>(ledger);
  auto largest = state.largest;
  if (!largest.known() && !inner::measure_largest(params, state, largest)) return Status::not_finite;
  S squares[kPlan<Net>.kBlocks] = {};
  Status checked = inner::check_gradient<Net>(g, largest, rule, squares);
  if (checked == Status::out_of_range && state.largest.known()) {  // bounds only grow: look at the weights again
    if (!inner::measure_largest(params, state, largest)) return Status::not_finite;
    for (S& square : squares) square = S(0);
    checked = inner::check_gradient<Net>(g, largest, rule, squares);
  }
  if (checked != Status::ok) return checked;
  state.largest = largest;
  Clips<Net, Rule::kClips> clips;
  if constexpr (Rule::kClips) inner::clips_from_squares(squares, rule, clips);
  if constexpr (kIsLedger<Led>) {
    inner::forget_tensors(ledger);
    if (measuring(ledger)) inner::apply_all<true>(params, state, g, rule, clips, ledger);
    else inner::apply_all<false>(params, state, g, rule, clips, ledger);
    ++ledger.steps;
  } else {
    inner::apply_all<false>(params, state, g, rule, clips, ledger);
  }
  return Status::ok;
}

// Loss and right answers of the first `count` samples with labels.
template <class Net, int Batch>
Status evaluate(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, Batch, Infer>& scratch,
                const typename Net::scalar* x, const int* labels, int count,
                Evaluation<typename Net::scalar>& result) noexcept {
  using S = typename Net::scalar;
  constexpr int kClasses = Net::output::kChannels, kStride = padded<S>(kClasses);
  static_assert(Net::output::kPositions == 1, "emmy: evaluate counts one label a sample");
  if (count < 1 || count > Batch) return Status::wrong_size;
  if (const Status s = check_targets<kClasses>(CrossEntropy{}, labels, count); s != Status::ok) return s;
  const Memory<Net, Batch, false> m{params.data, data_of(buffers), scratch.data, x};
  forward_pass(m);
  const S* y = m.template act<Net::kNodes>();
  alignas(kAlign<S>) S p[kStride];
  Evaluation<S> batch{};
  for (int r = 0; r < count; ++r, y += kStride) {
    batch.loss += log_sum_exp(softmax_row<kClasses>(y, p)) - y[labels[r]];
    int best = 0;
    for (int o = 1; o < kClasses; ++o) best = y[o] > y[best] ? o : best;
    batch.correct += best == labels[r];
  }
  if (!is_finite(batch.loss)) return Status::not_finite;
  result.loss += batch.loss;
  result.correct += batch.correct;
  return Status::ok;
}

}  // namespace emmy::inline EMMY_TARGET
