// Noether's learning dynamics: how the norm of scale-invariant weights (before a norm, WeightNorm) moves, and what learning
// rate and rotation it makes. q: the weights of one scale charge, R = |q|^2; heavy ball with coupled decay, buf' = beta buf +
// g + lam q, q' = q - eta buf'; time t = eta times the steps.
//
// Modified equation    m q'' + mu q' + grad L + lam q = 0,   m = eta (1+beta)/2, mu = 1-beta
// Lagrangian           e^(gam t) (m |q'|^2 / 2 - L - lam |q|^2 / 2),   gam = mu/m
// Charge of T          J = m <q', T q>,   J' = m <q', T q'> - lam <q, T q> - mu J   (T antisymmetric: -mu J alone)
//   The first term is the kinetic symmetry breaking: the energy m |q'|^2 / 2 is not invariant under scaling.
// Scale, T = 1         R'' + gam R' + w^2 R = 2 |q'|^2,   w^2 = 4 lam / (eta (1+beta))
// Exact, step by step  b = <D, q> = -eta (beta P + lam R),   P' = -(b + K)/eta,   R' = R + 2 b + K,   K = |D|^2, P = <buf, q>
// Equilibrium          K/R = 2 eta lam / (1+beta): the weights turn by sqrt of that a step (rms, radians), whatever the loss
// Effective rate       eta/R in the direction u = q/|q|, whose gradient is |q| g
// RMSProp form         plain steps: R'^2 ~ rho R^2 + 2 eta^2 |ghat|^2,   rho = (1-eta lam)^4, ghat = |q| g:  eta/R is a base rate
//                      over the root of a running mean of squares
// Source: theory.md section 3 (Tanaka and Kunin, arXiv 2105.02716). Test: tests/noether/learning_dynamics_test.cpp.
#pragma once

#include <emmy/core/macros.hpp>

namespace emmy {

// Rates of a step: eta, beta, lam. Decay is coupled.
template <class S>
struct ScaleRates {
  S learning_rate, momentum, weight_decay;

  // K/R in equilibrium; its root is the rotation a step.
  EMMY_INLINE constexpr S equilibrium() const noexcept {
    return S(2) * learning_rate * weight_decay / (S(1) + momentum);
  }
  // Steps in which R falls to 1/e where no gradient feeds it; what feeds it lets it settle in half of that.
  EMMY_INLINE constexpr S time_constant() const noexcept {
    return (S(1) - momentum) / (S(2) * learning_rate * weight_decay);
  }
};

// The step of the direction u = q/|q| along its own gradient |q| g.
template <class S>
EMMY_INLINE constexpr S effective_rate(S learning_rate, S square) noexcept {
  return learning_rate / square;
}
// R^2 after a plain step; ghat2 = |ghat|^2 = R |g|^2.
template <class S>
EMMY_INLINE constexpr S rms_form(S square, S ghat2, const ScaleRates<S>& r) noexcept {
  const S k = S(1) - r.learning_rate * r.weight_decay;
  return k * k * k * k * square * square + S(2) * r.learning_rate * r.learning_rate * ghat2;
}

// R and P = <buf, q> step by step, exact but for rounding. Holds for any quadratic charge Q, K = eta^2 B(buf', buf').
template <class S>
struct ScaleRecursion {
  S square, memory;

  // <D, q> of the next step.
  EMMY_INLINE constexpr S along(const ScaleRates<S>& r) const noexcept {
    return -r.learning_rate * (r.momentum * memory + r.weight_decay * square);
  }
  // After a step of |D|^2 = moved.
  EMMY_INLINE constexpr void step(S moved, const ScaleRates<S>& r) noexcept {
    const S b = along(r);
    memory = -(b + moved) / r.learning_rate;
    square += S(2) * b + moved;
  }
  // The same the other way round: |D|^2 of a step, from the R that it left.
  EMMY_INLINE constexpr S observe(S after, const ScaleRates<S>& r) noexcept {
    const S b = along(r), moved = after - square - S(2) * b;
    memory = r.learning_rate > S(0) ? -(b + moved) / r.learning_rate : S(0);
    square = after;
    return moved;
  }
};

// The rotation of one unit from its scale charge alone, by the law: |D|^2 = R' - R - 2 <D, q>, so where R rests it is that of
// the equilibrium. Rounding of R cancels in the sums. Starts with a buffer that is 0, or forgets by beta a step what it was.
// constinit-able; start() first.
template <class S>
struct RotationMeter {
  ScaleRecursion<S> state;
  S turned, expected, size;  // sums of K, of its equilibrium value and of R since the last clear

  EMMY_INLINE constexpr void start(S square) noexcept {
    state = {square, S(0)};
    clear();
  }
  EMMY_INLINE constexpr void clear() noexcept { turned = expected = size = S(0); }
  // After a step, with the charge that the ledger has now.
  EMMY_INLINE constexpr void step(S square, const ScaleRates<S>& r) noexcept {
    expected += r.equilibrium() * state.square;
    size += state.square;
    turned += state.observe(square, r);
  }
  // Mean squares of the rotation a step: measured, and in equilibrium.
  EMMY_INLINE constexpr S measured() const noexcept { return turned / size; }
  EMMY_INLINE constexpr S predicted() const noexcept { return expected / size; }
};

// The modified equation.
template <class S>
struct LearningDynamics {
  S mass, damping, decay;  // m, mu, lam

  EMMY_INLINE constexpr S growth() const noexcept { return damping / mass; }                 // gam
  EMMY_INLINE constexpr S frequency_square() const noexcept { return S(2) * decay / mass; }  // w^2
  // Of the charge m <q', T q>, from <q', T q'>, <q, T q> and itself; T antisymmetric: the first two are 0.
  EMMY_INLINE constexpr S charge_rate(S kinetic, S potential, S charge) const noexcept {
    return mass * kinetic - decay * potential - damping * charge;
  }
};
template <class S>
EMMY_INLINE constexpr LearningDynamics<S> learning_dynamics(const ScaleRates<S>& r) noexcept {
  return {r.learning_rate * (S(1) + r.momentum) / S(2), S(1) - r.momentum, r.weight_decay};
}

// R and R' after a time: R = rr R0 + rv R0' + rf f, R' = vr R0 + vv R0' + vf f with the force f = 2 |q'|^2 constant
// meanwhile. With g = gam/2 that is, of R0 alone (R0' = 0, f = 0),
//   g < w   e^(-g t) (cos W t + g/W sin W t) R0,  W^2 = w^2 - g^2
//   g = w   e^(-g t) (1 + g t) R0
//   g > w   (a e^(b t) - b e^(a t)) R0 / (a - b),   a, b = -g +- sqrt(g^2 - w^2)
template <class S>
struct ScaleTransition {
  S rr, rv, rf, vr, vv, vf;

  struct State {
    S square, speed;
  };
  EMMY_INLINE constexpr State of(State s, S force) const noexcept {
    return {rr * s.square + rv * s.speed + rf * force, vr * s.square + vv * s.speed + vf * force};
  }
};
// All three at once: the exponential of the equation's matrix by its series over a time so short that few terms do, doubled
// until it is the whole time. No libm; relative error about w_r (1 + (gam + w) time).
template <class S>
constexpr ScaleTransition<S> scale_transition(const LearningDynamics<S>& d, S time) noexcept {
  const S gam = d.growth(), w2 = d.frequency_square();
  int doublings = 0;
  S h = time;
  while (h * (gam + w2 * h) > S(0.25) && doublings < 100) h /= S(2), ++doublings;
  // Columns of sum_k A^k h^k / k!, A = [[0, 1], [-w2, -gam]], less the unit matrix, and of its integral over h on (0, 1).
  ScaleTransition<S> m{0, 0, 0, 0, 0, 0};
  const auto series = [&](S r, S v, S& to_r, S& to_v) {
    for (int k = 1; k < 16; ++k) {
      const S next = v * h / S(k);
      v = -(w2 * r + gam * v) * h / S(k);
      r = next;
      to_r += r;
      to_v += v;
    }
  };
  series(S(1), S(0), m.rr, m.vr);
  series(S(0), S(1), m.rv, m.vv);
  m.vf = m.rv;  // the integral of (rv, vv): rv' = vv
  S r = S(0), v = S(1);
  for (int k = 1; k < 16; ++k) {
    m.rf += r * h / S(k);
    const S next = v * h / S(k);
    v = -(w2 * r + gam * v) * h / S(k);
    r = next;
  }
  // (1 + M)^2 = 1 + 2 M + M^2, so that what is next to 1 loses nothing.
  for (; doublings > 0; --doublings) {
    const ScaleTransition<S> a = m;
    m.rf = a.rf + a.rf + a.rr * a.rf + a.rv * a.vf;
    m.vf = a.vf + a.vf + a.vr * a.rf + a.vv * a.vf;
    m.rr = a.rr + a.rr + a.rr * a.rr + a.rv * a.vr;
    m.rv = a.rv + a.rv + a.rr * a.rv + a.rv * a.vv;
    m.vr = a.vr + a.vr + a.vr * a.rr + a.vv * a.vr;
    m.vv = a.vv + a.vv + a.vr * a.rv + a.vv * a.vv;
  }
  m.rr += S(1);
  m.vv += S(1);
  return m;
}

}  // namespace emmy
