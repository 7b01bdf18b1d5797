// The UART of Arm's CMSDK, on all MPS2 and MPS3 images (Arm DDI 0479, 4.3).
#pragma once

#include <cstddef>

#include <platforms/cortex_m/registers.hpp>

namespace emmy::cortex_m {

inline constexpr std::uintptr_t kUartData = 0x00, kUartState = 0x04, kUartControl = 0x08, kUartDivider = 0x10;

inline void cmsdk_uart_write(std::uintptr_t base, const char* text, std::size_t size) noexcept {
  if ((reg(base + kUartControl) & 1u) == 0) {
    reg(base + kUartDivider) = 16;  // the least that is allowed
    reg(base + kUartControl) = 1;   // transmit
  }
  for (; size > 0; ++text, --size) {
    while ((reg(base + kUartState) & 1u) != 0) {  // the buffer is full
    }
    reg(base + kUartData) = static_cast<unsigned char>(*text);
  }
}

}  // namespace emmy::cortex_m
