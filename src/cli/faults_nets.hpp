// The text of `emmy faults` for one target: nets whose values pass by a place where a bit can be flipped, and the campaign.
//
// Values are struck where they are made, in the kernels' own order: behind a gradient's product (EMMY_GRADIENT_HOOK), in an
// activation's epilogue, before and behind the loss, in dx of a Dense, in what a norm keeps. Weights, momentum, biases and inputs
// are struck between steps.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace emmy::faults {

enum class Site : int {
  weights,
  momentum,
  input,
  pre_activation,
  activation,
  logits,
  output_delta,
  hidden_delta,
  gradient,
  bias,
  statistics
};
inline constexpr int kSites = 11;
inline constexpr const char* kSiteName[kSites] = {"weights",    "momentum", "input",        "pre-activation",
                                                  "activation", "logits",   "output delta", "hidden delta",
                                                  "gradient",   "bias",     "statistics"};

// The values that pass the armed site in one step are numbered; number `target` gets a bit flipped.
struct Strike {
  Site site = Site::weights;
  long long seen = 0, target = -1;
  int bit = 0;
};
inline Strike strike{};

inline float flipped(float value, int bit) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ (std::uint32_t{1} << bit));
}
template <class T>
void pass(Site site, T* values, int count) noexcept {
  if (strike.site != site) return;
  if (strike.target >= strike.seen && strike.target < strike.seen + count)
    values[strike.target - strike.seen] = flipped(values[strike.target - strike.seen], strike.bit);
  strike.seen += count;
}

}  // namespace emmy::faults

#define EMMY_GRADIENT_HOOK(values, count) ::emmy::faults::pass(::emmy::faults::Site::gradient, values, count)

#include <emmy/train/dispatch.hpp>
#include <emmy/train/guards.hpp>

#include "io/crc32.hpp"

namespace emmy::faults {

inline constexpr int kBatch = 16, kInputs = 64, kClasses = 10, kNets = 4, kDetectors = 4;

// What to do with one net.
struct Task {
  const float* x;  // rows of kInputs
  const int* labels;
  int rows;
  std::uint64_t seed;
  long long flips;  // of each site
  long long clean;  // steps without a fault
};
// Detectors: charges (budgets and Noether identities), check sums, both, both and a CRC of the inputs.
struct Count {
  long long flips, harmful, seen[kDetectors], harmful_seen[kDetectors];
};
struct Result {
  Count site[kSites];
  long long steps, alarms;            // clean
  float worst_health, worst_outputs;  // over their bounds
};

struct Campaign {};

}  // namespace emmy::faults

namespace emmy {

template <>
struct Table<faults::Campaign> {
  const char* target;
  void (*run[faults::kNets])(const faults::Task&, faults::Result&);
};

}  // namespace emmy

namespace emmy::faults::inline EMMY_TARGET {

template <class V>
V passed(Site site, V v) noexcept {
  using T = simd::Scalar<V>;
  if (strike.site != site) return v;
  alignas(kAlign<T>) T values[padded<T>(1)] = {};
  simd::store(v, values);
  pass(site, values, static_cast<int>(simd::lanes<T>()));
  return simd::load(static_cast<const T*>(values));
}

template <class Right>
struct Struck : Right {};
template <class V, class Right>
V activate(Struck<Right>, V x) noexcept {
  return passed(Site::activation, emmy::activate(Right{}, passed(Site::pre_activation, x)));
}
template <class V, class Right>
V derivative_from_output(Struck<Right>, V y) noexcept {
  return emmy::derivative_from_output(Right{}, y);
}

template <int Out>
struct Layer : Dense<Out> {};
template <bool kAdd, int Out, class F, class Below>
void backward(Layer<Out>, const F& f, Below below) noexcept {
  emmy::backward<kAdd>(Dense<Out>{}, f, below);
  pass(Site::hidden_delta, f.dx, F::kInRows * F::kInStride);
}

struct Norm : BatchNorm<> {};
template <class F>
void forward(Norm, const F& f) noexcept {
  emmy::forward(BatchNorm<>{}, f);
  pass(Site::statistics, f.kept, Norm::kKept<typename F::scalar, typename F::in_shape, F::kBatch>);
}

struct Loss : Summed<CrossEntropy, float> {};
template <int Rows, int Cols, class T>
T loss_and_delta(const Loss& summed, const T* y, const int* labels, int rows, T scale, T* dy) noexcept {
  for (int r = 0; r < Rows; ++r) pass(Site::logits, const_cast<T*>(y) + r * padded<T>(Cols), Cols);
  const T loss =
      emmy::loss_and_delta<Rows, Cols>(static_cast<const Summed<CrossEntropy, T>&>(summed), y, labels, rows, scale, dy);
  for (int r = 0; r < Rows; ++r) pass(Site::output_delta, dy + r * padded<T>(Cols), Cols);
  return loss;
}

using One = Net<Input<kInputs>, Layer<32>, Struck<Relu>, Layer<kClasses>>;
using Two = Net<Input<kInputs>, Layer<32>, Struck<LeakyRelu<>>, Layer<16>, Struck<Relu>, Layer<kClasses>>;
using Windows = Net<Input<8, 8>, Conv1d<16, 3>, Struck<Relu>, Flatten, Layer<kClasses>>;
using Normed = Net<Input<kInputs>, Layer<32>, Norm, Struck<Relu>, Layer<kClasses>>;

template <class N>
class Runs {
  using Rule = Momentum;
  using Machine = Trainer<N, Rule, kBatch>;
  using Books = Ledger<N>;          // charges, and check sums
  using Sums = Ledger<N, Watch<>>;  // check sums alone
  // Steps: from a flip to the end, while the rate falls to 0; then of the final loss, at rate 0; clean ones between two places.
  static constexpr int kToEnd = 192, kOfLoss = 16, kHorizon = kToEnd + kOfLoss, kApart = 40;

 public:
  Runs(const Task& task, Result& result) : task_(task), result_(result), rng_{task.seed, 77} {
    init(machine_->trainer.params, rng_);
  }

  void campaign() {
    for (int k = 0; k < 200; ++k) clean_step();
    constexpr long long kPlaces = 64;
    for (long long place = 0; place < kPlaces; ++place) {
      for (int k = 0; k < kApart; ++k) clean_step();
      draw_batches();
      *twin_ = *machine_;
      for (int k = 0; k < 2; ++k)
        static_cast<void>(twin_->trainer.step(x_[k], labels_[k], loss(), rule(k), twin_->books));
      *after_ = twin_->trainer;
      const float loss = finish(*twin_, 2);
      for (int site = 0; site < kSites; ++site) {
        const long long from = task_.flips * place / kPlaces, to = task_.flips * (place + 1) / kPlaces;
        const long long values = count_values(static_cast<Site>(site));
        for (long long k = from; k < to && values > 0; ++k) flip(static_cast<Site>(site), values, loss);
      }
    }
    for (long long k = 0; k < task_.clean; ++k) clean_step();
  }

 private:
  struct Pair {
    Machine trainer;
    Books books;
  };
  // Of step k after a flip.
  static Rule rule(int k) {
    const float left = k < kToEnd ? 1.0f - static_cast<float>(k) / kToEnd : 0.0f;
    return {.learning_rate = 0.03f * left, .momentum = 0.9f, .weight_decay = 1e-4f};
  }

  void draw(float* x, int* labels) {
    for (int i = 0; i < kBatch; ++i) {
      const auto row = rng_.below(static_cast<std::uint32_t>(task_.rows));
      std::memcpy(x + i * kInputs, task_.x + row * kInputs, sizeof(float) * kInputs);
      labels[i] = task_.labels[row];
    }
  }
  void clean_step() {
    strike.target = -1;
    draw(x_[0], labels_[0]);
    const auto status = machine_->trainer.step(x_[0], labels_[0], loss(), rule(0), machine_->books).status;
    ++result_.steps;
    const float health = machine_->books.health(), outputs = ratio_of_outputs(*machine_, 0);
    result_.alarms += status != Status::ok || !(health <= 1) || !(outputs <= 1);
    if (!(health <= result_.worst_health)) result_.worst_health = health;
    if (!(outputs <= result_.worst_outputs)) result_.worst_outputs = outputs;
  }
  void draw_batches() {
    for (int k = 0; k < kHorizon; ++k) draw(x_[k], labels_[k]);
  }
  // From step `from` on: the final loss. A refused step leaves the weights and goes on.
  float finish(Pair& pair, int from) {
    strike.target = -1;
    float sum = 0;
    for (int k = from; k < kHorizon; ++k) {
      const auto r = pair.trainer.step(x_[k], labels_[k], loss(), rule(k));
      if (k >= kToEnd) sum += r.loss / kOfLoss;
    }
    return sum;
  }
  // How far the outputs of the step that was just taken are from the sum that the charges say, over its bound.
  float ratio_of_outputs(Pair& pair, int k) {
    return output_ratio<N, kBatch, Rule>(pair.trainer.params, pair.trainer.buffers, pair.trainer.scratch, x_[k],
                                         pair.books, sums_of_outputs_);
  }
  static std::uint64_t sum_of_memory(const Machine& machine) {
    return word_sum(machine.state.buf, static_cast<int>(sizeof machine.state.buf / sizeof(float)));
  }
  // One of the trained values of a role, without pads.
  Loss loss() { return {{{}, sums_of_outputs_}}; }
  static bool is_of(Site site, Role role) { return (role == Role::bias) == (site == Site::bias); }
  float* stored(Pair& pair, Site site, long long at) {
    for (int b = 0; b < kPlan<N>.kBlocks; ++b) {
      const auto& block = kPlan<N>.block[b];
      if (site != Site::momentum && !is_of(site, block.role)) continue;
      const long long size = static_cast<long long>(block.rows) * block.cols;
      if (at >= size) {
        at -= size;
        continue;
      }
      float* data = site == Site::momentum ? pair.trainer.state.buf : pair.trainer.params.data;
      return data + block.at(static_cast<int>(at / block.cols), static_cast<int>(at % block.cols));
    }
    return nullptr;
  }
  long long count_values(Site site) {
    if (site == Site::input) return kBatch * kInputs;
    if (site == Site::weights || site == Site::bias || site == Site::momentum) {
      long long count = 0;
      while (stored(*twin_, site, count) != nullptr) ++count;
      return count;
    }
    *twin_ = *machine_;
    strike = {site, 0, -1, 0};
    static_cast<void>(twin_->trainer.step(x_[0], labels_[0], loss(), rule(0), twin_->books));
    return strike.seen;
  }

  // Does a charge tell, in the step that was just taken? `before`: the charges that the step before it left.
  static bool charges_alarm(const Books& books, const float* before) {
    for (int u = 0; u < Books::kUnits; ++u)
      if (!(books.units[PerUnit::before][u] == before[u])) return true;
    for (const auto& e : books.extreme)
      if (!(e.residual_ratio <= 1) || !(e.noether_ratio <= 1)) return true;
    return false;
  }
  // The same of the plain sums of each unit's weights; `before` of the sums.
  static bool sums_alarm(const Books& books, const float* before) {
    for (int c = 0; c < Books::kChargeCount; ++c) {
      constexpr auto& table = kCharges<N, WatchAll>;
      if (table.charge[c].power != 2) continue;
      const float terms = kRoundoff<float> * terms_of<float>(table.charge[c], kPlan<N>.block);
      for (int u = table.unit[c]; u < table.unit[c + 1]; ++u) {
        const auto of = [&](PerUnit quantity) { return books.units[quantity][u]; };
        const float residual = of(PerUnit::sum_after) - of(PerUnit::sum_before) - of(PerUnit::sum_booked);
        const float bound = terms * (root(of(PerUnit::motion)) * 0.70710678f + root(of(PerUnit::weight)));
        if (!(of(PerUnit::sum_before) == before[u]) || !(magnitude(residual) <= bound)) return true;
      }
    }
    return false;
  }
  void flip(Site site, long long values, float clean_loss) {
    *twin_ = *machine_;
    *sums_ = machine_->trainer;
    Sums sum_books{};
    const long long at = static_cast<long long>(rng_.below(static_cast<std::uint32_t>(values)));
    const int bit = static_cast<int>(rng_.below(32));
    float* struck_input = site == Site::input ? x_[0] + at : nullptr;
    const std::uint32_t crc = crc_of_inputs();
    bool seen[kDetectors] = {};
    const auto strike_stored = [&](Pair& pair) {
      if (site == Site::weights || site == Site::bias || site == Site::momentum) {
        float* value = stored(pair, site, at);
        *value = flipped(*value, bit);
      }
    };
    const std::uint64_t memory = sum_of_memory(twin_->trainer);
    strike_stored(*twin_);
    const bool memory_differs = sum_of_memory(twin_->trainer) != memory;
    seen[1] = seen[2] = memory_differs;
    std::memcpy(static_cast<void*>(sums_.get()), &twin_->trainer, sizeof(Machine));
    if (struck_input != nullptr) *struck_input = flipped(*struck_input, bit);
    const bool crc_differs = crc_of_inputs() != crc;
    for (int k = 0; k < 2; ++k) {
      float charge[Books::kUnits], sum[Books::kUnits];
      std::memcpy(charge, twin_->books.units[PerUnit::charge], sizeof charge);
      std::memcpy(sum, twin_->books.units[PerUnit::sum], sizeof sum);
      for (auto& e : twin_->books.extreme) e = {};
      strike = {site, 0, k == 0 ? at : -1, bit};
      const bool refused = twin_->trainer.step(x_[k], labels_[k], loss(), rule(k), twin_->books).status != Status::ok;
      const bool outputs = !refused && !(ratio_of_outputs(*twin_, k) <= 1);
      strike = {site, 0, k == 0 ? at : -1, bit};
      const bool sums_refused = sums_->step(x_[k], labels_[k], loss(), rule(k), sum_books).status != Status::ok;
      seen[0] = seen[0] || refused || charges_alarm(twin_->books, charge);
      seen[1] = seen[1] || sums_refused || sum_books.health() > 1 || (!refused && sums_alarm(twin_->books, sum));
      if (outputs) seen[1] = seen[2] = true;
      seen[2] = seen[2] || refused || twin_->books.health() > 1;
      if (k == 0 && struck_input != nullptr) *struck_input = flipped(*struck_input, bit);
    }
    seen[3] = seen[2] || crc_differs;
    const bool same = std::memcmp(after_.get(), &twin_->trainer, offsetof(Machine, scratch)) == 0;
    const float loss = same ? clean_loss : finish(*twin_, 2);
    const bool harmful = !(magnitude(loss - clean_loss) <= 0.01f * clean_loss);
    Count& count = result_.site[static_cast<int>(site)];
    ++count.flips;
    count.harmful += harmful;
    for (int d = 0; d < kDetectors; ++d) {
      count.seen[d] += seen[d];
      count.harmful_seen[d] += harmful && seen[d];
    }
  }
  std::uint32_t crc_of_inputs() const { return io::crc32({reinterpret_cast<const std::byte*>(x_[0]), sizeof x_[0]}); }

  const Task& task_;
  Result& result_;
  Pcg32 rng_;
  alignas(64) float x_[kHorizon][kBatch * kInputs];
  int labels_[kHorizon][kBatch];
  float sums_of_outputs_[kBatch];
  std::unique_ptr<Pair> machine_ = std::make_unique<Pair>(), twin_ = std::make_unique<Pair>();
  std::unique_ptr<Machine> sums_ = std::make_unique<Machine>(), after_ = std::make_unique<Machine>();
};

template <class N>
void run(const Task& task, Result& result) {
  auto runs = std::make_unique<Runs<N>>(task, result);
  runs->campaign();
}

}  // namespace emmy::faults::inline EMMY_TARGET

namespace emmy::inline EMMY_TARGET {

template <class C>
requires __is_same(C, faults::Campaign) consteval Table<C> make_table() {
  return {EMMY_TARGET_NAME,
          {&faults::run<faults::One>, &faults::run<faults::Two>, &faults::run<faults::Windows>,
           &faults::run<faults::Normed>}};
}

}  // namespace emmy::inline EMMY_TARGET
