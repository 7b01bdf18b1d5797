// How the update u of one weight comes from its gradient g and its momentum: what a rule (optim/) tells the update sweep, and
// what the sums of a meter must tell of it.
#pragma once

namespace emmy {

enum class Motion : unsigned char {
  plain,    // u = a0 g
  linear,   // u = c g + d buf, without momentum a0 g
  general,  // another function: u0 is not along g
};

// How many second moments of the gradient a rule keeps: so many for each weight, or for all that symmetries tie together.
inline constexpr int kOneAWeight = -1;

}  // namespace emmy
