#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.hpp"

namespace emmy::io {

// One named run of bytes; what they mean is the caller's business.
struct Section {
  std::string name;  // 1 to kMaxSectionName printable ASCII characters, unique in its checkpoint
  std::vector<std::byte> bytes;
};

struct Checkpoint {
  std::uint64_t layout_hash = 0;  // describes the type and layout of the net that the sections belong to
  std::vector<Section> sections;

  // The section's bytes, or nullptr where there is none of this name.
  [[nodiscard]] const std::vector<std::byte>* find(std::string_view name) const noexcept;
};

// The file, all integers little-endian, nothing between the parts:
//   offset  size  content
//        0     8  "EMMYCKPT"
//        8     4  format version
//       12     4  number of sections, n
//       16     8  layout hash
//       24     8  size of the whole file
//       32  56 n  table, an entry: 40 bytes name padded with zeros, 8 bytes offset in the file, 8 bytes size
//   32+56n        the sections' bytes in the table's order
//   size-4     4  CRC-32 of all bytes before it
// A checkpoint has exactly one such file: equal sections give equal bytes.
inline constexpr std::uint32_t kCheckpointVersion = 1;
inline constexpr std::size_t kMaxSectionName = 40;

// The file's bytes. Refused: a name that is empty, too long, not printable or used twice.
[[nodiscard]] Result<std::vector<std::byte>> serialize_checkpoint(const Checkpoint& checkpoint);

// Refused, with one line that starts with `name`: empty, foreign magic, another version, truncated at any byte, bytes
// after the end, wrong CRC, sizes or offsets that do not fit the file, names that are not allowed, and another layout
// hash than `expected_layout_hash` (nullopt accepts every net's). Sizes are checked against the bytes that are there
// before anything is allocated: no allocation is larger than `bytes`.
[[nodiscard]] Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name,
                                                  std::optional<std::uint64_t> expected_layout_hash);

// Atomic: see replace_file.
[[nodiscard]] Result<Done> write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

[[nodiscard]] Result<Checkpoint> read_checkpoint(const std::string& path,
                                                 std::optional<std::uint64_t> expected_layout_hash);

}  // namespace emmy::io
