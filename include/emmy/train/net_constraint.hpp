// A linear constraint over any weights of a net: DCS across layers, of recurrent ones and heads too.
//
//   theta = (I - O O') phi + O s,   s = u z (Joint) or s_k = u_k z_k (Elementwise),   as Constrained<O> (parametrize/constrained.hpp)
//
// O is a Mirror of the net's weights (train/meters.hpp): a list that the caller keeps, of any layers, known at run time. phi are
// the trained Params, theta a copy that forward and backward see:
//   begin_constraint(c, phi)                 phi becomes (I - O O') theta, u z = O' theta. Status: not_orthonormal (also an entry that
//                                            is no weight), not_finite; then nothing is changed
//   constrained_weights(c, phi)              theta, in c.weights
//   gradient<...>(c.weights, ..., g)         of any loss
//   apply_constrained(c, phi, state, g, rule, factors)   the update: phi by rule, u and z by descent, the decay of their rates the strength.
//                                            Status as `apply`, of u and z too; then but for g nothing is changed
//   constraint_slopes(c, full, slope)        |O' g| of each group on all data, for margin = lam - slope and its verdict
//   constraint_charge(c, group)              u^2 - |z|^2 (Elementwise: u_k^2 - z_k^2), Q' = (1 - eta lam)^2 Q + eta^2 (gu^2 - |gz|^2)
// Memory: Params twice; the gradient is stored (`gradient`, `apply`). Source: theory.md section 4. Test: tests/train/meters_test.cpp.
#pragma once

#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/train/meters.hpp>

namespace emmy {

// Columns: as many as the mirror has.
template <class Net, int Columns, class Penalty = Joint>
struct NetConstraint {
  using S = typename Net::scalar;
  static constexpr bool kJoint = __is_same(Penalty, Joint);
  static constexpr int kGroups = kJoint ? 1 : Columns;
  Mirror<S> mirror;
  S u[kGroups], z[Columns];
  Params<Net> weights;

  EMMY_INLINE S value(int column) const noexcept { return u[kJoint ? 0 : column] * z[column]; }
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {
// data += sum_k s_k O_k.
template <class S>
EMMY_INLINE void add_columns(const Mirror<S>& mirror, const S* s, S* data) noexcept {
  for (int n = 0; n < mirror.entries; ++n)
    data[mirror.entry[n].at] += s[mirror.entry[n].column] * mirror.entry[n].value;
}
// f' = (1 - eta lam) f - eta g, held above what becomes denormal as other factors are.
template <class S>
EMMY_INLINE S next_factor(Rates<S> rates, S g, S f) noexcept {
  const S next = (S(1) - rates.learning_rate * rates.weight_decay) * f - rates.learning_rate * g;
  if (f != S(0) && next < kSmallestFactor<S> && next > -kSmallestFactor<S>)
    return next < S(0) ? -kSmallestFactor<S> : kSmallestFactor<S>;
  return next;
}
// `count` factors into `next`: not_finite where f or g is not, or a square of it overflows, out_of_range where next is not.
template <class S>
EMMY_INLINE Status next_factors(Rates<S> rates, const S* g, const S* f, int count, S* next) noexcept {
  S before = 0, after = 0;
  for (int k = 0; k < count; ++k) {
    next[k] = next_factor(rates, g[k], f[k]);
    before += f[k] * f[k] + g[k] * g[k];
    after += next[k] * next[k];
  }
  return !is_finite(before) ? Status::not_finite : !is_finite(after) ? Status::out_of_range : Status::ok;
}
}  // namespace inner

template <class Net, int Columns, class Penalty>
Status begin_constraint(NetConstraint<Net, Columns, Penalty>& c, Params<Net>& phi) noexcept {
  using S = typename Net::scalar;
  using C = NetConstraint<Net, Columns, Penalty>;
  S s[Columns], away[Columns];
  if (c.mirror.columns != Columns || !inner::is_orthonormal<Net>(c.mirror, s)) return Status::not_orthonormal;
  mirror_coordinates(phi, c.mirror, s);
  if (!all_finite(phi.data, kPlan<Net>.params) || !is_finite(euclidean_norm(s, Columns))) return Status::not_finite;
  for (int k = 0; k < Columns; ++k) away[k] = -s[k];
  inner::add_columns(c.mirror, away, phi.data);
  for (int g = 0; g < C::kGroups; ++g) {
    const S size = root(euclidean_norm(s + g, C::kJoint ? Columns : 1)) / S(2);
    c.u[g] = size > S(0) ? size : kFactorStart<S>;
  }
  for (int k = 0; k < Columns; ++k) c.z[k] = s[k] / c.u[C::kJoint ? 0 : k];
  return Status::ok;
}

template <class Net, int Columns, class Penalty>
void constrained_weights(NetConstraint<Net, Columns, Penalty>& c, const Params<Net>& phi) noexcept {
  typename Net::scalar s[Columns];
  mirror_coordinates(phi, c.mirror, s);
  for (int k = 0; k < Columns; ++k) s[k] = c.value(k) - s[k];
  c.weights = phi;
  inner::add_columns(c.mirror, s, c.weights.data);
}

// g is that of the weights; it becomes that of phi.
template <class Net, int Columns, class Penalty, class Rule>
Status apply_constrained(NetConstraint<Net, Columns, Penalty>& c, Params<Net>& phi, State<Net, Rule>& state,
                         Gradient<Net>& g, const Rule& rule, Rates<typename Net::scalar> factors) noexcept {
  using S = typename Net::scalar;
  using C = NetConstraint<Net, Columns, Penalty>;
  if (!detail::rates_ok(factors.learning_rate, factors.weight_decay)) return Status::bad_rate;
  S gu[C::kGroups] = {}, gz[Columns], away[Columns] = {};
  for (int n = 0; n < c.mirror.entries; ++n)
    away[c.mirror.entry[n].column] -= c.mirror.entry[n].value * g.data[c.mirror.entry[n].at];
  for (int k = 0; k < Columns; ++k) {
    const int own = C::kJoint ? 0 : k;
    gu[own] -= away[k] * c.z[k];
    gz[k] = -away[k] * c.u[own];
  }
  inner::add_columns(c.mirror, away, g.data);
  S u[C::kGroups], z[Columns];
  if (const Status s = inner::next_factors(factors, gu, c.u, C::kGroups, u); s != Status::ok) return s;
  if (const Status s = inner::next_factors(factors, gz, c.z, Columns, z); s != Status::ok) return s;
  NoLedger none;
  if (const Status s = apply(phi, state, g, rule, none); s != Status::ok) return s;
  for (int k = 0; k < C::kGroups; ++k) c.u[k] = u[k];
  for (int k = 0; k < Columns; ++k) c.z[k] = z[k];
  return Status::ok;
}

template <class Net, int Columns, class Penalty>
typename Net::scalar constraint_charge(const NetConstraint<Net, Columns, Penalty>& c, int group) noexcept {
  constexpr int kOwn = NetConstraint<Net, Columns, Penalty>::kJoint ? Columns : 1;
  return c.u[group] * c.u[group] - sum_squares(c.z + group, kOwn);
}

// The constraint of a group holds exactly from here on.
template <class Net, int Columns, class Penalty>
void snap(NetConstraint<Net, Columns, Penalty>& c, int group) noexcept {
  using C = NetConstraint<Net, Columns, Penalty>;
  c.u[group] = 0;
  for (int k = group; k < (C::kJoint ? Columns : group + 1); ++k) c.z[k] = 0;
}

// slope[group] = |O' g|, of the gradient of the weights on all data.
template <class Net, int Columns, class Penalty>
void constraint_slopes(const NetConstraint<Net, Columns, Penalty>& c, const Gradient<Net>& full,
                       typename Net::scalar* slope) noexcept {
  using S = typename Net::scalar;
  using C = NetConstraint<Net, Columns, Penalty>;
  S along[Columns] = {};
  for (int n = 0; n < c.mirror.entries; ++n)
    along[c.mirror.entry[n].column] += c.mirror.entry[n].value * full.data[c.mirror.entry[n].at];
  for (int g = 0; g < C::kGroups; ++g) slope[g] = euclidean_norm(along + g, C::kJoint ? Columns : 1);
}

}  // namespace emmy::inline EMMY_TARGET
