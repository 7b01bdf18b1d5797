// Variants of the golden cases, with other weights, rates and batches, where ../shared and Python with numpy are.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include <tests/golden/run.hpp>
#include <tests/io/temporary_folder.hpp>

namespace golden_test {
namespace {

bool succeeds(const std::string& command) { return std::system(command.c_str()) == 0; }  // NOLINT: fixed words

TEST(GoldenVariants, AllPass) {
  const std::string script = EMMY_GOLDEN_FOLDER "/golden.py";
  if (!std::ifstream(script)) GTEST_SKIP() << "SKIPPED: " << script << " is not there";
  std::string python;
  for (const char* name : {"python3", "/usr/bin/python3"})
    if (python.empty() && succeeds(std::string(name) + " -c 'import numpy' 2>/dev/null")) python = name;
  if (python.empty()) GTEST_SKIP() << "SKIPPED: no python3 with numpy";
  const emmy::io::TemporaryFolder folder;
  for (const char* variant : {"1", "2", "3"}) {
    const std::string path = folder.path(std::string("variant") + variant + ".json");
    ASSERT_TRUE(succeeds(python + " '" + script + "' --variant " + variant + " > '" + path + "'"));
    for (const std::string& target : targets()) {
      const Printed r = run({path}, target);
      EXPECT_EQ(r.status, 0);
      EXPECT_TRUE(ends_with(r.out, totals(60, 0, 0))) << r.out;
    }
  }
}

}  // namespace
}  // namespace golden_test
