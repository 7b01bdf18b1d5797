// L = 1/(2n) sum over samples and outputs of (y - t)^2.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// Targets: one row of outputs a row, unpadded. Delta: (y - t) / n. Relative error: of delta 3 w_r, of the loss
// (n outputs + 5) w_r. Test: tests/losses/squared_error_test.cpp.
struct SquaredError {};

template <int Cols, class S>
EMMY_INLINE Status check_targets(SquaredError, const S*, int) noexcept {
  return Status::ok;  // whether they are finite shows in the loss
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// One output of one sample.
template <class T>
EMMY_INLINE T loss_and_delta(SquaredError, T y, T target, T& dy) noexcept {
  dy = y - target;
  return dy * dy * T(0.5);
}

// dy may be y.
template <int Rows, int Cols, class T>
EMMY_INLINE T loss_and_delta(SquaredError, const T* y, const T* target, int rows, T scale, T* dy) noexcept {
  constexpr int kStride = padded<T>(Cols);
  T loss = T(-0.0);
  for (int r = 0; r < Rows; ++r, y += kStride, dy += kStride, target += Cols) {
    for (int o = 0; o < Cols; ++o) {
      const T d = r < rows ? y[o] - target[o] : T(0);
      loss += d * d;
      dy[o] = d * scale;
    }
    for (int o = Cols; o < kStride; ++o) dy[o] = T(0);
  }
  return loss * scale * T(0.5);
}

}  // namespace emmy::inline EMMY_TARGET
