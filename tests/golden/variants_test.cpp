// Variants of the golden cases, with other weights, rates and batches, where ../shared and Python with numpy are.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include <tests/golden/run.hpp>
#include <tests/io/temporary_folder.hpp>

namespace golden_test {
namespace {

// The names of the public cases that Emmy runs: golden.py makes only those, as variants.
std::string supported_names() {
  std::string names;
  std::ifstream file(EMMY_GOLDEN_FOLDER "/golden.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  for (const auto& [name, c] : cases.items())
    if (is_supported(c)) names += " " + name;
  return names;
}

bool succeeds(const std::string& command) { return std::system(command.c_str()) == 0; }  // NOLINT: fixed words

TEST(GoldenVariants, SupportedOnesPass) {
  const std::string script = EMMY_GOLDEN_FOLDER "/golden.py";
  if (!std::ifstream(script)) GTEST_SKIP() << "SKIPPED: " << script << " is not there";
  std::string python;
  for (const char* name : {"python3", "/usr/bin/python3"})
    if (python.empty() && succeeds(std::string(name) + " -c 'import numpy' 2>/dev/null")) python = name;
  if (python.empty()) GTEST_SKIP() << "SKIPPED: no python3 with numpy";
  const std::string names = supported_names();
  const auto count = std::count(names.begin(), names.end(), ' ');
  const emmy::io::TemporaryFolder folder;
  for (const char* variant : {"1", "2", "3"}) {
    const std::string path = folder.path(std::string("variant") + variant + ".json");
    ASSERT_TRUE(succeeds(python + " '" + script + "' --variant " + variant + names + " > '" + path + "'"));
    for (const std::string& target : targets()) {
      const Printed r = run({path}, target);
      EXPECT_EQ(r.status, 0);
      EXPECT_TRUE(ends_with(r.out, totals(static_cast<int>(count), 0, 0))) << r.out;
    }
  }
}

}  // namespace
}  // namespace golden_test
