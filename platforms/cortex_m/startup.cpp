// Start-up of every Cortex-M: units on, memory filled, main called. No static constructors (sections.ld refuses them).
#include <platforms/cortex_m/registers.hpp>
#include <platforms/cortex_m/semihosting.hpp>
#include <platforms/platform.hpp>
#include <platforms/text.hpp>

#if __ARM_ARCH == 7
// The guard below the stack, and for sections.ld: what RAM must start at a multiple of.
asm(".global _stack_guard\n.set _stack_guard, 4096");
#endif

extern "C" {
// Of the linker script: they are addresses, not variables.
extern std::uint32_t _stack_limit[], _stack_top[], _data_begin[], _data_end[], _data_source[], _bss_begin[], _bss_end[],
    _vectors[];

int main();
void SysTick_Handler();

// What is pushed below RAM must fault. Where nothing answers there it does by itself; Armv8-M also has a limit register,
// and Armv7-M often an MPU, here with one region of 4 KiB that nobody may touch.
static void guard_stack() {
  using namespace emmy::cortex_m;
#if __ARM_ARCH >= 8
  asm volatile("msr msplim, %0" ::"r"(_stack_limit));
#elif __ARM_ARCH == 7
  if ((reg(kMpuType) & 0xFF00u) == 0) return;
  constexpr std::uint32_t kGuard = 4096, kHasRegion = 1u << 4, kNeverExecute = 1u << 28, kOn = 1,
                          kElseDefault = 1u << 2;
  reg(kMpuBase) = (reinterpret_cast<std::uintptr_t>(_stack_limit) - kGuard) | kHasRegion;
  reg(kMpuAttributes) = kNeverExecute | (12 - 1) << 1 | kOn;  // 2^12 bytes, no access
  reg(kMpuControl) = kElseDefault | kOn;
  asm volatile("dsb\n isb" ::: "memory");
#endif
}

// Apart from Reset_Handler, whose prologue may already save vector registers that are not on yet.
[[noreturn, gnu::noinline]] static void start() {
  guard_stack();
  const std::uint32_t* from = _data_source;
  for (std::uint32_t* to = _data_begin; to < _data_end;) *to++ = *from++;
  for (std::uint32_t* to = _bss_begin; to < _bss_end;) *to++ = 0;
  emmy::cortex_m::reg(emmy::cortex_m::kSysTickReload) = 0xFFFFFF;
  emmy::cortex_m::reg(emmy::cortex_m::kSysTickValue) = 0;
  emmy::cortex_m::reg(emmy::cortex_m::kSysTickControl) = emmy::cortex_m::kSysTickRun;
  emmy::semihosting::exit(main());
}

[[noreturn]] void Reset_Handler() {
#if __ARM_ARCH >= 7  // a boot loader leaves its own vectors there; Cortex-M0 has no such register
  emmy::cortex_m::reg(emmy::cortex_m::kVectors) = reinterpret_cast<std::uintptr_t>(_vectors);
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  emmy::cortex_m::reg(emmy::cortex_m::kCoprocessorAccess) = emmy::cortex_m::kFloatingPoint;
#endif
#if defined(__ARM_FEATURE_LOB) || defined(__ARM_FEATURE_MVE)
  emmy::cortex_m::reg(emmy::cortex_m::kConfiguration) =
      emmy::cortex_m::reg(emmy::cortex_m::kConfiguration) | emmy::cortex_m::kLowOverheadBranches;
#endif
  asm volatile("dsb\n isb" ::: "memory");
  start();
}

// Which exception, and where the program was: the core has pushed r0-r3, r12, lr, pc, xpsr.
[[noreturn, gnu::used]] void report_fault(const std::uint32_t* pushed) {
  std::uint32_t exception;
  asm volatile("mrs %0, ipsr" : "=r"(exception));
  emmy::platform::print("exception ", exception, "\n");
  bool overflow = pushed < _stack_limit || pushed + 8 > _stack_top;
#if __ARM_ARCH >= 8
  overflow = overflow || (emmy::cortex_m::reg(emmy::cortex_m::kFaultStatus) & emmy::cortex_m::kStackOverflow) != 0;
#endif
  if (overflow) emmy::platform::fault("stack overflow");
  emmy::platform::print("at ", emmy::platform::Hex{pushed[6]}, "\n");
  emmy::platform::fault("unexpected exception");
}
// On a fresh stack: the old one may be what failed.
[[gnu::naked]] static void Fault_Handler() {
  asm volatile(
      "mrs r0, msp\n"
      "ldr r1, =_stack_top\n"
      "msr msp, r1\n"
      "bl report_fault\n"
      ".ltorg");
}

using Handler = void (*)();
union Vector {
  std::uint32_t* stack;
  Handler handler;
};
[[gnu::section(".vectors"), gnu::used]] extern const Vector vectors[16] = {
    {.stack = _stack_top},      {.handler = Reset_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler},
    {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler},
    {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler},
    {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = Fault_Handler}, {.handler = SysTick_Handler}};
}

namespace emmy::platform {

[[gnu::weak]] void fault(const char* why) noexcept {
  print("fault: ", why, "\n");
  semihosting::exit(70);
}

// wfi ends with an interrupt that is masked, too; it is served as soon as the mask is off.
[[gnu::weak]] void idle_unless(bool (*ready)()) noexcept {
  asm volatile("cpsid i" ::: "memory");
  if (!ready()) asm volatile("dsb\n wfi" ::: "memory");
  asm volatile("cpsie i\n isb" ::: "memory");
}

}  // namespace emmy::platform
