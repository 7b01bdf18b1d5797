// Does an opponent compute what the workload says? Six steps against a plain computation in double.
#pragma once

#include <bench/compare/data.hpp>

namespace compare {

struct Disagreement {
  // Of each tensor: |theta - reference| / |reference - start| (2-norms); the largest. NaN counts as infinite.
  double displacement = 0;
  double loss = 0;  // the largest |loss - reference|
};

// What rounding in f32 may cause, with room: measured are 2e-5 and 6e-7.
inline constexpr Disagreement kAllowed{1e-4, 1e-5};

Disagreement check(const Opponent& opponent, const Data& data);
inline bool agrees(const Disagreement& d) { return d.displacement <= kAllowed.displacement && d.loss <= kAllowed.loss; }

}  // namespace compare
