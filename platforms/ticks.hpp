// A periodic interrupt, for programs that need one (examples/firmware/control_loop.cpp). Not part of the port.
#pragma once

#include <cstdint>

namespace emmy::platform {

// From now on `handler` is called every `period` ticks of the clock (2 to 2^24), in interrupt context. On Cortex-M
// that is SysTick, which keeps serving `now`. On Linux there is no interrupt: `idle_unless` calls the handler, once a sleep.
void start_ticks(std::uint32_t period, void (*handler)()) noexcept;
void stop_ticks() noexcept;

}  // namespace emmy::platform
