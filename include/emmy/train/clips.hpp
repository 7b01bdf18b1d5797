// What clipping makes of a gradient.
#pragma once

#include <emmy/net/plan.hpp>

namespace emmy {

// Factors on g for each block; without clipping 1.
template <class Net, bool Any = true>
struct Clips {
  typename Net::scalar block[kPlan<Net>.kBlocks];
  typename Net::scalar all;  // of a global clip
};
template <class Net>
struct Clips<Net, false> {
  struct Ones {
    EMMY_INLINE constexpr typename Net::scalar operator[](int) const noexcept { return 1; }
  };
  static constexpr Ones block{};
  static constexpr typename Net::scalar all = 1;
};

}  // namespace emmy
