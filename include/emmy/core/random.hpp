// A small reproducible generator: the same numbers on every target, compiler and board.
#pragma once

#include <cstdint>

#include <emmy/core/macros.hpp>

namespace emmy {

// PCG32 (XSH RR): 64-bit linear congruential state, 32-bit permuted output. Source: M. O'Neill, "PCG: A Family of
// Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation", HMC-CS-2014-0905.
// Plain data: saving `state` and `increment` saves the generator. Test: tests/core/random_test.cpp (published values).
struct Pcg32 {
  std::uint64_t state = 0x853c49e6748fea9bULL;
  std::uint64_t increment = 0xda3e39cb94b95bdbULL;  // odd; selects one of 2^63 sequences

  constexpr Pcg32() noexcept = default;
  EMMY_INLINE constexpr explicit Pcg32(std::uint64_t seed, std::uint64_t sequence = 0) noexcept
      : state(0), increment(2 * sequence + 1) {
    next();
    state += seed;
    next();
  }

  // 32 random bits.
  EMMY_INLINE constexpr std::uint32_t next() noexcept {
    const std::uint64_t old = state;
    state = old * 6364136223846793005ULL + increment;
    const auto shifted = static_cast<std::uint32_t>(((old >> 18) ^ old) >> 27);
    const auto turn = static_cast<std::uint32_t>(old >> 59);
    return (shifted >> turn) | (shifted << ((32 - turn) & 31));
  }

  // Uniform in [0, 1), a multiple of 2^-24: exact in float and double alike.
  EMMY_INLINE constexpr float uniform() noexcept { return static_cast<float>(next() >> 8) * 0x1p-24f; }

  // Uniform in 0 .. bound-1 without bias; bound > 0.
  EMMY_INLINE constexpr std::uint32_t below(std::uint32_t bound) noexcept {
    const std::uint32_t threshold = (0u - bound) % bound;
    std::uint32_t r = next();
    while (r < threshold) r = next();
    return r % bound;
  }
};

}  // namespace emmy
