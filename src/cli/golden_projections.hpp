// The text of the golden cases of projections, for run-time dispatch: one object a target.
#pragma once

#include <emmy/project/project.hpp>
#include <emmy/train/dispatch.hpp>

namespace emmy::golden {

struct Projections {};

// Which says what is given and made: golden_projections.cpp.
struct ProjectionRuns {
  Status (*of[6])(const double* const* given, double* const* made) noexcept;
};

}  // namespace emmy::golden

namespace emmy {

template <>
struct Table<golden::Projections> {
  const char* target;
  const char* backend;
  golden::ProjectionRuns run_f64, run_f32;
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

template <class S>
EMMY_INLINE S larger_of(S a, S b) noexcept {
  return a > b ? a : b;
}
template <class S>
EMMY_INLINE auto into(const double* p) noexcept {
  return [p](int at, S& to) { to = static_cast<S>(p[at]); };
}
template <class S>
EMMY_INLINE auto out_of(double* p) noexcept {
  return [p](int at, const S& from) { p[at] = static_cast<double>(from); };
}

template <class S>
EMMY_INLINE S distance(S a, S b) noexcept {
  return a < b ? b - a : a - b;
}

// A net of two Dense layers as cases have it: W1, b1, W2, b2.
template <class N, int In, int Hidden, int Out, class Second>
struct TwoLayers {
  using S = typename N::scalar;
  using First = Layer<0>;
  EMMY_INLINE static void load(const double* const* from, Params<N>& params) noexcept {
    for_weights<First, Hidden, In>(params, into<S>(from[0]));
    for_biases<First, Hidden>(params, into<S>(from[1]));
    for_weights<Second, Out, Hidden>(params, into<S>(from[2]));
    for_biases<Second, Out>(params, into<S>(from[3]));
  }
  // Of the weights, or of a gradient.
  EMMY_INLINE static void unload(const S* data, double* const* to) noexcept {
    Params<N> params{};
    for (int i = 0; i < kPlan<N>.params; ++i) params.data[i] = data[i];
    for_weights<First, Hidden, In>(params, out_of<S>(to[0]));
    for_biases<First, Hidden>(params, out_of<S>(to[1]));
    for_weights<Second, Out, Hidden>(params, out_of<S>(to[2]));
    for_biases<Second, Out>(params, out_of<S>(to[3]));
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
  // The same with the loss of the outputs in double: the change of an f32 one is lost in the rounding of both.
  StepResult<double> gradient_and_exact_loss(const Params<N>& params, Gradient<N>& g) noexcept {
    S outputs[Samples * N::kOutputs];
    const KeepOutputs<SquaredError, S> kept{{}, outputs};
    const auto r = emmy::gradient<false>(params, buffers, scratch, x, y, kept, Samples, S(1) / S(Samples), g);
    double loss = 0;
    for (int i = 0; i < Samples * N::kOutputs; ++i) {
      const double off = static_cast<double>(outputs[i]) - static_cast<double>(y[i]);
      loss += off * off / (2 * Samples);
    }
    return {r.status, loss};
  }
};

// Units with |in|^2 = a and |out|^2 = b to the charges q.
template <class S>
Status rebalance_units(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<1>, Dense<6, NoBias>, Relu, Dense<1, NoBias>>;
  Params<N> params{};
  Targets<N> targets{};
  S before[6];
  for (int j = 0; j < 6; ++j) {
    before[j] = params.template weight<Layer<0>>(j, 0) = root(static_cast<S>(given[0][j]));
    params.template weight<Layer<2>>(0, j) = root(static_cast<S>(given[1][j]));
    targets.charge[j] = static_cast<S>(given[2][j]);
  }
  const auto swept = rebalance<Rescaling<Layer<1>>>(params, targets.charge);
  for (int j = 0; j < 6; ++j) made[0][j] = static_cast<double>(params.template weight<Layer<0>>(j, 0) / before[j]);
  made[1][0] = static_cast<double>(swept.error);
  return swept.status;
}

// Two hidden layers and the units of a state, swept a given number of times.
template <class S>
struct DeepNet {
  using N = Net<Scalar<S>, Input<4>, Dense<5>, Relu, Dense<4>, Relu, Dense<3, NoBias>>;
  using Outputs = S[6][3];
  Params<N> params;

  DeepNet(const double* const* given) noexcept : params{} {
    for_weights<Layer<0>, 5, 4>(params, into<S>(given[0]));
    for_biases<Layer<0>, 5>(params, into<S>(given[1]));
    for_weights<Layer<2>, 4, 5>(params, into<S>(given[2]));
    for_biases<Layer<2>, 4>(params, into<S>(given[3]));
    for_weights<Layer<4>, 3, 4>(params, into<S>(given[4]));
  }
  Status outputs(const double* inputs, Outputs& y) noexcept {
    Buffers<N> buffers{};
    Scratch<N, 6, Infer> scratch{};
    S x[6 * 4];
    for (int i = 0; i < 6 * 4; ++i) x[i] = static_cast<S>(inputs[i]);
    return infer(params, buffers, scratch, x, y[0]);
  }
};
template <class S>
Status rebalance_deep(const double* const* given, double* const* made) noexcept {
  using N = typename DeepNet<S>::N;
  const int sweeps = static_cast<int>(given[13][0]);
  Targets<N> targets{};
  for (int j = 0; j < 5; ++j) targets.charge[j] = static_cast<S>(given[10][j]);
  for (int j = 0; j < 4; ++j) targets.charge[5 + j] = static_cast<S>(given[11][j]);
  DeepNet<S> net(given);
  typename DeepNet<S>::Outputs before, after;
  if (const Status s = net.outputs(given[9], before); s != Status::ok) return s;
  const auto balance = [&](DeepNet<S>& n, int most) {
    return rebalance<Rescaling<Layer<1>>, Rescaling<Layer<3>>>(n.params, targets.charge, SweepLimits<S>{most, S(0)});
  };
  constexpr int kAfter[] = {1, 2, 5, 10};
  for (int k = 0; k < 4; ++k) {
    DeepNet<S> some(given);
    made[6][k] = static_cast<double>(balance(some, kAfter[k]).error);
  }
  const auto swept = balance(net, sweeps);
  if (swept.status != Status::ok) return swept.status;
  for_weights<Layer<0>, 5, 4>(net.params, out_of<S>(made[0]));
  for_biases<Layer<0>, 5>(net.params, out_of<S>(made[1]));
  for_weights<Layer<2>, 4, 5>(net.params, out_of<S>(made[2]));
  for_biases<Layer<2>, 4>(net.params, out_of<S>(made[3]));
  for_weights<Layer<4>, 3, 4>(net.params, out_of<S>(made[4]));
  if (const Status s = net.outputs(given[9], after); s != Status::ok) return s;
  S worst = 0;
  for (int i = 0; i < 6; ++i)
    for (int o = 0; o < 3; ++o) worst = larger_of(worst, distance(after[i][o], before[i][o]));
  made[5][0] = static_cast<double>(worst);
  made[7][0] = static_cast<double>(swept.error);

  using State = Net<Scalar<S>, Input<4, 3>, Rnn<4, Relu>, Last, Dense<2, NoBias>>;
  Params<State> state{};
  Targets<State> of_state{};
  for_weights<Layer<0>, 4, 3>(state, into<S>(given[5]));
  const auto for_recurrent = [&](auto copy) {
    for (int j = 0; j < 4; ++j)
      for (int k = 0; k < 4; ++k) copy(4 * j + k, state.template recurrent_weight<Layer<0>>(j, k));
  };
  for_recurrent(into<S>(given[6]));
  for_biases<Layer<0>, 4>(state, into<S>(given[7]));
  for_weights<Layer<2>, 2, 4>(state, into<S>(given[8]));
  for (int j = 0; j < 4; ++j) of_state.charge[j] = static_cast<S>(given[12][j]);
  const auto turned = rebalance<Rescaling<Layer<1>>>(state, of_state.charge, SweepLimits<S>{sweeps, S(0)});
  for_weights<Layer<0>, 4, 3>(state, out_of<S>(made[8]));
  for_recurrent(out_of<S>(made[9]));
  for_biases<Layer<0>, 4>(state, out_of<S>(made[10]));
  for_weights<Layer<2>, 2, 4>(state, out_of<S>(made[11]));
  made[12][0] = static_cast<double>(turned.error);
  return turned.status;
}

template <class S>
Status rebalance_linear(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<5>, Dense<3, NoBias>, Dense<4, NoBias>>;
  using M = Mixing<N, Layer<0>>;
  Params<N> params{};
  M mixing{};
  const S q = static_cast<S>(given[2][0]);
  for_weights<Layer<0>, 3, 5>(params, into<S>(given[0]));
  for_weights<Layer<1>, 4, 3>(params, into<S>(given[1]));
  S before[4][5];
  const auto product = [&params](int o, int i) {
    S sum = 0;
    for (int j = 0; j < 3; ++j) sum += params.template weight<Layer<1>>(o, j) * params.template weight<Layer<0>>(j, i);
    return sum;
  };
  for (int o = 0; o < 4; ++o)
    for (int i = 0; i < 5; ++i) before[o][i] = product(o, i);
  if (const Status s = find_mixing(params, q, mixing); s != Status::ok) return s;
  if (const Status s = emmy::rebalance(params, q, Balance<Layer<0>>{}); s != Status::ok) return s;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) made[0][3 * i + j] = static_cast<double>(mixing.to[i * M::kStride + j]);
  for_weights<Layer<0>, 3, 5>(params, out_of<S>(made[1]));
  for_weights<Layer<1>, 4, 3>(params, out_of<S>(made[2]));
  S off_balance = 0, off_product = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      S sum = i == j ? -q : S(0);
      for (int o = 0; o < 4; ++o)
        sum += params.template weight<Layer<1>>(o, i) * params.template weight<Layer<1>>(o, j);
      for (int k = 0; k < 5; ++k)
        sum -= params.template weight<Layer<0>>(i, k) * params.template weight<Layer<0>>(j, k);
      off_balance = larger_of(off_balance, distance(sum, S(0)));
    }
  for (int o = 0; o < 4; ++o)
    for (int i = 0; i < 5; ++i) off_product = larger_of(off_product, distance(product(o, i), before[o][i]));
  made[3][0] = static_cast<double>(off_balance);
  made[4][0] = static_cast<double>(off_product);
  return Status::ok;
}

// Sets of 6 weights of one layer, or of a matrix 4 x 3.
template <class S>
Status project_hard(const double* const* given, double* const* made) noexcept {
  using Row = Net<Scalar<S>, Input<6>, Dense<1, NoBias>>;
  using Column = Net<Scalar<S>, Input<1>, Dense<6, NoBias>>;
  using Matrix = Net<Scalar<S>, Input<3>, Dense<4, NoBias>>;
  using Site = Layer<0>;
  Status status = Status::ok;
  const auto see = [&status](Status s) {
    if (s != Status::ok) status = s;
  };
  Params<Row> theta{};
  Gradient<Row> g{};
  for_weights<Site, 1, 6>(theta, into<S>(given[0]));
  Params<Row> direction{};
  for_weights<Site, 1, 6>(direction, into<S>(given[1]));
  // To made[at] the projected weights, to made[at + 1] the direction.
  const auto project_row = [&](const auto& set, int at) {
    Params<Row> moved = theta;
    see(project(set, moved));
    for_weights<Site, 1, 6>(moved, out_of<S>(made[at]));
    for (int i = 0; i < kPlan<Row>.params; ++i) g.data[i] = direction.data[i];
    see(tangent(set, theta, g));
    Params<Row> turned{};
    for (int i = 0; i < kPlan<Row>.params; ++i) turned.data[i] = g.data[i];
    for_weights<Site, 1, 6>(turned, out_of<S>(made[at + 1]));
  };
  S normal[6];
  int group[6];
  for (int i = 0; i < 6; ++i) {
    normal[i] = static_cast<S>(given[4][i]);
    group[i] = static_cast<int>(given[6][i]);
  }
  const MirrorColumn<S> column{normal, nullptr, 6};
  const MirrorSurface<S, Site> mirror{&column, 1};
  project_row(mirror, 0);
  Params<Row> reflected = theta;
  see(reflect(mirror, reflected));
  for_weights<Site, 1, 6>(reflected, out_of<S>(made[2]));
  project_row(TopK<Site>{static_cast<int>(given[5][0])}, 3);
  project_row(TiedEntries<3, Site>{group}, 5);
  Params<Column> centred{};
  for_weights<Site, 6, 1>(centred, into<S>(given[0]));
  see(project(Centred<Site>{}, centred));
  for_weights<Site, 6, 1>(centred, out_of<S>(made[7]));

  if (given[7][0] != 1) return Status::out_of_range;
  Params<Matrix> m{}, of_rank, tangent_of_rank{}, tangent_of_sphere, moved;
  for_weights<Site, 4, 3>(m, into<S>(given[2]));
  for_weights<Site, 4, 3>(tangent_of_rank, into<S>(given[3]));
  tangent_of_sphere = tangent_of_rank;
  of_rank = moved = m;
  see(project(Rank<1, Site>{}, of_rank));
  for_weights<Site, 4, 3>(of_rank, out_of<S>(made[8]));
  see(tangent(Rank<1, Site>{}, m, tangent_of_rank.data));
  for_weights<Site, 4, 3>(tangent_of_rank, out_of<S>(made[9]));
  const S square = sum_squares(m.data, static_cast<std::size_t>(kPlan<Matrix>.params));
  const Sphere<Whole<Site>, S> sphere{root(square)};
  for (int i = 0; i < kPlan<Matrix>.params; ++i)
    moved.data[i] -= static_cast<S>(given[8][0]) * tangent_of_sphere.data[i];
  see(tangent(sphere, m, tangent_of_sphere.data));
  for_weights<Site, 4, 3>(tangent_of_sphere, out_of<S>(made[10]));
  see(project(sphere, moved));
  for_weights<Site, 4, 3>(moved, out_of<S>(made[11]));
  return status;
}

// Gradient descent with weights and gradients held equivariant under 4 turns of inputs, hidden units and outputs.
template <class S>
Status equivariant_descent(const double* const* given, double* const* made) noexcept {
  using N = Net<Scalar<S>, Input<4>, Dense<8>, Relu, Dense<4>>;
  using Layers = TwoLayers<N, 4, 8, 4, Layer<2>>;
  Params<N> params{};
  State<N, BasicSgd<S>> state{};
  Gradient<N> g{};
  NoLedger none;
  FullBatch<N, 6> data(given[4], given[5]);
  Action<4, 4> io{};
  Action<4, 8> hidden{};
  for (int s = 0; s < 4; ++s) {
    for (int i = 0; i < 4; ++i) io.from[s][i] = static_cast<int>(given[6][4 * s + i]), io.sign[s][i] = 1;
    for (int i = 0; i < 8; ++i) hidden.from[s][i] = static_cast<int>(given[7][8 * s + i]), hidden.sign[s][i] = 1;
  }
  const auto first = group_average<Layer<0>>(io, hidden);
  const auto second = group_average<Layer<2>>(hidden, io);
  Buffers<N> buffers{};
  Scratch<N, 6, Infer> scratch{};
  const auto error = [&](double* to) {
    S x[6][4], y[6][4], other[6][4], worst = 0;
    Status status = infer(params, buffers, scratch, data.x, y[0]);
    for (int s = 0; s < 4; ++s) {
      for (int n = 0; n < 6; ++n)
        for (int i = 0; i < 4; ++i) x[n][i] = data.x[4 * n + io.from[s][i]];
      if (status == Status::ok) status = infer(params, buffers, scratch, x[0], other[0]);
      for (int n = 0; n < 6; ++n)
        for (int i = 0; i < 4; ++i) worst = larger_of(worst, distance(other[n][i], y[n][io.from[s][i]]));
    }
    *to = static_cast<double>(worst);
    return status;
  };
  Layers::load(given, params);
  if (const Status s = error(made[14]); s != Status::ok) return s;
  if (const Status s = project(first, params); s != Status::ok) return s;
  if (const Status s = project(second, params); s != Status::ok) return s;
  Layers::unload(params.data, made);
  for (int t = 0; t < static_cast<int>(given[9][0]); ++t) {
    const auto r = data.gradient(params, g);
    if (r.status != Status::ok) return r.status;
    made[12][t] = static_cast<double>(r.loss);
    if (t == 0) Layers::unload(g.data, made + 4);
    if (const Status s = tangent(first, params, g); s != Status::ok) return s;
    if (const Status s = tangent(second, params, g); s != Status::ok) return s;
    if (t == 0) Layers::unload(g.data, made + 8);
    if (const Status s = apply(params, state, g, BasicSgd<S>{S(given[8][0])}, none); s != Status::ok) return s;
  }
  Layers::unload(params.data, made + 15);
  return error(made[13]);
}

// Units 0 and 1 of a tanh net start equal, and stay so without being held.
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

// In the order of golden_projections.cpp.
template <class S>
inline constexpr ProjectionRuns kProjectionRuns{{&permutation_mirror<S>, &rebalance_units<S>, &rebalance_deep<S>,
                                                 &rebalance_linear<S>, &project_hard<S>, &equivariant_descent<S>}};

}  // namespace emmy::golden::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, golden::Projections) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME, EMMY_BACKEND_NAME, golden::kProjectionRuns<double>, golden::kProjectionRuns<float>};
}

}  // namespace emmy::inline EMMY_TARGET
