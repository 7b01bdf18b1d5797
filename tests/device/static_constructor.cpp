// Must not link: nobody would call the constructor.
#include <platforms/platform.hpp>

struct Started {
  std::uint32_t at = emmy::platform::now();
} started;

int main() { return static_cast<int>(started.at); }
