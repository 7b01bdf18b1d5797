#include "io/csv.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>

#include "io/file.hpp"

namespace emmy::io {
namespace {

constexpr char kEndOfText = '\0';  // only the mark of a field's end, never looked for in the text

struct Field {
  std::string_view text;
  char end;  // ',', '\n' or kEndOfText
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string number_text(double value) {
  std::array<char, 32> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), written.ptr};
}

class CsvParser {
 public:
  CsvParser(std::string_view text, std::string_view name, const CsvFormat& format)
      : text_(text), name_(name), format_(format) {}

  Result<Dataset> parse() {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") position_ = 3;
    if (position_ == text_.size()) return Error{shown_path(name_) + ": the file is empty"};
    data_.features = format_.columns - 1;
    for (line_ = 1; position_ < text_.size(); ++line_) {
      if (auto error = parse_line()) return *std::move(error);
    }
    if (data_.rows == 0) return Error{shown_path(name_) + ": the file has no data, only a blank line"};
    return std::move(data_);
  }

 private:
  // Each step looks at no more than kMaxFieldBytes + 2 bytes, so that a file without any comma costs nothing.
  std::optional<Error> next_field(std::size_t column, Field& field) {
    const std::string_view window = text_.substr(position_, kMaxFieldBytes + 2);
    const std::size_t length = window.find_first_of(",\n");
    const bool last = length == std::string_view::npos && window.size() == text_.size() - position_;
    std::string_view text = window.substr(0, length);
    const char end = length == std::string_view::npos ? kEndOfText : window[length];
    if (end != ',' && text.ends_with('\r')) text.remove_suffix(1);
    if (text.size() > kMaxFieldBytes || (end == kEndOfText && !last)) {
      return at(column, quoted(text) + " is longer than " + std::to_string(kMaxFieldBytes) + " bytes");
    }
    position_ += last ? window.size() : length + 1;
    field = {trimmed(text), end};
    return std::nullopt;
  }

  std::optional<Error> parse_line() {
    for (std::size_t column = 1; column <= format_.columns; ++column) {
      Field field{};
      if (auto error = next_field(column, field)) return error;
      if (field.text.empty() && column == 1 && field.end != ',') {
        if (position_ == text_.size()) return std::nullopt;
        return at(column, "the line is blank");
      }
      if (field.text.empty()) return at(column, "the field is empty");
      auto error = column < format_.columns ? take_feature(column, field.text) : take_label(column, field.text);
      if (error) return error;
      if (column < format_.columns && field.end != ',') {
        return at(column + 1, "the field is missing, a line has " + std::to_string(format_.columns));
      }
      if (column == format_.columns && field.end == ',') {
        return at(column + 1, "one field too many, a line has " + std::to_string(format_.columns));
      }
    }
    ++data_.rows;
    return std::nullopt;
  }

  std::optional<Error> take_feature(std::size_t column, std::string_view text) {
    double value = 0;
    const char* const stop = text.data() + text.size();
    const auto [end, code] = std::from_chars(text.data(), stop, value);
    if (code == std::errc::invalid_argument || end != stop) return at(column, quoted(text) + " is not a number");
    if (code != std::errc{}) return at(column, quoted(text) + " is too large or too small for a number");
    if (!std::isfinite(value)) return at(column, quoted(text) + " is not finite");
    if (value < 0 || value > format_.feature_max) {
      return at(column, quoted(text) + " is not in 0.." + number_text(format_.feature_max));
    }
    data_.x.push_back(static_cast<float>(std::abs(value) / format_.feature_max));  // abs: "-0" is a plain zero
    return std::nullopt;
  }

  std::optional<Error> take_label(std::size_t column, std::string_view text) {
    int label = 0;
    const char* const stop = text.data() + text.size();
    const auto [end, code] = std::from_chars(text.data(), stop, label);
    if (code != std::errc{} || end != stop || label < 0 || label >= format_.classes) {
      return at(column, quoted(text) + " is not a label, an integer in 0.." + std::to_string(format_.classes - 1));
    }
    data_.labels.push_back(label);
    return std::nullopt;
  }

  [[nodiscard]] Error at(std::size_t column, const std::string& what) const {
    return {shown_path(name_) + ":" + std::to_string(line_) + ": column " + std::to_string(column) + ": " + what};
  }

  std::string_view text_;
  std::string_view name_;
  CsvFormat format_;
  Dataset data_{};
  std::size_t position_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

Result<Dataset> parse_csv(std::string_view text, std::string_view name, const CsvFormat& format) {
  const bool usable =
      format.columns >= 2 && format.classes >= 1 && std::isfinite(format.feature_max) && format.feature_max > 0;
  if (!usable) return Error{shown_path(name) + ": the expected format needs 2 columns, 1 class and a positive maximum"};
  return CsvParser(text, name, format).parse();
}

Result<Dataset> read_csv(const std::string& path, const CsvFormat& format) {
  const Result<std::vector<std::byte>> bytes = read_file(path);
  if (!bytes) return bytes.error();
  // char may alias any bytes.
  return parse_csv({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path, format);
}

}  // namespace emmy::io
