// The four objects of a net together, for the short example.
#pragma once

#include <type_traits>

#include <emmy/train/step.hpp>

namespace emmy {

// std::span, std::array, or a type of the user's like them.
template <class X>
concept Sized = requires(const X& x) {
  *x.data();
  x.size();
};

// Data only; its members are forwarders, so one Trainer serves every target. constinit-able.
template <class Net, class Rule, int Batch>
struct Trainer {
  using scalar = typename Net::scalar;
  using net = Net;
  using rule = Rule;
  static constexpr int kBatch = Batch;
  Params<Net> params;
  [[no_unique_address]] Buffers<Net> buffers;
  State<Net, Rule> state;
  Scratch<Net, Batch, Train<Rule>> scratch;

  template <class Target, class Loss, class Led>
  EMMY_INLINE StepResult<scalar> step(const scalar* x, const Target* target, Loss loss, const Rule& r,
                                      Led& ledger) noexcept {
    return train_step<Net, Batch>(params, buffers, state, scratch, x, target, loss, r, ledger);
  }
  template <class Target, class Loss>
  EMMY_INLINE StepResult<scalar> step(const scalar* x, const Target* target, Loss loss, const Rule& r) noexcept {
    NoLedger none;
    return step(x, target, loss, r, none);
  }
  // The same with spans or arrays that know their length: Status::wrong_size if that is not Batch samples. A sample has
  // one target a position (labels) or one for each output.
  template <Sized X, Sized Y, class Loss, class Led>
  EMMY_INLINE StepResult<scalar> step(const X& x, const Y& targets, Loss loss, const Rule& r, Led& ledger) noexcept {
    constexpr bool kLabels = __is_same(std::remove_cvref_t<decltype(*targets.data())>, int);
    constexpr int kTargets = Batch * (kLabels ? Net::output::kPositions : Net::kOutputs);
    if (static_cast<long>(x.size()) != Batch * Net::kInputs || static_cast<long>(targets.size()) != kTargets)
      return {Status::wrong_size, scalar(0)};
    return step(x.data(), targets.data(), loss, r, ledger);
  }
  template <Sized X, Sized Y, class Loss>
  EMMY_INLINE StepResult<scalar> step(const X& x, const Y& targets, Loss loss, const Rule& r) noexcept {
    NoLedger none;
    return step(x, targets, loss, r, none);
  }
  // A Lazy rule: params up to date, before they are read, saved or changed.
  EMMY_INLINE void flush() noexcept requires kLazy<Rule> { emmy::flush(params, state); }
};

}  // namespace emmy
