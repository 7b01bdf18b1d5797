// The target that the user wants, and why a command cannot run on it.
#pragma once

#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <emmy/train/dispatch.hpp>

namespace emmy::app {

// What --target says, else EMMY_TARGET; empty: the best that there is.
inline std::string wanted_target(const std::string& option = "") {
  const char* from = std::getenv("EMMY_TARGET");
  return option.empty() && from != nullptr ? from : option;
}

// One line, where `wanted` is not among the targets of this CPU and build; has(name): is that one?
template <class Has>
std::string no_target_among(const std::string& wanted, const std::string& command, Has&& has) {
  std::string have;
  for (const char* name : {"scalar", "sse4", "avx2", "avx3"})
    if (has(name)) have += (have.empty() ? "" : ", ") + std::string(name);
  return fmt::format("{} has no target{} in this build, on this CPU (it has {})", command,
                     wanted.empty() ? "" : " '" + wanted + "'", have.empty() ? "none" : have);
}
// The same, where not all of the tables C are there.
template <class... C>
std::string no_target(const std::string& wanted, const std::string& command) {
  return no_target_among(wanted, command, [](const char* name) { return ((find_table<C>(name) != nullptr) && ...); });
}

}  // namespace emmy::app
