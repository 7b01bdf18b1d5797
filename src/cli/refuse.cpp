#include "cli/refuse.hpp"

#include <cstdio>
#include <filesystem>

#include <fmt/core.h>
#include <unistd.h>

#include "cli/options.hpp"
#include "io/error.hpp"

namespace emmy::app {

int refuse(const std::string& why) {
  fmt::print(stderr, "emmy: {}\n", io::shown_path(why));
  return kBadInput;
}

std::string unwritable(const std::string& path) {
  if (path.empty()) return "";
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string shown = folder.empty() ? "." : folder.string();
  std::error_code error;
  if (!std::filesystem::is_directory(shown, error)) return io::shown_path(path) + ": its folder is not there";
  if (std::filesystem::is_directory(path, error)) return io::shown_path(path) + ": is a folder";
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return io::shown_path(path) + ": is not a regular file";
  if (access(shown.c_str(), W_OK) != 0) return io::shown_path(path) + ": its folder cannot be written";
  return "";
}

std::string unwritable_folder(const std::string& path, std::span<const char* const> files) {
  if (path.empty()) return "";
  std::filesystem::path folder = path;
  if (!folder.has_filename()) folder = folder.parent_path();  // ends in a slash
  std::error_code error;
  if (std::filesystem::exists(folder, error)) {
    if (!std::filesystem::is_directory(folder, error)) return io::shown_path(path) + ": is not a folder";
    if (access(folder.c_str(), W_OK) != 0) return io::shown_path(path) + ": cannot be written";
    for (const char* name : files)
      if (const std::string why = unwritable((folder / name).string()); !why.empty()) return why;
    return "";
  }
  return unwritable(folder.string());
}

}  // namespace emmy::app
