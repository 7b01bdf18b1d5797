// The text of the golden case of the energy law, for run-time dispatch: one object a target.
#pragma once

#include <emmy/noether/energy.hpp>

#include "cli/golden_projections.hpp"

namespace emmy::golden {

struct Energy {
  static constexpr int kRates = 4;
};

}  // namespace emmy::golden

namespace emmy {

template <>
struct Table<golden::Energy> {
  using Run = Status (*)(const double* const* given, double* const* made) noexcept;
  const char* target;
  const char* backend;
  Run run_f64, run_f32;
};

}  // namespace emmy

namespace emmy::golden::inline EMMY_TARGET {

// One full-batch step at each rate, all from the same weights. Given: W1, b1, W2, b2, X, Y, etas. Made: loss, gradient, squared_norm,
// then of each rate eta, dL, first, trapezoid, curvature_meter, gradient_meter.
template <class S>
Status energy_identity(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<4>, Dense<5>, Tanh, Dense<3>>;
  using Layers = TwoLayers<N, 4, 5, 3, Layer<2>>;
  Params<N> start{};
  Gradient<N> g{}, after{};
  NoLedger none;
  FullBatch<N, 8> data(given[4], given[5]);
  Layers::load(given, start);
  const auto before = data.gradient_and_exact_loss(start, g);
  if (before.status != Status::ok) return before.status;
  const auto square = static_cast<double>(inner_product(g, g));
  *made[0] = before.loss;
  Layers::unload(g.data, made + 1);
  *made[5] = square;
  double* const* row = made + 6;
  for (int k = 0; k < Energy::kRates; ++k, row += 6) {
    const double eta = given[6][k];
    Params<N> params = start;
    State<N, BasicSgd<S>> state{};
    BasicEnergyMeter<double> meter{};
    if (const Status s = apply(params, state, g, BasicSgd<S>{S(eta)}, none); s != Status::ok) return s;
    meter.begin(before.loss, -eta * square);
    const auto then = data.gradient_and_exact_loss(params, after);
    if (then.status != Status::ok) return then.status;
    meter.end(then.loss, -eta * static_cast<double>(inner_product(g, after)));
    const double values[] = {
        eta, meter.change, meter.first(), meter.trapezoid(), meter.kappa_loss(), meter.kappa_gradient()};
    for (int v = 0; v < 6; ++v) *row[v] = values[v];
  }
  return Status::ok;
}

}  // namespace emmy::golden::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, golden::Energy) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME, EMMY_BACKEND_NAME, &golden::energy_identity<double>, &golden::energy_identity<float>};
}

}  // namespace emmy::inline EMMY_TARGET
