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

// One line, where not all of the tables C are there for `wanted`: the targets of these that this CPU and build have.
template <class... C>
std::string no_target(const std::string& wanted, const std::string& command) {
  std::string have;
  for (const char* name : {"scalar", "sse4", "avx2", "avx3"})
    if (((find_table<C>(name) != nullptr) && ...)) have += (have.empty() ? "" : ", ") + std::string(name);
  return fmt::format("{} has no target{} in this build, on this CPU (it has {})", command,
                     wanted.empty() ? "" : " '" + wanted + "'", have.empty() ? "none" : have);
}

}  // namespace emmy::app
