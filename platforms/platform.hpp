// The whole port: four functions and one number. Emmy itself (include/emmy) needs none of it; only the programs under
// examples/firmware and tests/device do. A board defines them in its folder (docs/boards.md), platforms/host on Linux.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emmy::platform {

// Ticks of the clock that `now` reads, a second.
extern const std::uint32_t kTicksPerSecond;

// Ticks since start-up modulo 2^32: differences of less than 2^32 ticks are right. From any context that does not block
// the clock's interrupt for longer than one of its periods (2^24 ticks on Cortex-M). Called by programs that measure.
[[nodiscard]] std::uint32_t now() noexcept;

// Sends `size` bytes to the console and returns when all of them are on their way. Blocks; from the main program and
// from `fault` only, never from an interrupt.
void write(const char* text, std::size_t size) noexcept;

// Sleeps until the next interrupt and returns after it, unless ready() is true already. ready() is asked with interrupts
// masked: one that makes it true after it was asked still ends the sleep, it is not slept through. From the main program
// only, interrupts on. May return early, so the caller looks again at what it waits for. Test: tests/device/idle_test.cpp.
void idle_unless(bool (*ready)()) noexcept;

// The program cannot go on: says why and ends with a non-zero code (on a product: safe outputs, then reset). From any
// context, the fault handlers included.
[[noreturn]] void fault(const char* why) noexcept;

}  // namespace emmy::platform
