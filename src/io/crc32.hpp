#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace emmy::io {

// CRC-32 of IEEE 802.3 as in zlib: reflected polynomial 0xEDB88320, start and final complement.
// `before` is the CRC of the bytes already seen: crc32(ab) == crc32(b, crc32(a)).
// Four bits at a time, 64 bytes of table: firmware checks its flash with it too (examples/firmware/flash_store.hpp).
[[nodiscard]] constexpr std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept {
  constexpr struct Table {
    std::uint32_t entry[16] = {};
    constexpr Table() {
      for (std::uint32_t n = 0; n < 16; ++n) {
        entry[n] = n;
        for (int bit = 0; bit < 4; ++bit) entry[n] = (entry[n] >> 1U) ^ ((entry[n] & 1U) != 0 ? 0xEDB88320U : 0U);
      }
    }
  } table{};
  std::uint32_t remainder = ~before;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<std::uint32_t>(byte);
    remainder = table.entry[(remainder ^ value) & 15U] ^ (remainder >> 4U);
    remainder = table.entry[(remainder ^ (value >> 4U)) & 15U] ^ (remainder >> 4U);
  }
  return ~remainder;
}

}  // namespace emmy::io
