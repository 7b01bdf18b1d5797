// Predict and learn on one forward pass: a loss that also hands out what it was computed from.
#pragma once

#include <emmy/core/status.hpp>
#include <emmy/simd/simd.hpp>

namespace emmy {

// Of, with the outputs of the step's forward pass copied to y [Batch][outputs], unpadded; those of a step that is
// refused later too. As in  float y[3]; trainer.step(x, &label, KeepOutputs<CrossEntropy, float>{{}, y}, rule).
// Test: tests/train/verbs_test.cpp.
template <class Of, class S>
struct KeepOutputs {
  static constexpr bool kShiftInvariant = requires { requires Of::kShiftInvariant; };
  Of loss;
  S* y;
};

template <int Cols, class Of, class S, class Target>
EMMY_INLINE Status check_targets(const KeepOutputs<Of, S>& kept, const Target* target, int rows) noexcept {
  return check_targets<Cols>(kept.loss, target, rows);
}

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// dy may be y.
template <int Rows, int Cols, class Of, class S, class Target>
EMMY_INLINE S loss_and_delta(const KeepOutputs<Of, S>& kept, const S* y, const Target* target, int rows, S scale,
                             S* dy) noexcept {
  for (int r = 0; r < Rows; ++r)
    for (int o = 0; o < Cols; ++o) kept.y[r * Cols + o] = y[r * padded<S>(Cols) + o];
  return loss_and_delta<Rows, Cols>(kept.loss, y, target, rows, scale, dy);
}

}  // namespace emmy::inline EMMY_TARGET
