// The same loops with -ffast-math: sums may be reordered.
#include <bench/compare/plain_c_kernels.hpp>

namespace compare::opponents {
std::span<const Opponent> plain_c_fast_kernels() {
  static const std::vector<Opponent> all = product_rows<PlainProgram>("plain_c_fast");
  return all;
}
}  // namespace compare::opponents
