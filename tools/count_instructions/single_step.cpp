// Counts the instructions of a function's calls on this x86-64 machine by single-stepping through them, callees
// included: for AVX-512, which neither QEMU 7.2 nor valgrind 3.19 knows.
//
//   single_step ENTRY SKIP CALLS PROGRAM [ARGUMENT]...
//
// ENTRY is the function's address (hexadecimal) in a program that is not position independent. Skips the first SKIP
// calls, counts CALLS, ends the program, and prints what the QEMU plugin prints.
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

pid_t child;

[[noreturn]] void stop(const char* why) {
  std::fprintf(stderr, "single_step: %s\n", why);
  if (child > 0) kill(child, SIGKILL);
  std::exit(1);
}

user_regs_struct registers() {
  user_regs_struct r{};
  if (ptrace(PTRACE_GETREGS, child, nullptr, &r) != 0) stop("cannot read the registers");
  return r;
}

// false: the program has ended.
bool wait_for_stop() {
  int status = 0;
  if (waitpid(child, &status, 0) < 0) stop("cannot wait for the program");
  return WIFSTOPPED(status);
}

void write_text(unsigned long address, long word) {
  if (ptrace(PTRACE_POKETEXT, child, reinterpret_cast<void*>(address), reinterpret_cast<void*>(word)) != 0)
    stop("cannot write a breakpoint");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) stop("usage: single_step ENTRY SKIP CALLS PROGRAM [ARGUMENT]...");
  const unsigned long entry = std::strtoul(argv[1], nullptr, 16);
  const unsigned long skip = std::strtoul(argv[2], nullptr, 10), wanted = std::strtoul(argv[3], nullptr, 10);
  child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    execv(argv[4], argv + 4);
    _exit(127);
  }
  if (!wait_for_stop()) stop("the program does not start");
  errno = 0;
  const long original = ptrace(PTRACE_PEEKTEXT, child, reinterpret_cast<void*>(entry), nullptr);
  if (errno != 0) stop("ENTRY is not in the program");
  const long trap = (original & ~0xffL) | 0xcc;
  unsigned long calls = 0, counted = 0, sum = 0, least = ~0UL, most = 0;
  while (counted < wanted) {
    write_text(entry, trap);
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
    if (!wait_for_stop()) break;
    user_regs_struct r = registers();
    if (r.rip != entry + 1) stop("the program stops elsewhere");
    r.rip = entry;
    ptrace(PTRACE_SETREGS, child, nullptr, &r);
    write_text(entry, original);
    // The call is over when the return address has left the stack.
    const unsigned long stack = r.rsp;
    unsigned long n = 0;
    do {
      ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
      if (!wait_for_stop()) stop("the program ends within a call");
      ++n;
    } while (registers().rsp <= stack);
    if (++calls <= skip) continue;
    ++counted;
    sum += n;
    least = n < least ? n : least;
    most = n > most ? n : most;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  std::printf("calls %lu counted %lu sum %lu least %lu most %lu nested 0 open 0\n", calls, counted, sum,
              counted != 0 ? least : 0, most);
  return counted == 0;
}
