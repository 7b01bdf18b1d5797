// Windows and taps of a tensor [rows][columns][channels], as runs of a register tile.
#pragma once

#include <emmy/kernels/run_tiles.hpp>
#include <emmy/kernels/window_axis.hpp>

namespace emmy::inline EMMY_TARGET {

// f(count, apart, runs, at) for blocks of windows that see the same taps: `count` of them, a constant, each starting `apart`
// scalars after the last one. runs(run) calls run(x, w, n) for every row of taps: n of them, x where the first window meets the
// first of them and w its weights, W scalars a tap and TapRow taps a row. at(m): the position of what window m makes.
// A row of whole windows is one block. So is a column of cut ones, for those of several rows see the same taps; only at the
// corners is each window one.
template <class W, int XStride, int TapRow, int TapSize, class T, class F>
EMMY_INLINE void for_window_blocks(const T* x, const T* w, int width, F&& f) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kLine = C::kIn * XStride;
  constexpr WindowRange kWholeRows = kWholeWindows<R>, kWholeColumns = kWholeWindows<C>;
  const auto block = [&](auto count, int row, int column, WindowRange down, WindowRange along, int apart,
                         bool across) EMMY_LAMBDA {
    const auto runs = [&](auto&& run) EMMY_LAMBDA {
      const T* from = x + (row * R::kStride - R::kBefore + down.first) * kLine +
                      (column * C::kStride - C::kBefore + along.first) * XStride;
      const T* by = w + ((R::kTap + down.first * R::kTapStep) * TapRow + C::kTap + along.first * C::kTapStep) * TapSize;
      if (along.count > 0)
        for (int k = 0; k < down.count; ++k)
          run(from + k * kLine, by + k * R::kTapStep * TapRow * TapSize, along.count);
    };
    f(count, static_cast<std::size_t>(apart), runs, [=](int m) EMMY_LAMBDA {
      return (R::kFirst + (across ? row : row + m) * R::kStep) * width + C::kFirst +
             (across ? column + m : column) * C::kStep;
    });
  };
  constexpr std::integral_constant<int, 1> kOne{};
  if constexpr (kWholeColumns.count > 0)
    for (int row = 0; row < R::kOut; ++row)
      block(std::integral_constant<int, kWholeColumns.count>{}, row, kWholeColumns.first, taps_seen<R>(row),
            {0, C::kTaps}, C::kStride * XStride, true);
  if constexpr (kWholeColumns.count < C::kOut)
    for (int column = 0; column < C::kOut; ++column) {
      if (column == kWholeColumns.first && kWholeColumns.count > 0) column += kWholeColumns.count;
      if (column >= C::kOut) break;
      const WindowRange along = taps_seen<C>(column);
      if constexpr (kWholeRows.count > 0)
        block(std::integral_constant<int, kWholeRows.count>{}, kWholeRows.first, column, {0, R::kTaps}, along,
              R::kStride * kLine, false);
      if constexpr (kWholeRows.count < R::kOut)
        for (int row = 0; row < R::kOut; ++row)
          if (row < kWholeRows.first || row >= kWholeRows.first + kWholeRows.count)
            block(kOne, row, column, taps_seen<R>(row), along, 0, true);
    }
}

// f(count, tap, runs) for taps from number `tap` on, count of them a constant: those of a row of taps where all windows are
// whole along it, else one. runs(run) calls run(x, dy, n) for every row of outputs that see them, of every sample: n outputs, x
// where the first of them meets the tap, dy its row of the gradient.
template <int Batch, class W, int XStride, int YStride, class T, class F>
EMMY_INLINE void for_window_taps(const T* x, const T* dy, F&& f) noexcept {
  using R = typename W::rows;
  using C = typename W::columns;
  constexpr int kTogether = kAllWhole<C> ? C::kTaps : 1, kLine = C::kIn * XStride;
  for (int i = 0; i < R::kTaps; ++i)
    for (int j = 0; j < C::kTaps; j += kTogether) {
      const WindowRange down = outputs_seeing<R>(i), along = outputs_seeing<C>(j);
      f(std::integral_constant<int, kTogether>{}, i * C::kTaps + j, [&](auto&& run) EMMY_LAMBDA {
        if (along.count == 0 || down.count == 0) return;
        const T* from = x + (down.first * R::kStride - R::kBefore + i) * kLine +
                        (along.first * C::kStride - C::kBefore + j) * XStride;
        const T* by = dy + (down.first * C::kOut + along.first) * YStride;
        for (int s = 0; s < Batch; ++s)
          for (int r = 0; r < down.count; ++r)
            run(from + s * R::kIn * kLine + r * R::kStride * kLine, by + (s * R::kOut + r) * C::kOut * YStride,
                static_cast<std::size_t>(along.count));
      });
    }
}

}  // namespace emmy::inline EMMY_TARGET
