#include "io/error.hpp"

#include <gtest/gtest.h>

namespace emmy::io {
namespace {

using namespace std::string_view_literals;

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 3;
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 3);
  const Result<int> bad = Error{"no"};
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "no");
  EXPECT_THROW(static_cast<void>(bad.value()), std::bad_variant_access);
  EXPECT_THROW(static_cast<void>(good.error()), std::bad_variant_access);
}

TEST(Result, TellsTheSidesApartWhenTheValueIsAnErrorToo) {
  const Result<std::string> value = std::string("text");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->size(), 4U);
}

TEST(Quoted, EscapesAndTruncates) {
  EXPECT_EQ(quoted("abc"), R"("abc")");
  EXPECT_EQ(quoted(""), R"("")");
  EXPECT_EQ(quoted("a\nb\0\x7f\xc3\xa9\x1b[31m"sv), R"("a\x0ab\x00\x7f\xc3\xa9\x1b[31m")");
  EXPECT_EQ(quoted(R"(a"\b)"), R"("a\"\\b")");
  EXPECT_EQ(quoted("12345", 5), R"("12345")");
  EXPECT_EQ(quoted("123456", 5), R"("12345...")");
}

TEST(ShownPath, KeepsUtf8AndEscapesControlCharacters) {
  EXPECT_EQ(shown_path("data/\xc3\xa9 1.csv"), "data/\xc3\xa9 1.csv");
  EXPECT_EQ(shown_path("a\nb\x1b\x7f"), R"(a\x0ab\x1b\x7f)");
}

}  // namespace
}  // namespace emmy::io
