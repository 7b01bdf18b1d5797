// What this CPU and its operating system can run. Compiled once, for the baseline; safe before any static constructor.
#pragma once

namespace emmy {

// Whether code compiled for a dispatch target ("scalar", "sse4", "avx2", "avx3") can run here; false for another name.
bool cpu_supports(const char* target) noexcept;

// The first of the comma-separated features (compiler flags without "-m", as in "avx2,fma") that is missing here, as a
// pointer into `features`; nullptr where none is. A name that is not known counts as missing.
const char* cpu_lacks(const char* features) noexcept;

}  // namespace emmy
