// Refusing what the user asked for: before anything is done, with one line on stderr.
#pragma once

#include <span>
#include <string>

namespace emmy::app {

// Prints "emmy: <why>" in one line, whatever was typed; kBadInput.
int refuse(const std::string& why);

// Why a file cannot be written, empty if it can: its folder must exist. An empty path asks for no file.
std::string unwritable(const std::string& path);
// The same of a folder, which may also be made in one that is there, and of `files` in it.
std::string unwritable_folder(const std::string& path, std::span<const char* const> files = {});

}  // namespace emmy::app
