// src/dispatch/cpu.hpp against the kernel's own list of what the CPU can do.
#include <dispatch/cpu.hpp>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

// Some kernels under a hypervisor do not list abm where the CPU has it. Without it the instruction runs as bsr, whose
// answer is the number of the highest bit.
bool counts_leading_zeros() {
#if defined(__x86_64__)
  unsigned zeros = 0;
  __asm__("lzcnt %1, %0" : "=r"(zeros) : "r"(1u) : "cc");
  return zeros == 31;
#else
  return false;
#endif
}

std::set<std::string> kernel_flags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
    if (counts_leading_zeros()) flags.insert("abm");
    return flags;
  }
  return {};
}

// The compiler's name of a feature, and the kernel's.
const std::vector<std::pair<std::string, std::string>> kSse4 = {
    {"sse4.2", "sse4_2"}, {"popcnt", "popcnt"}, {"aes", "aes"}, {"pclmul", "pclmulqdq"}};
const std::vector<std::pair<std::string, std::string>> kAvx2 = {{"avx2", "avx2"}, {"fma", "fma"},   {"bmi", "bmi1"},
                                                                {"bmi2", "bmi2"}, {"f16c", "f16c"}, {"lzcnt", "abm"}};
const std::vector<std::pair<std::string, std::string>> kAvx3 = {{"avx512f", "avx512f"},
                                                                {"avx512cd", "avx512cd"},
                                                                {"avx512bw", "avx512bw"},
                                                                {"avx512dq", "avx512dq"},
                                                                {"avx512vl", "avx512vl"}};

TEST(Cpu, EachFeatureAgreesWithTheKernel) {
  const auto flags = kernel_flags();
  if (flags.empty()) GTEST_SKIP() << "SKIPPED: /proc/cpuinfo has no flags";
  for (const auto* list : {&kSse4, &kAvx2, &kAvx3}) {
    for (const auto& [name, kernel_name] : *list) {
      EXPECT_EQ(emmy::cpu_lacks(name.c_str()) == nullptr, flags.contains(kernel_name)) << name;
    }
  }
}

TEST(Cpu, EachTargetNeedsAllOfItsFeatures) {
  const auto flags = kernel_flags();
  if (flags.empty()) GTEST_SKIP() << "SKIPPED: /proc/cpuinfo has no flags";
  bool all = true;
  const std::pair<const char*, decltype(kSse4)*> targets[] = {{"sse4", &kSse4}, {"avx2", &kAvx2}, {"avx3", &kAvx3}};
  for (const auto& [target, list] : targets) {
    for (const auto& feature : *list) all = all && flags.contains(feature.second);
    EXPECT_EQ(emmy::cpu_supports(target), all) << target;
  }
}

TEST(Cpu, ScalarRunsEverywhere) { EXPECT_TRUE(emmy::cpu_supports("scalar")); }

TEST(Cpu, UnknownNamesAreNotSupported) {
  for (const char* name : {"", "avx", "avx22", "sse", "scalar ", "avx2=avx2", "sse4.2", "neon"}) {
    EXPECT_FALSE(emmy::cpu_supports(name)) << name;
  }
  for (const char* name : {"avx5", "avx", "sse4.25", "bm"}) EXPECT_EQ(emmy::cpu_lacks(name), name);
}

TEST(Cpu, TheFirstMissingFeatureIsPointedAt) {
  EXPECT_EQ(emmy::cpu_lacks(""), nullptr);
  const char* features = "nonsense,more";
  EXPECT_EQ(emmy::cpu_lacks(features), features);
  if (!emmy::cpu_supports("sse4")) GTEST_SKIP() << "SKIPPED: this CPU has no sse4.2";
  const char* second = "sse4.2,nonsense";
  EXPECT_EQ(emmy::cpu_lacks(second), second + 7);
  EXPECT_EQ(emmy::cpu_lacks("sse4.2,popcnt"), nullptr);
}

}  // namespace
