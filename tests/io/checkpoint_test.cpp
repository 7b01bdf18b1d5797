#include "io/checkpoint.hpp"

#include <gtest/gtest.h>

#include "io/crc32.hpp"
#include "temporary_folder.hpp"

namespace emmy::io {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kLayout = 0x0123456789abcdef;
constexpr std::size_t kTable = 32;
constexpr std::size_t kEntry = 56;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Checkpoint sample() {
  return {.layout_hash = kLayout,
          .sections = {{"params", bytes_of("weights")}, {"empty", {}}, {"generator", bytes_of("pcg")}}};
}

Bytes file_of(const Checkpoint& checkpoint) {
  auto bytes = serialize_checkpoint(checkpoint);
  EXPECT_TRUE(bytes) << bytes.error().message;
  return *std::move(bytes);
}

std::string message_of(const Bytes& bytes, std::optional<std::uint64_t> layout = kLayout) {
  const auto checkpoint = parse_checkpoint(bytes, "m", layout);
  return checkpoint ? "accepted" : checkpoint.error().message;
}

void put(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[offset + i] = static_cast<std::byte>((value >> (8 * i)) & 0xFFU);
}

// Makes size and CRC right again, so that what lies behind these checks is reached.
Bytes sealed(Bytes bytes) {
  put(bytes, 24, bytes.size(), 8);
  const std::size_t end = bytes.size() - 4;
  put(bytes, end, crc32(std::span(bytes).first(end)), 4);
  return bytes;
}

void expect_equal(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.layout_hash, b.layout_hash);
  ASSERT_EQ(a.sections.size(), b.sections.size());
  for (std::size_t i = 0; i < a.sections.size(); ++i) {
    EXPECT_EQ(a.sections[i].name, b.sections[i].name);
    EXPECT_EQ(a.sections[i].bytes, b.sections[i].bytes);
  }
}

TEST(Checkpoint, RoundTrip) {
  Checkpoint large{.layout_hash = 7, .sections = {{std::string(kMaxSectionName, 'n'), Bytes(1 << 20)}}};
  for (std::size_t i = 0; i < 300; ++i) {
    large.sections.push_back({"section " + std::to_string(i), Bytes(i, static_cast<std::byte>(i & 0xFFU))});
  }
  for (const Checkpoint& checkpoint : {sample(), large, Checkpoint{}}) {
    const auto parsed = parse_checkpoint(file_of(checkpoint), "m", checkpoint.layout_hash);
    ASSERT_TRUE(parsed) << parsed.error().message;
    expect_equal(*parsed, checkpoint);
    EXPECT_EQ(file_of(*parsed), file_of(checkpoint));
  }
}

TEST(Checkpoint, FindsSectionsByName) {
  const Checkpoint checkpoint = sample();
  ASSERT_NE(checkpoint.find("generator"), nullptr);
  EXPECT_EQ(*checkpoint.find("generator"), bytes_of("pcg"));
  EXPECT_TRUE(checkpoint.find("empty")->empty());
  EXPECT_EQ(checkpoint.find("other"), nullptr);
}

// The bytes on disk are a promise: files of this version stay readable.
TEST(Checkpoint, FileFormat) {
  using namespace std::string_literals;
  const Checkpoint checkpoint{.layout_hash = kLayout, .sections = {{"ab", bytes_of("xyz")}}};
  const std::string expected = "EMMYCKPT"s + "\x01\0\0\0"s + "\x01\0\0\0"s + "\xef\xcd\xab\x89\x67\x45\x23\x01"s +
                               "\x5f\0\0\0\0\0\0\0"s + "ab"s + std::string(38, '\0') + "\x58\0\0\0\0\0\0\0"s +
                               "\x03\0\0\0\0\0\0\0"s + "xyz"s;
  const Bytes file = file_of(checkpoint);
  ASSERT_EQ(file.size(), expected.size() + 4);
  EXPECT_EQ(Bytes(file.begin(), file.end() - 4), bytes_of(expected));
  Bytes crc(4);
  put(crc, 0, crc32(bytes_of(expected)), 4);
  EXPECT_EQ(Bytes(file.end() - 4, file.end()), crc);
}

TEST(Checkpoint, RefusesEveryTruncation) {
  const Bytes file = file_of(sample());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string message = message_of(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)));
    const std::string expected =
        size == 0   ? "m: the file is empty"
        : size < 36 ? "m: is truncated"
                    : "m: is truncated (" + std::to_string(size) + " of " + std::to_string(file.size()) + " bytes)";
    EXPECT_EQ(message, expected) << size;
  }
}

// Also where the size and CRC were made to fit what is left: the table does not.
TEST(Checkpoint, RefusesEverySealedTruncation) {
  const Bytes file = file_of(sample());
  for (std::size_t size = 36; size < file.size(); ++size) {
    const Bytes shorter(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(message_of(sealed(shorter)), "accepted") << size;
  }
}

TEST(Checkpoint, RefusesEveryFlippedBit) {
  const Bytes file = file_of(sample());
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_NE(message_of(flipped, std::nullopt), "accepted") << bit;
  }
}

TEST(Checkpoint, RefusesForeignFilesOtherVersionsAndDamage) {
  Bytes file = file_of(sample());
  EXPECT_EQ(message_of(bytes_of("P")), "m: is not an Emmy checkpoint");
  EXPECT_EQ(message_of(bytes_of("EMMYCKPX")), "m: is not an Emmy checkpoint");
  EXPECT_EQ(message_of(bytes_of(std::string(100, 'x'))), "m: is not an Emmy checkpoint");
  Bytes newer = file;
  newer[8] = std::byte{2};
  EXPECT_EQ(message_of(sealed(newer)), "m: has format version 2, this program reads version 1");
  Bytes longer = file;
  longer.push_back(std::byte{0});
  EXPECT_EQ(message_of(longer), "m: has bytes after its end (" + std::to_string(longer.size()) + " of " +
                                    std::to_string(file.size()) + " bytes)");
  file[kTable + 3 * kEntry] ^= std::byte{1};
  EXPECT_EQ(message_of(file), "m: is damaged (its CRC does not match)");
}

TEST(Checkpoint, RefusesAnotherNet) {
  const Bytes file = file_of(sample());
  EXPECT_EQ(message_of(file, 1),
            "m: was saved by another net (layout 0x0123456789abcdef, this one has 0x0000000000000001)");
  EXPECT_EQ(message_of(file, std::nullopt), "accepted");
}

TEST(Checkpoint, RefusesSizesThatDoNotFit) {
  const Bytes file = file_of(sample());
  const auto changed = [&file](std::size_t offset, std::uint64_t value, std::size_t size) {
    Bytes bytes = file;
    put(bytes, offset, value, size);
    return message_of(sealed(bytes));
  };
  const std::string table = "m: its section table is larger than the file";
  EXPECT_EQ(changed(12, 4, 4), table);
  EXPECT_EQ(changed(12, 0xFFFFFFFF, 4), table);
  EXPECT_NE(changed(12, 2, 4), "accepted");
  EXPECT_EQ(changed(12, 0, 4), "m: has bytes that belong to no section");
  constexpr std::size_t kSize = kTable + 48;
  constexpr std::size_t kOffset = kTable + 40;
  const std::uint64_t start = kTable + 3 * kEntry;
  const std::string fit = "m: its section 1 does not fit the file";
  for (const std::uint64_t size : {std::uint64_t{11}, std::uint64_t{1} << 40U, ~std::uint64_t{0}, ~start + 1}) {
    EXPECT_EQ(changed(kSize, size, 8), fit) << size;
  }
  EXPECT_EQ(changed(kSize, 8, 8), "m: its section 2 does not fit the file");
  for (const std::uint64_t offset : {std::uint64_t{0}, start - 1, start + 1, ~std::uint64_t{0}}) {
    EXPECT_EQ(changed(kOffset, offset, 8), fit) << offset;
  }
}

TEST(Checkpoint, RefusesBadNamesInFiles) {
  const Bytes file = file_of(sample());
  const auto renamed = [&file](std::string_view name) {
    Bytes bytes = file;
    for (std::size_t i = 0; i < kMaxSectionName; ++i) {
      bytes[kTable + i] = i < name.size() ? static_cast<std::byte>(name[i]) : std::byte{0};
    }
    return message_of(sealed(bytes));
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(renamed("other"), "accepted");
  EXPECT_EQ(renamed("generator"), R"(m: the section "generator" is there twice)");
  EXPECT_EQ(renamed(""), R"(m: the section name "" is not allowed)");
  EXPECT_EQ(renamed("a\0b"sv), R"(m: the section name "a\x00b" is not allowed)");
  EXPECT_EQ(renamed("a\n"), R"(m: the section name "a\x0a" is not allowed)");
}

TEST(Checkpoint, RefusesToWriteBadNames) {
  const TemporaryFolder folder;
  const auto message = [&folder](std::vector<Section> sections) {
    const auto written = write_checkpoint(folder.path("m"), {.layout_hash = 1, .sections = std::move(sections)});
    return written ? "written" : written.error().message.substr(folder.path("m").size());
  };
  EXPECT_EQ(message({{"a", {}}, {"b", {}}, {"a", {}}}), R"(: checkpoint: the section "a" is there twice)");
  EXPECT_EQ(message({{"", {}}}), R"(: checkpoint: the section name "" is not allowed)");
  EXPECT_EQ(message({{std::string(kMaxSectionName + 1, 'n'), {}}}),
            ": checkpoint: the section name \"" + std::string(kMaxSectionName, 'n') + "...\" is not allowed");
  EXPECT_EQ(folder.files(), 0);
  EXPECT_EQ(message({{std::string(kMaxSectionName, 'n'), {}}}), "written");
}

TEST(Checkpoint, WritesAndReadsFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.ckpt");
  Checkpoint checkpoint = sample();
  for (int round = 0; round < 2; ++round) {
    checkpoint.sections[1].bytes.resize(10);
    const auto written = write_checkpoint(path, checkpoint);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(folder.files(), 1);
    const auto back = read_checkpoint(path, kLayout);
    ASSERT_TRUE(back) << back.error().message;
    expect_equal(*back, checkpoint);
  }
  EXPECT_EQ(read_checkpoint(path, 3).error().message.substr(0, path.size() + 28),
            path + ": was saved by another net (");
}

TEST(Checkpoint, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  const std::string missing = folder.path("missing");
  EXPECT_EQ(read_checkpoint(missing, 1).error().message, missing + ": cannot open: No such file or directory");
  EXPECT_EQ(read_checkpoint(folder.path(), 1).error().message, folder.path() + ": is a directory");
  const std::string empty = folder.put("empty", "");
  EXPECT_EQ(read_checkpoint(empty, 1).error().message, empty + ": the file is empty");
  const std::string text = folder.put("text", "0,1,2\n");
  EXPECT_EQ(read_checkpoint(text, 1).error().message, text + ": is not an Emmy checkpoint");
  EXPECT_FALSE(write_checkpoint(folder.path("no/folder"), sample()));
  EXPECT_FALSE(write_checkpoint(folder.path(), sample()));
  EXPECT_EQ(folder.files(), 2);
}

}  // namespace
}  // namespace emmy::io
