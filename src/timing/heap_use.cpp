#include "timing/heap_use.hpp"

#include <cerrno>
#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMMY_WITH_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define EMMY_WITH_ASAN
#endif

namespace {
long calls = 0, frees = 0;
std::size_t bytes = 0;
void count(std::size_t size) {
  ++calls;
  bytes += size;
}
}  // namespace

emmy::timing::HeapUse emmy::timing::heap_use() {
  return {static_cast<double>(calls), static_cast<double>(bytes), static_cast<double>(frees)};
}

#if defined(EMMY_WITH_ASAN)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, size_t),
                                                         void (*)(const volatile void*));
[[gnu::constructor]] static void install() {
  __sanitizer_install_malloc_and_free_hooks([](const volatile void*, size_t size) { count(size); },
                                            [](const volatile void*) { ++frees; });
}
#else
extern "C" {
void* __libc_malloc(std::size_t) noexcept;
void* __libc_calloc(std::size_t, std::size_t) noexcept;
void* __libc_realloc(void*, std::size_t) noexcept;
void* __libc_memalign(std::size_t, std::size_t) noexcept;
void __libc_free(void*) noexcept;

void* malloc(std::size_t size) noexcept {
  count(size);
  return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) noexcept {
  count(items * size);
  return __libc_calloc(items, size);
}
void* realloc(void* p, std::size_t size) noexcept {
  count(size);
  return __libc_realloc(p, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  count(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  count(size);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) noexcept {
  count(size);
  *p = __libc_memalign(alignment, size);
  return *p == nullptr ? ENOMEM : 0;
}
void free(void* p) noexcept {
  ++frees;
  __libc_free(p);
}
}
#endif
