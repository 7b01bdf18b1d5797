// MPS2-AN386, Cortex-M4F: UART0 and the core's clock.
#include <platforms/cortex_m/cmsdk_uart.hpp>
#include <platforms/platform.hpp>

namespace emmy::platform {

extern const std::uint32_t kTicksPerSecond = 25'000'000;

void write(const char* text, std::size_t size) noexcept { cortex_m::cmsdk_uart_write(0x40004000, text, size); }

}  // namespace emmy::platform
