// The main of every test program. Compiled without the flags of the test's target, since it decides whether the CPU can
// run that target at all: before the static constructors, because GoogleTest registers tests in those, with code compiled
// for the target.
#include <gtest/gtest.h>
#include <unistd.h>
#include <dispatch/cpu.hpp>

#include <cstdio>

namespace {

constexpr int kSkipped = 77;  // SKIP_RETURN_CODE of emmy_add_test

void print(const char* text, unsigned long length) {
  if (write(STDOUT_FILENO, text, length) < 0) _exit(1);
}

// Static constructors without a priority run after all that have one.
[[gnu::constructor(101)]] void skip_unless_cpu_has_target() {
  const char* missing = emmy::cpu_lacks(EMMY_TEST_FEATURES);
  if (missing == nullptr) return;
  constexpr char kWhy[] = "SKIPPED: target " EMMY_TEST_TARGET ": this CPU or its operating system has no";
  print(kWhy, sizeof kWhy - 1);
  while (missing != nullptr) {
    unsigned long length = 0;
    while (missing[length] != '\0' && missing[length] != ',') ++length;
    print(" ", 1);
    print(missing, length);
    missing = missing[length] == ',' ? emmy::cpu_lacks(missing + length + 1) : nullptr;
  }
  print("\n", 1);
  _exit(kSkipped);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::UnitTest::GetInstance()->total_test_count() == 0) {
    std::fputs("this program holds no test\n", stderr);
    return 1;
  }
  return RUN_ALL_TESTS();
}
