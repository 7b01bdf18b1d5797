// The text that runs a kind of golden case, for run-time dispatch: one object a kind and target. Nothing is fixed here but nets
// and shapes; golden_run.hpp has the plain data that goes in and out.
#pragma once

#include <emmy/train/balance.hpp>
#include <emmy/train/dispatch.hpp>
#include <emmy/train/shared_adam.hpp>
#include <utility>

#include "cli/golden_kinds.hpp"
#include "cli/golden_run.hpp"

namespace emmy::golden {

// A loss chosen at run time: labels where there are any, else values. One text of forward and backward serves both.
struct CaseLoss {};
template <class S>
struct CaseTarget {
  const int* labels;
  const S* values;
};
template <int Cols, class S>
EMMY_INLINE Status check_targets(CaseLoss, const CaseTarget<S>* target, int rows) noexcept {
  return target->labels != nullptr ? check_targets<Cols>(CrossEntropy{}, target->labels, rows) : Status::ok;
}

// Coupled or decoupled decay chosen at run time: both have the coefficients of one text.
template <class S>
struct CaseMomentum : BasicMomentum<S> {
  bool decoupled = false;
};
template <class S>
EMMY_INLINE constexpr MomentumCoefficients<S> coefficients(const CaseMomentum<S>& r, S clip) noexcept {
  if (r.decoupled)
    return coefficients(BasicMomentum<S, Decay::decoupled>{r.learning_rate, r.momentum, r.weight_decay, r.dampening},
                        clip);
  return coefficients(static_cast<const BasicMomentum<S>&>(r), clip);
}

// f(symmetry) for each of the net's balance matrices.
template <class... Symmetry, class F>
constexpr void for_each_balance(Symmetries<Symmetry...>, [[maybe_unused]] F&& f) {
  (f(Symmetry{}), ...);
}
template <class Net, class List>
struct BalanceLedgersOf;
template <class Net, class... Site>
struct BalanceLedgersOf<Net, Symmetries<Balance<Site>...>> : BalanceLedger<Net, Site>... {
  static constexpr int kCount = sizeof...(Site);
};
template <class Net>
using BalanceLedgers = BalanceLedgersOf<Net, balances_of<Net>>;

constexpr PartOf part_of(const ChargePart& part) {
  return {part.block, part.axis == Axis::column, double(part.weight.numerator) / part.weight.denominator, part.power};
}

template <class S>
EMMY_INLINE constexpr S angular_factor(const CaseMomentum<S>& r) noexcept {
  return emmy::angular_factor(coefficients(r, S(1)));
}

template <int... Size>
consteval int largest_of(Batches<Size...>) {
  int largest = 0;
  ((largest = Size > largest ? Size : largest), ...);
  return largest;
}

template <class K>
consteval Description describe() {
  using Net = typename K::template Net<double>;
  constexpr auto& plan = kPlan<Net>;
  constexpr auto& table = kCharges<Net, WatchAll>;
  static_assert(plan.kBlocks == static_cast<int>(sizeof K::kParams / sizeof *K::kParams) &&
                plan.kBlocks <= Description::kMaxBlocks);
  static_assert(table.kCharges + BalanceLedgers<Net>::kCount <= Description::kMaxCharges);
  static_assert(!kIsCertified<K> || Net::kInputs <= Description::kMaxWeights);
  Description d{};
  d.kind = K::kName;
  d.inputs = Net::kInputs;
  d.outputs = Net::kOutputs;
  d.blocks = plan.kBlocks;
  for (int b = 0; b < d.blocks; ++b) d.block[b] = {K::kParams[b], plan.block[b].rows, plan.block[b].cols};
  d.charges = table.kCharges;
  for (int c = 0; c < d.charges; ++c) {
    const Charge& charge = table.charge[c];
    d.charge[c] = {table.unit[c], charge.units, charge.of_loss, charge.is_whole, false, 1, charge.parts, {}};
    for (int p = 0; p < charge.parts; ++p) {
      d.charge[c].part[p] = part_of(charge.part[p]);
    }
  }
  int unit = table.units;
  for_each_balance(balances_of<Net>{}, [&]<class Site>(Balance<Site>) {
    constexpr Charge kMatrix = matrix_of<Net>(Balance<Site>{});
    ChargeOf& charge = d.charge[d.charges++];
    if (kMatrix.by_plane) charge = {unit, kMatrix.units / 2, false, false, false, 2, kMatrix.parts, {}};
    else charge = {unit, kMatrix.units * kMatrix.units, false, false, true, 1, kMatrix.parts, {}};
    for (int p = 0; p < kMatrix.parts; ++p) charge.part[p] = part_of(kMatrix.part[p]);
    if (unit == table.units) d.angular = kMatrix.units * kMatrix.units;
    unit += charge.units;
  });
  if (unit > Description::kMaxUnits) __builtin_unreachable();  // no constant: too many units
  d.epsilon = kEpsilonOf<K>;
  d.batch = kMixesSamples<Net> ? largest_of(typename K::batches{}) : 0;
  d.rows = kRowsOf<K>;
  if constexpr (requires { typename K::angles; })
    for (int m = 0; m < d.rows * K::kSize / 2; ++m)
      d.angle[d.angles++] = K::angles::angle(m / (K::kSize / 2), m % (K::kSize / 2), K::kSize / 2);
  d.clips_momentum = kClipsMomentum<K>;
  d.certified = kIsCertified<K>;
  d.adaptive = kIsAdaptive<K>;
  return d;
}

}  // namespace emmy::golden

namespace emmy {

// The row of a dispatch table for one kind: its description and its text for one target.
template <class K>
requires golden::IsKind<K>
struct Table<K> : golden::Runner {
};

}  // namespace emmy

namespace emmy::golden::inline EMMY_TARGET {

template <int Rows, int Cols, class S>
EMMY_INLINE S loss_and_delta(CaseLoss, const S* y, const CaseTarget<S>* target, int rows, S scale, S* dy) noexcept {
  if (target->labels != nullptr) return loss_and_delta<Rows, Cols>(CrossEntropy{}, y, target->labels, rows, scale, dy);
  return loss_and_delta<Rows, Cols>(SquaredError{}, y, target->values, rows, scale, dy);
}

// The largest size in every kind's list.
inline constexpr int kLargestBatch = 9;

template <class Net>
using Memory = Scratch<Net, kLargestBatch, Train<BasicSgd<typename Net::scalar>>>;

// Samples first .. first + count - 1, round and round: their inputs and targets, unpadded. The others are not looked at,
// but must be finite on their way: a norm without epsilon makes NaN of zeros.
template <class Net>
struct Samples {
  using S = typename Net::scalar;
  S x[kLargestBatch * Net::kInputs];
  S y[kLargestBatch * Net::kOutputs];
  int labels[kLargestBatch];
  CaseTarget<S> target;

  Samples(const Task& task, long long first, int count) noexcept : x{}, y{}, labels{}, target{} {
    for (int i = 0; i < kLargestBatch; ++i) {
      const long long from = (first + i % count) % task.samples;
      for (int c = 0; c < Net::kInputs; ++c) x[i * Net::kInputs + c] = S(task.x[from * Net::kInputs + c]);
      if (task.labels != nullptr) labels[i] = task.labels[from];
      else
        for (int c = 0; c < Net::kOutputs; ++c) y[i * Net::kOutputs + c] = S(task.y[from * Net::kOutputs + c]);
    }
    target = {task.labels != nullptr ? labels : nullptr, y};
  }
};

template <class Net, int Batch>
StepResult<typename Net::scalar> part_gradient(const Params<Net>& params, const Samples<Net>& samples, int count,
                                               typename Net::scalar scale, Gradient<Net>& g) noexcept {
  Buffers<Net> buffers{};
  Scratch<Net, Batch, Train<BasicSgd<typename Net::scalar>>> scratch{};
  return gradient<false>(params, buffers, scratch, samples.x, &samples.target, CaseLoss{}, count, scale, g);
}

// For each count up to the largest the text of the first batch size that holds it.
template <class Net>
using PartGradient = decltype(&part_gradient<Net, 1>);
template <class Net>
struct PartGradients {
  PartGradient<Net> of[kLargestBatch + 1];
};
template <class Net, int... Size>
consteval PartGradients<Net> part_gradients(Batches<Size...>) {
  PartGradients<Net> all{};
  int from = 0;
  const auto fill = [&](int size, PartGradient<Net> text) {
    while (from <= size) all.of[from++] = text;
  };
  (fill(Size, &part_gradient<Net, Size>), ...);
  return all;
}

// Loss and gradient of the mean over `count` samples.
template <class K, class Net>
StepResult<typename Net::scalar> batch_gradient(const Params<Net>& params, const Task& task, long long first, int count,
                                                Gradient<Net>& g) noexcept {
  using S = typename Net::scalar;
  constexpr auto kOfBatch = part_gradients<Net>(typename K::batches{});
  const S scale = S(1) / S(count * kRowsOf<K>);
  if (count <= kLargestBatch) return kOfBatch.of[count](params, Samples<Net>(task, first, count), count, scale, g);
  StepResult<S> sum{Status::ok, S(0)};
  g = {};
  for (int done = 0; done < count && sum.status == Status::ok; done += kLargestBatch) {
    const int now = count - done < kLargestBatch ? count - done : kLargestBatch;
    Gradient<Net> part{};
    const auto r = kOfBatch.of[kLargestBatch](params, Samples<Net>(task, first + done, now), now, scale, part);
    for (int i = 0; i < kPlan<Net>.params; ++i) g.data[i] += part.data[i];
    if constexpr (kInvariants<Net> != 0) {
      for (int i = 0; i < kInvariants<Net>; ++i) g.along[i] += part.along[i];
    }
    sum = {r.status, sum.loss + r.loss};
  }
  return sum;
}

// An array of a case, [cols][rows] for matrices, against a block [rows][stride].
template <class Net, class From, class To, class Copy>
EMMY_INLINE void for_block(int block, From* values, To* data, Copy copy) noexcept {
  const auto& b = kPlan<Net>.block[block];
  for (int i = 0; i < b.rows; ++i)
    for (int o = 0; o < b.cols; ++o) copy(values[o * b.rows + i], data[b.at(i, o)]);
}
template <class Net>
void load(const double* values, int block, typename Net::scalar* data) noexcept {
  for_block<Net>(block, values, data,
                 [](const double& from, auto& to) { to = static_cast<typename Net::scalar>(from); });
}
template <class Net>
void unload(const typename Net::scalar* data, int block, double* values) noexcept {
  for_block<Net>(block, values, data, [](double& to, const auto& from) { to = static_cast<double>(from); });
}

template <class Net, class Plain>
PerBlock<Plain, Net> per_block(const Task& task, Plain rule) noexcept {
  using S = typename Net::scalar;
  rule.learning_rate = S(task.learning_rate);
  rule.weight_decay = S(task.weight_decay);
  if constexpr (requires { rule.momentum; }) rule.momentum = S(task.momentum);
  if constexpr (requires { rule.epsilon; })
    rule.beta1 = S(task.beta1), rule.beta2 = S(task.beta2), rule.epsilon = S(task.epsilon);
  if constexpr (requires { rule.dampening; }) rule.dampening = S(task.dampening);
  PerBlock<Plain, Net> r{rule, {}};
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b)
    r.rates[b] = {S(task.param[b].learning_rate), S(task.param[b].weight_decay)};
  return r;
}

// Would `apply` clip this gradient?
template <class Net, class Rule>
bool clips(const Gradient<Net>& g, const State<Net, Rule>& state, const Rule& rule) noexcept {
  typename Net::scalar squares[kPlan<Net>.kBlocks] = {};
  auto largest = state.largest;
  static_cast<void>(inner::check_gradient<Net>(g, largest, rule, squares));
  Clips<Net> factors;
  inner::clips_from_squares(squares, rule, factors);
  bool any = false;
  for (const auto factor : factors.block) any = any || factor < 1;
  return any;
}

template <class Net, class Mode>
void report_charges(const Ledger<Net, WatchAll, Mode>& ledger, int step, const Task& task, Results& results) noexcept {
  constexpr auto& table = kCharges<Net, WatchAll>;
  for (int u = 0; u < table.units; ++u) {
    if (step == 0) {
      results.before[u] = static_cast<double>(ledger.units[PerUnit::before][u]);
      results.after_one[u] = static_cast<double>(ledger.units[PerUnit::charge][u]);
    }
    if (step + 1 < task.steps) continue;
    results.after[u] = static_cast<double>(ledger.units[PerUnit::charge][u]);
    for (int c = 0; c < Results::kCauses; ++c) results.budget[c][u] = static_cast<double>(ledger.units.total(c)[u]);
    if constexpr (kKeptCauses<Net> == kCauses)
      results.epsilon[u] = static_cast<double>(ledger.units.total(static_cast<int>(Cause::epsilon))[u]);
    if constexpr (kKinetic<Mode>) {
      results.memory[u] = static_cast<double>(ledger.units[PerUnitKinetic::memory][u]);
      results.kinetic[u] = static_cast<double>(ledger.units[PerUnitKinetic::kinetic][u]);
    }
  }
  for (int c = 0; c < table.kCharges; ++c) {
    results.max_noether[c] = static_cast<double>(ledger.extreme[c].noether);
    results.max_residual[c] = static_cast<double>(ledger.extreme[c].residual);
  }
}

template <class Net>
void report_balances([[maybe_unused]] const BalanceLedgers<Net>& balances, [[maybe_unused]] int step,
                     [[maybe_unused]] const Task& task, [[maybe_unused]] Results& results) noexcept {
  constexpr auto& table = kCharges<Net, WatchAll>;
  [[maybe_unused]] int unit = table.units, charge = table.kCharges;
  for_each_balance(balances_of<Net>{}, [&]<class Site>(Balance<Site>) {
    const BalanceLedger<Net, Site>& ledger = balances;
    constexpr int kUnits = BalanceLedger<Net, Site>::kUnits;
    constexpr bool kByPlane = BalanceLedger<Net, Site>::kMatrix.by_plane;
    for (int at = 0; at < (kByPlane ? kUnits / 2 : kUnits * kUnits); ++at, ++unit) {
      const int i = kByPlane ? 2 * at : at / kUnits, j = kByPlane ? i : at % kUnits;
      if (step == 0) {
        results.before[unit] = static_cast<double>(ledger.before(i, j));
        results.after_one[unit] = static_cast<double>(ledger.charge(i, j));
      }
      if (step + 1 < task.steps) continue;
      results.after[unit] = static_cast<double>(ledger.charge(i, j));
      for (int c = 0; c < Results::kCauses; ++c)
        results.budget[c][unit] = static_cast<double>(ledger.total(i, j).amount[c]);
    }
    results.max_noether[charge] = static_cast<double>(ledger.extremes.noether);
    results.max_residual[charge++] = static_cast<double>(ledger.extremes.residual);
  });
}
// Of the first matrix.
template <class Net>
void report_angular([[maybe_unused]] const BalanceLedgers<Net>& balances, [[maybe_unused]] double* angular) noexcept {
  [[maybe_unused]] bool told = false;
  for_each_balance(balances_of<Net>{}, [&]<class Site>(Balance<Site>) {
    if (told) return;
    const BalanceLedger<Net, Site>& ledger = balances;
    for (int i = 0; i < ledger.kUnits; ++i)
      for (int j = 0; j < ledger.kUnits; ++j) *angular++ = static_cast<double>(ledger.angular(i, j));
    told = true;
  });
}

// The certificate: folded weights, their gradient on all data, and lambda - |gradient| of each.
template <class Net>
Status certify(const Params<Net>& params, const Task& task, Results& results) noexcept {
  using S = typename Net::scalar;
  using Plain = plain_of<Net>;
  Params<Plain> plain{};
  Gradient<Plain> g{};
  fold(params, plain);
  Buffers<Plain> buffers{};
  Memory<Plain> scratch{};
  for (int done = 0; done < task.samples; done += kLargestBatch) {
    const int now = task.samples - done < kLargestBatch ? task.samples - done : kLargestBatch;
    const Samples<Plain> samples(task, done, now);
    const auto r =
        gradient<true>(plain, buffers, scratch, samples.x, &samples.target, CaseLoss{}, now, S(1) / S(task.samples), g);
    if (r.status != Status::ok) return r.status;
  }
  S margin[Groups<Net, Layer<0>>::kCount];
  if (const Status s = margins<Layer<0>, Net>(plain, g, S(task.weight_decay), margin); s != Status::ok) return s;
  unload<Plain>(plain.data, 0, results.weight);
  unload<Plain>(g.data, 0, results.gradient);
  for (int i = 0; i < Groups<Net, Layer<0>>::kCount; ++i) results.margin[i] = static_cast<double>(margin[i]);
  return Status::ok;
}

// All steps of a case.
template <class K, class Net, class Rule>
Outcome train(const Task& task, const Rule& rule, Results& results) noexcept {
  Params<Net> params{};
  State<Net, Rule> state{};
  Ledger<Net, WatchAll, std::conditional_t<kIsAdaptive<K>, Kinetic, Audit>> ledger{};
  BalanceLedgers<Net> balances{};
  Gradient<Net> g{};
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
    load<Net>(task.param[b].value, b, params.data);
    if constexpr (Rule::kHasMemory)
      if (task.param[b].buffer != nullptr) load<Net>(task.param[b].buffer, b, state.buf);
  }
  for (int t = 0; t < task.steps; ++t) {
    const auto r = batch_gradient<K>(params, task, static_cast<long long>(t) * task.batch, task.batch, g);
    if (r.status != Status::ok) return {r.status, t};
    results.losses[t] = static_cast<double>(r.loss);
    if constexpr (Rule::kClips) results.steps_clipped += clips(g, state, rule);
    for_each_balance(balances_of<Net>{}, [&]<class Site>(Balance<Site>) {
      begin_balance(static_cast<BalanceLedger<Net, Site>&>(balances), params, state, g, rule);
    });
    if (t == 0) report_angular<Net>(balances, results.angular_before);
    // With CrossEntropy for every loss: it only lets the ledger book Translation, which nobody reads under another one.
    if (const Status s = apply(params, state, g, rule, ledger, CrossEntropy{}); s != Status::ok) return {s, t};
    for_each_balance(balances_of<Net>{}, [&]<class Site>(Balance<Site>) {
      end_balance(static_cast<BalanceLedger<Net, Site>&>(balances), params, state);
    });
    report_charges(ledger, t, task, results);
    report_balances<Net>(balances, t, task, results);
  }
  report_angular<Net>(balances, results.angular_after);
  if constexpr (requires { angular_factor(of_block(rule, 0)); })
    results.angular_factor = static_cast<double>(angular_factor(of_block(rule, 0)));
  const auto last = batch_gradient<K>(params, task, 0, task.samples, g);
  results.final_full_loss = static_cast<double>(last.loss);
  for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
    unload<Net>(params.data, b, results.final[b]);
    unload<Net>(g.data, b, results.final_gradient[b]);
    if constexpr (Rule::kHasMemory) unload<Net>(state.buf, b, results.final_buf[b]);
  }
  Status status = last.status;
  if constexpr (kIsCertified<K>)
    if (status == Status::ok) status = certify(params, task, results);
  return {status, task.steps};
}

template <class K, class Net, class Rule>
Outcome train_clipped(const Task& task, const Rule& rule, Results& results) noexcept {
  using S = typename Net::scalar;
  if (task.clip == Clip::by_norm) return train<K, Net>(task, ClipByNorm<Rule>{rule, S(task.clip_limit)}, results);
  if (task.clip == Clip::by_tensor) return train<K, Net>(task, ClipByTensor<Rule>{rule, S(task.clip_limit)}, results);
  return train<K, Net>(task, rule, results);
}

template <class K, class S>
Outcome run(const Task& task, Results& results) noexcept {
  using Net = typename K::template Net<S>;
  [[maybe_unused]] const auto sgd = per_block<Net>(task, BasicSgd<S>{});
  if constexpr (kIsCertified<K>) {
    return train<K, Net>(task, sgd, results);
  } else if constexpr (kIsAdaptive<K>) {
    // Those of the first charge share; the biases of the outputs do not.
    if (task.rule == RuleKind::shared_adam)
      return train<K, Net>(task, per_block<Net>(task, SharedAdam<Net, Watch<Rescaling<Layer<1>>>>{}), results);
    return train<K, Net>(task, per_block<Net>(task, BasicAdam<S>{}), results);
  } else {
    const auto momentum = per_block<Net>(task, CaseMomentum<S>{{}, task.rule == RuleKind::momentum_decoupled});
    switch (task.rule) {
      case RuleKind::sgd: return train_clipped<K, Net>(task, sgd, results);
      case RuleKind::nesterov: return train<K, Net>(task, per_block<Net>(task, BasicNesterov<S>{}), results);
      default: break;
    }
    if constexpr (kClipsMomentum<K>) return train_clipped<K, Net>(task, momentum, results);
    else return train<K, Net>(task, momentum, results);
  }
}

}  // namespace emmy::golden::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class K>
requires golden::IsKind<K>
consteval Table<K> make_table() {
  return {
      {EMMY_TARGET_NAME, EMMY_BACKEND_NAME, golden::describe<K>(), &golden::run<K, double>, &golden::run<K, float>}};
}

}  // namespace emmy::inline EMMY_TARGET
