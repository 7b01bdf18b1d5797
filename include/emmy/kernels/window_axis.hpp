// Where windows lie: along one axis output o sees the taps k < Taps, at position o Stride - Before + k of the input, of which
// only those from 0 to In - 1 are there. Zero padding is windows of fewer taps: what they do not see is neither stored nor
// multiplied.
#pragma once

#include <emmy/core/macros.hpp>

namespace emmy {

template <int Taps, int Stride, int Before, int In, int Out>
struct WindowAxis {
  static constexpr int kTaps = Taps, kStride = Stride, kBefore = Before, kIn = In, kOut = Out;
  // Output o is position kFirst + o kStep of what is made, tap k row kTap + k kTapStep of the weights.
  static constexpr int kFirst = 0, kStep = 1, kTap = 0, kTapStep = 1;
};

// The axis along which dx is made of dy: positions of x that are Class more than a multiple of the stride, Before counted.
// They see every Stride-th tap, the last one first; Reversed: so do the weights stand.
template <class A, int Class, bool Reversed>
struct GradientAxis {
  static constexpr int kTaps = A::kTaps > Class ? (A::kTaps - Class + A::kStride - 1) / A::kStride : 0;
  static constexpr int kFirst = ((Class - A::kBefore) % A::kStride + A::kStride) % A::kStride, kStep = A::kStride;
  static constexpr int kStride = 1, kBefore = kTaps - 1 - (kFirst + A::kBefore - Class) / A::kStride;
  static constexpr int kIn = A::kOut, kOut = kFirst < A::kIn ? (A::kIn - kFirst + A::kStride - 1) / A::kStride : 0;
  static constexpr int kLast = Class + (kTaps - 1) * A::kStride;  // its first tap
  static constexpr int kTap = Reversed ? A::kTaps - 1 - kLast : kLast, kTapStep = Reversed ? A::kStride : -A::kStride;
};

// Both axes of a layer: those of a vector of positions are one row.
template <class RowAxis, class ColumnAxis>
struct WindowAxes {
  using rows = RowAxis;
  using columns = ColumnAxis;
  static constexpr int kTaps = rows::kTaps * columns::kTaps;
};

// Of outputs or of taps: `count` from `first` on.
struct WindowRange {
  int first, count;
};
EMMY_INLINE constexpr WindowRange range_between(int first, int last) noexcept {
  return {first, last > first ? last - first : 0};
}

// The outputs whose windows are whole.
template <class A>
inline constexpr WindowRange kWholeWindows = [] {
  const int first = A::kBefore > 0 ? (A::kBefore + A::kStride - 1) / A::kStride : 0,
            room = A::kIn + A::kBefore - A::kTaps, last = room < 0 ? 0 : room / A::kStride + 1;
  return range_between(first < A::kOut ? first : A::kOut, last < A::kOut ? last : A::kOut);
}();
template <class A>
inline constexpr bool kAllWhole = kWholeWindows<A>.count == A::kOut;

// The taps that an output sees, and the outputs that see a tap.
template <class A>
EMMY_INLINE constexpr WindowRange taps_seen(int output) noexcept {
  if constexpr (kAllWhole<A>) return {0, A::kTaps};
  const int start = output * A::kStride - A::kBefore, left = A::kIn - start;
  return range_between(start < 0 ? -start : 0, left < A::kTaps ? left : A::kTaps);
}
template <class A>
EMMY_INLINE constexpr WindowRange outputs_seeing(int tap) noexcept {
  if constexpr (kAllWhole<A>) return {0, A::kOut};
  const int end = A::kIn + A::kBefore - tap, last = end > 0 ? (end - 1) / A::kStride + 1 : 0;
  return range_between(A::kBefore > tap ? (A::kBefore - tap + A::kStride - 1) / A::kStride : 0,
                       last < A::kOut ? last : A::kOut);
}

}  // namespace emmy
