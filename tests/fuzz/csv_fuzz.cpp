// libFuzzer target: any text gives a data set that keeps its promises or a one-line error.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "io/csv.hpp"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(std::string_view text, const emmy::io::CsvFormat& format) {
  const auto data = emmy::io::parse_csv(text, "f", format);
  if (!data) {
    const std::string& message = data.error().message;
    require(message.starts_with("f:") && message.size() < 300);
    for (const char letter : message) require(letter >= ' ' && letter <= '~');
    return;
  }
  require(data->rows > 0 && data->features == format.columns - 1);
  require(data->x.size() == data->rows * data->features && data->labels.size() == data->rows);
  require(data->x.size() <= text.size());
  for (const float value : data->x) require(value >= 0 && value <= 1 && !std::signbit(value));
  for (const int label : data->labels) require(label >= 0 && label < format.classes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  check(text, {.columns = 3, .feature_max = 16, .classes = 10});
  check(text, {.columns = 2, .feature_max = 0.3, .classes = 200});
  check(text, {});
  return 0;
}
