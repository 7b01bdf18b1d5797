// Weights onto a set, unit by unit: spheres, balls, sums. The units: project/lines.hpp.
//
//   Sphere<Units>{radius}     w := r w / |w|                              tangent: g - (w' g / w' w) w
//   Ball<Units>{radius}       w := w min(1, r / |w|)                      tangent: where |w| >= r and -g points out of it, the same
//   Centred<Site>{}           w := w - mean over the outputs, b likewise  tangent: g - mean (0 at every gradient)
//   shrink<Units>(...)        w := w max(0, 1 - tau / |w|): the proximal step of tau |w|, no projection
//
// What each keeps: Sphere the net's function where the units are those of Scale<Site>, before a norm without epsilon; Centred with
// the softmax or the LayerNorm behind it; the others nothing. project is idempotent. Status: not_finite (weights, direction or a
// buffer); infeasible (a radius that is not positive, a unit that is 0 and has no direction); then nothing has moved.
//
//   project(set, params)             the weights
//   tangent(set, params, direction)  the differential of project at weights on the set, for a gradient or a momentum buffer
//   project(set, params, state)      the weights, then buffers of gradients onto the tangent space; second moments stay
//
// Source: theory.md section 5. Test: tests/project/sets_test.cpp.
#pragma once

#include <emmy/net/companions.hpp>
#include <emmy/project/lines.hpp>

namespace emmy {

// radius: of every unit.
template <class Units, class S = float>
struct Sphere {
  S radius;
};
template <class Units, class S = float>
struct Ball {
  S radius;
};
// Site: where the net has Translation<Site>.
template <class Site>
struct Centred {};

namespace detail {
template <class Net, class Site, int Index>
inline constexpr Charge kSums = charges_of<Net>(Translation<Site>{}).charge[Index];
template <class Net, class Site>
inline constexpr int kSumCount = decltype(charges_of<Net>(Translation<Site>{}))::kCount;
}  // namespace detail

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

namespace inner {

// |w|^2 of every unit.
template <class Net, const Charge& kTable, class S>
EMMY_INLINE void squares(const S* w, S* square) noexcept {
  for (int u = 0; u < kTable.units; ++u) square[u] = S(0);
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { lines.add_dots(w, w, square); });
}
// w *= the factor that factor_of(square, factor) gives for |w|^2 of each unit; false of any unit, or `sound`, refuses all.
template <class Net, const Charge& kTable, class S, class F>
EMMY_INLINE Status rescale(bool sound, S* w, F factor_of) noexcept {
  S square[kTable.units], factor[kTable.units];
  squares<Net, kTable>(w, square);
  if (!all_finite(square, kTable.units)) return Status::not_finite;
  if (!sound) return Status::infeasible;
  for (int u = 0; u < kTable.units; ++u)
    if (!factor_of(square[u], factor[u])) return Status::infeasible;
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { lines.scale(factor, w); });
  return Status::ok;
}
// What rounding makes of the size of a unit.
template <class S>
inline constexpr S kNear = S(16) * kRoundoff<S>;
// g -= (w' g / w' w) w for the units that `of` says.
template <class Net, const Charge& kTable, class S, class Of>
EMMY_INLINE Status take_radial(const S* w, S* g, Of of) noexcept {
  S along[kTable.units] = {}, square[kTable.units];
  squares<Net, kTable>(w, square);
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { lines.add_dots(w, g, along); });
  if (!all_finite(square, kTable.units) || !all_finite(along, kTable.units)) return Status::not_finite;
  for (int u = 0; u < kTable.units; ++u)
    along[u] = square[u] > S(0) && of(square[u], along[u]) ? -along[u] / square[u] : S(0);
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { lines.add_scaled(along, w, g); });
  return Status::ok;
}
template <class Net, const Charge& kTable, class S>
EMMY_INLINE bool sums_finite(const S* w) noexcept {
  S sum[kTable.units] = {};
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA { lines.add_sums(w, sum); });
  return all_finite(sum, kTable.units);
}
template <class Net, const Charge& kTable, class S>
EMMY_INLINE void centre(S* w) noexcept {
  S mean[kTable.units] = {};
  for_parts<Net, kTable>([&](auto lines) EMMY_LAMBDA {
    using L = decltype(lines);
    lines.add_sums(w, mean);
    constexpr int kEntries = L::kBlock.rows * L::kBlock.cols / kTable.units;
    for (S& m : mean) m = -m / S(kEntries);
    lines.shift(mean, w);
  });
}

}  // namespace inner

// The radius r to within two roundings; a unit that is there already stays as it is, bit for bit.
template <class Units, class Net>
Status project(const Sphere<Units, typename Net::scalar>& sphere, Params<Net>& params) noexcept {
  using S = typename Net::scalar;
  constexpr S kNear = inner::kNear<S>;
  const S radius = sphere.radius;
  return inner::rescale<Net, kLines<Net, Units>>(radius > S(0) && is_finite(radius), params.data,
                                                 [radius](S square, S& factor) EMMY_LAMBDA {
                                                   if (square == S(0)) return false;
                                                   factor = radius / root(square);
                                                   if (factor > S(1) - kNear && factor < S(1) + kNear) factor = S(1);
                                                   return true;
                                                 });
}
template <class Units, class Net>
Status tangent(const Sphere<Units, typename Net::scalar>&, const Params<Net>& params,
               typename Net::scalar* direction) noexcept {
  return inner::take_radial<Net, kLines<Net, Units>>(params.data, direction, [](auto, auto) { return true; });
}

template <class Units, class Net>
Status project(const Ball<Units, typename Net::scalar>& ball, Params<Net>& params) noexcept {
  using S = typename Net::scalar;
  const S radius = ball.radius;
  return inner::rescale<Net, kLines<Net, Units>>(
      radius > S(0) && is_finite(radius), params.data, [radius](S square, S& factor) EMMY_LAMBDA {
        const S size = root(square);
        factor = size > radius * (S(1) + inner::kNear<S>) ? radius / size : S(1);
        return true;
      });
}
template <class Units, class Net>
Status tangent(const Ball<Units, typename Net::scalar>& ball, const Params<Net>& params,
               typename Net::scalar* direction) noexcept {
  using S = typename Net::scalar;
  const S least = ball.radius * (S(1) - inner::kNear<S>);
  return inner::take_radial<Net, kLines<Net, Units>>(
      params.data, direction, [least](S square, S along) { return square >= least * least && along < S(0); });
}

// tau >= 0, in units of the weights (learning rate times penalty).
template <class Units, class Net>
Status shrink(typename Net::scalar tau, Params<Net>& params) noexcept {
  using S = typename Net::scalar;
  return inner::rescale<Net, kLines<Net, Units>>(tau >= S(0) && is_finite(tau), params.data,
                                                 [tau](S square, S& factor) EMMY_LAMBDA {
                                                   const S size = root(square);
                                                   factor = size > tau ? S(1) - tau / size : S(0);
                                                   return true;
                                                 });
}

template <class Site, class Net>
Status project(const Centred<Site>& set, Params<Net>& params) noexcept {
  return tangent(set, params, params.data);
}
// Linear: the map of weights and of gradients is the same.
template <class Site, class Net>
Status tangent(const Centred<Site>&, const Params<Net>&, typename Net::scalar* direction) noexcept {
  return [&]<int... I>(std::integer_sequence<int, I...>) EMMY_LAMBDA {
    if (!(inner::sums_finite<Net, detail::kSums<Net, Site, I>>(direction) && ...)) return Status::not_finite;
    (inner::centre<Net, detail::kSums<Net, Site, I>>(direction), ...);
    return Status::ok;
  }
  (std::make_integer_sequence<int, detail::kSumCount<Net, Site>>{});
}

// Any projection, with the state of the rule: buffers of gradients go onto the tangent space at the new weights.
template <class Set, class Net, class Rule>
Status project(const Set& set, Params<Net>& params, State<Net, Rule>& state) noexcept {
  if (!companions_finite<Net>(companions_of(state))) return Status::not_finite;
  const Status status = project(set, params);
  if (status != Status::ok) return status;
  for (const auto& c : companions_of(state))
    if (c.power == -1) static_cast<void>(tangent(set, params, c.data));
  refresh(state);
  return Status::ok;
}
template <class Set, class Net>
Status tangent(const Set& set, const Params<Net>& params, Gradient<Net>& g) noexcept {
  return tangent(set, params, g.data);
}

}  // namespace emmy::inline EMMY_TARGET
