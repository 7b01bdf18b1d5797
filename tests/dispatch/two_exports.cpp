// The table, and one function too many.
#include <tests/dispatch/leaky.hpp>

int forgotten(const int* values);
int forgotten(const int* values) { return values[0]; }

namespace emmy::tables {
constinit const leaky::Table leaky_sse4{&leaky::compiled_for, &forgotten};
}
