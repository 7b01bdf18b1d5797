#include <bench/compare/plain_c.hpp>

namespace compare::opponents {
std::span<const Opponent> plain_c() { return rows<Program, true>("plain_c"); }
}  // namespace compare::opponents
