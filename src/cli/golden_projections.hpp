// The text of the golden cases of projections, for run-time dispatch: one object a target.
#pragma once

#include <emmy/train/dispatch.hpp>

namespace emmy::golden {

// The arrays of each, in the order of golden_projections.cpp.
enum class Projection : int { permutation_mirror };
inline constexpr int kProjectionKinds = 1;

struct Projections {};

}  // namespace emmy::golden

namespace emmy {

template <>
struct Table<golden::Projections> {
  using Run = Status (*)(const double* const* given, double* const* made) noexcept;
  const char* target;
  const char* backend;
  Run run_f64[golden::kProjectionKinds], run_f32[golden::kProjectionKinds];
};

}  // namespace emmy

namespace emmy::golden::inline EMMY_TARGET {

// W[out][in] of a case, row by row, and b: all of a Dense.
template <class Site, int Out, int In, class Data, class Copy>
EMMY_INLINE void for_weights(Data& data, Copy copy) noexcept {
  for (int o = 0; o < Out; ++o)
    for (int i = 0; i < In; ++i) copy(o * In + i, data.template weight<Site>(o, i));
}
template <class Site, int Out, class Data, class Copy>
EMMY_INLINE void for_biases(Data& data, Copy copy) noexcept {
  for (int o = 0; o < Out; ++o) copy(o, data.template bias<Site>(o));
}

// A net of two Dense layers as cases have it: W1, b1, W2, b2.
template <class N, int In, int Hidden, int Out, class Second>
struct TwoLayers {
  using S = typename N::scalar;
  using First = Layer<0>;
  EMMY_INLINE static void load(const double* const* from, Params<N>& params) noexcept {
    const auto copy = [](const double* p) { return [p](int at, S& to) { to = static_cast<S>(p[at]); }; };
    for_weights<First, Hidden, In>(params, copy(from[0]));
    for_biases<First, Hidden>(params, copy(from[1]));
    for_weights<Second, Out, Hidden>(params, copy(from[2]));
    for_biases<Second, Out>(params, copy(from[3]));
  }
  // Of the weights, or of a gradient.
  EMMY_INLINE static void unload(const S* data, double* const* to) noexcept {
    Params<N> params{};
    for (int i = 0; i < kPlan<N>.params; ++i) params.data[i] = data[i];
    const auto copy = [](double* p) { return [p](int at, const S& from) { p[at] = static_cast<double>(from); }; };
    for_weights<First, Hidden, In>(params, copy(to[0]));
    for_biases<First, Hidden>(params, copy(to[1]));
    for_weights<Second, Out, Hidden>(params, copy(to[2]));
    for_biases<Second, Out>(params, copy(to[3]));
  }
};

// All samples of a case at once, under half their mean squared error.
template <class N, int Samples>
struct FullBatch {
  using S = typename N::scalar;
  Buffers<N> buffers;
  Scratch<N, Samples, Train<BasicSgd<S>>> scratch;
  S x[Samples * N::kInputs], y[Samples * N::kOutputs];

  FullBatch(const double* inputs, const double* outputs) noexcept : buffers{}, scratch{}, x{}, y{} {
    for (int i = 0; i < Samples * N::kInputs; ++i) x[i] = static_cast<S>(inputs[i]);
    for (int i = 0; i < Samples * N::kOutputs; ++i) y[i] = static_cast<S>(outputs[i]);
  }
  StepResult<S> gradient(const Params<N>& params, Gradient<N>& g) noexcept {
    return emmy::gradient<false>(params, buffers, scratch, x, y, SquaredError{}, Samples, S(1) / S(Samples), g);
  }
};

template <class S>
EMMY_INLINE S distance(S a, S b) noexcept {
  return a < b ? b - a : a - b;
}

// Units 0 and 1 of a tanh net start equal, and stay so without being held. Given: W1, b1, W2, b2, X, Y, eta, steps.
// Made: loss, gradient, gradient_gap, final, gap.
template <class S>
Status permutation_mirror(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<4>, Dense<5>, Tanh, Dense<3>>;
  using Layers = TwoLayers<N, 4, 5, 3, Layer<2>>;
  Params<N> params{};
  State<N, BasicSgd<S>> state{};
  Gradient<N> g{};
  NoLedger none;
  FullBatch<N, 8> data(given[4], given[5]);
  Layers::load(given, params);
  const auto gap = [](const S* values) {
    Params<N> p{};
    for (int i = 0; i < kPlan<N>.params; ++i) p.data[i] = values[i];
    S most = 0;
    const auto see = [&](S a, S b) { most = distance(a, b) > most ? distance(a, b) : most; };
    for (int i = 0; i < 4; ++i) see(p.template weight<Layer<0>>(0, i), p.template weight<Layer<0>>(1, i));
    for (int o = 0; o < 3; ++o) see(p.template weight<Layer<2>>(o, 0), p.template weight<Layer<2>>(o, 1));
    return static_cast<double>(most);
  };
  for (int t = 0; t < static_cast<int>(given[7][0]); ++t) {
    const auto r = data.gradient(params, g);
    if (r.status != Status::ok) return r.status;
    if (t == 0) {
      made[0][0] = static_cast<double>(r.loss);
      Layers::unload(g.data, made + 1);
      made[5][0] = gap(g.data);
    }
    if (const Status s = apply(params, state, g, BasicSgd<S>{S(given[6][0])}, none); s != Status::ok) return s;
  }
  Layers::unload(params.data, made + 6);
  made[10][0] = gap(params.data);
  return Status::ok;
}

}  // namespace emmy::golden::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, golden::Projections) consteval Table<C> make_table() {
  return {
      EMMY_TARGET_NAME, EMMY_BACKEND_NAME, {&golden::permutation_mirror<double>}, {&golden::permutation_mirror<float>}};
}

}  // namespace emmy::inline EMMY_TARGET
