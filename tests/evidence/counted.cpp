// A function of exactly 202 instructions, called five times: counter_test.py holds the instruction counters to it.
#include <platforms/text.hpp>

#if defined(__x86_64__)
__asm__(R"(.text
.globl emmy_counted
.type emmy_counted, @function
emmy_counted:
  movl $100, %ecx
1:
  decl %ecx
  jnz 1b
  ret
.size emmy_counted, . - emmy_counted
)");
#elif defined(__aarch64__)
__asm__(R"(.text
.globl emmy_counted
.type emmy_counted, %function
emmy_counted:
  mov w0, #100
1:
  subs w0, w0, #1
  b.ne 1b
  ret
.size emmy_counted, . - emmy_counted
)");
#else
__asm__(R"(.text
.syntax unified
.globl emmy_counted
.type emmy_counted, %function
.thumb_func
.thumb
.balign 4
emmy_counted:
  movs r0, #100
1:
  subs r0, #1
  bne 1b
  bx lr
.size emmy_counted, . - emmy_counted
)");
#endif
extern "C" void emmy_counted();

int main() {
  for (int k = 0; k < 5; ++k) emmy_counted();
  emmy::platform::print("emmy_counted calls 5\n");
  return 0;
}
