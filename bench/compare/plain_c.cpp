#include <bench/compare/plain_c.hpp>

namespace compare {

namespace {
constexpr Opponent kAll[] = {
    opponent<Program<kDigits1>>("plain loops", kDigits1),
    opponent<Program<kDigits16>>("plain loops", kDigits16),
};
}  // namespace

namespace opponents {
std::span<const Opponent> plain_c() { return kAll; }
}  // namespace opponents
}  // namespace compare
