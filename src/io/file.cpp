#include "io/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <new>
#include <stdexcept>
#include <system_error>

namespace emmy::io {
namespace {

// Closes on every way out; `close` is public because a writer must see its result.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  [[nodiscard]] int number() const { return number_; }
  bool close() {
    const int number = number_;
    number_ = -1;
    return number < 0 || ::close(number) == 0;
  }

 private:
  int number_;
};

Error failure(const std::string& path, const std::string& what) { return {shown_path(path) + ": " + what}; }

Error system_failure(const std::string& path, const std::string& action, int code) {
  return failure(path, action + ": " + std::generic_category().message(code));
}

// Bytes actually read: fewer than asked only if the file shrank meanwhile. -1 with errno on failure.
std::ptrdiff_t read_all(int file, std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<std::ptrdiff_t>(done);
}

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A new file next to the target; its name does not grow with the target's, which may be as long as the system allows.
int open_temporary(const std::string& folder, std::string& name) {
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    name = folder + "/.emmy-" + std::to_string(::getpid()) + "-" + std::to_string(attempt) + ".tmp";
    const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0 || errno != EEXIST) return file;
  }
  return -1;
}

// The rename is already visible when this runs: a failure here cannot be undone and takes nothing away but the
// promise that the new name survives a power cut, which some file systems never give. So it is not reported.
void sync_folder(const std::string& folder) {
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.number() >= 0) static_cast<void>(::fsync(file.number()));
}

}  // namespace

Result<std::vector<std::byte>> read_file(const std::string& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer. It changes nothing for a regular file.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return system_failure(path, "cannot open", errno);
  struct stat info {};
  if (::fstat(file.number(), &info) != 0) return system_failure(path, "cannot read", errno);
  if (S_ISDIR(info.st_mode)) return failure(path, "is a directory");
  if (!S_ISREG(info.st_mode)) return failure(path, "is not a regular file");
  const auto size = static_cast<std::uintmax_t>(info.st_size);
  const Error too_large = failure(path, "does not fit in memory (" + std::to_string(size) + " bytes)");
  if (size > SIZE_MAX) return too_large;
  try {
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    const std::ptrdiff_t got = read_all(file.number(), bytes);
    if (got < 0) return system_failure(path, "cannot read", errno);
    bytes.resize(static_cast<std::size_t>(got));
    if (bytes.empty()) return failure(path, "the file is empty");
    return bytes;
  } catch (const std::bad_alloc&) {
    return too_large;
  } catch (const std::length_error&) {
    return too_large;
  }
}

Result<Done> replace_file(const std::string& path, std::span<const std::byte> bytes) {
  struct stat old {};
  const bool exists = ::stat(path.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) return failure(path, "is a directory");
  if (exists && !S_ISREG(old.st_mode)) return failure(path, "is not a regular file");

  const std::string folder = folder_of(path);
  std::string temporary;
  Descriptor file(open_temporary(folder, temporary));
  if (file.number() < 0) return system_failure(path, "cannot create a file in its folder", errno);

  const bool written = (!exists || ::fchmod(file.number(), old.st_mode & 07777U) == 0) &&
                       write_all(file.number(), bytes) && ::fsync(file.number()) == 0 && file.close() &&
                       std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!written) {
    const int code = errno;
    static_cast<void>(::unlink(temporary.c_str()));
    return system_failure(path, "cannot write", code);
  }
  sync_folder(folder);
  return Done{};
}

}  // namespace emmy::io
