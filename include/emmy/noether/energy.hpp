// Energy, the charge of time: what a step does to the loss, against what its gradients foretold; a learning rate that follows it.
//
// In gradient flow dL/dt = -g'g = -delta' K delta, K = J J' (train/tangent_kernel.hpp). For a step D = theta' - theta, with the
// slopes s = g'D before it and s' = g+'D behind it, g and g+ of one and the same batch:
//   first order    dL = s                    second order    dL = s + D'HD / 2          trapezoid    dL = (s + s') / 2
// The last is as good as the second, whose error is O(|D|^3) too, and needs no Hessian. A plain step has D = -eta g, so that
// s = -eta g'g and s' = -eta g'g+. How far the loss is from linear along the step, eta times the curvature for a plain one:
//   kappa_loss = 2 (1 - dL / s)              kappa_gradient = 1 - s' / s
// kappa_loss > 2 says that the step raised the loss; at 1 the step is the best one along its direction, of a quadratic loss.
// Momentum may step uphill (s >= 0): then neither says anything.
// Source: theory.md section 1 (Energy), section 7 item 3. Test: tests/noether/energy_test.cpp.
#pragma once

#include <emmy/kernels/reduce.hpp>
#include <emmy/net/memory.hpp>

namespace emmy {

// One step after the other, in constant memory: begin before a step, end after it. constinit-able.
template <class S>
struct BasicEnergyMeter {
  EMMY_INLINE constexpr void begin(S loss_before, S slope_before) noexcept {
    loss = loss_before;
    slope = slope_before;
  }
  EMMY_INLINE constexpr void end(S loss_after, S slope_after) noexcept {
    change = loss_after - loss;
    end_slope = slope_after;
    sum_change += change;
    sum_first += first();
    sum_trapezoid += trapezoid();
    ++steps;
  }

  // Predictions of `change` in the last step. bend: D'HD, eta^2 g'Hg of a plain step.
  EMMY_INLINE constexpr S first() const noexcept { return slope; }
  EMMY_INLINE constexpr S second(S bend) const noexcept { return slope + S(0.5) * bend; }
  EMMY_INLINE constexpr S trapezoid() const noexcept { return S(0.5) * (slope + end_slope); }
  EMMY_INLINE constexpr S kappa_loss() const noexcept { return S(2) * (S(1) - change / slope); }
  EMMY_INLINE constexpr S kappa_gradient() const noexcept { return S(1) - end_slope / slope; }
  EMMY_INLINE constexpr bool downhill() const noexcept { return slope < S(0); }
  // Is the change that the slope foretells one that the rounding of the loss leaves visible? Else kappa_loss is noise.
  EMMY_INLINE constexpr bool tells() const noexcept {
    constexpr S kVisible = sizeof(S) == 4 ? S(0x1p-21) : S(0x1p-50);
    return slope > kVisible * loss || -slope > kVisible * loss;
  }
  EMMY_INLINE constexpr void reset() noexcept { sum_change = sum_first = sum_trapezoid = S(0), steps = 0; }

  S loss, slope, change, end_slope;        // of the last step
  S sum_change, sum_first, sum_trapezoid;  // of all since the last reset
  long long steps;
};
using EnergyMeter = BasicEnergyMeter<float>;

// A learning rate without tuning: where the parabola through loss and slope is lowest, in the mean of the last steps that were
// looked at. A step of rate eta and slope s that changed the loss by dL tells kappa / eta = 2 (dL - s) / (-s eta), the curvature
// along it. The mean weighs each step by the decrease that its slope foretold:
//   A' = memory A - s,   B' = memory B + (-s) kappa / eta,   rate' = target A' / B', at most growth and at least cut times the rate
// and growth times the rate where B' is not above 0. With target 1 the sum of the losses behind steps of one rate would be lowest.
// A single batch's kappa is noise, the ratio of the sums is not.
// Of a full batch take target 1.8: below 2 the loss still falls in the mean, and 1 zigzags. Of mini-batches 1: a batch's kappa on
// itself is lower than the step's kappa on the other rows, and at 1.4 the rate runs away. So it does at 1 where most of a gradient
// is noise (wrong labels, above all at batch 1): there take a fixed rate. With decay kappa is of the loss without it.
// Look at every step of a full batch, at every N-th of a mini-batch (`due`), whose own batch is evaluated again behind it.
// - A kappa beyond 4 or -4 counts as that: so far from the lowest point the parabola only says which way to go.
// - A step that was refused, or whose loss is no number, cuts the rate and leaves the sums.
// - A step whose meter does not tell() leaves the sums too: the rate grows as far as they let it.
// - A step that is told to go uphill changes nothing.
// Start anywhere below, from `least` on: 1.02 a step doubles in 35; every N-th step takes 1.02^N.
// Plain data, no memory but the rate and two sums. Source: theory.md section 7 item 3 has the identity and a rule that cuts by each
// kappa by itself; DESIGN.md has why this one. Test: tests/noether/energy_test.cpp.
template <class S>
struct BasicRateGovernor {
  S learning_rate = S(1e-4);
  S growth = S(1.02), cut = S(0.7), target = S(1), memory = S(0.95);
  S least = S(1e-9), most = S(10);  // below `least` nothing is learnt
  int every = 1;
  S falls = 0, bends = 0;  // A, B

  EMMY_INLINE constexpr bool due(long long step) const noexcept { return step % every == 0; }
  // The rate of the next step, after one of `rate` > 0 that `meter` measured: the governor's, or what a schedule left of it.
  EMMY_INLINE constexpr S update(const BasicEnergyMeter<S>& meter, S rate) noexcept {
    const S moved = meter.change - meter.slope;
    if (!(moved - moved == S(0))) return refused();
    if (meter.tells()) {
      if (!meter.downhill()) return learning_rate;
      const S kappa = meter.kappa_loss(), fall = -meter.slope;
      falls = memory * falls + fall;
      bends = memory * bends + fall * (kappa > S(4) ? S(4) : kappa < S(-4) ? S(-4) : kappa) / rate;
    }
    S next = growth * learning_rate;
    if (next * bends > target * falls) next = target * falls / bends;
    return set(next > cut * learning_rate ? next : cut * learning_rate);
  }
  // The same after a step that was not taken.
  EMMY_INLINE constexpr S refused() noexcept { return set(cut * learning_rate); }
  // No rate is low enough.
  EMMY_INLINE constexpr bool is_lost() const noexcept { return learning_rate <= least; }

 private:
  EMMY_INLINE constexpr S set(S rate) noexcept {
    learning_rate = rate < least ? least : rate > most ? most : rate;
    return learning_rate;
  }
};
using RateGovernor = BasicRateGovernor<float>;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// f(offset, count) for the blocks that are trained: the others have no gradient.
template <class Net, class F>
EMMY_INLINE void for_trained(F&& f) noexcept {
  for (const PlannedBlock& block : kPlan<Net>.block)
    if (block.trained) f(block.offset, static_cast<std::size_t>(block.size()));
}
}  // namespace inner

// a'b over all trained weights: |g|^2, g_t'g_{t+1}.
template <class Net>
typename Net::scalar inner_product(const Gradient<Net>& a, const Gradient<Net>& b) noexcept {
  typename Net::scalar sum = 0;
  inner::for_trained<Net>([&](int at, std::size_t count) EMMY_LAMBDA { sum += dot(a.data + at, b.data + at, count); });
  return sum;
}

// g'(to - from): the slope of any step.
template <class Net>
typename Net::scalar slope(const Gradient<Net>& g, const Params<Net>& from, const Params<Net>& to) noexcept {
  using S = typename Net::scalar;
  S sum = 0;
  inner::for_trained<Net>([&](int at, std::size_t count) EMMY_LAMBDA {
    const auto step = [&, at](auto acc, auto read) EMMY_LAMBDA {
      return simd::mul_add(read(g.data + at), simd::sub(read(to.data + at), read(from.data + at)), acc);
    };
    sum += simd::sum(reduction::accumulate<S>(count, step, reduction::Add()));
  });
  return sum;
}

}  // namespace emmy::inline EMMY_TARGET
