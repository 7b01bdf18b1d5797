// A control loop that learns its plant while it runs. An interrupt moves the plant once a tick and hands over one sample
// in one of two buffers; the main program predicts and learns that sample on one forward pass and corrects its output by
// what the model expects. health() is the safety signal: a step whose arithmetic was damaged puts the loop into its safe
// state, output 0, in the same tick. So do a sample that the plant cannot produce, a main program that falls behind, an
// output that is no number, and fault().
//
//   1. clean running: every tick is served, the model learns, no alarm
//   2. planted faults: one bit of one gradient flipped between its product and the update; every flip that moves a weight
//      by more than 1e-3 of the largest must be flagged in that step
//   3. planted faults in the running loop: a gradient, a sample, the output, a main program that stalls. It must be safe
//      in that tick and stay so
#include <cstdint>

namespace faults {

inline int seen = 0, target = -1, bit = 0;  // values of this step's gradients so far; the one to damage; where

inline void strike(float* values, int count) noexcept {
  if (target >= seen && target < seen + count)
    values[target - seen] =
        __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, values[target - seen]) ^ (1u << bit));
  seen += count;
}

}  // namespace faults
#define EMMY_GRADIENT_HOOK(values, count) ::faults::strike(values, count)

#include <atomic>
#include <cstring>

#include <emmy/emmy.hpp>
#if defined(EMMY_BOARD_RAM_KIB)
#include <platforms/cortex_m/semihosting.hpp>
#else
#include <cstdlib>
#endif
#include <platforms/text.hpp>
#include <platforms/ticks.hpp>

namespace app {

#if defined(EMMY_CONTROL_LONG)
constexpr int kCleanTicks = 100000, kHarmfulFlips = 1000;
#elif defined(EMMY_BOARD_RAM_KIB) && EMMY_BOARD_RAM_KIB < 32
constexpr int kCleanTicks = 1000, kHarmfulFlips = 50;
#else
constexpr int kCleanTicks = 4000, kHarmfulFlips = 200;
#endif

#if defined(EMMY_FROZEN_FIRST_LAYER)
using First = emmy::Frozen<emmy::Dense<12>>;  // random features: only the readout learns
#else
using First = emmy::Dense<12>;
#endif
using Net = emmy::Net<emmy::Input<4>, First, emmy::LeakyRelu<1, 8>, emmy::Dense<1>>;
using Rule = emmy::Momentum;
constexpr Rule kRule{.learning_rate = 0.02f, .momentum = 0.5f, .weight_decay = 1e-5f};

// Everything that learns, to be copied as a whole.
struct Machine {
  emmy::Trainer<Net, Rule, 1> trainer;
  emmy::Ledger<Net> ledger;
};
constinit Machine machine{}, damaged{};

// One tick's hand-over: what the model sees, and what the plant then did.
struct Sample {
  float x[4], y;
};

// ---- the interrupt's side

constinit Sample buffers[2] = {};
constinit std::atomic<std::uint32_t> produced{0}, consumed{0}, overruns{0};  // samples; overruns stay 0 in time
constinit std::atomic<std::uint32_t> output{0};                              // bits of the float that drives the plant
constinit std::atomic<std::uint32_t> safe{0};                                // for good: output 0, nothing is learnt

void make_safe() {
  safe.store(1);
  output.store(0);
}

// A motor with friction and a load that comes and goes: speed' = 0.9 speed + 0.4 u - 0.2 speed |speed| - load.
struct Plant {
  float speed = 0, last_speed = 0, last_u = 0;
  emmy::Pcg32 noise{99};
};
constinit Plant plant{};

void tick() {
  const std::uint32_t n = produced.load(std::memory_order_relaxed);
  if (n - consumed.load(std::memory_order_acquire) >= 2) {  // the main program still reads this buffer
    overruns.store(overruns.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    make_safe();  // nobody watches the plant
    return;
  }
  const float u = __builtin_bit_cast(float, output.load(std::memory_order_relaxed));
  const float speed = plant.speed, drag = speed < 0 ? -speed : speed;
  const float load = (n / 64) % 2 == 0 ? 0.0f : 0.15f;
  const float next = 0.9f * speed + 0.4f * u - 0.2f * speed * drag - load + 0.01f * (plant.noise.uniform() - 0.5f);
  Sample& s = buffers[n % 2];
  s.x[0] = speed;
  s.x[1] = u;
  s.x[2] = plant.last_speed;
  s.x[3] = plant.last_u;
  s.y = next;
  plant.last_speed = speed;
  plant.last_u = u;
  plant.speed = next;
  produced.store(n + 1, std::memory_order_release);
}

// ---- the main program's side

struct Loop {
  float disturbance = 0;
  float error = 0;  // of the last prediction
};
constinit Loop loop{};

constinit float prediction = 0;  // of the sample that is being learnt

float size(float x) { return x < 0 ? -x : x; }

bool sound(const Machine& m, emmy::Status status) { return status == emmy::Status::ok && m.ledger.health() <= 1.0f; }

emmy::Status learn(Machine& m, const Sample& s) {
  faults::seen = 0;
  const emmy::KeepOutputs<emmy::SquaredError, float> loss{{}, &prediction};
  return m.trainer.step(s.x, &s.y, loss, kRule, m.ledger).status;
}

// Waits for the next sample, gives it to `use`, hands the buffer back.
template <class Use>
void next_sample(Use use) {
  const std::uint32_t n = consumed.load(std::memory_order_relaxed);
  constexpr auto kReady = [] {
    return produced.load(std::memory_order_acquire) != consumed.load(std::memory_order_relaxed);
  };
  while (!kReady()) emmy::platform::idle_unless(kReady);
  use(buffers[n % 2]);
  consumed.store(n + 1, std::memory_order_release);
}

// Clamped; what is no number is no output. Looks at `safe` after the store: an overrun in between must win.
void drive(float u) {
  if (!(size(u) <= 3e38f)) return make_safe();
  output.store(__builtin_bit_cast(std::uint32_t, u < -1 ? -1.0f : u > 1 ? 1.0f : u));
  if (safe.load() != 0) output.store(0);
}

// What the plant can do; an error of the prediction is at most one such speed from another.
constexpr float kLargestSpeed = 2;
bool plausible(const Sample& s) {
  return size(s.x[0]) <= kLargestSpeed && size(s.x[1]) <= 1 && size(s.x[2]) <= kLargestSpeed && size(s.x[3]) <= 1 &&
         size(s.y) <= kLargestSpeed;
}

// One tick: learn, judge, drive towards `reference`.
void control(const Sample& s, float reference) {
  if (safe.load() != 0 || !plausible(s) || !sound(machine, learn(machine, s))) return make_safe();
  loop.error = s.y - prediction;
  if (!(size(loop.error) <= 2 * kLargestSpeed)) return make_safe();
  loop.disturbance += 0.1f * (loop.error - loop.disturbance);
  const float u = 1.2f * (reference - s.y) + 0.5f * reference - loop.disturbance;
  drive(u);
}

float reference(int n) { return (n / 200) % 2 == 0 ? 0.5f : -0.3f; }
// The largest difference of a weight, over the largest weight.
float harm() {
  float difference = 0, largest = 0;
  for (int i = 0; i < emmy::kPlan<Net>.params; ++i) {
    const float a = machine.trainer.params.data[i], d = size(a - damaged.trainer.params.data[i]);
    if (!(d <= 3e38f)) return 3e38f;
    difference = d > difference ? d : difference;
    largest = size(a) > largest ? size(a) : largest;
  }
  return difference / largest;
}

}  // namespace app

// The board's own would end as well, but with the plant as it is driven. (On a product: then reset.)
void emmy::platform::fault(const char* why) noexcept {
  app::make_safe();
  print("fault: ", why, ", output ", __builtin_bit_cast(float, app::output.load()), "\n");
#if defined(EMMY_BOARD_RAM_KIB)
  semihosting::exit(70);
#else
  std::_Exit(70);
#endif
}

int main() {
  using namespace app;
  using emmy::platform::fault;
  using emmy::platform::print;
  emmy::Pcg32 rng{5};
  emmy::init(machine.trainer.params, rng);
  emmy::platform::start_ticks(emmy::platform::kTicksPerSecond / 100, tick);  // 100 Hz
#if defined(EMMY_CONTROL_CRASH)  // what fault() does to the output: device.control_loop_crash
  while (output.load() == 0) next_sample([](const Sample& s) { control(s, reference(0)); });
#if defined(EMMY_BOARD_RAM_KIB)
  __builtin_trap();
#else
  fault("crashed on purpose");
#endif
#endif

  // 1. clean
  float first = 0, last = 0;
  for (int n = 0; n < kCleanTicks; ++n) {
    next_sample([&](const Sample& s) { control(s, reference(n)); });
    if (safe.load() != 0) fault("an alarm without a fault");
    if (n < kCleanTicks / 4) first += size(loop.error) / (kCleanTicks / 4);
    if (n >= kCleanTicks - kCleanTicks / 4) last += size(loop.error) / (kCleanTicks / 4);
  }
  print("control_loop: ", kCleanTicks, " ticks, 0 alarms, worst health ", machine.ledger.worst_health(),
        "; error of the prediction ", first, ", then ", last, "\n");
  if (overruns.load() != 0) fault("a tick was missed");
  if (!(last < 0.75f * first)) fault("the model did not learn");

  // 2. faults in a second machine that repeats each step
  int planted = 0, flagged = 0, harmful = 0;
  for (int n = 0; harmful < kHarmfulFlips; ++n) {
    if (n > 200 * kHarmfulFlips) fault("too few harmful flips");
    next_sample([&](const Sample& s) {
      std::memcpy(static_cast<void*>(&damaged), &machine, sizeof machine);
      control(s, reference(n));
      faults::target = static_cast<int>(rng.below(static_cast<std::uint32_t>(faults::seen)));
      faults::bit = static_cast<int>(rng.below(32));
      const bool seen = !sound(damaged, learn(damaged, s));
      faults::target = -1;
      const bool harms = harm() > 1e-3f;
      ++planted;
      flagged += seen;
      harmful += harms;
      if (harms && !seen) fault("a harmful flip was not flagged");
    });
    if (safe.load() != 0) fault("an alarm without a fault");
  }
  print(planted, " flips planted, ", flagged, " flagged; ", harmful,
        " moved a weight by more than 1e-3, all flagged\n");
  if (overruns.load() != 0) fault("a tick was missed");

  // 3. faults in the loop itself. After each the loop is safe at once, and ten ticks later
  const auto fails = [&](const char* what, auto plant_it) {
    safe.store(0);
    loop = Loop{};
    next_sample([&](const Sample& s) { control(s, 0.5f); });
    if (safe.load() != 0 || output.load() == 0) fault("an alarm without a fault");
    std::memcpy(static_cast<void*>(&damaged), &machine, sizeof machine);
    next_sample(plant_it);
    if (safe.load() == 0 || output.load() != 0) fault(what);
    for (int n = 0; n < 10; ++n) next_sample([&](const Sample& s) { control(s, 0.5f); });
    if (safe.load() == 0 || output.load() != 0) fault("the loop left its safe state");
    std::memcpy(static_cast<void*>(&machine), &damaged, sizeof machine);
  };
  fails("not safe after a wrong gradient", [](const Sample& s) {  // the exponent of the last one, of the output bias
    if (learn(machine, s) != emmy::Status::ok) fault("a clean step was refused");
    faults::target = faults::seen - emmy::padded<float>(1);
    faults::bit = 30;
    control(s, 0.5f);
    faults::target = -1;
  });
  fails("not safe after a broken sensor", [](Sample s) {
    s.y = 1e15f;
    control(s, 0.5f);
    if (std::memcmp(&machine, &damaged, sizeof machine) != 0) fault("what a broken sensor says was learnt");
  });
  fails("not safe after a prediction out of range", [](const Sample& s) {
    machine.trainer.params.bias<emmy::Layer<2>>(0) += 100.0f;
    control(s, 0.5f);
  });
  fails("not safe after an output that is no number", [](const Sample& s) { control(s, __builtin_nanf("")); });
  fails("not safe after a stall", [](const Sample& s) {
    while (overruns.load() == 0) emmy::platform::idle_unless([] { return overruns.load() != 0; });
    if (output.load() != 0) fault("a stalled main program still drives");
    control(s, 0.5f);  // too late
  });
  emmy::platform::stop_ticks();
  print("5 faults in the loop: output 0 in the same tick, and it stays 0\nok\n");
  return 0;
}
