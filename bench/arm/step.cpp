// The program behind docs/arm.md: one source, unchanged for every target, trains one net on data that it draws itself.
//
// EMMY_BENCH_SMALL picks the net 2-16-1 (ReLU, squared error) instead of 64-32-10 (ReLU, softmax cross-entropy). Batch 1,
// plain Sgd. It prints what must agree on all targets: the loss (a running mean) after kSteps, by how much the sum of
// the hidden units' rescaling charges drifted, and the hash of the weights; floats as bits too, for float text is short.
// With EMMY_STRICT it prints the hashes after 5,000 steps of Sgd and of Momentum only.
//
// emmy_bench_train and emmy_bench_infer are the whole use of the library that flash, stack and instructions are measured
// of, and emmy_bench_train_unchecked only instructions; they know their caller's arguments at run time only.
#include <emmy/emmy.hpp>
#include <emmy/net/hash.hpp>

#include <bench/arm/export.hpp>
#include <platforms/text.hpp>

#include <bit>

namespace bench {

#if defined(EMMY_BENCH_SMALL)
using Net = emmy::Net<emmy::Input<2>, emmy::Dense<16>, emmy::Relu, emmy::Dense<1>>;
using Loss = emmy::SquaredError;
using Target = float;
constexpr float kRate = 0.02f;
#else
using Net = emmy::Net<emmy::Input<64>, emmy::Dense<32>, emmy::Relu, emmy::Dense<10>>;
using Loss = emmy::CrossEntropy;
using Target = int;
constexpr float kRate = 0.02f;
#endif

struct Sample {
  float x[Net::kInputs];
  Target target;
};
#if defined(EMMY_BENCH_SMALL)
// A product: no ReLU net of this size reaches it, so the loss stays away from zero.
inline void draw(emmy::Pcg32& rng, Sample& s) {
  s.x[0] = 2.0f * rng.uniform() - 1.0f;
  s.x[1] = 2.0f * rng.uniform() - 1.0f;
  s.target = s.x[0] * s.x[1];
}
#else
// A stripe of the class's own under noise that hides it at times.
inline void draw(emmy::Pcg32& rng, Sample& s) {
  const int label = static_cast<int>(rng.below(10));
  for (int p = 0; p < Net::kInputs; ++p) s.x[p] = rng.uniform() + (p % 10 == label ? 0.4f : 0.0f);
  s.target = label;
}
#endif

// Training and inference never run at once, so they share their scratch.
union Scratch {
  emmy::Scratch<Net, 1, emmy::Train<emmy::Sgd>> train;
  emmy::Scratch<Net, 1, emmy::Train<emmy::Unchecked<emmy::Sgd>>> unchecked;
  emmy::Scratch<Net, 1, emmy::Infer> infer;
};
constinit emmy::Params<Net> params{};
constinit emmy::Buffers<Net> buffers{};
constinit emmy::State<Net, emmy::Sgd> state{};
constinit emmy::State<Net, emmy::Unchecked<emmy::Sgd>> unchecked_state{};
constinit Scratch scratch{};

}  // namespace bench

EMMY_BENCH_EXPORT float emmy_bench_train(const float* x, const bench::Target* target, float learning_rate) {
  using namespace bench;
#if defined(EMMY_BENCH_PLANTED_BYTES)  // for tests/evidence/planted_growth_test.py
  __asm__ volatile(".space " EMMY_STRINGIFY(EMMY_BENCH_PLANTED_BYTES));
#endif
  emmy::NoLedger none;
  const emmy::Sgd rule{.learning_rate = learning_rate};
  const auto result = emmy::train_step<Net, 1>(params, buffers, state, scratch.train, x, target, Loss{}, rule, none);
  return result.status == emmy::Status::ok ? result.loss : -1.0f;
}
// The same without checks, what a plain loop does.
EMMY_BENCH_EXPORT float emmy_bench_train_unchecked(const float* x, const bench::Target* target, float learning_rate) {
  using namespace bench;
  emmy::NoLedger none;
  const emmy::Unchecked<emmy::Sgd> rule{{.learning_rate = learning_rate}};
  return emmy::train_step<Net, 1>(params, buffers, unchecked_state, scratch.unchecked, x, target, Loss{}, rule, none)
      .loss;
}
// y receives the net's outputs; 0 if they are finite.
EMMY_BENCH_EXPORT int emmy_bench_infer(const float* x, float* y) {
  using namespace bench;
  return static_cast<int>(emmy::infer(params, buffers, scratch.infer, x, y));
}

// For its size: what watching every symmetry of the net adds.
extern "C" {
[[gnu::used]] constinit emmy::Ledger<bench::Net> emmy_bench_ledger{};
}

namespace {

using bench::Net;
using emmy::platform::Hex;
using emmy::platform::print;

void print_hash(const char* name, const emmy::Params<Net>& params) {
  const std::uint64_t hash = emmy::weight_hash(params);
  print(name, " ", Hex{static_cast<std::uint32_t>(hash >> 32)}, " ", Hex{static_cast<std::uint32_t>(hash)}, "\n");
}

#if defined(EMMY_STRICT)

constexpr int kStrictSteps = 5000;

template <class Rule>
int train_strictly(const char* name, const Rule& rule) {
  static constinit emmy::Trainer<Net, Rule, 1> trainer{};
  emmy::Pcg32 rng{7};
  emmy::init(trainer.params, rng);
  bench::Sample sample;
  for (int step = 0; step < kStrictSteps; ++step) {
    bench::draw(rng, sample);
    if (trainer.step(sample.x, &sample.target, bench::Loss{}, rule).status != emmy::Status::ok) return 1;
  }
  print_hash(name, trainer.params);
  return 0;
}

int run() {
  return train_strictly("strict_sgd", emmy::Sgd{.learning_rate = bench::kRate}) +
         train_strictly("strict_momentum", emmy::Momentum{.learning_rate = bench::kRate / 4, .momentum = 0.9f});
}

#else

// The sum over hidden units of |incoming|^2 - |outgoing|^2, in double on every target.
double charge_of(const emmy::Params<Net>& params) {
  using Hidden = emmy::Layer<0>;
  using Output = emmy::Layer<2>;
  constexpr int kHidden = emmy::kPlan<Net>.tensor[1].channels;
  const auto square = [](float w) { return static_cast<double>(w) * static_cast<double>(w); };
  double sum = 0;
  for (int unit = 0; unit < kHidden; ++unit) {
    sum += square(params.template bias<Hidden>(unit));
    for (int i = 0; i < Net::kInputs; ++i) sum += square(params.template weight<Hidden>(unit, i));
    for (int o = 0; o < Net::kOutputs; ++o) sum -= square(params.template weight<Output>(o, unit));
  }
  return sum;
}

void print_float(const char* name, float value) {
  print(name, " ", value, " ", Hex{std::bit_cast<std::uint32_t>(value)}, "\n");
}

int run() {
  using namespace bench;
  constexpr int kSteps = Net::kInputs == 2 ? 2000 : 1000;
  emmy::Pcg32 rng{7};
  emmy::init(params, rng);
  const double before = charge_of(params);
  Sample sample;
  float mean = -1.0f;
  for (int step = 0; step < kSteps; ++step) {
    draw(rng, sample);
    const float loss = emmy_bench_train(sample.x, &sample.target, kRate);
    if (!(loss >= 0.0f)) return 1;
    mean = mean < 0.0f ? loss : mean + 0.02f * (loss - mean);
  }
  constexpr int kInferences = 100, kUnchecked = 100;
  float y[Net::kOutputs], outputs = 0;
  for (int k = 0; k < kInferences; ++k) {
    draw(rng, sample);
    if (emmy_bench_infer(sample.x, y) != 0) return 2;
    outputs += y[0];
  }
  print("emmy_bench_train calls ", kSteps, "\nemmy_bench_infer calls ", kInferences,
        "\nemmy_bench_train_unchecked calls ", kUnchecked, "\n");
  print_float("loss", mean);
  print_float("drift", static_cast<float>(charge_of(params) - before));
  print_float("outputs", outputs);
  print_hash("hash", params);
  for (int k = 0; k < kUnchecked; ++k) {  // to be counted: the results are printed already
    draw(rng, sample);
    if (!(emmy_bench_train_unchecked(sample.x, &sample.target, kRate) >= 0.0f)) return 3;
  }
  return 0;
}

#endif

}  // namespace

int main() { return run(); }
