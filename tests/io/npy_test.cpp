#include "io/npy.hpp"

#include <gtest/gtest.h>

#include "temporary_folder.hpp"

namespace emmy::io {
namespace {

using namespace std::string_literals;

const std::string kHeader = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
const std::string kTwoRows = "\x01\x00\xff\xff\x00\x80\xff\x7f\x02\x00\x03\x00"s;  // 1 -1 -32768; 32767 2 3

std::string file(const std::string& header, const std::string& values, const std::string& version = "\x01\x00"s) {
  return "\x93NUMPY" + version + static_cast<char>(header.size() % 256) + static_cast<char>(header.size() / 256) +
         header + values;
}

Result<Int16Table> parsed(const std::string& bytes) { return parse_npy(std::as_bytes(std::span(bytes)), "r.npy", 3); }

void expect_two_rows(const std::string& header) {
  const auto table = parsed(file(header, kTwoRows));
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->rows(), 2U);
  EXPECT_EQ(table->stated_rows, 2U);
  EXPECT_EQ(table->values, (std::vector<std::int16_t>{1, -1, -32768, 32767, 2, 3})) << header;
}

void expect_refused(const std::string& bytes, const std::string& why) {
  const auto table = parsed(bytes);
  ASSERT_FALSE(table) << why;
  EXPECT_EQ(table.error().message, "r.npy: " + why);
}

TEST(Npy, Reads) {
  expect_two_rows(kHeader);
  expect_two_rows(kHeader + std::string(64, ' ') + "\n");
  expect_two_rows("{'shape': (2, 3), 'fortran_order': False, 'descr': \"<i2\"}");
  expect_two_rows(" { 'shape' :( 2 ,3,) ,'fortran_order':False,'descr':'<i2' } ");
}

// A recording that was cut off: as many whole rows as are there.
TEST(Npy, TruncatedRecordingsAreReadBySize) {
  for (std::size_t size = 0; size <= kTwoRows.size(); ++size) {
    const auto table = parsed(file(kHeader, kTwoRows.substr(0, size)));
    ASSERT_TRUE(table) << table.error().message;
    EXPECT_EQ(table->rows(), size / 6);
    EXPECT_EQ(table->stated_rows, 2U);
  }
}

TEST(Npy, RefusesOtherFiles) {
  expect_refused("", "is no NPY file");
  expect_refused("PK\x03\x04", "is no NPY file");
  expect_refused(file(kHeader, kTwoRows, "\x02\x00"s), "NPY format 2.0, not 1.x");
  expect_refused(file(kHeader, kTwoRows + "x"), "goes on after the 2 rows that its header states");
  const std::string whole = file(kHeader, "");
  for (std::size_t size = 6; size < whole.size(); ++size)
    expect_refused(whole.substr(0, size), "ends within its header");
}

TEST(Npy, RefusesOtherHeaders) {
  const auto header = [](const std::string& text, const std::string& why) {
    expect_refused(file(text, kTwoRows), why);
  };
  const std::string type = "'descr': '<i2', ", order = "'fortran_order': False, ", shape = "'shape': (2, 3)";
  const std::string lacks = "its header lacks one of descr, fortran_order and shape",
                    no_shape = "its shape is not (n, 3)", no_dictionary = "its header is no dictionary";
  header("", no_dictionary);
  header("[]", no_dictionary);
  header("{", no_dictionary);
  header("{'descr'", no_dictionary);
  header("{'descr", no_dictionary);
  header("{" + type + order + shape, no_dictionary);
  header("{}", lacks);
  header("{" + type + order + "}", lacks);
  header("{" + type + shape + "}", lacks);
  header("{" + order + shape + "}", lacks);
  header("{" + type + type + order + shape + "}", "its header has an unknown or repeated key \"descr\"");
  header("{" + type + order + shape + ", 'x': 1}", "its header has an unknown or repeated key \"x\"");
  header("{'descr': '<f4', " + order + shape + "}", "holds \"<f4\", not 16-bit integers (\"<i2\")");
  header("{'descr': '>i2', " + order + shape + "}", "holds \">i2\", not 16-bit integers (\"<i2\")");
  header("{'descr': [('a', '<i2')], " + order + shape + "}", "its header names no type");
  header("{" + type + "'fortran_order': True, " + shape + "}", "is in Fortran order, not in C order");
  header("{" + type + "'fortran_order': 0, " + shape + "}", "its header names no order");
  header("{" + type + order + "'shape': (2, 4)}", "its shape is (n, 4), not (n, 3)");
  for (const char* other : {"(6,)", "()", "(1, 2, 3)", "(-2, 3)", "(2, 3", "[2, 3]", "(99999999999999999999999, 3)"})
    header("{" + type + order + "'shape': " + other + "}", no_shape);
  header("{" + type + order + shape + "} x", "its header goes on after the dictionary");
}

TEST(Npy, Files) {
  const TemporaryFolder folder;
  const auto table = read_npy(folder.put("r.npy", file(kHeader, kTwoRows)), 3);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->rows(), 2U);
  EXPECT_EQ(read_npy(folder.path("absent.npy"), 3).error().message.find(folder.path("absent.npy") + ": "), 0U);
}

}  // namespace
}  // namespace emmy::io
