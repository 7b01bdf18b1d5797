// Vectors of a row that may end within a vector.
#pragma once

#include <cstddef>

#include <emmy/simd/simd.hpp>

namespace emmy::inline EMMY_TARGET {

// The vector at column c of a row of Cols values. Where rows are padded, whole vectors end within the row; else nothing
// beyond Cols is read and the lanes there are zero.
template <int Cols, int Stride, class T>
EMMY_INLINE simd::Vec<T> load_part(const T* row, int c) noexcept {
  const int lanes = static_cast<int>(simd::lanes<T>());
  return Stride == padded<T>(Cols) || c + lanes <= Cols ? simd::load(row + c)
                                                        : simd::load_first(row + c, static_cast<std::size_t>(Cols - c));
}

}  // namespace emmy::inline EMMY_TARGET
