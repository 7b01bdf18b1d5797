// The core's own registers, the same on every Cortex-M that has them (Armv6-M, v7-M, v8-M reference manuals, B3 and D1).
#pragma once

#include <cstdint>

namespace emmy::cortex_m {

inline volatile std::uint32_t& reg(std::uintptr_t address) noexcept {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}

inline constexpr std::uintptr_t kSysTickControl = 0xE000E010, kSysTickReload = 0xE000E014, kSysTickValue = 0xE000E018;
inline constexpr std::uintptr_t kInterruptControl = 0xE000ED04;   // ICSR
inline constexpr std::uintptr_t kVectors = 0xE000ED08;            // VTOR
inline constexpr std::uintptr_t kConfiguration = 0xE000ED14;      // CCR
inline constexpr std::uintptr_t kFaultStatus = 0xE000ED28;        // CFSR
inline constexpr std::uintptr_t kCoprocessorAccess = 0xE000ED88;  // CPACR

inline constexpr std::uintptr_t kMpuType = 0xE000ED90, kMpuControl = 0xE000ED94, kMpuBase = 0xE000ED9C;
inline constexpr std::uintptr_t kMpuAttributes = 0xE000EDA0;

inline constexpr std::uint32_t kSysTickRun = 0b111;  // core clock, interrupt, enable
inline constexpr std::uint32_t kSysTickPending = 1u << 26;
inline constexpr std::uint32_t kStackOverflow = 1u << 20;  // Armv8-M
inline constexpr std::uint32_t kLowOverheadBranches = 1u << 19;
inline constexpr std::uint32_t kFloatingPoint = 0xFu << 20;  // CP10 and CP11: FPU and MVE

}  // namespace emmy::cortex_m
