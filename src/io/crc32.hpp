#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace emmy::io {

// CRC-32 of IEEE 802.3 as in zlib: reflected polynomial 0xEDB88320, start and final complement.
// `before` is the CRC of the bytes already seen: crc32(ab) == crc32(b, crc32(a)).
[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

}  // namespace emmy::io
