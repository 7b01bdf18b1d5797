#include "io/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include "temporary_folder.hpp"

namespace emmy::io {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(ReadFile, GivesEveryByte) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100000; ++i) content += static_cast<char>(i % 251);
  const auto bytes = read_file(folder.put("a", content));
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(text_of(*bytes), content);
}

TEST(ReadFile, RefusesWhatIsNoFileWithContent) {
  const TemporaryFolder folder;
  const std::string missing = folder.path("missing");
  EXPECT_EQ(read_file(missing).error().message, missing + ": cannot open: No such file or directory");
  EXPECT_EQ(read_file(folder.path()).error().message, folder.path() + ": is a directory");
  const std::string empty = folder.put("empty", "");
  EXPECT_EQ(read_file(empty).error().message, empty + ": the file is empty");
  EXPECT_EQ(read_file("/dev/zero").error().message, "/dev/zero: is not a regular file");
  EXPECT_EQ(read_file("").error().message, ": cannot open: No such file or directory");
}

TEST(ReadFile, DoesNotWaitForAPipe) {
  const TemporaryFolder folder;
  const std::string pipe = folder.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(read_file(pipe).error().message, pipe + ": is not a regular file");
}

TEST(ReplaceFile, WritesNewAndReplacesOld) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a");
  ASSERT_TRUE(replace_file(path, bytes_of("first, the longer one")));
  EXPECT_EQ(folder.get("a"), "first, the longer one");
  ASSERT_TRUE(replace_file(path, bytes_of("second")));
  EXPECT_EQ(folder.get("a"), "second");
  EXPECT_EQ(folder.files(), 1);
}

TEST(ReplaceFile, WorksInTheCurrentFolderAndWithTheLongestName) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const bool written = replace_file(std::string(255, 'n'), bytes_of("x")).has_value();
  std::filesystem::current_path(before);
  EXPECT_TRUE(written);
  EXPECT_EQ(folder.get(std::string(255, 'n')), "x");
  EXPECT_EQ(folder.files(), 1);
}

TEST(ReplaceFile, KeepsPermissions) {
  const TemporaryFolder folder;
  const std::string path = folder.put("a", "old");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  ASSERT_TRUE(replace_file(path, bytes_of("new")));
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777U, 0640U);
}

TEST(ReplaceFile, RefusesWhatItMustNotReplace) {
  const TemporaryFolder folder;
  EXPECT_EQ(replace_file(folder.path(), bytes_of("x")).error().message, folder.path() + ": is a directory");
  const std::string pipe = folder.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(replace_file(pipe, bytes_of("x")).error().message, pipe + ": is not a regular file");
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  const std::string nowhere = folder.path("no/such/folder");
  EXPECT_EQ(replace_file(nowhere, bytes_of("x")).error().message,
            nowhere + ": cannot create a file in its folder: No such file or directory");
  EXPECT_EQ(folder.files(), 1);
}

// Writing past the limit on the size of files fails in the middle, like a full disk.
TEST(ReplaceFile, LeavesTheOldFileAndNothingElseWhenWritingFails) {
  const TemporaryFolder folder;
  const std::string path = folder.put("a", "old");
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4096, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto written = replace_file(path, bytes_of(std::string(10000, 'x')));
  const auto created = replace_file(folder.path("b"), bytes_of(std::string(10000, 'x')));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, path + ": cannot write: File too large");
  EXPECT_FALSE(created);
  EXPECT_EQ(folder.get("a"), "old");
  EXPECT_EQ(folder.files(), 1);
}

TEST(ReplaceFile, KilledAtAnyMomentLeavesAWholeFile) {
  const TemporaryFolder folder;
  const std::string a(3 << 20, 'a');
  const std::string b(2 << 20, 'b');
  const std::string path = folder.put("file", a);
  for (int round = 0; round < 8; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) {
        if (!replace_file(path, bytes_of(b)) || !replace_file(path, bytes_of(a))) ::_exit(1);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + 7 * round));
    ::kill(child, SIGKILL);
    int state = 0;
    ASSERT_EQ(::waitpid(child, &state, 0), child);
    EXPECT_TRUE(WIFSIGNALED(state));
    const std::string content = folder.get("file");
    EXPECT_TRUE(content == a || content == b) << content.size();
  }
}

}  // namespace
}  // namespace emmy::io
