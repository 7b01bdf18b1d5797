// Units to the charges that are asked for, while the net's function stays as it is.
//
// The action of a symmetry on unit j multiplies its weights of part k by t^(e_k), so that its charge is
//   Q_j(t) = sum_k w_k |theta_k|^2 t^(2 e_k),   w_k = e_k / d,   in y = t^2 rising from -inf (something goes out) to inf (comes in)
// and Q_j(t) = q has one solution: with a what comes in and b what goes out, both of degree 1 and S = sqrt(q^2 + 4 a b),
//   y = (q + S) / 2a  (q >= 0)      y = 2b / (S - q)  (q < 0)
// and else by Newton steps between bounds. (Exponential units: b_j + s and out_j e^(-p/q s), 2 (b_j + s) - p/q |out_j|^2 e^(-2 p/q s)
// = q, by Newton steps.)
// Sites overlap where a layer is the outgoing side of one and the incoming side of the next, so the symmetries are put right one after
// the other, in sweeps, until all are within rounding: the error falls by a factor a sweep, about 3 for nets of two hidden layers, less where the block that two share is
// large. The
// units of a state meet each other and are put right one by one, Wh[j, j] apart, which does not move.
// The normal of the surface is T theta and g' T theta = 0 at every theta (Noether): a gradient is tangent by itself, and `tangent`
// takes out what clipping by element, Adam or quantising put in.
// Source: theory.md section 5. Test: tests/project/rebalance_test.cpp.
#pragma once

#include <emmy/project/units.hpp>

namespace emmy {

namespace detail {
template <class Symmetry>
inline constexpr bool kRebalances =
    Symmetry::kKind == Kind::rescaling || Symmetry::kKind == Kind::factor_balance || Symmetry::kKind == Kind::exp_unit;

template <class... Symmetry>
consteval auto only_rescalings(Symmetries<Symmetry...>) {
  return (Symmetries<>{} + ... + [] {
    if constexpr (kRebalances<Symmetry>) return Symmetries<Symmetry>{};
    else return Symmetries<>{};
  }());
}
template <class... Symmetry>
consteval bool all_rebalance(Symmetries<Symmetry...>) {
  return (kRebalances<Symmetry> && ...);
}
template <class Net, class List>
struct UnitsOf;
template <class Net, class... Symmetry>
struct UnitsOf<Net, Symmetries<Symmetry...>> {
  static constexpr int kCount = (0 + ... + kLines<Net, Symmetry>.units);
};
}  // namespace detail

// All symmetries of a net that rebalance can use: Rescaling, FactorBalance, ExpUnit.
template <class Net>
using rescalings_of = decltype(detail::only_rescalings(symmetries_of<Net>{}));

// Charges to hold, a number a unit, the symmetries of the list (Symmetries<...>) one after the other.
template <class Net, class List = rescalings_of<Net>>
struct Targets {
  using S = typename Net::scalar;
  static constexpr int kUnits = detail::UnitsOf<Net, List>::kCount;
  S charge[kUnits > 0 ? kUnits : 1];
};

// When to stop: after so many sweeps, or once no charge is further off than `tolerance`, < 0: than rounding.
template <class S>
struct SweepLimits {
  int most = 500;
  S tolerance = S(-1);
};
// status: not_finite (weights, targets or what moves along), infeasible (a unit without outgoing weights cannot have a charge < 0, one without
// incoming weights none > 0, a dead one none but 0); then nothing has moved. Else the status is
// ok and `error` the largest |Q - target| that is left: compare it with what you allow, for a cap on sweeps ends them at ok too. In f32
// two hidden layers under Adam met it, 500 sweeps, at an error of 3.1e-6. sweeps: those that moved something.
template <class S>
struct Swept {
  Status status = Status::ok;
  int sweeps = 0;
  S error = S(0);
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// f(Units, the first number of its units) for each symmetry.
template <class Net, class... Symmetry, class F>
EMMY_INLINE void for_symmetries(Symmetries<Symmetry...>, F f) noexcept {
  int first = 0;
  ((f(Units<Net, Symmetry>{}, first), first += kLines<Net, Symmetry>.units), ...);
}

template <class Net, class List>
Swept<typename Net::scalar> rebalance_all(List list, typename Net::scalar* theta, const typename Net::scalar* target,
                                          const Companions<typename Net::scalar>& companions,
                                          SweepLimits<typename Net::scalar> limits) noexcept {
  static_assert(
      detail::all_rebalance(List{}),
      "emmy: rebalance takes Rescaling, FactorBalance and ExpUnit (for Scale and Translation there are Sphere "
      "and Centred)");
  using S = typename Net::scalar;
  Swept<S> result;
  if (!companions_finite<Net>(companions)) result.status = Status::not_finite;
  for_symmetries<Net>(list, [&](auto units, int first) EMMY_LAMBDA {
    if (result.status == Status::ok) result.status = units.check(theta, target + first);
  });
  if (result.status != Status::ok) return result;
  // Off by rounding alone at first: nothing moves, so what is balanced stays as it is, bit for bit. Once they move, they do so until
  // that no longer helps.
  if (limits.tolerance < S(0)) {
    SweepState<S> seen{S(__builtin_inf()), S(0), true};
    for_symmetries<Net>(list, [&](auto units, int first) EMMY_LAMBDA { units.look(theta, target + first, seen); });
    result.error = seen.error;
    if (seen.is_fine) return result;
  }
  constexpr int kIdle = 8;  // sweeps without a smaller error: rounding goes round in circles
  S least = S(__builtin_inf());
  int idle = 0;
  for (S before = least; result.sweeps < limits.most;) {
    SweepState<S> state{limits.tolerance, S(0), limits.tolerance < S(0)};
    bool moved = false;
    for_symmetries<Net>(list, [&](auto units, int first) EMMY_LAMBDA {
      moved = units.sweep(theta, target + first, companions, state) || moved;
    });
    if (!moved) break;
    ++result.sweeps;
    if (state.is_fine && state.error >= before) break;
    idle = state.error < least ? 0 : idle + 1;
    least = state.error < least ? state.error : least;
    if (limits.tolerance < S(0) && idle == kIdle) break;
    before = state.error;
  }
  SweepState<S> left{S(0), S(0), true};
  for_symmetries<Net>(list, [&](auto units, int first) EMMY_LAMBDA { units.look(theta, target + first, left); });
  result.error = left.error;
  return result;
}

}  // namespace inner

// charge[u], the units of the symmetries one after the other.
template <class... Symmetry, class Net>
void measure_charges(const Params<Net>& params, typename Net::scalar* charge) noexcept {
  inner::for_symmetries<Net>(Symmetries<Symmetry...>{}, [&](auto units, int first) EMMY_LAMBDA {
    units.measure(params.data);
    for (int u = 0; u < units.kCount; ++u) charge[first + u] = units.charge(u);
  });
}
template <class Net, class... Symmetry>
void measure_charges(const Params<Net>& params, Targets<Net, Symmetries<Symmetry...>>& targets) noexcept {
  measure_charges<Symmetry...>(params, targets.charge);
}

// Weights, and what moves along, to the charges target[u], the units of the symmetries one after the other.
template <class Symmetry, class... More, class Net>
Swept<typename Net::scalar> rebalance(Params<Net>& params, const typename Net::scalar* target,
                                      SweepLimits<typename Net::scalar> limits = {},
                                      const Companions<typename Net::scalar>& companions = {}) noexcept {
  return inner::rebalance_all<Net>(Symmetries<Symmetry, More...>{}, params.data, target, companions, limits);
}
// The same with the state of the rule. A ledger needs `resync` after it; a Lazy rule `flush` before it.
template <class Symmetry, class... More, class Net, class Rule>
Swept<typename Net::scalar> rebalance(Params<Net>& params, State<Net, Rule>& state, const typename Net::scalar* target,
                                      SweepLimits<typename Net::scalar> limits = {}) noexcept {
  const auto result = rebalance<Symmetry, More...>(params, target, limits, companions_of(state));
  if (result.sweeps > 0) refresh(state);
  return result;
}

// The conserving integrator: step, then this. Puts all charges of the list back to `targets` (measure_charges, once, before the first
// step), up to rounding, for any rule, rate and batch, and leaves the net's function as the step made it.
template <class Net, class Rule, class... Symmetry>
Swept<typename Net::scalar> conserve(Params<Net>& params, State<Net, Rule>& state,
                                     const Targets<Net, Symmetries<Symmetry...>>& targets,
                                     SweepLimits<typename Net::scalar> limits = {}) noexcept {
  static_assert(sizeof...(Symmetry) > 0, "emmy: this net has no units whose charges could be held");
  return rebalance<Symmetry...>(params, state, targets.charge, limits);
}

// With a ledger or balance matrices of the net, which then take the weights as they are.
template <class Net, class Rule, class... Symmetry, class Led>
Swept<typename Net::scalar> conserve(Params<Net>& params, State<Net, Rule>& state,
                                     const Targets<Net, Symmetries<Symmetry...>>& targets, Led& ledger,
                                     SweepLimits<typename Net::scalar> limits = {}) noexcept requires requires {
  ledger.resync();
}
{
  const auto result = conserve(params, state, targets, limits);
  if (result.sweeps > 0) ledger.resync();
  return result;
}

// Takes out of `direction`, a gradient or a buffer in the layout of the parameters, what changes the charges to first order. Of one
// symmetry at once, of several that overlap in sweeps. error: the largest |B(direction, theta)| that the last sweep met. status:
// not_finite, and nothing has moved.
template <class Symmetry, class... More, class Net>
Swept<typename Net::scalar> tangent(const Params<Net>& params, typename Net::scalar* direction,
                                    SweepLimits<typename Net::scalar> limits = {}) noexcept {
  using S = typename Net::scalar;
  Swept<S> result;
  if (!all_finite(params.data, kPlan<Net>.params) || !all_finite(direction, kPlan<Net>.params)) {
    result.status = Status::not_finite;
    return result;
  }
  Params<Net> theta = params;  // diagonals of states are put aside
  while (result.sweeps < (sizeof...(More) == 0 ? 1 : limits.most)) {
    result.error = S(0);
    inner::for_symmetries<Net>(Symmetries<Symmetry, More...>{}, [&](auto units, int) EMMY_LAMBDA {
      const S most = units.straighten(theta.data, direction);
      result.error = most > result.error ? most : result.error;
    });
    ++result.sweeps;
    if (result.error <= (limits.tolerance < S(0) ? S(0) : limits.tolerance)) break;
  }
  return result;
}

}  // namespace emmy::inline EMMY_TARGET
