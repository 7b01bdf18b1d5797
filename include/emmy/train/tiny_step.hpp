// The step of a tiny net in one function: one sample, at most eight inputs, one hidden layer and one output, plain Sgd
// without decay and without a ledger. Hidden units stay in registers, everything is unrolled, and the weights are
// touched once.
//
// It gives the results of the general step (step.hpp), rounded in another order, and answers for a good step only. Instead
// of looking at every value it multiplies bounds: with |x| the sum of |x_i| and w >= 1 a bound of all weights, no gradient
// exceeds |dy| (1 + |x|) w, since hidden units do not exceed w (1 + |x|). So w / (1 - q), q = |rate dy| (1 + |x|), bounds
// the weights after the step, and the room of the state (net/memory.hpp) shrinks by 1 - q. Where that says nothing (w
// unknown, q not below 1, little room, NaN) it changes nothing and leaves the step, and what to say of it, to the general
// one, which reads the weights again. Test: tests/train/tiny_step_test.cpp.
#pragma once

#include <emmy/kernels/held_row.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/noether/booking.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/train/frames.hpp>
#include <emmy/train/lazy.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

inline constexpr int kTinyInputs = kFewTerms;  // in one order, here as in affine_forward

// Hidden units take at most half of the registers. Without a floating-point unit of its own a step is calls, and unrolled
// calls are flash.
template <class S>
consteval int tiny_vectors() {
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#if defined(__ARM_FP)
  if constexpr (sizeof(S) != 4) return 0;
#else
  return 0;
#endif
#endif
  return simd::kRegisters < 16 ? simd::kRegisters / 2 : one_lane<S>() ? 16 : 8;
}

// Dense<H>, [activation], Dense<1>?
template <class Net>
consteval bool is_tiny() {
  using S = typename Net::scalar;
  if constexpr (!kLanesKnown<S> || simd::kStrict || (Net::kNodes != 2 && Net::kNodes != 3)) {
    return false;
  } else {
    using First = node_at<Net, 0>;
    using Last = node_at<Net, Net::kNodes - 1>;
    constexpr int kHidden = First::out::kChannels;
    constexpr int kVectors = covered<S, kHidden>() / static_cast<int>(simd::lanes<S>());
    bool fits = kIsDense<typename First::layer> && kIsDense<typename Last::layer> && Last::kFrom == Net::kNodes - 1 &&
                First::in::kPositions == 1 && First::in::kChannels <= kTinyInputs && Last::out::kChannels == 1 &&
                kHidden > 1 && !kPlan<Net>.block[0].turned && kVectors <= tiny_vectors<S>();
    if constexpr (Net::kNodes == 3) {
      using Middle = typename node_at<Net, 1>::layer;
      fits = fits && kFusedForward<Net, 1> && kIsContraction<Middle>;
      if constexpr (kIsElementwise<Middle>) fits = fits && Middle::kFixesZero;
      else fits = false;
    }
    return fits;
  }
}

template <class Net, int Batch, class Rule, class Led>
inline constexpr bool kTakesTinyStep = [] {
  using Plain = BasicSgd<typename Net::scalar>;
  if constexpr (Batch != 1 || kIsLedger<Led> || EMMY_GRADIENT_HOOKED) return false;
  else if constexpr (!__is_same(Rule, Plain) && !__is_same(Rule, Unchecked<Plain>) && !__is_same(Rule, Lazy<Plain>))
    return false;
  else return is_tiny<Net>();
}();

// The loss of one output, and its delta.
template <class Loss, class S, class Target>
EMMY_INLINE S loss_of_one(Loss loss, S y, const Target* target, S& delta) noexcept {
  if constexpr (requires { loss_and_delta(loss, y, *target, delta); }) {
    return loss_and_delta(loss, y, *target, delta);
  } else {
    S row[padded<S>(1)] = {y}, dy[padded<S>(1)];
    const S value = loss_and_delta<1, 1>(loss, static_cast<const S*>(row), target, 1, S(1), dy);
    delta = dy[0];
    return value;
  }
}

// True if the step is done; else nothing has changed.
template <class Net, class Rule, class Loss, class Target>
EMMY_INLINE bool tiny_step(typename Net::scalar* theta, typename Net::scalar& room, const typename Net::scalar* x,
                           const Target* target, Loss loss, const Rule& rule, typename Net::scalar& value) noexcept {
  using S = typename Net::scalar;
  using First = node_at<Net, 0>;
  using Last = node_at<Net, Net::kNodes - 1>;
  constexpr int kIn = First::in::kChannels, kHidden = First::out::kChannels;
  constexpr int kLanes = static_cast<int>(simd::lanes<S>()), kVectors = covered<S, kHidden>() / kLanes;
  using Middle = std::conditional_t<Net::kNodes == 3, typename node_at<Net, 1>::layer, Identity>;
  constexpr bool kBias = First::layer::kHasBias, kLastBias = Last::layer::kHasBias;
  constexpr auto kWeights = kPlan<Net>.block[0], kOutgoing = kPlan<Net>.block[1 + kBias];
  S* const w = theta + kWeights.offset;
  S* const b = w + kWeights.size();
  S* const u = theta + kOutgoing.offset;
  S* const last_bias = u + kOutgoing.size();
  const BasicSgd<S>& plain = reference(rule);
  if (kUnchecked<Rule> && plain.weight_decay != S(0)) return false;

  S xs[kIn], step;
  // Loss and `step` of an output, and whether to take it: then the room is what is left.
  const auto answer = [&](S y) EMMY_LAMBDA {
    S dy;
    value = loss_of_one(loss, kLastBias ? *last_bias + y : y, target, dy);
    step = -plain.learning_rate * dy;
    if constexpr (!kUnchecked<Rule>) {
      S size = S(1.0625);  // more than 1 for the roundings
      for (int i = 0; i < kIn; ++i) size += magnitude(xs[i]);
      const S left = fused_mul_add(-(magnitude(step) * size), room, room);
      // The square of the loss, so that it is finite; a comparison with NaN is false. One expression without branches.
      const bool good =
          (left > fused_mul_add(value, value, size)) & (plain.learning_rate >= S(0)) & (plain.weight_decay == S(0));
      if (!good) return false;
      room = left;
    }
    return true;
  };

  if constexpr (kHasRectifiedUnits<S> && __is_same(Middle, Relu) && kBias && kHidden <= kMostUnits &&
                kIn <= kMostUnitInputs && kWeights.stride == kHidden) {
    S units[kHidden];
    const S sum = rectified_units<kHidden, kIn>(w, x, units);
    for (int i = 0; i < kIn; ++i) xs[i] = x[i];
    if (!answer(sum * S(kUnitsScale))) return false;
    if constexpr (kLastBias) *last_bias += step;
    update_rectified_units<kHidden, kIn>(w, u, x, step, units);
    return true;
  }
  for (int i = 0; i < kIn; ++i) xs[i] = x[i];
  return [&]<int... V>(std::integer_sequence<int, V...>) EMMY_LAMBDA {
    bool done = false;
    with_vectors<S, kVectors>([&](auto&... h) EMMY_LAMBDA {
      if constexpr (kBias) ((h = simd::load(b + V * kLanes)), ...);
      EMMY_UNROLL(8)
      for (int i = 0; i < kIn; ++i) add_row(xs[i], static_cast<const S*>(w + i * kWeights.stride), h...);
      if constexpr (__is_same(Middle, Relu)) ((h = simd::positive_part(h)), ...);  // of no NaN, or the bound says so
      else ((h = activate(Middle{}, h)), ...);

      // The order of column_products.
      auto even = simd::mul(pick<0>(h...), simd::load(u));
      if constexpr (kOneColumnSum) {
        ((V < 1 ? void() : void(even = simd::mul_add(h, simd::load(u + V * kLanes), even))), ...);
      } else if constexpr (kVectors > 1) {
        auto odd = simd::mul(pick<1>(h...), simd::load(u + kLanes));
        const auto add = [&](auto& sum, int v, auto unit) EMMY_LAMBDA {
          if (v >= 2) sum = simd::mul_add(unit, simd::load(u + v * kLanes), sum);
        };
        (add(V % 2 == 0 ? even : odd, V, h), ...);
        even = simd::add(even, odd);
      }
      if (!answer(simd::sum(even))) return;

      update_through<Middle>(u, step, h...);  // from here on h is the steps of the biases
      EMMY_UNROLL(8)
      for (int i = 0; i < kIn; ++i) update_row(w + i * kWeights.stride, xs[i], h...);
      if constexpr (kBias) add_to_row(b, h...);
      if constexpr (kLastBias) *last_bias += step;
      done = true;
    });
    return done;
  }
  (std::make_integer_sequence<int, kVectors>{});
}

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
