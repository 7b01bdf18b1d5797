// BBC micro:bit, nRF51 (Cortex-M0 in hardware and in QEMU; M0+ code without the optional parts runs on it): text goes
// through semihosting.
#include <platforms/cortex_m/semihosting.hpp>
#include <platforms/platform.hpp>

namespace emmy::platform {

extern const std::uint32_t kTicksPerSecond = 16'000'000;

void write(const char* text, std::size_t size) noexcept {
  for (; size > 0; ++text, --size) semihosting::write(*text);
}

}  // namespace emmy::platform
