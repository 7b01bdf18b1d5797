// Experiments of `emmy reproduce` on how charges move (Tanaka, Kunin, 2105.02716) and what units do under decay and over a
// sequence of tasks: the text for one target.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <emmy/noether/bounds.hpp>
#include <emmy/noether/learning_dynamics.hpp>
#include <emmy/parametrize/syre.hpp>
#include <emmy/train/balance.hpp>
#include <emmy/train/shared_adam.hpp>
#include <emmy/train/tangent_kernel.hpp>

#include "cli/reproduce_common.hpp"

namespace emmy::reproduce {

inline constexpr int kTasks = 12;
struct Dynamics {
  static constexpr int kExperiments = 6;
};

}  // namespace emmy::reproduce

namespace emmy::reproduce::inline EMMY_TARGET {

// ---- who moves the charges of a ReLU net

struct Shares {
  double of[kCauses], kinetic, drift, residual;
};
struct Labelled {
  static constexpr int kIn = 6, kHidden = 10, kOut = 3, kSamples = 256, kBatch = 16;
  double x[kSamples * kIn];
  int label[kSamples];
};
template <class Mode, class Rule, class N>
Shares causes_of(const Params<N>& start, const Labelled& data, const Rule& rule, double spoil, int curve,
                 Result& out) noexcept {
  using Charges = Watch<Rescaling<Layer<1>>>;
  constexpr int kSteps = 300, kUnits = Labelled::kHidden;
  Params<N> params = start;
  State<N, Rule> state{};
  Ledger<N, Charges, Mode> ledger{};
  Gradient<N> g{};
  double first[kUnits] = {};
  Shares all{};
  for (int t = 0; t < kSteps && out.status == Status::ok; ++t) {
    const int at = t * Labelled::kBatch % Labelled::kSamples;
    Buffers<N> buffers{};
    Scratch<N, Labelled::kBatch, Train<Rule>> scratch{};
    out.status = gradient<false>(params, buffers, scratch, data.x + at * Labelled::kIn, data.label + at, CrossEntropy{},
                                 Labelled::kBatch, 1.0 / Labelled::kBatch, g)
                     .status;
    scale_block(g, 0, spoil);
    if (out.status == Status::ok) out.status = apply(params, state, g, rule, ledger, CrossEntropy{});
    double drift = 0;
    for (int u = 0; u < kUnits; ++u) {
      if (t == 0) first[u] = ledger.units[PerUnit::before][u];
      drift += magnitude(ledger.units[PerUnit::charge][u] - first[u]);
    }
    all.drift = drift;
    if (curve >= 0 && t % 2 == 0) out.curve[curve].y[t / 2] = drift;
  }
  double sum = 0;
  for (int c = 0; c < kCauses; ++c) {
    if (c >= kKeptCauses<N>) continue;
    for (int u = 0; u < kUnits; ++u) all.of[c] += magnitude(ledger.units.total(c)[u]);
    sum += all.of[c];
  }
  for (double& share : all.of) share /= sum;
  if constexpr (kKinetic<Mode>)
    for (int u = 0; u < kUnits; ++u) all.kinetic += magnitude(ledger.units[PerUnitKinetic::kinetic][u]);
  all.residual = ledger.extreme[0].residual;
  return all;
}
inline void kinetic(const Task& task, Result& out) noexcept {
  using N = Net<Scalar<double>, Input<Labelled::kIn>, Dense<Labelled::kHidden>, Relu, Dense<Labelled::kOut>>;
  Labelled data;
  Pcg32 rng{5};
  fill_normal(rng, data.x);
  for (int r = 0; r < Labelled::kSamples; ++r) {
    const double *x = data.x + r * Labelled::kIn, score = x[0] * x[1] + x[2] + 0.5 * normal(rng);
    data.label[r] = score < -0.5 ? 0 : score < 0.5 ? 1 : 2;
  }
  Params<N> start{};
  init(start, rng);
  out.name_curves("Adam", "SGD", "Adam, second moments shared by unit");
  out.log = true;
  for (int i = 0; i < 150; ++i) out.point(2.0 * i, 0, 0, 0);
  const double spoil = task.spoiled ? 1.1 : 1;
  const auto of = [](const Shares& s, Cause c) { return s.of[static_cast<int>(c)]; };
  using Shared = SharedAdam<N, Watch<Rescaling<Layer<1>>>>;
  Shared sharing{};
  sharing.learning_rate = 0.005;
  const Shares sgd = causes_of<Audit>(start, data, BasicSgd<double>{0.05}, spoil, 1, out),
               ball = causes_of<Audit>(start, data, BasicMomentum<double>{0.01}, spoil, -1, out),
               rms = causes_of<Kinetic>(start, data, BasicRmsProp<double>{0.002}, spoil, -1, out),
               adam = causes_of<Kinetic>(start, data, BasicAdam<double>{0.005}, spoil, 0, out),
               shared = causes_of<Kinetic>(start, data, sharing, spoil, 2, out);
  out.at_least("SGD: share of discretisation", of(sgd, Cause::discretisation), 0.999);
  out.at_least("heavy ball: share of momentum", of(ball, Cause::momentum), 0.8);
  out.at_least("RMSProp: share of kinetic breaking", of(rms, Cause::breaking), 0.9);
  out.at_least("Adam: kinetic breaking and momentum", of(adam, Cause::breaking) + of(adam, Cause::momentum), 0.9);
  out.at_least("Adam: sum over units of kinetic breaking", adam.kinetic, 0.1);
  out.at_most("the same, second moments shared by unit", shared.kinetic, 1e-12);
  out.at_least("drift of the charges, Adam / shared", adam.drift / shared.drift, 5);
  double worst = 0;
  for (const Shares& s : {sgd, ball, rms, adam, shared}) worst = std::fmax(worst, s.residual);
  out.at_most("largest change of a charge without a cause, of all", worst, 1e-13);
}

// ---- equilibrium of what a norm reads

// The rms rotation a step of the second half; worst: of the exact recursion for the squared norm, relative.
inline double rotation(const BasicMomentum<double>& rule, double predicted, double decay_of_run, bool shown,
                       double& worst, Result& out) noexcept {
  constexpr int kIn = 8, kOut = 3, kBatch = 8, kSteps = 20000, kEvery = 100;
  using N = Net<Scalar<double>, Input<kIn>, Dense<16, NoBias>, RmsNorm<WithBias, 0>, Relu, Dense<kOut>>;
  using Rule = BasicMomentum<double>;
  Rule run = rule;
  run.weight_decay = decay_of_run;
  const ScaleRates<double> rates{rule.learning_rate, rule.momentum, rule.weight_decay};
  Trainer<N, Rule, kBatch> trainer{};
  Ledger<N, Watch<Scale<Layer<0>>>, Audit> ledger{};
  ScaleRecursion<double> exact{};
  Pcg32 rng{15};
  init(trainer.params, rng);
  double x[kBatch * kIn], y[kBatch * kOut], turned = 0, half = 0;
  for (int t = 0; t < kSteps && out.status == Status::ok; ++t) {
    fill_normal(rng, x);
    for (int i = 0; i < kBatch * kOut; ++i) y[i] = x[i / kOut * kIn + i % kOut] + normal(rng);
    const Params<N> before = trainer.params;
    out.status = trainer.step(x, y, SquaredError{}, run, ledger).status;
    if (out.status != Status::ok) break;
    double moved = 0;
    for (int i = 0; i < kPlan<N>.block[0].size(); ++i)
      moved += square(block_of(trainer.params, 0)[i] - before.data[kPlan<N>.block[0].offset + i]);
    const double size = ledger.units[PerUnit::before][0], now = ledger.units[PerUnit::charge][0];
    if (t == 0) exact = {size, 0};
    exact.step(moved, rates);
    worst = std::fmax(worst, magnitude(exact.square - now) / now);
    turned += moved / size;
    if (t >= kSteps / 2) half += moved / size;
    if (t % kEvery != kEvery - 1) continue;
    if (shown) out.point(t + 1, predicted, std::sqrt(turned / kEvery));
    turned = 0;
  }
  return std::sqrt(half / (kSteps / 2));
}
inline void equilibrium(const Task& task, Result& out) noexcept {
  struct Setting {
    const char* what;
    double rate, decay, momentum;
  };
  constexpr Setting kSetting[] = {{"rotation a step, eta 0.1, lam 0.01, beta 0", 0.1, 1e-2, 0},
                                  {"rotation a step, eta 0.05, lam 0.02, beta 0.5", 0.05, 2e-2, 0.5},
                                  {"rotation a step, eta 0.02, lam 0.01, beta 0.9", 0.02, 1e-2, 0.9},
                                  {"rotation a step, eta 0.02, lam 0.005, beta 0.5", 0.02, 5e-3, 0.5}};
  out.name_curves("sqrt(2 eta lam / (1 + beta))", "rotation a step, eta 0.02, lam 0.01, beta 0.9");
  double worst = 0;
  for (const Setting& s : kSetting) {
    const double predicted = std::sqrt(2 * s.rate * s.decay / (1 + s.momentum));
    const double measured = rotation({s.rate, s.momentum, s.decay, 0}, predicted,
                                     task.spoiled ? 1.3 * s.decay : s.decay, &s == kSetting + 2, worst, out);
    out.near(s.what, predicted, measured, 0.03 * predicted);
  }
  out.at_most("squared norm against its exact recursion, relative", worst, 1e-10);
}

// ---- linear layers

// The square of the operator norm, by power iterations.
template <int Rows, int Cols, class At>
double operator_square(At at) {
  double v[Cols], size = 0;
  for (int c = 0; c < Cols; ++c) v[c] = 1 + 0.1 * c;
  for (int n = 0; n < 200; ++n) {
    double next[Cols] = {};
    for (int r = 0; r < Rows; ++r) {
      double along = 0;
      for (int c = 0; c < Cols; ++c) along += at(r, c) * v[c];
      for (int c = 0; c < Cols; ++c) next[c] += at(r, c) * along;
    }
    size = std::sqrt(detail::constant_dot(next, next, Cols));
    for (int c = 0; c < Cols; ++c) v[c] = next[c] / size;
  }
  return size;
}
inline void balance(const Task& task, Result& out) noexcept {
  constexpr int kIn = 5, kHidden = 4, kOut = 3, kSamples = 16, kSteps = 400;
  using N = Net<Scalar<double>, Input<kIn>, Dense<kHidden, NoBias>, Dense<kOut, NoBias>>;
  using Rule = BasicSgd<double>;
  constexpr const char* kWhat[2][2] = {
      {"drift / eta^2 sum |g|^2, eta 0.02", "eta^2 sum |g|^2 / 2 eta (fall of the loss), eta 0.02"},
      {"drift / eta^2 sum |g|^2, eta 0.1", "eta^2 sum |g|^2 / 2 eta (fall of the loss), eta 0.1"}};
  double x[kSamples * kIn], y[kSamples * kOut];
  Pcg32 rng{21};
  fill_normal(rng, x);
  fill_normal(rng, y);
  out.name_curves("bound by the balance and the product", "larger |W|^2 of the two layers");
  double ratio = 0, residual = 0;
  for (int run = 0; run < 2; ++run) {
    const double eta = run == 0 ? 0.02 : 0.1;
    Params<N> params{};
    State<N, Rule> state{};
    Gradient<N> g{};
    NoLedger none;
    BalanceLedger<N, Layer<0>> balances{};
    Pcg32 start{3};
    init(params, start);
    double before = 0, drift = 0, sum = 0, loss = 0;
    for (int t = 0; t <= kSteps && out.status == Status::ok; ++t) {
      double layer[2] = {}, product = 0, charge = 0;
      for (int h = 0; h < kHidden; ++h) {
        for (int i = 0; i < kIn; ++i) layer[0] += square(params.template weight<Layer<0>>(h, i));
        for (int o = 0; o < kOut; ++o) layer[1] += square(params.template weight<Layer<1>>(o, h));
      }
      for (int i = 0; i < kIn; ++i)
        for (int o = 0; o < kOut; ++o) {
          double m = 0;
          for (int h = 0; h < kHidden; ++h)
            m += params.template weight<Layer<0>>(h, i) * params.template weight<Layer<1>>(o, h);
          product += m * m;
        }
      for (int h = 0; h < kHidden; ++h)
        for (int k = 0; k < kHidden; ++k) {
          double q = 0;
          for (int i = 0; i < kIn; ++i)
            q += params.template weight<Layer<0>>(h, i) * params.template weight<Layer<0>>(k, i);
          for (int o = 0; o < kOut; ++o)
            q -= params.template weight<Layer<1>>(o, h) * params.template weight<Layer<1>>(o, k);
          charge += q * q;
        }
      const double bound = largest_of_pair(std::sqrt(charge), std::sqrt(product));  // in Frobenius norms: larger
      const double largest = std::fmax(
          operator_square<kHidden, kIn>([&](int h, int i) { return params.template weight<Layer<0>>(h, i); }),
          operator_square<kHidden, kOut>([&](int h, int o) { return params.template weight<Layer<1>>(o, h); }));
      ratio = std::fmax(ratio, largest / bound);
      if (run == 0 && t % 2 == 0) out.point(t, bound, largest);
      if (t == 0) before = layer[0] - layer[1];
      drift = std::fmax(drift, magnitude(layer[0] - layer[1] - before));
      const auto r = slope_of<N, kSamples>(params, x, y, SquaredError{}, 1.0 / kSamples, g);
      out.status = r.status;
      if (t == 0) loss = r.loss;
      if (t == kSteps) loss -= r.loss;
      if (t == kSteps || out.status != Status::ok) break;
      sum += eta * eta * inner_product(g, g);
      if (task.spoiled) scale_block(g, 1, 1.1);
      const Rule rule{eta};
      begin_balance(balances, params, state, g, rule);
      out.status = apply(params, state, g, rule, none);
      end_balance(balances, params, state);
      residual = std::fmax(residual, balances.extremes.residual);
    }
    out.at_most(kWhat[run][0], drift / sum, 1);
    out.at_most(kWhat[run][1], sum / largest_drift(eta, loss, 0.0), 1);
  }
  out.at_most("larger |W|^2 / bound by balance and product", ratio, 1);
  out.at_most("largest change of the balance without a cause", residual, 1e-13);
}

// ---- the loss as energy

inline void energy(const Task& task, Result& out) noexcept {
  constexpr int kIn = 4, kOut = 2, kBatch = 6, kSteps = 200;
  constexpr double kRate = 0.1;
  using N = Net<Scalar<double>, Input<kIn>, Dense<6>, Tanh, Dense<kOut>>;
  using Rule = BasicSgd<double>;
  Params<N> params{};
  Buffers<N> buffers{};
  Scratch<N, kBatch, Train<Rule>> scratch{};
  State<N, Rule> state{};
  Gradient<N> g{}, before{};
  NoLedger none;
  TangentKernel<N, kBatch> kernel{};
  double x[kBatch * kIn], y[kBatch * kOut], outputs[kBatch * kOut], delta[kBatch * kOut];
  Pcg32 rng{31};
  fill_normal(rng, x);
  fill_normal(rng, y);
  init(params, rng);
  out.name_curves("start less the energy that left", "loss");
  double first = 0, left = 0, plain = 0, apart = 0, loss = 0, rate = 0;
  for (int t = 0; t <= kSteps && out.status == Status::ok; ++t) {
    const auto r = slope_of<N, kBatch>(params, x, y, SquaredError{}, 1.0 / kBatch, g);
    out.status = r.status;
    if (out.status == Status::ok) out.status = tangent_kernel(params, buffers, scratch, x, outputs, kernel);
    if (out.status != Status::ok) break;
    loss = r.loss;
    if (t == 0) first = loss;
    if (t > 0) left += kRate * (rate + inner_product(before, g)) / 2, plain += kRate * rate;
    for (int o = 0; o < kBatch * kOut; ++o) delta[o] = (task.spoiled ? 1.01 : 1) * (outputs[o] - y[o]) / kBatch;
    rate = energy_rate(kernel, static_cast<const double*>(delta));
    apart = std::fmax(apart, magnitude(rate - inner_product(g, g)) / inner_product(g, g));
    out.point(t, first - left, loss);
    before = g;
    out.status = apply(params, state, g, Rule{kRate}, none);
  }
  out.at_most("|delta' K delta - |g|^2| / |g|^2", apart, 1e-12);
  out.near("fall of the loss over 200 steps, trapezoid of the energy", left, first - loss, 5e-4 * left);
  out.at_most("error of the trapezoid / error of first order",
              magnitude(first - left - loss) / magnitude(first - plain - loss), 0.01);
}

// ---- permutation -> ensembling

inline void ensembling(const Task& task, Result& out) noexcept {
  constexpr int kIn = 4, kUnits = 8, kSamples = 64, kSteps = 30000, kDecays = 7;
  using N = Net<Scalar<double>, Input<kIn>, Dense<kUnits, NoBias>, Tanh, Dense<1, NoBias>>;
  using Rule = BasicSgd<double>;
  double x[kSamples * kIn], y[kSamples];
  Pcg32 rng{41};
  fill_normal(rng, x);
  for (int r = 0; r < kSamples; ++r)
    y[r] = 2 * std::tanh(x[r * kIn] - 0.8 * x[r * kIn + 1] + 0.5 * x[r * kIn + 2]) + 0.05 * normal(rng);
  constexpr double kDecay[kDecays] = {1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2};
  out.name_curves("one unit", "effective rank of the units, over log10 of the decay");
  for (const double lam : kDecay) {
    Trainer<N, Rule, kSamples> trainer{};
    Pcg32 start{9};
    init(trainer.params, start);
    for (int t = 0; t < kSteps && out.status == Status::ok; ++t)
      out.status = trainer.step(x, y, SquaredError{}, Rule{0.2, task.spoiled ? 0 : lam}).status;
    const double rank = effective_rank<Layer<0>>(trainer.params);
    out.point(std::log10(lam), 1, rank);
    if (lam == 1e-5) out.at_least("effective rank of 8 units, lam 1e-5", rank, 1.5);
    if (lam == 1e-2) out.near("the same, lam 1e-2: one unit eight times", 1, rank, 1e-2);
  }
}

// ---- loss of plasticity over tasks with their pixels in another order each

struct Course {
  double accuracy[kTasks], live[kTasks];  // after each task, of that task; share of units, means over seeds
  double fall() const {
    return (accuracy[0] + accuracy[1] + accuracy[2] - accuracy[kTasks - 3] - accuracy[kTasks - 2] -
            accuracy[kTasks - 1]) /
           3;
  }
};
template <class N>
Course tasks_in_turn(const Task& task, double decay, Result& out) noexcept {
  constexpr int kIn = 64, kHidden = 32, kOut = 10, kBatch = 16, kSeeds = 5, kEpochs = 9;
  using Rule = BasicMomentum<float>;
  const auto machine = std::make_unique<Trainer<N, Rule, kBatch>>();
  const auto looking = std::make_unique<Scratch<N, kBatch, Infer>>();
  const int batches = task.rows / kBatch;
  Course course{};
  float x[kBatch * kIn], y[kBatch * kOut];
  int label[kBatch], order[kIn];
  for (int seed = 1; seed <= kSeeds; ++seed) {
    *machine = {};
    Pcg32 rng(static_cast<std::uint64_t>(seed));
    init(machine->params, rng);
    for (int k = 0; k < kTasks; ++k) {
      for (int i = 0; i < kIn; ++i) order[i] = i;
      for (int i = kIn - 1; i > 0; --i) std::swap(order[i], order[rng.below(static_cast<std::uint32_t>(i + 1))]);
      const auto take_row = [&](int r, int row) {
        for (int i = 0; i < kIn; ++i) x[r * kIn + i] = task.x[row * kIn + order[i]];
        label[r] = task.label[row];
      };
      for (int b = 0; b < kEpochs * batches && out.status == Status::ok; ++b) {
        for (int r = 0; r < kBatch; ++r)
          take_row(r, static_cast<int>(rng.below(static_cast<std::uint32_t>(task.rows))));
        out.status = machine->step(x, label, CrossEntropy{}, Rule{0.05f, 0.9f, static_cast<float>(decay), 0}).status;
      }
      int right = 0;
      for (int b = 0; b < batches && out.status == Status::ok; ++b) {
        for (int r = 0; r < kBatch; ++r) take_row(r, b * kBatch + r);
        out.status = infer(machine->params, machine->buffers, *looking, x, y);
        for (int r = 0; r < kBatch; ++r) {
          int best = 0;
          for (int o = 1; o < kOut; ++o) best = y[r * kOut + o] > y[r * kOut + best] ? o : best;
          right += best == label[r];
        }
      }
      Params<plain_of<N>> plain{};
      fold(machine->params, plain);
      course.accuracy[k] += static_cast<double>(right) / (batches * kBatch * kSeeds);
      course.live[k] += 1.0 / kSeeds - static_cast<double>(dead_units<Layer<0>>(plain, 1e-2f)) / (kHidden * kSeeds);
    }
  }
  return course;
}
inline void plasticity(const Task& task, Result& out) noexcept {
  using Plain = Net<Input<64>, Dense<32>, Relu, Dense<10>>;
  using Apart = Net<Input<64>, Parametrized<Dense<32>, Syre<RandomOffset<1, 4, 1>>>, Relu,
                    Parametrized<Dense<10>, Syre<RandomOffset<1, 4, 2>>>>;
  const Course none = tasks_in_turn<Plain>(task, 0, out), decayed = tasks_in_turn<Plain>(task, 0.01, out),
               apart = tasks_in_turn<Apart>(task, task.spoiled ? 0 : 0.003, out),
               strong = tasks_in_turn<Apart>(task, 0.01, out);
  out.name_curves("accuracy, offsets and decay 0.003", "accuracy, no decay", "share of live units, decay 0.01 alone");
  for (int k = 0; k < kTasks; ++k) out.point(k + 1, apart.accuracy[k], none.accuracy[k], decayed.live[k]);
  out.at_least("fall of accuracy from tasks 1-3 to 10-12, no decay", none.fall(), 0.04);
  out.at_most("the same, offsets and decay 0.003", apart.fall(), 0.02);
  out.at_most("share of live units, decay 0.01 alone", decayed.live[kTasks - 1], 0.5);
  out.at_least("the same with offsets", strong.live[kTasks - 1], 0.9);
}

}  // namespace emmy::reproduce::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, reproduce::Dynamics) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME,
          {&reproduce::kinetic, &reproduce::equilibrium, &reproduce::balance, &reproduce::energy,
           &reproduce::ensembling, &reproduce::plasticity}};
}

}  // namespace emmy::inline EMMY_TARGET
