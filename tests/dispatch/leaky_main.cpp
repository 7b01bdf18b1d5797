// Prints for which ISA the program's own copy of leaky::compiled_for was compiled, then the table's copy.
#include <cstdio>

#include <tests/dispatch/leaky.hpp>

int main() {
  const int values[5] = {4, 1, 5, 2, 3};
  const auto& table = emmy::tables::leaky_sse4;
  std::printf("%s %s %d\n", leaky::compiled_for(), table.compiled_for(), table.middle(values));
}
