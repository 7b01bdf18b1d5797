// The weights of a plain layer in rows, as parametrisations make and read them, where the target stores them in columns
// (kernels/narrow.hpp): a copy there, else the weights themselves.
// Test: tests/parametrize/fold_test.cpp, certificate_test.cpp.
#pragma once

#include <emmy/net/memory.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// All blocks of node I. Column: do the rows keep a single column as it is stored, too?
template <class Net, int I, bool Column>
struct PlainRows {
  using S = typename Net::scalar;
  static constexpr int kFirst = kPlan<Net>.first_block[I], kEnd = kPlan<Net>.first_block[I + 1];
  static constexpr auto& kBlocks = kPlan<Net>.block;
  static constexpr bool kCopies = kBlocks[kFirst].turned && !(Column && kBlocks[kFirst].cols == 1);
  static constexpr int kSize = [] {
    int size = 0;
    for (int b = kFirst; b < kEnd; ++b) size += kBlocks[b].rows * padded<S>(kBlocks[b].cols);
    return size;
  }();
  alignas(kAlign<S>) S copy[kCopies ? kSize : 1];

  // Weights of `data`, to be read.
  EMMY_INLINE const S* of(const S* data) noexcept {
    if constexpr (!kCopies) return data + kBlocks[kFirst].offset;
    for (S& v : copy) v = S(0);
    each([&](S& in_rows, int at) EMMY_LAMBDA { in_rows = data[at]; });
    return copy;
  }
  // Where to write those of `data`, which `put` follows.
  EMMY_INLINE S* to(S* data) noexcept {
    if constexpr (kCopies) return copy;
    else return data + kBlocks[kFirst].offset;
  }
  EMMY_INLINE void put(S* data) noexcept {
    if constexpr (kCopies) {
      for (int b = kFirst; b < kEnd; ++b)
        for (int k = 0; k < kBlocks[b].size(); ++k) data[kBlocks[b].offset + k] = S(0);
      each([&](S& in_rows, int at) EMMY_LAMBDA { data[at] = in_rows; });
    }
  }

 private:
  template <class F>
  EMMY_INLINE void each(F&& f) noexcept {
    S* row = copy;
    for (int b = kFirst; b < kEnd; ++b)
      for (int i = 0; i < kBlocks[b].rows; ++i, row += padded<S>(kBlocks[b].cols))
        for (int o = 0; o < kBlocks[b].cols; ++o) f(row[o], kBlocks[b].at(i, o));
  }
};

}  // namespace inner
}  // namespace emmy::inline EMMY_TARGET
