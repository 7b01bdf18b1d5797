// What may follow the sizes of a convolution, in any order: Stride, Padding or Same, WithBias or NoBias.
#pragma once

#include <emmy/kernels/window_axis.hpp>
#include <emmy/layers/dense.hpp>

namespace emmy {

// Every Down-th row and Along-th column of outputs.
template <int Down, int Along = Down>
struct Stride {
  static_assert(Down > 0 && Along > 0, "emmy: a Stride is at least 1");
};
// Zeros beside the positions: Down rows above and below, Along columns left and right. Of a Conv1d: Along positions.
template <int Down, int Along = Down>
struct Padding {
  static_assert(Down >= 0 && Along >= 0, "emmy: a Padding is not negative");
};
// As many zeros as make ceil(positions / stride) outputs, where they are odd in number one more behind than before.
struct Same {};

namespace detail {

struct WindowOptions {
  int down = 1, along = 1;
  int zeros_down = 0, zeros_along = 0;
  bool same = false, has_bias = true;
};
template <int Down, int Along>
constexpr void set(WindowOptions& o, Stride<Down, Along>) {
  o.down = Down, o.along = Along;
}
template <int Down, int Along>
constexpr void set(WindowOptions& o, Padding<Down, Along>) {
  o.zeros_down = Down, o.zeros_along = Along;
}
constexpr void set(WindowOptions& o, Same) { o.same = true; }
constexpr void set(WindowOptions&, WithBias) {}
constexpr void set(WindowOptions& o, NoBias) { o.has_bias = false; }

template <class... Options>
inline constexpr WindowOptions kWindowOptions = [] {
  WindowOptions all;
  [[maybe_unused]] const auto one = [&]<class Option>(Option option) {  // unused without options
    static_assert(
        requires(WindowOptions o) { set(o, option); },
        "emmy: a convolution takes Stride<...>, Padding<...>, Same, WithBias and NoBias after its sizes");
    if constexpr (requires(WindowOptions o) { set(o, option); }) set(all, option);
  };
  (one(Options{}), ...);
  return all;
}();

// One axis of In positions; one output where not even one window fits.
consteval int outputs_of(int in, int taps, int stride, int zeros, bool same) {
  if (same) return (in + stride - 1) / stride;
  return in + 2 * zeros < taps ? 1 : (in + 2 * zeros - taps) / stride + 1;
}
consteval int zeros_before(int in, int taps, int stride, int zeros, bool same) {
  if (!same) return zeros;
  const int missing = (outputs_of(in, taps, stride, zeros, true) - 1) * stride + taps - in;
  return missing > 0 ? missing / 2 : 0;
}
template <int In, int Taps, int Step, int Zeros, bool IsSame>
using axis_of =
    WindowAxis<Taps, Step, zeros_before(In, Taps, Step, Zeros, IsSame), In, outputs_of(In, Taps, Step, Zeros, IsSame)>;

// The windows of Height x Width taps that a layer with such options has on a shape; a vector of positions has no rows to go down.
template <class InShape, int Height, int Width, class... Options>
struct WindowsOn {
  static constexpr WindowOptions kOptions = [] {
    WindowOptions all = kWindowOptions<Options...>;
    if (InShape::kRank != 3) all.down = 1, all.zeros_down = 0;
    return all;
  }();
  static constexpr bool kSeesPositions = (kOptions.zeros_down < Height || kOptions.zeros_down == 0) &&
                                         (kOptions.zeros_along < Width || kOptions.zeros_along == 0);
  static_assert(kOptions.same || kSeesPositions,
                "emmy: a Padding is smaller than the kernel: windows of zeros alone make a constant");
  static constexpr bool kFits = kOptions.same || (InShape::kHeight + 2 * kOptions.zeros_down >= Height &&
                                                  InShape::kWidth + 2 * kOptions.zeros_along >= Width);
  using type = WindowAxes<axis_of<InShape::kHeight, Height, kOptions.down, kOptions.zeros_down, kOptions.same>,
                          axis_of<InShape::kWidth, Width, kOptions.along, kOptions.zeros_along, kOptions.same>>;
};
template <class InShape, int Height, int Width, class... Options>
using windows_on = typename WindowsOn<InShape, Height, Width, Options...>::type;

// Windows next to each other without zeros.
template <class Axes>
inline constexpr bool kPlainWindows = [] {
  using R = typename Axes::rows;
  using C = typename Axes::columns;
  return R::kStride == 1 && C::kStride == 1 && kAllWhole<R> && kAllWhole<C>;
}();

}  // namespace detail
}  // namespace emmy
