// An object for one ISA that leaks: at -O0 std::sort and std::array leave their functions in it, as weak symbols.
#include <algorithm>
#include <array>

#include <tests/dispatch/leaky.hpp>

namespace {

int middle(const int* values) {
  std::array<int, 5> sorted{};
  std::copy(values, values + 5, sorted.begin());
  std::sort(sorted.begin(), sorted.end());
  return sorted[2];
}

}  // namespace

namespace emmy::tables {
constinit const leaky::Table leaky_sse4{&leaky::compiled_for, &middle};
}
