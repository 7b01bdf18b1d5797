#include "io/npy.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include "io/file.hpp"

namespace emmy::io {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they are in the file");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kPreamble = 10;  // magic, two bytes of version, two of the header's length

// The header: a Python dictionary, read token by token.
class Header {
 public:
  explicit Header(std::string_view text) : text_(text) {}

  // What is wrong with it, or nothing; then `rows` is what it states.
  std::optional<std::string> read(std::size_t columns, std::size_t& rows) {
    bool type = false, order = false, shape = false;
    if (!take('{')) return "its header is no dictionary";
    while (!take('}')) {
      std::string_view key, value;
      if (!take_word(key) || !take(':')) return "its header is no dictionary";
      if (key == "descr" && !type) {
        if (!take_word(value)) return "its header names no type";
        if (value != "<i2") return "holds " + quoted(value) + ", not 16-bit integers (\"<i2\")";
        type = true;
      } else if (key == "fortran_order" && !order) {
        if (take_name("True")) return "is in Fortran order, not in C order";
        if (!take_name("False")) return "its header names no order";
        order = true;
      } else if (key == "shape" && !shape) {
        std::size_t second = 0;
        bool pair = take('(') && take_number(rows) && take(',') && take_number(second);
        take(',');  // Python allows one more
        pair = take(')') && pair;
        if (!pair) return "its shape is not (n, " + std::to_string(columns) + ")";
        if (second != columns)
          return "its shape is (n, " + std::to_string(second) + "), not (n, " + std::to_string(columns) + ")";
        shape = true;
      } else {
        return "its header has an unknown or repeated key " + quoted(key);
      }
      if (!take(',')) {
        if (take('}')) break;
        return "its header is no dictionary";
      }
    }
    skip_blanks();
    if (!text_.empty()) return "its header goes on after the dictionary";
    if (!type || !order || !shape) return "its header lacks one of descr, fortran_order and shape";
    return std::nullopt;
  }

 private:
  void skip_blanks() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size())); }
  bool take(char letter) {
    skip_blanks();
    if (!text_.starts_with(letter)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool take_name(std::string_view name) {
    skip_blanks();
    if (!text_.starts_with(name)) return false;
    text_.remove_prefix(name.size());
    return true;
  }
  bool take_word(std::string_view& word) {
    skip_blanks();
    if (!text_.starts_with('\'') && !text_.starts_with('"')) return false;
    const std::size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) return false;
    word = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }
  bool take_number(std::size_t& number) {
    skip_blanks();
    const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    if (code != std::errc{}) return false;
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    return true;
  }

  std::string_view text_;
};

}  // namespace

Result<Int16Table> parse_npy(std::span<const std::byte> bytes, std::string_view name, std::size_t columns) {
  const auto refused = [&](const std::string& why) { return Error{shown_path(name) + ": " + why}; };
  // char may alias any bytes.
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic)) return refused("is no NPY file");
  if (text.size() < kPreamble) return refused("ends within its header");
  const auto byte = [&](std::size_t at) { return std::to_integer<std::size_t>(bytes[at]); };
  if (byte(6) != 1)
    return refused("NPY format " + std::to_string(byte(6)) + "." + std::to_string(byte(7)) + ", not 1.x");
  const std::size_t length = byte(8) + 256 * byte(9);
  if (text.size() - kPreamble < length) return refused("ends within its header");
  Int16Table table{columns, 0, {}};
  if (const auto why = Header(text.substr(kPreamble, length)).read(columns, table.stated_rows)) return refused(*why);
  const std::size_t row = columns * sizeof(std::int16_t), size = text.size() - kPreamble - length;
  if (size / row > table.stated_rows || (size / row == table.stated_rows && size % row != 0))
    return refused("goes on after the " + std::to_string(table.stated_rows) + " rows that its header states");
  table.values.resize(size / row * columns);
  if (!table.values.empty())
    std::memcpy(table.values.data(), bytes.data() + kPreamble + length, table.values.size() * sizeof(std::int16_t));
  return table;
}

Result<Int16Table> read_npy(const std::string& path, std::size_t columns) {
  const Result<std::vector<std::byte>> bytes = read_file(path);
  if (!bytes) return bytes.error();
  return parse_npy(*bytes, path, columns);
}

}  // namespace emmy::io
