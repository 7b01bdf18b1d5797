// A training that survives power cuts: it saves weights, momentum, ledger, generator and step to two slots of flash.
// Power is cut in byte operations of a save (on a board in a sample of them; with EMMY_ALL_CUTS in every one, until
// 40,000 are done). After each cut flash must hold the old state or the new one, and a run that goes on from there must
// end in the same bits as one that was never interrupted. Then bits of the flash rot: no damaged record may be loaded.
#include <cstring>

#include <emmy/emmy.hpp>
#include <examples/firmware/flash_store.hpp>
#include <platforms/text.hpp>

namespace app {

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<4>, emmy::Relu, emmy::Dense<2>>;
constexpr int kSteps = 120, kStepsBetweenSaves = 10;
#if defined(EMMY_ALL_CUTS)
constexpr int kWantedCuts = 40000, kStride = 1, kRunsEvery = 199;
#else
constexpr int kWantedCuts = 100, kStride = 97, kRunsEvery = 10;
#endif

// All that the next step depends on. Plain data; kLayout is its version.
constexpr std::uint32_t kLayout = 1;
struct Machine {
  emmy::Params<Net> params;
  emmy::State<Net, emmy::Momentum> state;
  emmy::Ledger<Net> ledger;
  emmy::Pcg32 rng;
  std::uint32_t step;
};
using Flash = store::FlashModel<sizeof(Machine) + sizeof(store::Seal)>;

constinit Machine machine{}, before{}, after{}, last{};
constinit Flash flash{}, whole{};
constinit emmy::Buffers<Net> buffers{};
constinit emmy::Scratch<Net, 1, emmy::Train<emmy::Momentum>> scratch{};

bool same(const Machine& a, const Machine& b) { return std::memcmp(&a, &b, sizeof(Machine)) == 0; }

void start() {
  std::memset(static_cast<void*>(&machine), 0, sizeof machine);
  machine.rng = emmy::Pcg32{2026};
  emmy::init(machine.params, machine.rng);
}

// Trains to step `until`; the label says which of two sums of inputs is larger.
void train(std::uint32_t until) {
  const emmy::Momentum rule{.learning_rate = 0.05f, .momentum = 0.9f, .weight_decay = 1e-3f};
  for (; machine.step < until; ++machine.step) {
    float x[4];
    for (float& v : x) v = 2 * machine.rng.uniform() - 1;
    const int label = x[0] + x[1] > x[2] + x[3] ? 0 : 1;
    const auto result = emmy::train_step<Net, 1>(machine.params, buffers, machine.state, scratch, x, &label,
                                                 emmy::CrossEntropy{}, rule, machine.ledger);
    if (result.status != emmy::Status::ok) emmy::platform::fault(emmy::to_string(result.status));
    if (!(machine.ledger.health() <= 1.0f)) emmy::platform::fault("residual above its rounding bound");
  }
}

}  // namespace app

int main() {
  using namespace app;
  using emmy::platform::fault;
  using emmy::platform::print;
  start();
  train(kSteps);
  std::memcpy(static_cast<void*>(&last), &machine, sizeof machine);

  int cuts = 0, kept = 0, replaced = 0, resumed = 0;
  unsigned noise = 0;
  emmy::Pcg32 random{7};
  for (std::uint32_t round = 0; cuts < kWantedCuts; ++round) {
    // The old state is safe, the new one is `kStepsBetweenSaves` steps later.
    start();
    train(round % 10 * kStepsBetweenSaves);
    std::memcpy(static_cast<void*>(&before), &machine, sizeof machine);
    flash.restore();
    if (!store::TwoSlots{flash, kLayout}.save(&before, sizeof before)) fault("a save failed with power on");
    train(machine.step + kStepsBetweenSaves);
    std::memcpy(static_cast<void*>(&after), &machine, sizeof machine);

    whole = flash;
    for (long at = round == 0 ? 0 : static_cast<long>(round) % kStride;; at += kStride) {
      flash = whole;
      noise = random.next() & 0xFFu;
      flash.cut_after(at, noise);
      const bool saved = store::TwoSlots{flash, kLayout}.save(&after, sizeof after);
      // Power is back.
      std::memset(static_cast<void*>(&machine), 0xA5, sizeof machine);
      if (!store::TwoSlots{flash, kLayout}.load(&machine, sizeof machine)) fault("after a cut no state was left");
      const bool is_new = same(machine, after);
      if (!is_new && !same(machine, before)) fault("after a cut neither the old nor the new state was left");
      if (saved && !is_new) fault("a finished save was lost");
      if (saved) break;  // the cut came after the last operation: no cut
      ++cuts;
      ++(is_new ? replaced : kept);
      if (cuts % kRunsEvery == 0) {
        train(kSteps);
        if (!same(machine, last)) fault("a resumed run differs from the uninterrupted one");
        ++resumed;
      }
    }
  }
  print("resume: ", cuts, " cuts in saves of ", static_cast<int>(sizeof(Machine)), " B; the old state ", kept,
        " times, the new one ", replaced, " times; ", resumed, " resumed runs equal to the bit\n");
  if (kept == 0 || resumed == 0) fault("nothing was tried");

  // Bits that rot: in the newer slot they cost the newer state, in both slots everything, and nothing wrong is loaded.
  whole.erase(0);
  whole.erase(1);
  for (const Machine* state : {&before, &after})
    if (!store::TwoSlots{whole, kLayout}.save(state, sizeof *state)) fault("a save failed with power on");
  if (store::TwoSlots{whole, kLayout + 1}.load(&machine, sizeof machine)) fault("a record of another layout was taken");
  for (int flips = 0; flips < kWantedCuts / 10; ++flips) {
    flash = whole;
    const auto byte = [&] { return static_cast<int>(random.below(Flash::kSlotBytes)); };
    const auto bit = [&] { return static_cast<int>(random.below(8)); };
    flash.flip(1, byte(), bit());
    std::memset(static_cast<void*>(&machine), 0xA5, sizeof machine);
    if (!store::TwoSlots{flash, kLayout}.load(&machine, sizeof machine) || !same(machine, before))
      fault("a damaged record was taken");
    flash.flip(0, byte(), bit());
    std::memset(static_cast<void*>(&machine), 0xA5, sizeof machine);
    if (store::TwoSlots{flash, kLayout}.load(&machine, sizeof machine)) fault("a damaged record was taken");
  }
  print("ok\n");
  return 0;
}
