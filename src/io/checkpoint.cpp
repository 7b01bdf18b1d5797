#include "io/checkpoint.hpp"

#include <algorithm>
#include <concepts>

#include "io/crc32.hpp"
#include "io/file.hpp"

namespace emmy::io {
namespace {

constexpr std::string_view kMagic = "EMMYCKPT";
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kEntryBytes = kMaxSectionName + 16;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kVersionOffset = 8;
constexpr std::size_t kCountOffset = 12;
constexpr std::size_t kLayoutOffset = 16;
constexpr std::size_t kFileSizeOffset = 24;

// The vector of sections must not outgrow the table that asks for it: the promise about allocations.
static_assert(sizeof(Section) <= kEntryBytes);

template <std::unsigned_integral Integer>
Integer load(std::span<const std::byte> bytes, std::size_t offset) {
  Integer value = 0;
  for (std::size_t i = sizeof(Integer); i-- > 0;) {
    value = static_cast<Integer>((value << 8U) | std::to_integer<Integer>(bytes[offset + i]));
  }
  return value;
}

template <std::unsigned_integral Integer>
void append(std::vector<std::byte>& out, Integer value) {
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    out.push_back(static_cast<std::byte>((value >> (8U * i)) & 0xFFU));
  }
}

void append(std::vector<std::byte>& out, std::string_view text) {
  for (const char letter : text) out.push_back(static_cast<std::byte>(letter));
}

std::string hex(std::uint64_t value) {
  std::string text = "0x";
  for (unsigned shift = 64; shift > 0; shift -= 4) text += "0123456789abcdef"[(value >> (shift - 4)) & 15U];
  return text;
}

// Writer and reader share these rules, so whatever was written can be read.
std::optional<std::string> fault_in_names(const std::vector<Section>& sections) {
  std::vector<std::string_view> names;
  names.reserve(sections.size());
  for (const Section& section : sections) {
    const auto printable = [](char letter) { return letter >= ' ' && letter <= '~'; };
    const bool allowed = !section.name.empty() && section.name.size() <= kMaxSectionName &&
                         std::all_of(section.name.begin(), section.name.end(), printable);
    if (!allowed) return "the section name " + quoted(section.name, kMaxSectionName) + " is not allowed";
    names.push_back(section.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return std::nullopt;
  return "the section " + quoted(*twice, kMaxSectionName) + " is there twice";
}

class CheckpointParser {
 public:
  CheckpointParser(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  Result<Checkpoint> parse(std::optional<std::uint64_t> expected_layout_hash) {
    // The layout hash after the CRC: a damaged file must not be reported as another net's.
    if (auto error = check_frame()) return *std::move(error);
    if (auto error = check_crc()) return *std::move(error);
    Checkpoint checkpoint{.layout_hash = load<std::uint64_t>(bytes_, kLayoutOffset), .sections = {}};
    if (expected_layout_hash && checkpoint.layout_hash != *expected_layout_hash) {
      return fault("was saved by another net (layout " + hex(checkpoint.layout_hash) + ", this one has " +
                   hex(*expected_layout_hash) + ")");
    }
    if (auto error = take_sections(checkpoint.sections)) return *std::move(error);
    if (const auto bad_name = fault_in_names(checkpoint.sections)) return fault(*bad_name);
    return checkpoint;
  }

 private:
  std::optional<Error> check_frame() const {
    if (bytes_.empty()) return fault("the file is empty");
    for (std::size_t i = 0; i < std::min(kMagic.size(), bytes_.size()); ++i) {
      if (bytes_[i] != static_cast<std::byte>(kMagic[i])) return fault("is not an Emmy checkpoint");
    }
    // The version before the size: another version may place everything after it differently.
    if (bytes_.size() >= kCountOffset) {
      const auto version = load<std::uint32_t>(bytes_, kVersionOffset);
      if (version != kCheckpointVersion) {
        return fault("has format version " + std::to_string(version) + ", this program reads version " +
                     std::to_string(kCheckpointVersion));
      }
    }
    if (bytes_.size() < kHeaderBytes + kCrcBytes) return fault("is truncated");
    const auto size = load<std::uint64_t>(bytes_, kFileSizeOffset);
    if (size == bytes_.size()) return std::nullopt;
    const std::string sizes = " (" + std::to_string(bytes_.size()) + " of " + std::to_string(size) + " bytes)";
    return fault((size > bytes_.size() ? "is truncated" : "has bytes after its end") + sizes);
  }

  std::optional<Error> check_crc() const {
    const std::size_t end = bytes_.size() - kCrcBytes;
    if (load<std::uint32_t>(bytes_, end) == crc32(bytes_.first(end))) return std::nullopt;
    return fault("is damaged (its CRC does not match)");
  }

  std::optional<Error> take_sections(std::vector<Section>& sections) const {
    const std::size_t end = bytes_.size() - kCrcBytes;
    const std::size_t count = load<std::uint32_t>(bytes_, kCountOffset);
    if (count > (end - kHeaderBytes) / kEntryBytes) return fault("its section table is larger than the file");
    std::size_t position = kHeaderBytes + count * kEntryBytes;
    sections.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto entry = bytes_.subspan(kHeaderBytes + i * kEntryBytes, kEntryBytes);
      const auto offset = load<std::uint64_t>(entry, kMaxSectionName);
      const auto size = load<std::uint64_t>(entry, kMaxSectionName + 8);
      if (offset != position || size > end - position) {
        return fault("its section " + std::to_string(i + 1) + " does not fit the file");
      }
      const auto content = bytes_.subspan(position, static_cast<std::size_t>(size));
      sections.push_back({name_of(entry), {content.begin(), content.end()}});
      position += content.size();
    }
    if (position != end) return fault("has bytes that belong to no section");
    return std::nullopt;
  }

  // Zeros inside the name stay in it and make it a name that is not allowed.
  static std::string name_of(std::span<const std::byte> entry) {
    std::size_t length = kMaxSectionName;
    while (length > 0 && entry[length - 1] == std::byte{0}) --length;
    std::string name;
    name.reserve(length);
    for (const std::byte letter : entry.first(length)) name += static_cast<char>(letter);
    return name;
  }

  [[nodiscard]] Error fault(const std::string& what) const { return {shown_path(name_) + ": " + what}; }

  std::span<const std::byte> bytes_;
  std::string_view name_;
};

}  // namespace

const std::vector<std::byte>* Checkpoint::find(std::string_view name) const noexcept {
  const auto found =
      std::find_if(sections.begin(), sections.end(), [name](const Section& section) { return section.name == name; });
  return found == sections.end() ? nullptr : &found->bytes;
}

Result<std::vector<std::byte>> serialize_checkpoint(const Checkpoint& checkpoint) {
  if (const auto bad_name = fault_in_names(checkpoint.sections)) return Error{"checkpoint: " + *bad_name};
  if (checkpoint.sections.size() > UINT32_MAX) return Error{"checkpoint: too many sections"};
  std::size_t offset = kHeaderBytes + checkpoint.sections.size() * kEntryBytes;
  std::size_t size = offset + kCrcBytes;
  for (const Section& section : checkpoint.sections) size += section.bytes.size();

  std::vector<std::byte> out;
  out.reserve(size);
  append(out, kMagic);
  append(out, kCheckpointVersion);
  append(out, static_cast<std::uint32_t>(checkpoint.sections.size()));
  append(out, checkpoint.layout_hash);
  append(out, static_cast<std::uint64_t>(size));
  for (const Section& section : checkpoint.sections) {
    append(out, section.name);
    out.resize(out.size() + kMaxSectionName - section.name.size());
    append(out, static_cast<std::uint64_t>(offset));
    append(out, static_cast<std::uint64_t>(section.bytes.size()));
    offset += section.bytes.size();
  }
  for (const Section& section : checkpoint.sections) {
    out.insert(out.end(), section.bytes.begin(), section.bytes.end());
  }
  append(out, crc32(out));
  return out;
}

Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name,
                                    std::optional<std::uint64_t> expected_layout_hash) {
  return CheckpointParser(bytes, name).parse(expected_layout_hash);
}

Result<Done> write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  const Result<std::vector<std::byte>> bytes = serialize_checkpoint(checkpoint);
  if (!bytes) return Error{shown_path(path) + ": " + bytes.error().message};
  return replace_file(path, *bytes);
}

Result<Checkpoint> read_checkpoint(const std::string& path, std::optional<std::uint64_t> expected_layout_hash) {
  const Result<std::vector<std::byte>> bytes = read_file(path);
  if (!bytes) return bytes.error();
  return parse_checkpoint(*bytes, path, expected_layout_hash);
}

}  // namespace emmy::io
