// The port on Linux (any CPU), so that firmware runs on a desk. Weak: a program may bring its own.
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include <platforms/platform.hpp>
#include <platforms/ticks.hpp>

namespace emmy::platform {
namespace {
void (*tick_handler)() = nullptr;
}

[[gnu::weak]] extern const std::uint32_t kTicksPerSecond = 1'000'000'000;

[[gnu::weak]] std::uint32_t now() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint32_t>(t.tv_sec) * kTicksPerSecond + static_cast<std::uint32_t>(t.tv_nsec);
}

[[gnu::weak]] void write(const char* text, std::size_t size) noexcept {
  while (size > 0) {
    const ssize_t sent = ::write(STDOUT_FILENO, text, size);
    if (sent < 0) return;  // nobody listens
    text += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

[[gnu::weak]] void idle_unless(bool (*ready)()) noexcept {
  if (!ready() && tick_handler != nullptr) tick_handler();
}

[[gnu::weak]] void fault(const char* why) noexcept {
  write("fault: ", 7);
  write(why, __builtin_strlen(why));
  write("\n", 1);
  std::_Exit(70);
}

[[gnu::weak]] void start_ticks(std::uint32_t, void (*handler)()) noexcept { tick_handler = handler; }
[[gnu::weak]] void stop_ticks() noexcept { tick_handler = nullptr; }

}  // namespace emmy::platform
