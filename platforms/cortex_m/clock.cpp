// SysTick as the clock of `now`, and as the periodic interrupt of ticks.hpp.
#include <platforms/cortex_m/registers.hpp>
#include <platforms/platform.hpp>
#include <platforms/ticks.hpp>

namespace emmy::platform {
namespace {

constexpr std::uint32_t kLongest = 1u << 24;
volatile std::uint32_t ticks_before = 0;  // those of finished periods
volatile std::uint32_t period_ticks = kLongest;
void (*volatile tick_handler)() = nullptr;

void restart(std::uint32_t period, void (*handler)()) noexcept {
  asm volatile("cpsid i" ::: "memory");
  ticks_before = now();
  tick_handler = handler;
  period_ticks = period;
  cortex_m::reg(cortex_m::kSysTickReload) = period - 1;
  cortex_m::reg(cortex_m::kSysTickValue) = 0;
  cortex_m::reg(cortex_m::kInterruptControl) = 1u << 25;  // an end of the old period is not one of the new
  asm volatile("cpsie i" ::: "memory");
}

}  // namespace

[[gnu::weak]] std::uint32_t now() noexcept {
  std::uint32_t before, value, pending;
  do {  // again if the interrupt came in between
    before = ticks_before;
    value = cortex_m::reg(cortex_m::kSysTickValue);
    pending = cortex_m::reg(cortex_m::kInterruptControl) & cortex_m::kSysTickPending;
  } while (before != ticks_before);
  // The interrupt comes with the value 0, which is also that before the first period. Where it is held back a period has
  // ended uncounted if the value is that of a young one.
  const std::uint32_t period = period_ticks;
  const std::uint32_t passed = value == 0 ? 0 : period - value;
  return before + passed + (pending != 0 && (value == 0 || value > period / 2) ? period : 0);
}

[[gnu::weak]] void start_ticks(std::uint32_t period, void (*handler)()) noexcept {
  restart(period < 2 ? 2 : period > kLongest ? kLongest : period, handler);
}
[[gnu::weak]] void stop_ticks() noexcept { restart(kLongest, nullptr); }

}  // namespace emmy::platform

extern "C" void SysTick_Handler();
extern "C" void SysTick_Handler() {
  using namespace emmy::platform;
  ticks_before = ticks_before + period_ticks;
  if (auto* const handler = tick_handler; handler != nullptr) handler();
}
