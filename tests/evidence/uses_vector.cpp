// Firmware has no heap: with EMMY_PLANTED this must not link (operator new), without it it does and runs.
#include <platforms/text.hpp>

#if defined(EMMY_PLANTED)
#include <vector>
#endif

int main() {
  volatile int count = 3;
#if defined(EMMY_PLANTED)
  const std::vector<int> values(static_cast<unsigned>(count), 7);
  emmy::platform::print(values[0], "\n");
#else
  const int values[4] = {7, 7, 7, 7};
  emmy::platform::print(values[count], "\n");
#endif
  return 0;
}
