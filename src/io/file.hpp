#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/error.hpp"

namespace emmy::io {

// All bytes of a regular file. Refused: not there, not readable, a directory, a pipe or device (those have no size to
// bound the memory with), empty. The message starts with the path.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::string& path);

// Writes `bytes` to a temporary file in the same folder, syncs it and renames it to `path`: at any moment, also after a
// crash, `path` is the old file or the whole new one. On failure the old file is untouched and the temporary removed.
// An existing file keeps its permissions. A `path` that is there but no regular file (/dev/null) is refused.
[[nodiscard]] Result<Done> replace_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace emmy::io
