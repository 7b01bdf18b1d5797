#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/error.hpp"

namespace emmy::io {

// A table of 16-bit integers, row-major.
struct Int16Table {
  std::size_t columns = 0;
  std::size_t stated_rows = 0;       // by the header; a recording that was cut off holds fewer
  std::vector<std::int16_t> values;  // rows() * columns
  [[nodiscard]] std::size_t rows() const noexcept { return values.size() / columns; }
};

// The bytes of a NumPy file of format 1.x: int16 little-endian, C order, shape (n, columns). As many whole rows as are
// there, at most what the header states: a device that loses power leaves a file shorter than its header. Refused, with
// one line that starts with `name`: another magic, version, type, order or shape, a header that does not end or is no
// dictionary of the three keys, and bytes after the last stated row. No allocation is larger than `bytes`.
// Source: numpy.lib.format. Tests: tests/io/npy_test.cpp, tests/fuzz/npy_fuzz.cpp.
[[nodiscard]] Result<Int16Table> parse_npy(std::span<const std::byte> bytes, std::string_view name,
                                           std::size_t columns);

[[nodiscard]] Result<Int16Table> read_npy(const std::string& path, std::size_t columns);

}  // namespace emmy::io
