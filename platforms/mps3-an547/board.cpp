// MPS3-AN547, Cortex-M55: UART0 and the core's clock. The core starts in the secure state: secure aliases.
#include <platforms/cortex_m/cmsdk_uart.hpp>
#include <platforms/platform.hpp>

namespace emmy::platform {

extern const std::uint32_t kTicksPerSecond = 32'000'000;

void write(const char* text, std::size_t size) noexcept { cortex_m::cmsdk_uart_write(0x59303000, text, size); }

}  // namespace emmy::platform
