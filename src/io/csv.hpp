#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/dataset.hpp"
#include "io/error.hpp"

namespace emmy::io {

// One sample a line: columns - 1 features, then the label.
struct CsvFormat {
  std::size_t columns = 65;   // fields a line, the label included; at least 2
  double feature_max = 16.0;  // features are 0..feature_max and are divided by it
  int classes = 10;           // labels are the integers 0..classes-1
};

// A field longer than this is refused unread, which bounds a line as well: no number that a program prints comes near.
inline constexpr std::size_t kMaxFieldBytes = 128;

// Reads comma-separated numbers without a header. Accepted: LF or CRLF endings, a UTF-8 byte order mark, spaces and
// tabs around a number, a last line without ending, one blank last line. Everything else that is not a finite number in
// range, any other number of fields and a blank line inside are refused with one line that names file, line and
// column: `data.csv:12: column 7: "abc" is not a number`. Time is linear in the text, memory at most a few times its
// size.
[[nodiscard]] Result<Dataset> read_csv(const std::string& path, const CsvFormat& format = {});

// The same from text in memory; `name` stands for the file in messages.
[[nodiscard]] Result<Dataset> parse_csv(std::string_view text, std::string_view name, const CsvFormat& format = {});

}  // namespace emmy::io
