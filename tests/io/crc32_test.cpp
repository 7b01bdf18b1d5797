#include "io/crc32.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string_view>

namespace emmy::io {
namespace {

std::uint32_t crc_of(std::string_view text, std::uint32_t before = 0) {
  return crc32(std::as_bytes(std::span(text)), before);
}

TEST(Crc32, PublishedVectors) {
  EXPECT_EQ(crc_of(""), 0U);
  EXPECT_EQ(crc_of("123456789"), 0xCBF43926U);
  EXPECT_EQ(crc_of("a"), 0xE8B7BE43U);
  EXPECT_EQ(crc_of("The quick brown fox jumps over the lazy dog"), 0x414FA339U);
  const std::array<std::byte, 32> zeros{};
  EXPECT_EQ(crc32(zeros), 0x190A55ADU);
  std::array<std::byte, 32> ones{};
  ones.fill(std::byte{0xFF});
  EXPECT_EQ(crc32(ones), 0xFF6CAB0BU);
}

TEST(Crc32, ContinuesAtEveryCut) {
  constexpr std::string_view kText = "123456789";
  for (std::size_t cut = 0; cut <= kText.size(); ++cut) {
    EXPECT_EQ(crc_of(kText.substr(cut), crc_of(kText.substr(0, cut))), 0xCBF43926U) << cut;
  }
}

}  // namespace
}  // namespace emmy::io
