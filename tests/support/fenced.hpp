// Memory that shows who reads or writes beside it.
//
// A Fenced<T> holds `count` scalars between two pages without access; they end at the page's end or `gap` scalars
// before it. The rest of its pages is NaN with a payload of its own: whoever reads it and uses what it read gets NaN,
// whoever writes there changes bits, which intact() sees. Every gap from 0 to 15 is every misalignment in 64 bytes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include <gtest/gtest.h>

namespace support {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

// A quiet NaN that no arithmetic makes.
template <class T>
inline constexpr Bits<T> kPoisonBits = sizeof(T) == 4 ? static_cast<Bits<T>>(0x7fc5a5a5u)
                                                      : static_cast<Bits<T>>(0x7ff8a5a5a5a5a5a5u);

template <class T>
bool is_poison(const T& x) {
  return std::bit_cast<Bits<T>>(x) == kPoisonBits<T>;
}

template <class T>
class Fenced {
 public:
  explicit Fenced(std::size_t count, std::size_t gap = 0) : count_(count) {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = ((count + gap) * sizeof(T) + page_ - 1) / page_ * page_;
    void* p = mmap(nullptr, bytes_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base_ = static_cast<char*>(p);
    // QEMU refuses to protect nothing.
    if (bytes_ != 0 && mprotect(base_ + page_, bytes_, PROT_READ | PROT_WRITE) != 0) std::abort();
    place(gap);
  }
  ~Fenced() { munmap(base_, bytes_ + 2 * page_); }
  Fenced(const Fenced&) = delete;
  Fenced& operator=(const Fenced&) = delete;

  // Moves the values to another gap and poisons everything, the values too.
  void place(std::size_t gap) {
    if ((count_ + gap) * sizeof(T) > bytes_) std::abort();
    for (T* p = first(); p != last(); ++p) *p = std::bit_cast<T>(kPoisonBits<T>);
    data_ = last() - gap - count_;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

  // Is everything around the values as place() left it?
  bool intact() const {
    for (const T* p = first(); p != last(); ++p) {
      if ((p < data_ || p >= data_ + count_) && !is_poison(*p)) return false;
    }
    return true;
  }

 private:
  T* first() const { return reinterpret_cast<T*>(base_ + page_); }
  T* last() const { return reinterpret_cast<T*>(base_ + page_ + bytes_); }

  std::size_t count_, page_, bytes_;
  char* base_;
  T* data_;
};

template <class T>
void expect_zero_pads(const Fenced<T>& p, int rows, int cols, int stride) {
  for (int r = 0; r < rows; ++r) {
    for (int c = cols; c < stride; ++c) ASSERT_EQ(p.data()[r * stride + c], T(0)) << "pad lane";
  }
}

}  // namespace support
