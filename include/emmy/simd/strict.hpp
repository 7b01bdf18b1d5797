// Does the arithmetic of this translation unit keep what strict text needs?
#pragma once

#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {

// No product is contracted into a sum (-ffp-contract=off) and no subnormal is flushed (no -ffast-math at link time, no
// FZ bit). No macro tells, so it is tried; call it once at start, with floating point set up as for training. `static`:
// every translation unit answers for its own flags. Test: tests/train/strict_test.cpp.
[[gnu::noinline, maybe_unused]] static bool strict_ok() noexcept {
  volatile float value = 1.0f + 0x1p-12f, square = -(1.0f + 0x1p-11f), smallest = 0x1p-126f;
  const float a = value, c = square;  // the product's last bit, 2^-24, is rounded away unless it is fused
  volatile float subnormal = smallest * 0.5f;
  return a * a + c == 0.0f && subnormal != 0.0f;
}

}  // namespace emmy::inline EMMY_TARGET
