// The golden cases of ../shared, where they are.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include <tests/golden/run.hpp>

namespace golden_test {
namespace {

TEST(PublicGoldenCases, AllPass) {
  const std::string path = EMMY_GOLDEN_FOLDER "/golden.json";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "SKIPPED: " << path << " is not there";
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_GE(cases.size(), 60u);
  ASSERT_FALSE(targets().empty());
  for (const std::string& target : targets()) {
    const Printed r = run({path}, target);
    EXPECT_EQ(r.status, 0);
    EXPECT_TRUE(ends_with(r.out, totals(static_cast<int>(cases.size()), 0, 0))) << r.out;
  }
}

}  // namespace
}  // namespace golden_test
