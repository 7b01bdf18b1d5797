#include "io/crc32.hpp"

#include <array>

namespace emmy::io {
namespace {

consteval std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1U) ^ ((remainder & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    table[byte] = remainder;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
  std::uint32_t remainder = ~before;
  for (const std::byte byte : bytes) {
    remainder = (remainder >> 8U) ^ kTable[(remainder ^ std::to_integer<std::uint32_t>(byte)) & 0xFFU];
  }
  return ~remainder;
}

}  // namespace emmy::io
