#include "io/csv.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "temporary_folder.hpp"

namespace emmy::io {
namespace {

using namespace std::string_literals;

constexpr CsvFormat kSmall{.columns = 3, .feature_max = 16, .classes = 10};

std::string message_of(const std::string& text, const CsvFormat& format = kSmall) {
  const auto data = parse_csv(text, "d.csv", format);
  return data ? "accepted" : data.error().message;
}

void expect_two_rows(const std::string& text) {
  const auto data = parse_csv(text, "d.csv", kSmall);
  ASSERT_TRUE(data) << quoted(text) << " " << data.error().message;
  EXPECT_EQ(data->rows, 2U);
  EXPECT_EQ(data->features, 2U);
  EXPECT_EQ(data->x, (std::vector<float>{0.0F, 1.0F, 0.5F, 0.015625F})) << quoted(text);
  EXPECT_EQ(data->labels, (std::vector<int>{9, 0})) << quoted(text);
}

TEST(Csv, AcceptsEveryHarmlessForm) {
  expect_two_rows("0,16,9\n8,0.25,0\n");
  expect_two_rows("0,16,9\n8,0.25,0");
  expect_two_rows("0,16,9\r\n8,0.25,0\r\n");
  expect_two_rows("0,16,9\r\n8,0.25,0\r");
  expect_two_rows("0,16,9\n8,0.25,0\n\n");
  expect_two_rows("0,16,9\r\n8,0.25,0\r\n\r\n");
  expect_two_rows("0,16,9\n8,0.25,0\n  \t");
  expect_two_rows(
      "\xEF\xBB\xBF"
      "0,16,9\n8,0.25,0\n");
  expect_two_rows(" 0 ,\t16, 9 \n8.0,2.5e-1,0\n");
  expect_two_rows("-0,1.6e1,9\n8,.25,0\n");
}

TEST(Csv, MinusZeroIsZero) {
  const auto data = parse_csv("-0,1,2\n", "d.csv", kSmall);
  ASSERT_TRUE(data);
  EXPECT_FALSE(std::signbit(data->x[0]));
}

TEST(Csv, RefusesWhatIsNotAFeature) {
  EXPECT_EQ(message_of("1,2,3\n1,abc,3\n"), R"(d.csv:2: column 2: "abc" is not a number)");
  EXPECT_EQ(message_of("1 2,2,3\n"), R"(d.csv:1: column 1: "1 2" is not a number)");
  EXPECT_EQ(message_of("1,2x,3\n"), R"(d.csv:1: column 2: "2x" is not a number)");
  EXPECT_EQ(message_of("0x1,2,3\n"), R"(d.csv:1: column 1: "0x1" is not a number)");
  EXPECT_EQ(message_of("\"1\",2,3\n"), R"(d.csv:1: column 1: "\"1\"" is not a number)");
  EXPECT_EQ(message_of("1;2;3\n"), R"(d.csv:1: column 1: "1;2;3" is not a number)");
  EXPECT_EQ(message_of("1,nan,3\n"), R"(d.csv:1: column 2: "nan" is not finite)");
  EXPECT_EQ(message_of("1,-NaN,3\n"), R"(d.csv:1: column 2: "-NaN" is not finite)");
  EXPECT_EQ(message_of("inf,2,3\n"), R"(d.csv:1: column 1: "inf" is not finite)");
  EXPECT_EQ(message_of("1,-Infinity,3\n"), R"(d.csv:1: column 2: "-Infinity" is not finite)");
  EXPECT_EQ(message_of("1,1e999,3\n"), R"(d.csv:1: column 2: "1e999" is too large or too small for a number)");
  EXPECT_EQ(message_of("1,17,3\n"), R"(d.csv:1: column 2: "17" is not in 0..16)");
  EXPECT_EQ(message_of("1,16.001,3\n"), R"(d.csv:1: column 2: "16.001" is not in 0..16)");
  EXPECT_EQ(message_of("-0.5,1,3\n"), R"(d.csv:1: column 1: "-0.5" is not in 0..16)");
}

TEST(Csv, RefusesWhatIsNotALabel) {
  for (const std::string label : {"10", "-1", "3.0", "3.5", "x", "nan", "99999999999999999999"}) {
    EXPECT_EQ(message_of("1,2," + label + "\n"),
              "d.csv:1: column 3: \"" + label + "\" is not a label, an integer in 0..9");
  }
}

TEST(Csv, RefusesAnyOtherWidth) {
  EXPECT_EQ(message_of("1,2,3\n1,2\n"), "d.csv:2: column 3: the field is missing, a line has 3");
  EXPECT_EQ(message_of("1,2"), "d.csv:1: column 3: the field is missing, a line has 3");
  EXPECT_EQ(message_of("1,2,3,4\n"), "d.csv:1: column 4: one field too many, a line has 3");
  EXPECT_EQ(message_of("1,2,3,\n"), "d.csv:1: column 4: one field too many, a line has 3");
  EXPECT_EQ(message_of("1,,3\n"), "d.csv:1: column 2: the field is empty");
  EXPECT_EQ(message_of(",2,3\n"), "d.csv:1: column 1: the field is empty");
  EXPECT_EQ(message_of("1,2,"), "d.csv:1: column 3: the field is empty");
  EXPECT_EQ(message_of("1,2,\r\n"), "d.csv:1: column 3: the field is empty");
}

TEST(Csv, RefusesBlankLinesInside) {
  EXPECT_EQ(message_of("1,2,3\n\n1,2,3\n"), "d.csv:2: column 1: the line is blank");
  EXPECT_EQ(message_of("\r\n1,2,3\n"), "d.csv:1: column 1: the line is blank");
  EXPECT_EQ(message_of("1,2,3\n\n\n"), "d.csv:2: column 1: the line is blank");
}

TEST(Csv, RefusesEmptyText) {
  EXPECT_EQ(message_of(""), "d.csv: the file is empty");
  EXPECT_EQ(message_of("\xEF\xBB\xBF"), "d.csv: the file is empty");
  EXPECT_EQ(message_of("\r\n"), "d.csv: the file has no data, only a blank line");
}

TEST(Csv, EscapesWhatItShows) {
  EXPECT_EQ(message_of("1,2\0,3\n"s), R"(d.csv:1: column 2: "2\x00" is not a number)");
  EXPECT_EQ(message_of("1,2,3\n\0"s), R"(d.csv:2: column 1: "\x00" is not a number)");
  EXPECT_EQ(message_of("1\r2,2,3\n"), R"(d.csv:1: column 1: "1\x0d2" is not a number)");
  EXPECT_EQ(message_of("\xFF\xFE"
                       "1"),
            R"(d.csv:1: column 1: "\xff\xfe1" is not a number)");
  EXPECT_EQ(message_of("\x1b[31m,2,3\n"), R"(d.csv:1: column 1: "\x1b[31m" is not a number)");
  EXPECT_EQ(message_of("1,abcdefghijklmnopqrstuvwxyz,3\n"),
            R"(d.csv:1: column 2: "abcdefghijklmnopqrstuvwx..." is not a number)");
}

TEST(Csv, LimitsTheFieldExactly) {
  const std::string longest = "1." + std::string(kMaxFieldBytes - 2, '0');
  const std::string message = R"(d.csv:1: column 1: "1.0000000000000000000000..." is longer than 128 bytes)";
  EXPECT_EQ(message_of(longest + ",2,3\n"), "accepted");
  EXPECT_EQ(message_of(longest + "0,2,3\n"), message);
  EXPECT_EQ(message_of(longest + "00,2,3\n"), message);
  EXPECT_EQ(message_of(longest), "d.csv:1: column 2: the field is missing, a line has 3");
  EXPECT_EQ(message_of(longest + "0"), message);
  const std::string last = "1,2," + std::string(kMaxFieldBytes - 1, '0') + "3";
  EXPECT_EQ(message_of(last + "\r\n"), "accepted");
  EXPECT_EQ(message_of(last + "\r"), "accepted");
}

// 64 MB without a line end, or as one line of fields, must be refused after a glance: a reader that copied or scanned
// the whole line for each field would need minutes.
TEST(Csv, RefusesOverlongLinesAtOnce) {
  const std::string digits(std::size_t{64} << 20, '1');
  std::string fields = digits;
  for (std::size_t i = 1; i < fields.size(); i += 2) fields[i] = ',';
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(message_of(digits), R"(d.csv:1: column 1: "111111111111111111111111..." is longer than 128 bytes)");
  EXPECT_EQ(message_of(fields), "d.csv:1: column 4: one field too many, a line has 3");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
}

TEST(Csv, RefusesAFormatThatCannotBe) {
  const std::string message = "d.csv: the expected format needs 2 columns, 1 class and a positive maximum";
  EXPECT_EQ(message_of("1\n", {.columns = 1}), message);
  EXPECT_EQ(message_of("1\n", {.columns = 0}), message);
  EXPECT_EQ(message_of("1,1\n", {.columns = 2, .feature_max = 0}), message);
  EXPECT_EQ(message_of("1,1\n", {.columns = 2, .feature_max = NAN}), message);
  EXPECT_EQ(message_of("1,1\n", {.columns = 2, .classes = 0}), message);
  EXPECT_EQ(message_of("1,0\n", {.columns = 2, .feature_max = 1, .classes = 1}), "accepted");
}

TEST(Csv, ReadsFilesAndNamesThem) {
  const TemporaryFolder folder;
  const std::string good = folder.put("good.csv", "4,8,7\n");
  const auto data = read_csv(good, kSmall);
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->x, (std::vector<float>{0.25F, 0.5F}));
  EXPECT_EQ(data->labels, std::vector<int>{7});
  const std::string bad = folder.put("bad\n.csv", "4,8,7\n1,2,q\n");
  EXPECT_EQ(read_csv(bad, kSmall).error().message,
            folder.path("bad\\x0a.csv") + ":2: column 3: \"q\" is not a label, an integer in 0..9");
  const std::string empty = folder.put("empty.csv", "");
  EXPECT_EQ(read_csv(empty).error().message, empty + ": the file is empty");
  EXPECT_EQ(read_csv(folder.path()).error().message, folder.path() + ": is a directory");
  const std::string missing = folder.path("missing.csv");
  EXPECT_EQ(read_csv(missing).error().message, missing + ": cannot open: No such file or directory");
}

TEST(Csv, DefaultFormatIsThatOfOptdigits) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += std::to_string(i % 17) + ",";
  const auto data = parse_csv(text + "9\n" + text + "0\n", "d.csv");
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->rows, 2U);
  EXPECT_EQ(data->features, 64U);
  EXPECT_EQ(data->x.size(), 128U);
  EXPECT_EQ(data->x[64 + 16], 1.0F);
  EXPECT_EQ(data->x[64 + 18], 1.0F / 16);
}

}  // namespace
}  // namespace emmy::io
