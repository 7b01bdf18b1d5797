#include <bench/compare/plain_c_kernels.hpp>

namespace compare::opponents {
std::span<const Opponent> plain_c_kernels() {
  static const std::vector<Opponent> all = product_rows<PlainProgram>("plain_c");
  return all;
}
}  // namespace compare::opponents
