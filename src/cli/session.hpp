// One training run: data, the objects of the net, the table of functions for the chosen target.
#pragma once

#include <chrono>
#include <memory>
#include <numeric>
#include <vector>

#include "cli/model_file.hpp"
#include "cli/nets.hpp"
#include "io/dataset.hpp"

namespace emmy::app {

// Loss and accuracy over a data set.
struct Score {
  double loss = 0;      // mean
  double accuracy = 0;  // 0..1
  std::size_t correct = 0;
};

template <class C>
class Session {
 public:
  using Net = typename C::Net;
  using Plain = plain_of<Net>;
  using Rule = typename C::Rule;
  static constexpr int kBatch = C::kBatch;

  Session(const Recipe& recipe, const Table<C>& table, io::Dataset train, io::Dataset test)
      : recipe_(recipe), table_(&table), train_(std::move(train)), test_(std::move(test)), order_(train_.rows) {
    Pcg32 draw{recipe.seed, 1};
    init(trainer->params, draw);
    progress.rng = Pcg32{recipe.seed, 2};
    steps_per_epoch_ = static_cast<std::int64_t>(train_.rows) / kBatch;
  }

  const Recipe& recipe() const { return recipe_; }
  const Table<C>& table() const { return *table_; }
  const io::Dataset& train_data() const { return train_; }
  const io::Dataset& test_data() const { return test_; }

  // The rates of a step when `done` of `total` steps are done.
  Rule rule(double learning_rate, std::int64_t done, std::int64_t total, double strength, double partner) const {
    Rule r{};
    const double left =
        recipe_.schedule == "linear" ? 1.0 - static_cast<double>(done) / static_cast<double>(total) : 1.0;
    r.rule.learning_rate = static_cast<float>(learning_rate * left);
    r.rule.momentum = static_cast<float>(recipe_.momentum);
    r.rule.weight_decay = static_cast<float>(recipe_.decay);
    r.fill();
    for (int b = 0; b < kPlan<Net>.kBlocks; ++b) {
      if constexpr (!__is_same(Net, Plain))
        r.rates[b].weight_decay = static_cast<float>(kPlan<Net>.block[b].role == Role::factor ? strength
                                                     : is_partner(b)                          ? partner
                                                                                              : recipe_.decay);
    }
    return r;
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
      const Rule r = rule(learning_rate, done, total, strength, partner);
      const auto from = std::chrono::steady_clock::now();
      const auto [status, loss] = table_->step(*trainer, x_, labels_, r, *ledger);
      step_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
      if (status != Status::ok) return {status, 0};
      ++done;
      ++timed_steps;
      sum += static_cast<double>(loss);
    }
    return {Status::ok, sum / static_cast<double>(steps_per_epoch_)};
  }

  Score score(const io::Dataset& data) {
    Evaluation<float> all{};
    double loss = 0;
    for (std::size_t at = 0; at < data.rows; at += kBatch) {
      const int count = static_cast<int>(std::min<std::size_t>(kBatch, data.rows - at));
      stage(data, at, count);
      all.loss = 0;
      if (table_->evaluate(trainer->params, trainer->buffers, *scratch_, x_, labels_, count, all) != Status::ok)
        return {};
      loss += static_cast<double>(all.loss);
    }
    const auto n = static_cast<double>(data.rows);
    return {loss / n, static_cast<double>(all.correct) / n, static_cast<std::size_t>(all.correct)};
  }

  // The class of each row, as `infer` gives it.
  std::vector<int> classes(const io::Dataset& data) {
    std::vector<int> best;
    float y[kBatch * kClasses];
    for (std::size_t at = 0; at < data.rows; at += kBatch) {
      const int count = static_cast<int>(std::min<std::size_t>(kBatch, data.rows - at));
      stage(data, at, count);
      if (table_->infer(trainer->params, trainer->buffers, *scratch_, x_, y) != Status::ok) return {};
      for (int i = 0; i < count; ++i)
        best.push_back(
            static_cast<int>(std::max_element(y + i * kClasses, y + (i + 1) * kClasses) - (y + i * kClasses)));
    }
    return best;
  }

  // The gradient of the mean loss over the whole training set, of the plain net with the present weights.
  bool full_gradient(Gradient<Plain>& g) {
    auto plain = std::make_unique<Params<Plain>>();
    auto scratch = std::make_unique<typename Table<C>::PlainScratch>();
    Buffers<Plain> buffers;
    fold(trainer->params, *plain);
    g = {};
    for (std::size_t at = 0; at < train_.rows; at += kBatch) {
      const int count = static_cast<int>(std::min<std::size_t>(kBatch, train_.rows - at));
      stage(train_, at, count);
      if (table_->gradient(*plain, buffers, *scratch, x_, labels_, count, 1.0f / static_cast<float>(train_.rows), g)
              .status != Status::ok)
        return false;
    }
    return true;
  }

  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }

  std::unique_ptr<Trainer<Net, Rule, kBatch>> trainer = std::make_unique<Trainer<Net, Rule, kBatch>>();
  std::unique_ptr<typename C::Ledger> ledger = std::make_unique<typename C::Ledger>();
  Progress progress{};
  double step_seconds = 0;
  std::int64_t timed_steps = 0;

 private:
  // The layer next to the parametrised one, which could grow in its place ("rescaling escape").
  static constexpr bool is_partner(int block) {
    return kPlan<Net>.block[block].role == Role::weight ||
           (kPlan<Net>.block[block].role == Role::bias && kPlan<Net>.block[block].node == 0);
  }
  void copy_sample(std::size_t row, int to) {
    std::copy_n(train_.x.data() + row * kInputs, kInputs, x_ + to * kInputs);
    labels_[to] = train_.labels[row];
  }
  void stage(const io::Dataset& data, std::size_t at, int count) {
    std::fill(std::begin(x_), std::end(x_), 0.0f);
    std::fill(std::begin(labels_), std::end(labels_), 0);
    std::copy_n(data.x.data() + at * kInputs, count * kInputs, x_);
    std::copy_n(data.labels.data() + at, count, labels_);
  }

  Recipe recipe_;
  const Table<C>* table_;
  io::Dataset train_, test_;
  std::vector<std::uint32_t> order_;
  std::int64_t steps_per_epoch_ = 0;
  std::unique_ptr<Scratch<Net, kBatch, Infer>> scratch_ = std::make_unique<Scratch<Net, kBatch, Infer>>();
  alignas(64) float x_[kBatch * kInputs] = {};
  int labels_[kBatch] = {};
};

}  // namespace emmy::app
