// libFuzzer target: any bytes give a checkpoint whose file is exactly these bytes, or a one-line error. Each input is
// tried as it is and with magic, version, size and CRC made right, so that the table behind them is reached.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "io/checkpoint.hpp"
#include "io/crc32.hpp"

namespace {

using Bytes = std::vector<std::byte>;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(std::span<const std::byte> bytes, std::optional<std::uint64_t> layout) {
  const auto checkpoint = emmy::io::parse_checkpoint(bytes, "f", layout);
  if (!checkpoint) {
    const std::string& message = checkpoint.error().message;
    require(message.starts_with("f: ") && message.size() < 300);
    for (const char letter : message) require(letter >= ' ' && letter <= '~');
    return;
  }
  require(!layout || checkpoint->layout_hash == *layout);
  const auto again = emmy::io::serialize_checkpoint(*checkpoint);
  require(again.has_value() && std::equal(again->begin(), again->end(), bytes.begin(), bytes.end()));
}

void put(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<std::byte>((value >> (8 * i)) & 0xFFU);
}

Bytes sealed(Bytes bytes) {
  bytes.resize(std::max<std::size_t>(bytes.size(), 36));
  put(bytes, 0, 0x54504b43594d4d45U, 8);  // "EMMYCKPT"
  put(bytes, 8, emmy::io::kCheckpointVersion, 4);
  put(bytes, 24, bytes.size(), 8);
  const std::size_t end = bytes.size() - 4;
  put(bytes, end, emmy::io::crc32(std::span(bytes).first(end)), 4);
  return bytes;
}

// The input as a recipe: names and sizes that are nearly right, which chance alone would not find.
Bytes composed(std::span<const std::byte> recipe) {
  emmy::io::Checkpoint checkpoint;
  while (recipe.size() >= 3 && checkpoint.sections.size() < 8) {
    const std::size_t name = std::to_integer<std::size_t>(recipe[0]) % 41;
    const std::size_t size = std::to_integer<std::size_t>(recipe[1]);
    checkpoint.sections.push_back({std::string(name, 'a'), Bytes(size, recipe[2])});
    recipe = recipe.subspan(3);
  }
  auto bytes = emmy::io::serialize_checkpoint(checkpoint);
  if (!bytes) return {};
  if (recipe.size() >= 2) {
    const std::size_t place = std::to_integer<std::size_t>(recipe[0]) * 3 % bytes->size();
    (*bytes)[place] ^= recipe[1];
  }
  return sealed(*std::move(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes, std::nullopt);
  check(sealed({bytes.begin(), bytes.end()}), std::nullopt);
  check(sealed({bytes.begin(), bytes.end()}), 0);
  check(composed(bytes), std::nullopt);
  return 0;
}
