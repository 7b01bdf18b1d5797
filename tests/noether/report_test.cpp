// What a device says of its charges: shares, and a line of text without printf.
#include <algorithm>
#include <emmy/emmy.hpp>
#include <report/record.hpp>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace emmy;

using Small = Net<Input<3>, Dense<2>, Relu, Dense<2>>;
using Hidden = Rescaling<Layer<1>>;

template <class S>
std::string number(S value) {
  char to[32] = {};
  detail::Text text{to, sizeof to};
  text.put_number(value);
  return to;
}

TEST(DeviceReport, SharesOfUnitsDoNotCancel) {
  Ledger<Small> ledger{};
  ledger.units.total(static_cast<int>(Cause::momentum))[0] = 3.0f;
  ledger.units.total(static_cast<int>(Cause::momentum))[1] = -3.0f;
  ledger.units.total(static_cast<int>(Cause::discretisation))[0] = -2.0f;
  ledger.extreme[0].residual_ratio = 0.047f;
  ledger.extreme[0].noether_ratio = 0.003f;
  const auto r = report_of<Hidden>(ledger);
  EXPECT_EQ(r.charges, 2);
  EXPECT_FLOAT_EQ(r.drift, 4.0f);
  EXPECT_FLOAT_EQ(r.share[static_cast<int>(Cause::momentum)], 0.75f);
  EXPECT_FLOAT_EQ(r.share[static_cast<int>(Cause::discretisation)], 0.25f);
  char line[128];
  const std::string expected =
      "units: 2 charges, drift 4.00: momentum 75.0 %, discretisation 25.0 %; residual 0.0470, Noether 0.00300 of the "
      "bound";
  EXPECT_EQ(format_report("units", r, line, sizeof line), expected.size());
  EXPECT_EQ(line, expected);
  const auto none = report_of<Translation<Layer<2>>>(ledger);
  format_report("t", none, line, sizeof line);
  EXPECT_STREQ(line, "t: 3 charges, drift 0; residual 0, Noether 0 of the bound");
}

TEST(DeviceReport, IsCutOffWhereTheBufferEnds) {
  const auto r = report_of<Hidden>(Ledger<Small>{});
  char whole[128];
  const std::size_t length = format_report("units", r, whole, sizeof whole);
  for (std::size_t size = 0; size <= length + 2; ++size) {
    char cut[128];
    std::fill(std::begin(cut), std::end(cut), '#');
    EXPECT_EQ(format_report("units", r, cut, size), length);
    EXPECT_TRUE(size == 0 || std::string(cut) == std::string(whole).substr(0, size - 1)) << size;
    EXPECT_EQ(cut[size], '#') << size;
  }
}

TEST(DeviceReport, Numbers) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},          {1, "1.00"},        {-1.5, "-1.50"},      {12.34, "12.3"},       {99.96, "100"},
      {999.6, "1.00e3"}, {0.001, "0.00100"}, {0.00999, "0.00999"}, {1.234e-5, "1.23e-5"}, {-6.02e23, "-6.02e23"},
      {0.5, "0.500"},    {100, "100"}};
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(number(value), text);
    EXPECT_EQ(number(static_cast<float>(value)), text);
  }
  EXPECT_EQ(number(1.0f / 0.0f), "inf");
  EXPECT_EQ(number(-1.0 / 0.0), "-inf");
  EXPECT_EQ(number(0.0f / 0.0f), "nan");
  EXPECT_EQ(number(1e-45f), "1.40e-45");
}

TEST(DeviceReport, NamesAreThoseOfTheCommand) {
  for (int c = 0; c < kCauses; ++c)
    EXPECT_STREQ(cause_name(static_cast<Cause>(c)), report::kCauseName[static_cast<std::size_t>(c)]);
}

}  // namespace
