// The same loops with -ffast-math: sums may be reordered.
#include <bench/compare/plain_c.hpp>

namespace compare::opponents {
std::span<const Opponent> plain_c_fast() { return rows<Program, true>("plain_c_fast"); }
}  // namespace compare::opponents
