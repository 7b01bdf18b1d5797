// One training run: data, the objects of the net, the table of functions for the chosen target.
#pragma once

#include <chrono>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>
#include <vector>

#include "cli/governed.hpp"
#include "cli/model_file.hpp"
#include "cli/nets.hpp"
#include "cli/recording.hpp"
#include "io/dataset.hpp"

namespace emmy::app {

// Loss over a data set, and how far off the outputs are: classes (labels), or numbers (values).
struct Score {
  double loss = 0;                // mean
  double accuracy = 0;            // labels: 0..1
  std::size_t correct = 0;        // labels
  double mean_squared_error = 0;  // values: over rows and outputs
};

template <class C>
class Session {
 public:
  using Net = typename C::Net;
  using Plain = plain_of<Net>;
  using Rule = typename C::Rule;
  using Target = typename C::Target;
  static constexpr int kBatch = C::kBatch, kFeatures = Net::kInputs, kOutputs = Net::kOutputs;
  static constexpr bool kLabels = __is_same(Target, int);
  static constexpr int kTargets = kLabels ? 1 : kOutputs;
  static constexpr bool kClipsByValue = requires(Rule r) { r.limit; };

  Session(const Recipe& recipe, const Table<C>& table, io::TrainAndTest sets)
      : recipe_(recipe),
        table_(&table),
        train_(std::move(sets.train)),
        test_(std::move(sets.test)),
        order_(train_.rows) {
    Pcg32 draw{recipe.seed, 1};
    init(trainer->params, draw);
    progress.rng = Pcg32{recipe.seed, 2};
    steps_per_epoch_ = static_cast<std::int64_t>(train_.rows) / kBatch;
    if constexpr (__is_same(Net, Plain))
      if (recipe.governor) governed_ = std::make_unique<Governed<C>>(table, recipe.learning_rate, recipe.decay);
  }

  const Recipe& recipe() const { return recipe_; }
  const Table<C>& table() const { return *table_; }
  const io::Dataset& train_data() const { return train_; }
  const io::Dataset& test_data() const { return test_; }

  // The rates of a step when `done` of `total` steps are done.
  Rule rule(double learning_rate, std::int64_t done, std::int64_t total, double strength, double partner) const {
    Rule all{};
    auto& r = by_block(all);
    r.rule.learning_rate = static_cast<float>(learning_rate * left(done, total));
    if constexpr (requires { r.rule.momentum; }) r.rule.momentum = static_cast<float>(recipe_.momentum);
    else if constexpr (requires { r.rule.beta1; }) r.rule.beta1 = static_cast<float>(recipe_.momentum);
    r.rule.weight_decay = static_cast<float>(recipe_.decay);
    if constexpr (kClipsByValue) all.limit = static_cast<float>(recipe_.clip);
    r.fill();
    for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
      if constexpr (!__is_same(Net, Plain))
        r.rates[b].weight_decay = static_cast<float>(is_factor(b) ? strength : is_partner(b) ? partner : recipe_.decay);
    }
    return all;
  }

  // One pass over the training data in a new order; the tail that does not fill a batch is left out.
  // Returns the mean loss before each step, or the status that stopped it.
  StepResult<double> epoch(double learning_rate, std::int64_t& done, std::int64_t total, double strength,
                           double partner) {
    std::iota(order_.begin(), order_.end(), 0u);
    for (std::size_t i = order_.size(); i > 1; --i)
      std::swap(order_[i - 1], order_[progress.rng.below(static_cast<std::uint32_t>(i))]);
    double sum = 0;
    for (std::int64_t s = 0; s < steps_per_epoch_; ++s) {
      for (int i = 0; i < kBatch; ++i)
        copy_sample(order_[static_cast<std::size_t>(s) * kBatch + static_cast<std::size_t>(i)], i);
      const bool looks = governed_ != nullptr && governed_->due(done);
      const Rule r = rule(governed_ != nullptr ? governed_->rate() : learning_rate, done, total, strength, partner);
      const bool probes = probe_ != nullptr && recording->ends_interval(done);
      if (looks) governed_->begin(*trainer, x_, targets_);
      if (probes) probe_->begin(*trainer, x_, targets_);
      const auto from = std::chrono::steady_clock::now();
      const auto [status, loss] = table_->step(*trainer, x_, targets_, r, *ledger);
      step_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
      if (status != Status::ok) {
        if (governed_ == nullptr || !governed_->refused()) return {status, 0};
        ++done;  // on to the next batch at a lower rate
        continue;
      }
      if (looks) governed_->end(*trainer, x_, targets_, left(done, total));
      if (probes && probe_->end(*trainer, x_, targets_)) {
        const BasicEnergyMeter<float>& meter = probe_->meter;
        recording->energy = {meter.change, meter.slope, meter.end_slope,
                             -static_cast<double>(reference(r).learning_rate) * probe_->square()};
      }
      ++done;
      ++timed_steps;
      sum += static_cast<double>(loss);
      if constexpr (kIsLedger<typename C::Ledger>)
        if (recording)
          recording->step(*ledger, done, static_cast<double>(loss),
                          ScaleRates<double>{reference(r).learning_rate, recipe_.momentum, reference(r).weight_decay});
    }
    return {Status::ok, sum / static_cast<double>(steps_per_epoch_)};
  }

  Score score(const io::Dataset& data) {
    if constexpr (kLabels) return score_labels(data);
    else return score_values(data);
  }

  // The class of each row, as `infer` gives it.
  std::vector<int> classes(const io::Dataset& data) {
    std::vector<int> best;
    for_outputs(data, [&](std::size_t, const float* y) {
      best.push_back(static_cast<int>(std::max_element(y, y + kOutputs) - y));
    });
    return best;
  }

  // The gradient of the mean loss over the whole training set, of the plain net with the present weights.
  bool full_gradient(Gradient<Plain>& g) {
    auto plain = std::make_unique<Params<Plain>>();
    auto scratch = std::make_unique<typename Table<C>::PlainScratch>();
    Buffers<Plain> buffers;
    fold(trainer->params, *plain);
    g = {};
    return for_batches(train_, [&](std::size_t, int count) {
      return table_->gradient(*plain, buffers, *scratch, x_, targets_, count, 1.0f / static_cast<float>(train_.rows), g)
                 .status == Status::ok;
    });
  }

  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }

  std::unique_ptr<Trainer<Net, Rule, kBatch>> trainer = std::make_unique<Trainer<Net, Rule, kBatch>>();
  std::unique_ptr<typename C::Ledger> ledger = std::make_unique<typename C::Ledger>();
  Progress progress{};
  std::unique_ptr<Recording> recording;  // of the steps of `epoch`, where there is one: see record()
  double step_seconds = 0;
  std::int64_t timed_steps = 0;

  // The rate that the next step has, before the schedule.
  double learning_rate() const { return governed_ != nullptr ? governed_->rate() : recipe_.learning_rate; }
  // From here on steps are recorded, and the energy of some.
  void record() {
    recording = std::make_unique<Recording>();
    if constexpr (__is_same(Net, Plain)) probe_ = std::make_unique<EnergyProbe<C>>(*table_);
  }
  // What sets the learning rate; null without --governor.
  RateGovernor* governor() const { return governed_ != nullptr ? &governed_->governor : nullptr; }

 private:
  // What the schedule leaves of a learning rate.
  double left(std::int64_t done, std::int64_t total) const {
    const double share = static_cast<double>(done) / static_cast<double>(total);
    return recipe_.schedule == "linear"     ? 1.0 - share
           : recipe_.schedule == "cosine"   ? (1.0 + std::cos(std::numbers::pi * share)) / 2
           : recipe_.schedule == "cooldown" ? std::min(1.0, 4 * (1.0 - share))
                                            : 1.0;
  }
  static auto& by_block(Rule& rule) {
    if constexpr (kClipsByValue) return rule.rule;
    else return rule;
  }
  // A factor of the parametrised layer: of a LowRank one the weights of its two layers.
  static constexpr bool is_factor(int block) {
    const auto& b = kPlan<Net>.block[block];
    const bool paired = [&]<int... I>(std::integer_sequence<int, I...>) {
      return (false || ... || (detail::kIsPaired<Net, I> && (b.node == I || b.node == I + 1)));
    }
    (std::make_integer_sequence<int, Net::kNodes>{});
    return b.role == Role::factor || (b.role == Role::weight && paired);
  }
  // The layer next to the parametrised one, which could grow in its place ("rescaling escape").
  static constexpr bool is_partner(int block) {
    return kPlan<Net>.block[block].role == Role::weight ||
           (kPlan<Net>.block[block].role == Role::bias && kPlan<Net>.block[block].node == 0);
  }
  static const std::vector<Target>& targets_of(const io::Dataset& data) {
    if constexpr (kLabels) return data.labels;
    else return data.values;
  }
  void copy_sample(std::size_t row, int to) {
    std::copy_n(train_.x.data() + row * kFeatures, kFeatures, x_ + to * kFeatures);
    std::copy_n(targets_of(train_).data() + row * kTargets, kTargets, targets_ + to * kTargets);
    if constexpr (kLabels)
      if (recipe_.label_noise > 0 && static_cast<double>(progress.rng.uniform()) < recipe_.label_noise)
        targets_[to] = static_cast<int>(progress.rng.below(kOutputs));
  }
  void stage(const io::Dataset& data, std::size_t at, int count) {
    std::fill(std::begin(x_), std::end(x_), 0.0f);
    std::fill(std::begin(targets_), std::end(targets_), Target(0));
    std::copy_n(data.x.data() + at * kFeatures, count * kFeatures, x_);
    std::copy_n(targets_of(data).data() + at * kTargets, count * kTargets, targets_);
  }
  // Stages all rows, batch by batch; f(first row, number of rows) says whether to go on.
  template <class F>
  bool for_batches(const io::Dataset& data, F f) {
    for (std::size_t at = 0; at < data.rows; at += kBatch) {
      const int count = static_cast<int>(std::min<std::size_t>(kBatch, data.rows - at));
      stage(data, at, count);
      if (!f(at, count)) return false;
    }
    return true;
  }
  // f(row, its outputs) for all rows.
  template <class F>
  bool for_outputs(const io::Dataset& data, F f) {
    float y[kBatch * kOutputs];
    return for_batches(data, [&](std::size_t at, int count) {
      if (table_->infer(trainer->params, trainer->buffers, *scratch_, x_, y) != Status::ok) return false;
      for (int i = 0; i < count; ++i) f(at + static_cast<std::size_t>(i), y + i * kOutputs);
      return true;
    });
  }

  Score score_labels(const io::Dataset& data) {
    Evaluation<float> all{};
    double loss = 0;
    if (!for_batches(data, [&](std::size_t, int count) {
          all.loss = 0;
          const Status status =
              table_->evaluate(trainer->params, trainer->buffers, *scratch_, x_, targets_, count, all);
          loss += static_cast<double>(all.loss);
          return status == Status::ok;
        }))
      return {};
    const auto n = static_cast<double>(data.rows);
    return {loss / n, static_cast<double>(all.correct) / n, static_cast<std::size_t>(all.correct), 0};
  }
  Score score_values(const io::Dataset& data) {
    double squares = 0;
    if (!for_outputs(data, [&](std::size_t row, const float* y) {
          for (std::size_t o = 0; o < kOutputs; ++o) {
            const double d = static_cast<double>(y[o]) - static_cast<double>(data.values[row * kOutputs + o]);
            squares += d * d;
          }
        }))
      return {};
    const auto n = static_cast<double>(data.rows);
    return {squares / (2 * n), 0, 0, squares / (n * kOutputs)};
  }

  Recipe recipe_;
  const Table<C>* table_;
  io::Dataset train_, test_;
  std::unique_ptr<Governed<C>> governed_;
  std::unique_ptr<EnergyProbe<C>> probe_;
  std::vector<std::uint32_t> order_;
  std::int64_t steps_per_epoch_ = 0;
  std::unique_ptr<Scratch<Net, kBatch, Infer>> scratch_ = std::make_unique<Scratch<Net, kBatch, Infer>>();
  alignas(64) float x_[kBatch * kFeatures] = {};
  Target targets_[kBatch * kTargets] = {};
};

}  // namespace emmy::app
