// No library calls and no state: tests/support/main.cpp asks before the program's constructors have run.
#include "dispatch/cpu.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#ifndef EMMY_CPU_TARGETS
#error "emmy: EMMY_CPU_TARGETS comes from cmake/EmmyTargets.cmake, as \"name=feature,feature name=...\""
#endif

namespace emmy {
namespace {

// The length of the word that starts at `text`: up to `stop`, a space or the end.
unsigned word_length(const char* text, char stop) noexcept {
  unsigned n = 0;
  while (text[n] != '\0' && text[n] != stop && text[n] != ' ') ++n;
  return n;
}

bool same(const char* word, unsigned length, const char* name) noexcept {
  for (unsigned i = 0; i < length; ++i) {
    if (name[i] != word[i]) return false;  // also ends at the end of `name`, since no word holds a zero
  }
  return name[length] == '\0';
}

#if defined(__x86_64__)

enum class Register { leaf1_ecx, leaf7_ebx, extended1_ecx };

// The registers that the operating system must save: bits 1, 2 of XCR0 for ymm; 5, 6, 7 too for zmm.
constexpr unsigned kNone = 0x00, kYmm = 0x06, kZmm = 0xe6;

struct Feature {
  const char* name;
  Register where;
  unsigned bit;
  unsigned state;
};

constexpr Feature kFeatures[] = {
    {"pclmul", Register::leaf1_ecx, 1, kNone},    {"fma", Register::leaf1_ecx, 12, kYmm},
    {"sse4.2", Register::leaf1_ecx, 20, kNone},   {"popcnt", Register::leaf1_ecx, 23, kNone},
    {"aes", Register::leaf1_ecx, 25, kNone},      {"f16c", Register::leaf1_ecx, 29, kYmm},
    {"bmi", Register::leaf7_ebx, 3, kNone},       {"avx2", Register::leaf7_ebx, 5, kYmm},
    {"bmi2", Register::leaf7_ebx, 8, kNone},      {"avx512f", Register::leaf7_ebx, 16, kZmm},
    {"avx512dq", Register::leaf7_ebx, 17, kZmm},  {"avx512cd", Register::leaf7_ebx, 28, kZmm},
    {"avx512bw", Register::leaf7_ebx, 30, kZmm},  {"avx512vl", Register::leaf7_ebx, 31, kZmm},
    {"lzcnt", Register::extended1_ecx, 5, kNone},
};

unsigned read_register(Register where) noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  switch (where) {
    case Register::leaf1_ecx: return __get_cpuid(1, &a, &b, &c, &d) ? c : 0;
    case Register::leaf7_ebx: return __get_cpuid_count(7, 0, &a, &b, &c, &d) ? b : 0;
    case Register::extended1_ecx: return __get_cpuid(0x80000001u, &a, &b, &c, &d) ? c : 0;
  }
  return 0;
}

unsigned saved_state() noexcept {
  constexpr unsigned kOsxsave = 1u << 27;
  if ((read_register(Register::leaf1_ecx) & kOsxsave) == 0) return 0;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has(const char* word, unsigned length) noexcept {
  for (const Feature& feature : kFeatures) {
    if (!same(word, length, feature.name)) continue;
    if ((read_register(feature.where) >> feature.bit & 1u) == 0) return false;
    return feature.state == kNone || (saved_state() & feature.state) == feature.state;
  }
  return false;
}

#else

bool has(const char*, unsigned) noexcept { return false; }

#endif

}  // namespace

const char* cpu_lacks(const char* features) noexcept {
  while (*features != '\0' && *features != ' ') {
    const unsigned length = word_length(features, ',');
    if (!has(features, length)) return features;
    features += length;
    if (*features == ',') ++features;
  }
  return nullptr;
}

bool cpu_supports(const char* target) noexcept {
  for (const char* row = EMMY_CPU_TARGETS; *row != '\0';) {
    const unsigned length = word_length(row, '=');
    if (same(row, length, target)) return cpu_lacks(row + length + 1) == nullptr;
    while (*row != '\0' && *row != ' ') ++row;
    while (*row == ' ') ++row;
  }
  return false;
}

}  // namespace emmy
