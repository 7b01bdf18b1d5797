// Checks for programs that run on boards: no heap, no exceptions, no GoogleTest. A failed check is printed and counted;
// a program ends with check::end(), which is non-zero if anything failed or nothing was checked.
#pragma once

#include <bit>
#include <cstdint>

#include <platforms/text.hpp>

namespace check {

inline int checks = 0, failures = 0;
inline constexpr int kShown = 20;  // a broken kernel would print for hours

inline bool count(bool good, const char* what, int line) {
  ++checks;
  if (good) return true;
  if (++failures <= kShown) emmy::platform::print("line ", line, ": ", what, " is false\n");
  return false;
}

// A conversion that GCC 12 cannot make conditional: it writes `vcvtne.f64.f32`, which the assembler takes for another
// instruction (Cortex-M55).
[[gnu::noinline]] inline double wide(float x) { return static_cast<double>(x); }

inline double size(double x) { return x < 0 ? -x : x; }

// |value - wanted| <= tolerance; false where any of them is NaN.
inline bool near(double value, double wanted, double tolerance, const char* what, int line) {
  ++checks;
  if (size(value - wanted) <= tolerance) return true;
  if (++failures <= kShown)
    emmy::platform::print("line ", line, ": ", what, " = ", static_cast<float>(value), ", not ",
                          static_cast<float>(wanted), "; off by ", static_cast<float>(size(value - wanted)),
                          ", allowed ", static_cast<float>(tolerance), "\n");
  return false;
}

// The same bits, so that -0 is not 0 and a NaN is itself.
inline bool same_bits(float value, float wanted, const char* what, int line) {
  ++checks;
  const auto a = std::bit_cast<std::uint32_t>(value), b = std::bit_cast<std::uint32_t>(wanted);
  if (a == b) return true;
  if (++failures <= kShown)
    emmy::platform::print("line ", line, ": ", what, " = ", emmy::platform::Hex{a}, ", not ", emmy::platform::Hex{b},
                          "\n");
  return false;
}

// Says which part of the program is next.
inline void begin(const char* part) { emmy::platform::print("- ", part, "\n"); }

inline int end() {
  emmy::platform::print(checks, " checks, ", failures, " failed\n");
  return failures > 0 || checks == 0 ? 1 : 0;
}

}  // namespace check

#define CHECK(...) ::check::count(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __LINE__)
#define CHECK_NEAR(value, wanted, tolerance) ::check::near((value), (wanted), (tolerance), #value, __LINE__)
#define CHECK_BITS(value, wanted) ::check::same_bits((value), (wanted), #value, __LINE__)
