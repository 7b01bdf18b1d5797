// Must end with a fault: the stack lies at the start of RAM, so that what is too deep leaves RAM.
#include <platforms/platform.hpp>

[[gnu::noinline]] static std::uint32_t deeper(volatile std::uint32_t* above) {
  volatile std::uint32_t frame[32] = {*above + 1};
  return frame[0] == 0 ? 0 : deeper(frame) + frame[0];
}

int main() {
  volatile std::uint32_t first = emmy::platform::now();
  return deeper(&first) == 0 ? 1 : 0;
}
