// From plain arrays to parameters, at compile time: how an exported model becomes a constant in flash.
#pragma once

#include <emmy/net/memory.hpp>

namespace emmy {

// The parameters of Net from one array a block, in the order of the net: weights [in][out], biases [out]. Pad lanes
// become zero, whatever the padding of the platform. Test: tests/net/pack_test.cpp.
template <class Net, int... Count>
constexpr Params<Net> packed(const typename Net::scalar (&... block)[Count]) noexcept {
  constexpr auto& plan = kPlan<Net>;
  static_assert(sizeof...(Count) == plan.kBlocks,
                "emmy: packed<Net> takes one array for each block of the net's weights");
  Params<Net> params{};
  int at = 0;
  const auto copy = [&](const typename Net::scalar* from) {
    const auto& b = kPlan<Net>.block[at++];
    for (int i = 0; i < b.rows; ++i)
      for (int o = 0; o < b.cols; ++o) params.data[b.at(i, o)] = from[i * b.cols + o];
  };
  constexpr int kCounts[] = {Count...};
  static_assert(
      [&] {
        for (int b = 0; b < plan.kBlocks; ++b)
          if (kCounts[b] != plan.block[b].rows * plan.block[b].cols) return false;
        return true;
      }(),
      "emmy: an array given to packed<Net> has another size than its block");
  (copy(block), ...);
  return params;
}

}  // namespace emmy
