#include "io/error.hpp"

namespace emmy::io {
namespace {

void append_hex(std::string& out, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 15U];
}

}  // namespace

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  for (const char letter : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      out += '\\';
      out += letter;
    } else if (byte < 0x20 || byte > 0x7e) {
      append_hex(out, byte);
    } else {
      out += letter;
    }
  }
  out += text.size() > limit ? "...\"" : "\"";
  return out;
}

std::string shown_path(std::string_view path) {
  std::string out;
  for (const char letter : path) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7f) {
      append_hex(out, byte);
    } else {
      out += letter;
    }
  }
  return out;
}

}  // namespace emmy::io
