// A matrix view with its extents in the type.
#pragma once

#include <emmy/core/macros.hpp>

namespace emmy {

// Rows x Cols values of S, row r at data + r * Stride. Views are passed by value and own nothing.
template <class S, int Rows, int Cols, int Stride = Cols>
struct Mat {
  static_assert(Rows > 0 && Cols > 0 && Stride >= Cols, "emmy: a Mat needs positive extents and Stride >= Cols");
  static constexpr int kRows = Rows;
  static constexpr int kCols = Cols;
  static constexpr int kStride = Stride;
  S* data;

  EMMY_INLINE constexpr S& operator()(int row, int col) const noexcept { return data[row * Stride + col]; }
  EMMY_INLINE constexpr S* row(int r) const noexcept { return data + r * Stride; }
};

}  // namespace emmy
