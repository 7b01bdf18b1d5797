// The golden command as a function: its status and what it printed.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/golden.hpp"

namespace golden_test {

struct Printed {
  int status;
  std::string out, err;
};

inline Printed run(std::vector<std::string> files, std::string target = "") {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = emmy::app::run_golden({std::move(files), std::move(target)});
  std::fflush(stdout);
  std::string out = testing::internal::GetCapturedStdout();
  return {status, std::move(out), testing::internal::GetCapturedStderr()};
}

// The two closing lines.
inline std::string totals(int passed, int failed, int unsupported) {
  std::string text;
  for (const char* scalar : {"f64", "f32"})
    text += std::string(scalar) + ": " + std::to_string(passed) + " passed, " + std::to_string(failed) + " failed, " +
            std::to_string(unsupported) + " unsupported\n";
  return text;
}
inline bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The targets that the golden nets are built for and this CPU can run.
inline std::vector<std::string> targets() {
  std::vector<std::string> all;
  for (const char* name : {"scalar", "sse4", "avx2", "avx3"})
    if (run({"/nonexistent"}, name).err.find("target") == std::string::npos) all.emplace_back(name);
  return all;
}

}  // namespace golden_test
