// The sleep of the port: an interrupt that comes between the question and the sleep must end that sleep.
#include <atomic>

#include <platforms/platform.hpp>
#include <platforms/ticks.hpp>
#include <tests/device/check.hpp>

namespace {

using emmy::platform::now;

constexpr std::uint32_t kPeriod = 2000;
constinit std::atomic<std::uint32_t> ticks{0}, last_tick{0};

void tick() {
  last_tick.store(now());
  ticks.store(ticks.load() + 1);
}

// The answer of before the tick, given after it: a quarter of a period late.
bool outdated() {
  const bool ready = ticks.load() > 1;
  const std::uint32_t begin = last_tick.load();
  while (now() - begin < kPeriod + kPeriod / 4) {
  }
  return ready;
}

}  // namespace

int main() {
  using emmy::platform::idle_unless;
  check::begin("a tick between the question and the sleep");
  for (int i = 0; i < 20; ++i) {
    ticks.store(0);
    emmy::platform::start_ticks(kPeriod, tick);
    while (ticks.load() == 0) idle_unless([] { return ticks.load() != 0; });
    idle_unless(outdated);
    CHECK(ticks.load() == 2);
    emmy::platform::stop_ticks();
  }
  check::begin("what is ready does not sleep");
  ticks.store(0);
  emmy::platform::start_ticks(kPeriod, tick);
  idle_unless([] { return true; });
  CHECK(ticks.load() == 0);
  emmy::platform::stop_ticks();
  check::begin("the shortest period");
  ticks.store(0);
  emmy::platform::start_ticks(1, [] {
    ticks.store(ticks.load() + 1);
    emmy::platform::stop_ticks();
  });
  while (ticks.load() == 0) idle_unless([] { return ticks.load() != 0; });
  CHECK(ticks.load() == 1);
  return check::end();
}
