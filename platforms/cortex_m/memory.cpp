// The functions that compilers call without being asked (GCC manual, "Standards"; strlen where GCC sees its loop);
// firmware links no libc. Compiled without loop recognition, or memcpy would be a call of memcpy.
#include <cstddef>
#include <cstdint>

extern "C" {
void* memcpy(void* __restrict to, const void* __restrict from, std::size_t size);
void* memmove(void* to, const void* from, std::size_t size);
void* memset(void* to, int value, std::size_t size);
int memcmp(const void* a, const void* b, std::size_t size);
std::size_t strlen(const char* text);
}

namespace {
using Byte = unsigned char;
using Word = std::uint32_t __attribute__((may_alias));

bool words(const void* a, const void* b) noexcept {
  return ((reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b)) & 3u) == 0;
}
}  // namespace

void* memcpy(void* __restrict to, const void* __restrict from, std::size_t size) {
  auto* t = static_cast<Byte*>(to);
  auto* f = static_cast<const Byte*>(from);
  if (words(to, from)) {
    for (; size >= 4; size -= 4, t += 4, f += 4) *reinterpret_cast<Word*>(t) = *reinterpret_cast<const Word*>(f);
  }
  while (size-- > 0) *t++ = *f++;
  return to;
}

void* memmove(void* to, const void* from, std::size_t size) {
  auto* t = static_cast<Byte*>(to);
  auto* f = static_cast<const Byte*>(from);
  if (t < f) {
    while (size-- > 0) *t++ = *f++;
  } else {
    while (size-- > 0) t[size] = f[size];
  }
  return to;
}

void* memset(void* to, int value, std::size_t size) {
  auto* t = static_cast<Byte*>(to);
  const auto byte = static_cast<Byte>(value);
  if (words(to, to)) {
    for (const std::uint32_t word = byte * 0x01010101u; size >= 4; size -= 4, t += 4)
      *reinterpret_cast<Word*>(t) = word;
  }
  while (size-- > 0) *t++ = byte;
  return to;
}

int memcmp(const void* a, const void* b, std::size_t size) {
  auto* x = static_cast<const Byte*>(a);
  auto* y = static_cast<const Byte*>(b);
  for (; size > 0; --size, ++x, ++y)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}

std::size_t strlen(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

// The names that clang calls them by (Arm, "Run-time ABI", 4.3.4); the digit is the alignment that the caller promises.
extern "C" {
#define EMMY_COPY(name, function)                          \
  void name(void* to, const void* from, std::size_t size); \
  void name(void* to, const void* from, std::size_t size) { function(to, from, size); }
EMMY_COPY(__aeabi_memcpy, memcpy)
EMMY_COPY(__aeabi_memcpy4, memcpy)
EMMY_COPY(__aeabi_memcpy8, memcpy)
EMMY_COPY(__aeabi_memmove, memmove)
EMMY_COPY(__aeabi_memmove4, memmove)
EMMY_COPY(__aeabi_memmove8, memmove)
#undef EMMY_COPY
#define EMMY_SET(name)                              \
  void name(void* to, std::size_t size, int value); \
  void name(void* to, std::size_t size, int value) { memset(to, value, size); }
EMMY_SET(__aeabi_memset)
EMMY_SET(__aeabi_memset4)
EMMY_SET(__aeabi_memset8)
#undef EMMY_SET
#define EMMY_CLEAR(name)                 \
  void name(void* to, std::size_t size); \
  void name(void* to, std::size_t size) { memset(to, 0, size); }
EMMY_CLEAR(__aeabi_memclr)
EMMY_CLEAR(__aeabi_memclr4)
EMMY_CLEAR(__aeabi_memclr8)
#undef EMMY_CLEAR
}
