// A matrix with zero blocks as C++ text: the pattern and the weights of a BlockSparse layer (layers/block_sparse.hpp), for a header
// that firmware includes. No I/O: the caller's sink takes the text.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <emmy/kernels/block_sparse.hpp>
#include <emmy/net/memory.hpp>

namespace emmy {

namespace detail {

// sink(text, length) for each piece.
template <class Sink>
struct Pieces {
  Sink& sink;
  constexpr void put(const char* text) {
    std::size_t length = 0;
    while (text[length] != 0) ++length;
    sink(text, length);
  }
  constexpr void put(int value) {  // not negative
    char digits[12] = {};
    int at = 11;
    do digits[--at] = static_cast<char>('0' + value % 10);
    while ((value /= 10) > 0);
    put(digits + at);
  }
  // As hexadecimal literals, which are exact.
  template <class S>
  constexpr void put_number(S value) {
    if (value == S(0)) return put("0");
    using Bits = std::conditional_t<sizeof(S) == 4, std::uint32_t, std::uint64_t>;
    constexpr int kMantissa = sizeof(S) == 4 ? 23 : 52, kDigits = (kMantissa + 3) / 4,
                  kBias = sizeof(S) == 4 ? 127 : 1023;
    const Bits bits = std::bit_cast<Bits>(value), mantissa = (bits & ((Bits{1} << kMantissa) - 1))
                                                             << (4 * kDigits - kMantissa);
    const int exponent = static_cast<int>(bits << 1 >> (kMantissa + 1));
    char digits[kDigits + 1] = {};
    for (int d = 0; d < kDigits; ++d) digits[d] = "0123456789abcdef"[mantissa >> (4 * (kDigits - 1 - d)) & 15];
    put(bits >> (8 * sizeof(S) - 1) != 0 ? "-0x" : "0x");
    put(exponent > 0 ? "1." : "0.");
    put(digits);
    const int power = (exponent > 0 ? exponent : 1) - kBias;
    put(power < 0 ? "p-" : "p");
    put(power < 0 ? -power : power);
    if constexpr (sizeof(S) == 4) put("f");
  }
  // An array of `count` values, each behind its `begin_value`.
  constexpr void begin_array(const char* type, const char* name, int count) {
    put(type);
    put(name);
    put("[");
    put(count > 0 ? count : 1);
    put("] = {");
  }
  constexpr void begin_value(int k, int columns) {
    put(k == 0 ? "" : ",");
    put(k % columns == 0 ? "\n    " : " ");
  }
  constexpr void end_array(int count) { put(count > 0 ? "};\n" : "0};\n"); }
};

template <class S>
constexpr bool block_is_zero(const S* w, int outputs, int stride, int col_stride, int row, int input) {
  for (int o = kBlockOutputs * row; o < kBlockOutputs * (row + 1) && o < outputs; ++o)
    if (w[input * stride + o * col_stride] != S(0)) return false;
  return true;
}

}  // namespace detail

// W[i, o] = w[i stride + o] as
//   struct <pattern> { ... kCount ... kInput ... };                 its blocks that are not zero
//   inline constexpr float <weights>[4 blocks] = { ... };           for emmy::in_order<<pattern>>(<weights>).at
// Returns the number of blocks. sink(const char* text, std::size_t length). Test: tests/layers/block_sparse_test.cpp, which reads
// a number back, and tests/cli/export_test.cpp, which compiles the text.
template <class S, class Sink>
constexpr int write_blocks(const char* pattern, const char* weights, const S* w, int inputs, int outputs, int stride,
                           Sink&& sink, int col_stride = 1) {
  detail::Pieces<std::remove_reference_t<Sink>> text{sink};
  const int rows = (outputs + kBlockOutputs - 1) / kBlockOutputs;
  // f(row, input) for each block of rows first, ... that is not zero; how many there are.
  const auto for_blocks = [&](int first, int last, auto f) {
    int count = 0;
    for (int row = first; row < last; ++row)
      for (int i = 0; i < inputs; ++i)
        if (!detail::block_is_zero(w, outputs, stride, col_stride, row, i)) f(row, i), ++count;
    return count;
  };
  const auto count_of = [&](int first, int last) { return for_blocks(first, last, [](int, int) {}); };
  const int blocks = count_of(0, rows);
  text.put("struct ");
  text.put(pattern);
  text.put(" {  // ");
  text.put(blocks);
  text.put(" of ");
  text.put(rows * inputs);
  text.put(" blocks\n");
  text.begin_array(inputs < 256 ? "  static constexpr std::uint8_t " : "  static constexpr std::uint16_t ", "kCount",
                   rows);
  for (int row = 0; row < rows; ++row) {
    text.begin_value(row, 20);
    text.put(count_of(row, row + 1));
  }
  text.end_array(rows);
  text.begin_array(inputs <= 256 ? "  static constexpr std::uint8_t " : "  static constexpr std::uint16_t ", "kInput",
                   blocks);
  int k = 0;
  for_blocks(0, rows, [&](int, int i) {
    text.begin_value(k++, 20);
    text.put(i);
  });
  text.end_array(blocks);
  text.put("};\n");
  text.begin_array(sizeof(S) == 4 ? "inline constexpr float " : "inline constexpr double ", weights,
                   kBlockOutputs * (blocks > 0 ? blocks : 1));
  k = 0;
  for_blocks(0, rows, [&](int row, int i) {
    for (int o = kBlockOutputs * row; o < kBlockOutputs * (row + 1); ++o) {
      text.begin_value(k++, kBlockOutputs);
      text.put_number(o < outputs ? w[i * stride + o * col_stride] : S(0));
    }
  });
  text.end_array(blocks);
  return blocks;
}

// The same of the Dense that Site names.
template <class Site, class Net, class Sink>
constexpr int write_blocks(const char* pattern, const char* weights, const Params<Net>& params, Sink&& sink) {
  constexpr int kNode = kNodeOf<Net, Site>;
  constexpr PlannedBlock kBlock = kPlan<Net>.block[kPlan<Net>.first_block[kNode]];
  return write_blocks(pattern, weights, params.data + kBlock.offset, kBlock.rows, kBlock.cols, kBlock.stride, sink,
                      kBlock.col_stride());
}

}  // namespace emmy
