// Compiled with -ffast-math: the compiler may reorder the sums, and so vectorise them.
#include <bench/compare/plain_c.hpp>

namespace compare {

namespace {
constexpr Opponent kAll[] = {
    opponent<Program<kDigits1>>("plain loops, -ffast-math", kDigits1),
    opponent<Program<kDigits16>>("plain loops, -ffast-math", kDigits16),
};
}  // namespace

namespace opponents {
std::span<const Opponent> plain_c_fast() { return kAll; }
}  // namespace opponents
}  // namespace compare
