// Text for the console without printf: print("loss ", 0.25f, " after ", 12, " steps\n"). No heap, no libm, no double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <platforms/platform.hpp>

namespace emmy::platform {

// A number that is shown as 0x and eight digits.
struct Hex {
  std::uint32_t bits;
};

[[gnu::noinline]] inline void print_one(const char* text) noexcept { write(text, __builtin_strlen(text)); }

[[gnu::noinline]] inline void print_one(std::uint32_t value) noexcept {
  char digits[10];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  write(digits + at, sizeof digits - at);
}

[[gnu::noinline]] inline void print_one(std::int32_t value) noexcept {
  if (value < 0) print_one("-");
  const auto bits = static_cast<std::uint32_t>(value);
  print_one(value < 0 ? std::uint32_t{0} - bits : bits);
}

// The other integers of this size: sizeof x is `unsigned int` where std::uint32_t is `unsigned long`.
template <class Integer>
requires(std::is_integral_v<Integer> && sizeof(Integer) <= 4) inline void print_one(Integer value) noexcept {
  print_one(static_cast<std::conditional_t<std::is_signed_v<Integer>, std::int32_t, std::uint32_t>>(value));
}

[[gnu::noinline]] inline void print_one(Hex value) noexcept {
  char digits[10] = {'0', 'x'};
  for (int i = 0; i < 8; ++i) digits[2 + i] = "0123456789abcdef"[value.bits >> (28 - 4 * i) & 15u];
  write(digits, sizeof digits);
}

// Six digits: 0.0123456, 12.3456, 1.23456e-9. The last one may be off by one: scaling rounds once or twice.
[[gnu::noinline]] inline void print_one(float value) noexcept {
  if (value != value) return print_one("nan");
  if (value < 0) print_one("-");
  float size = value < 0 ? -value : value;
  if (size - size != 0) return print_one("inf");
  if (size == 0) return print_one("0");
  constexpr float kPower[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};  // exact in binary
  int exponent = 0;
  while (size >= 1e10f) size /= 1e10f, exponent += 10;
  while (size < 1e-10f) size *= 1e10f, exponent -= 10;
  int up = 0;  // size * 10^up is in [1, 10)
  while (up < 10 && size * kPower[up] < 1.0f) ++up;
  int down = 0;
  while (up == 0 && size >= kPower[down + 1]) ++down;
  exponent += down - up;
  float scaled = size * kPower[up];
  scaled = down <= 5 ? scaled * kPower[5 - down] : scaled / kPower[down - 5];
  auto mantissa = static_cast<std::uint32_t>(scaled + 0.5f);
  if (mantissa >= 1000000) mantissa /= 10, ++exponent;
  char digits[16];
  int count = 0;
  const bool plain = exponent >= -4 && exponent < 6;
  for (int zeros = exponent; plain && zeros < 0; ++zeros) {
    digits[count++] = '0';
    if (zeros == exponent) digits[count++] = '.';
  }
  const int point = !plain ? 0 : exponent;  // the digit that the point follows
  std::uint32_t unit = 100000;
  for (int i = 0; i < 6; ++i, unit /= 10) {
    digits[count++] = static_cast<char>('0' + mantissa / unit % 10);
    if (i == point && i < 5) digits[count++] = '.';
  }
  write(digits, static_cast<std::size_t>(count));
  if (!plain) {
    print_one("e");
    print_one(exponent);
  }
}

template <class... Part>
void print(const Part&... part) noexcept {
  (print_one(part), ...);
}

}  // namespace emmy::platform
