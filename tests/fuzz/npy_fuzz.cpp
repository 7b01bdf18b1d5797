// libFuzzer target: any bytes give a table no larger than they are or a one-line error.
#include <cstdint>
#include <cstdlib>

#include "io/npy.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(std::span<const std::byte> bytes) {
  const auto table = emmy::io::parse_npy(bytes, "f", 3);
  if (!table) {
    const std::string& message = table.error().message;
    require(message.starts_with("f: ") && message.size() < 300);
    for (const char letter : message) require(letter >= ' ' && letter <= '~');
    return;
  }
  require(table->columns == 3 && table->values.size() % 3 == 0 && table->rows() <= table->stated_rows);
  require(table->values.size() * 2 <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto all = std::as_bytes(std::span(bytes, size));
  check(all);
  // Behind a good start, so that the header's dictionary is reached at once.
  std::vector<std::byte> framed;
  for (const char c : {'\x93', 'N', 'U', 'M', 'P', 'Y', '\x01', '\x00'}) framed.push_back(static_cast<std::byte>(c));
  framed.push_back(static_cast<std::byte>(size % 256));
  framed.push_back(static_cast<std::byte>(size / 256 % 256));
  framed.insert(framed.end(), all.begin(), all.end());
  check(framed);
  return 0;
}
