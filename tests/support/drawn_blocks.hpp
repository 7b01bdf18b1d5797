// Patterns of blocks of four outputs, drawn at compile time; for boards too.
#pragma once

#include <cstdint>

namespace support {

// Of each 100 blocks about Percent, the same on every machine.
template <int In, int Out, int Percent>
struct DrawnBlocks {
  static constexpr int kRows = (Out + 3) / 4;
  static constexpr bool has(int row, int input) {
    unsigned state = static_cast<unsigned>(row * In + input + 1) * 2654435761u + static_cast<unsigned>(In * 100 + Out);
    for (int k = 0; k < 3; ++k) state = (state ^ (state >> 15)) * 747796405u;
    return static_cast<int>((state >> 16) % 100) < Percent;
  }
  static constexpr int kBlocks = [] {
    int blocks = 0;
    for (int row = 0; row < kRows; ++row)
      for (int i = 0; i < In; ++i) blocks += has(row, i);
    return blocks;
  }();
  struct Drawn {
    std::uint16_t count[kRows] = {}, input[kBlocks > 0 ? kBlocks : 1] = {};
  };
  static constexpr Drawn kDrawn = [] {
    Drawn d;
    for (int row = 0, k = 0; row < kRows; ++row)
      for (int i = 0; i < In; ++i)
        if (has(row, i)) ++d.count[row], d.input[k++] = static_cast<std::uint16_t>(i);
    return d;
  }();
  static constexpr const auto& kCount = kDrawn.count;
  static constexpr const auto& kInput = kDrawn.input;
};

}  // namespace support
