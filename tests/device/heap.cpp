// Must not link: firmware has no heap.
#include <vector>

#include <platforms/platform.hpp>

int main() {
  std::vector<int> numbers(emmy::platform::now());
  return static_cast<int>(numbers.size());
}
