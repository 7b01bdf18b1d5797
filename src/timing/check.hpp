// Does an opponent compute what the workload says? Six steps and one inference, or one product, against a plain
// computation in double.
#pragma once

#include "timing/data.hpp"

namespace emmy::timing {

struct Disagreement {
  // Of each tensor: |theta - reference| / |reference - start| (2-norms); the largest. NaN counts as infinite.
  double displacement = 0;
  double loss = 0;     // the largest |loss - reference| / (1 + |reference|)
  double outputs = 0;  // the same of outputs
};

// What rounding in f32 may cause, with room: measured are 1.3e-3 (a unit that f32 and double see on
// different sides of the kink of ReLU), 3e-7 and 1e-6.
inline constexpr Disagreement kAllowed{5e-3, 1e-5, 1e-5};

Disagreement check(const Opponent& opponent, const Data& data);
inline bool agrees(const Disagreement& d) {
  return d.displacement <= kAllowed.displacement && d.loss <= kAllowed.loss && d.outputs <= kAllowed.outputs;
}

}  // namespace emmy::timing
