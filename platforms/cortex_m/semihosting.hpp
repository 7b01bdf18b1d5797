// Calls to the debugger or to QEMU (Arm, "Semihosting for AArch32 and AArch64"). Without one the breakpoint is a fault.
#pragma once

#include <cstdint>

namespace emmy::semihosting {

inline constexpr std::uint32_t kWriteCharacter = 0x03, kExitExtended = 0x20, kApplicationExit = 0x20026;

inline std::uint32_t call(std::uint32_t operation, const void* argument) noexcept {
  register std::uint32_t r0 asm("r0") = operation;
  register const void* r1 asm("r1") = argument;
  asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

inline void write(char c) noexcept { call(kWriteCharacter, &c); }

// Ends the program; QEMU exits with `code`.
[[noreturn]] inline void exit(int code) noexcept {
  const std::uint32_t why[2] = {kApplicationExit, static_cast<std::uint32_t>(code)};
  call(kExitExtended, why);
  for (;;) asm volatile("wfi");
}

}  // namespace emmy::semihosting
