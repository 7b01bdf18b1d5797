// One number for all weights of a net: do two builds, or a device and its model on a host, hold the same bits?
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include <emmy/net/memory.hpp>

namespace emmy {

// FNV-1a over the bit patterns of the logical weights, lowest byte first, in the order of the net's blocks, row by row.
// Padding does not count, so the number is the same on every platform. Test: tests/net/hash_test.cpp.
template <class Net>
constexpr std::uint64_t weight_hash(const Params<Net>& params) noexcept {
  using Bits = std::conditional_t<sizeof(typename Net::scalar) == 4, std::uint32_t, std::uint64_t>;
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const auto& block : kPlan<Net>.block)
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) {
        Bits bits = std::bit_cast<Bits>(params.data[block.at(i, o)]);
        for (unsigned byte = 0; byte < sizeof bits; ++byte, bits >>= 8)
          hash = (hash ^ (bits & 0xff)) * 0x100000001b3ULL;
      }
  return hash;
}

}  // namespace emmy
