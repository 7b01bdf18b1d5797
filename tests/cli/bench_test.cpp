// emmy bench: that it runs on every SIMD path, what it prints and writes, what it refuses. Times are not looked at.
#include <dispatch/cpu.hpp>

#include <set>

#include "command.hpp"

namespace emmy::cli {
namespace {

constexpr const char* kTargets[] = {"avx3", "avx2", "sse4", "scalar"};  // the widest first

// The targets that the command was built with; the CPU has them all, or says so.
std::vector<std::string> paths() {
  std::vector<std::string> found;
  for (const char* target : kTargets)
    if (std::string_view(EMMY_BENCH_TARGETS).find(target) != std::string_view::npos && cpu_supports(target))
      found.emplace_back(target);
  return found;
}

TEST(Bench, AllPathsComputeTheSame) {
  std::string names;
  for (const std::string& target : paths()) names += (names.empty() ? "" : ", ") + target;
  EXPECT_EQ(expect_done({"bench", "--rounds", "0"}), names + ": all compute the same\n");
}

TEST(Bench, OnePath) {
  const std::string wanted = "scalar: all compute the same\n";
  EXPECT_EQ(expect_done({"bench", "--rounds", "0", "--workload", "W1", "--target", "scalar"}), wanted);
  EXPECT_EQ(expect_done({"bench", "--rounds", "0", "--workload", "W1"}, "scalar"), wanted);  // EMMY_TARGET
}

TEST(Bench, TableAndJson) {
  const Folder folder;
  const std::string out = expect_done({"bench", "--rounds", "2", "--workload", "W2", "--json", folder.path("j")});
  const Json rows = folder.json("j");
  ASSERT_EQ(rows.size(), 5 * paths().size());  // training and inference at two batches, training with a ledger
  std::set<std::string> keys;
  for (const Json& row : rows) {
    EXPECT_FALSE(holds_null(row)) << row.dump(2);
    std::string key;
    for (const char* part : {"workload", "mode", "variant", "isa", "backend", "scalar_type", "ledger"})
      key += row.at(part).get<std::string>() + " ";
    EXPECT_TRUE(keys.insert(key + std::to_string(row.at("batch").get<int>())).second) << key;
    EXPECT_EQ(row.at("workload"), "W2");
    EXPECT_EQ(row.at("heap_calls"), 0) << key;
    EXPECT_EQ(row.at("heap_bytes"), 0) << key;
    EXPECT_GT(row.at("ns").get<double>(), 0) << key;
    EXPECT_GT(row.at("peak_fraction").get<double>(), 0) << key;
    EXPECT_GT(row.at("ram_bytes").get<int>(), 64 * 32 * 4) << key;
    EXPECT_TRUE(row.at("opponents").empty()) << key;
  }
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), static_cast<long>(rows.size()) + 4) << out;
  for (const std::string& target : paths()) EXPECT_NE(out.find("| train | " + target + " |"), std::string::npos) << out;
}

TEST(Bench, Refuses) {
  const Folder folder;
  const std::vector<std::pair<Words, std::string>> cases = {
      {{"--rounds", "-1"}, "--rounds is 0 to"},
      {{"--rounds", "1000000"}, "--rounds is 0 to"},
      {{"--rounds", "two"}, "--rounds"},
      {{"--rounds", "2.5"}, "--rounds"},
      {{"--rounds"}, "--rounds"},
      {{"--workload", "W9"}, "'W9'"},
      {{"--workload", "W"}, "'W'"},
      {{"--workload", "two\nlines"}, "two\\x0alines"},
      {{"--target", "avx9"}, "'avx9'"},
      {{"--json", ""}, "--json needs the name of a file"},
      {{"--json", folder.path("absent/out")}, "its folder is not there"},
      {{"--json", "/dev/null"}, "is not a regular file"},
      {{"--unknown", "1"}, "--unknown"},
      {{"extra"}, "extra"},
  };
  for (const auto& [words, text] : cases) expect_refused(Words{"bench"} + words, text, folder);
}

}  // namespace
}  // namespace emmy::cli
