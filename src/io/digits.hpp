#pragma once

#include <cstddef>
#include <cstdint>

#include "io/dataset.hpp"

namespace emmy::io {

// `count` handwritten-looking 8x8 digits drawn from strokes: 64 features k/16 with k = 0..16, as in optdigits, where
// each counts the ink in a 4x4 block of a 32x32 bitmap. Sample i is the digit i % 10. The same seed gives the same
// pixels on every machine (arithmetic only: compile with -ffp-contract=off), a longer set starts with the shorter one,
// and another seed gives other digits of the same kind: one seed to train, another to test.
[[nodiscard]] Dataset draw_digits(std::size_t count, std::uint64_t seed);

}  // namespace emmy::io
