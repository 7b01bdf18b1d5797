// emmy faults: a short campaign reaches what docs/faults.md promises of the long one, without a false alarm.

#include "command.hpp"

namespace emmy::cli {
namespace {

// The row of a table that begins with | name |: its cells.
std::vector<std::string> cells(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("| " + name + " |");
  std::vector<std::string> all;
  if (at == std::string::npos) return all;
  std::istringstream row(text.substr(at, text.find('\n', at) - at));
  std::string cell;
  std::getline(row, cell, '|');
  while (std::getline(row, cell, '|')) all.push_back(cell.substr(1, cell.size() - 2));
  return all;
}

TEST(Faults, ShortCampaign) {
  if (!cpu_supports("avx2")) GTEST_SKIP() << "no AVX2";
  const Folder folder;
  const std::string page =
      folder.put("page.md", "# Head\n<!-- emmy faults: begin -->\nold\n<!-- emmy faults: end -->\nfoot\n");
  const std::string out = expect_done({"faults", "--flips", "2050", "--clean", "2000", "--page", page});
  EXPECT_EQ(folder.get("page.md"),
            "# Head\n<!-- emmy faults: begin -->\n\n" + out + "\n<!-- emmy faults: end -->\nfoot\n");
  EXPECT_NE(out.find("2050 flips"), std::string::npos) << out;
  EXPECT_NE(out.find("false alarms 0;"), std::string::npos) << out;
  const auto all = cells(out, "**all**");
  ASSERT_EQ(all.size(), 8U) << out;
  EXPECT_GE(std::stoi(all[2]), 41) << out;  // 2 % are harmful
  // Of few flips. The long campaign: 75 by charges, 88 with check sums, 98 with the CRC.
  const double bars[] = {70, 60, 88, 95};
  for (std::size_t d = 0; d < 4; ++d) EXPECT_GE(std::stod(all[3 + d]), bars[d]) << out;
  for (const char* site : {"weights", "momentum", "input", "pre-activation", "activation", "logits", "output delta",
                           "hidden delta", "gradient", "bias", "statistics"}) {
    const auto row = cells(out, site);
    ASSERT_EQ(row.size(), 8U) << site << "\n" << out;
    EXPECT_EQ(row[1], std::string(site) == "statistics" ? "50" : "200") << site;
  }
  EXPECT_EQ(cells(out, "momentum")[5], "100.0");
  EXPECT_EQ(cells(out, "logits")[5], "100.0");
  EXPECT_EQ(cells(out, "gradient")[5], "100.0");
  EXPECT_EQ(cells(out, "weights")[5], "100.0");
  EXPECT_EQ(cells(out, "input")[7], "100.0");
}

TEST(Faults, Refused) {
  const Folder folder;
  const std::string page = folder.put("page.md", "no marks\n");
  expect_refused({"faults", "--flips", "-1"}, "--flips is 0 to", folder);
  expect_refused({"faults", "--clean", "-1"}, "--clean is 0 to", folder);
  expect_refused({"faults", "--seed", "x"}, "--seed", folder);
  expect_refused({"faults", "--page", page}, "has no lines <!-- emmy faults: begin -->", folder);
  expect_refused({"faults", "--page", folder.path("none")}, "none", folder);
  expect_refused({"faults"}, "emmy faults has no target 'avx9' in this build", folder, "avx9");
}

}  // namespace
}  // namespace emmy::cli
