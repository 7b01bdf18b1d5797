// Streaming<L>: a layer over positions that also takes one position at a time (infer_next in train/streaming.hpp), what it has to
// remember in Buffers. On whole windows it is L: a net is trained on them and runs on a stream with the same weights.
#pragma once

#include <emmy/layers/avg_pool.hpp>
#include <emmy/layers/depthwise.hpp>
#include <emmy/layers/max_pool.hpp>

namespace emmy {

namespace detail {

// When a stream of windows of Window positions, Step apart, of which the first begins Before positions before its start, has made one.
// Kept is the number of positions seen, once the first window is whole from kFirst to kFirst + Step - 1: a number that a scalar holds
// exactly, and counted as one: GCC 12 writes a conversion to float under a condition as `vcvtne.f32.s32`, which the assembler takes for
// another instruction (Cortex-M55; test: tests/device/windows_test.cpp).
template <int Window, int Step, int Before>
struct StreamPhase {
  static constexpr int kFirst = Window - 1 - Before;
  template <class S>
  EMMY_INLINE static constexpr bool ends_window(S seen) noexcept {
    return seen == S(kFirst);
  }
  template <class S>
  EMMY_INLINE static constexpr S next(S seen) noexcept {
    return seen + S(1) < S(kFirst + Step) ? seen + S(1) : S(kFirst);
  }
};

// What a convolution remembers: its last Kernel - 1 positions in a ring, which of them is the oldest, the phase. Zeros, a stream's
// start, are the zeros before it.
template <int Kernel, class... Options>
struct StreamedConv {
  static constexpr WindowOptions kOptions = kWindowOptions<Options...>;
  static_assert(!kOptions.same || kOptions.along == 1,
                "emmy: where Same begins depends on a stream's end if there is a Stride: take Padding");
  static constexpr int kRows = Kernel - 1;
  using phase = StreamPhase<Kernel, kOptions.along, kOptions.same ? (Kernel - 1) / 2 : kOptions.zeros_along>;
  template <class InShape>
  static constexpr int kBuffers = kRows* InShape::kChannels + 2;
};
// What a pooling layer remembers: what it made of the positions of a window so far, and how many they are.
template <int Window>
struct StreamedPool {
  static constexpr int kWindow = Window;
  template <class InShape>
  static constexpr int kBuffers = InShape::kChannels + 1;
};

template <class L>
struct Streamed {
  static_assert(__is_same(L, void), "emmy: Streaming<L> takes a Conv1d, a DepthwiseConv1d, a MaxPool or an AvgPool");
};
template <int Channels, int Kernel, class... Options>
struct Streamed<Conv1d<Channels, Kernel, Options...>> : StreamedConv<Kernel, Options...> {};
template <int Kernel, class... Options>
struct Streamed<DepthwiseConv1d<Kernel, Options...>> : StreamedConv<Kernel, Options...> {};
template <int Window>
struct Streamed<MaxPool<Window>> : StreamedPool<Window> {};
template <int Window>
struct Streamed<AvgPool<Window>> : StreamedPool<Window> {};

}  // namespace detail

// Position p of its output comes with the last position of the input that it sees: of a Conv1d<C, K> from the K-th one on, with
// Padding<K - 1> from the first on, with a stride every so many. What lies behind the end of a window (the zeros of Padding and Same there)
// a stream never sees.
template <class L>
struct Streaming : L, detail::Streamed<L> {};

template <int Channels, int Kernel, class... Options>
using StreamingConv1d = Streaming<Conv1d<Channels, Kernel, Options...>>;

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {

// The ring of a convolution and its two numbers.
template <class L, class F>
struct ConvStream {
  using S = typename F::scalar;
  static constexpr int kRows = detail::Streamed<L>::kRows, kIn = F::kIn;
  S* ring;

  EMMY_INLINE explicit ConvStream(const F& f) noexcept : ring(f.buffers) {}
  EMMY_INLINE S& oldest() const noexcept { return ring[kRows * kIn]; }
  EMMY_INLINE S& seen() const noexcept { return ring[kRows * kIn + 1]; }
  EMMY_INLINE bool ready() const noexcept { return detail::Streamed<L>::phase::ends_window(seen()); }

  // run(x, tap, taps) for the pieces of the window that ends at x, oldest first: rows of kIn.
  template <class Run>
  EMMY_INLINE void for_pieces(const S* x, Run&& run) const noexcept {
    const int first = static_cast<int>(oldest());
    const S* const from[] = {ring + first * kIn, ring, x};
    const int tap[] = {0, kRows - first, kRows, kRows + 1};
    for (int k = 0; k < 3; ++k) run(from[k], tap[k], tap[k + 1] - tap[k]);
  }
  EMMY_INLINE void take(const S* x) const noexcept {
    if constexpr (kRows > 0) {
      const int first = static_cast<int>(oldest());
      for (int i = 0; i < kIn; ++i) ring[first * kIn + i] = x[i];
      oldest() = first + 1 == kRows ? S(0) : oldest() + S(1);
    }
    seen() = detail::Streamed<L>::phase::next(seen());
  }
};

// y = x * W + b of one window, the terms in the order of `forward`. Error: as there.
template <int Channels, int Kernel, class... Options, class F>
EMMY_INLINE bool forward_next(StreamingConv1d<Channels, Kernel, Options...>, const F& f) noexcept {
  using S = typename F::scalar;
  using L = Conv1d<Channels, Kernel, Options...>;
  constexpr int kPad = F::kOutStride;
  const ConvStream<L, F> stream(f);
  if (!stream.ready()) return false;
  const S* const b = L::kHasBias ? f.params + Kernel * F::kIn * kPad : nullptr;
  gemm_of_runs<S, 1, kPad, row_panel<S, kPad>()>(
      0, 1,
      [&](auto&& run) EMMY_LAMBDA {
        stream.for_pieces(f.x, [&](const S* x, int tap, int taps) EMMY_LAMBDA {
          run(x, f.params + tap * F::kIn * kPad, static_cast<std::size_t>(taps * F::kIn));
        });
      },
      [&](int, int col) EMMY_LAMBDA { return b == nullptr ? simd::zero<S>() : simd::load(b + col); },
      [&](int, int col, auto v) EMMY_LAMBDA { simd::store(v, f.y + col); });
  return true;
}
template <int Channels, int Kernel, class... Options, class F>
EMMY_INLINE void commit_next(StreamingConv1d<Channels, Kernel, Options...>, const F& f) noexcept {
  ConvStream<Conv1d<Channels, Kernel, Options...>, F>(f).take(f.x);
}

template <int Kernel, class... Options, class F>
EMMY_INLINE bool forward_next(Streaming<DepthwiseConv1d<Kernel, Options...>>, const F& f) noexcept {
  using S = typename F::scalar;
  using L = DepthwiseConv1d<Kernel, Options...>;
  const ConvStream<L, F> stream(f);
  if (!stream.ready()) return false;
  const S* const b = f.params + Kernel * F::kOutStride;
  for (int c = 0; c < F::kOutStride; ++c) f.y[c] = L::kHasBias ? b[c] : S(0);
  stream.for_pieces(f.x, [&](const S* x, int tap, int taps) EMMY_LAMBDA {
    for (int k = 0; k < taps; ++k)
      for (int c = 0; c < F::kIn; ++c) f.y[c] += x[k * F::kIn + c] * f.params[(tap + k) * F::kOutStride + c];
  });
  return true;
}
template <int Kernel, class... Options, class F>
EMMY_INLINE void commit_next(Streaming<DepthwiseConv1d<Kernel, Options...>>, const F& f) noexcept {
  ConvStream<DepthwiseConv1d<Kernel, Options...>, F>(f).take(f.x);
}

// Pools: join(channel so far, x), y = last(what was joined).
template <class L, class F, class Join, class Last>
EMMY_INLINE bool pool_next(const F& f, Join&& join, Last&& last) noexcept {
  using S = typename F::scalar;
  const S seen = f.buffers[F::kIn];
  if (seen + S(1) < S(detail::Streamed<L>::kWindow)) return false;
  for (int c = 0; c < F::kOutStride; ++c)
    f.y[c] = c >= F::kIn ? S(0) : last(seen == S(0) ? f.x[c] : join(f.buffers[c], f.x[c]));
  return true;
}
template <class L, class F, class Join>
EMMY_INLINE void commit_pool(const F& f, Join&& join) noexcept {
  using S = typename F::scalar;
  const S seen = f.buffers[F::kIn];
  for (int c = 0; c < F::kIn; ++c) f.buffers[c] = seen == S(0) ? f.x[c] : join(f.buffers[c], f.x[c]);
  f.buffers[F::kIn] = seen + S(1) < S(detail::Streamed<L>::kWindow) ? seen + S(1) : S(0);
}
template <int Window, class F>
EMMY_INLINE bool forward_next(Streaming<MaxPool<Window>>, const F& f) noexcept {
  using S = typename F::scalar;
  return pool_next<MaxPool<Window>>(
      f, [](S a, S b) { return a > b ? a : b; }, [](S a) { return a; });
}
template <int Window, class F>
EMMY_INLINE void commit_next(Streaming<MaxPool<Window>>, const F& f) noexcept {
  using S = typename F::scalar;
  commit_pool<MaxPool<Window>>(f, [](S a, S b) { return a > b ? a : b; });
}
template <int Window, class F>
EMMY_INLINE bool forward_next(Streaming<AvgPool<Window>>, const F& f) noexcept {
  using S = typename F::scalar;
  return pool_next<AvgPool<Window>>(
      f, [](S a, S b) { return a + b; }, [](S a) { return a * (S(1) / S(Window)); });
}
template <int Window, class F>
EMMY_INLINE void commit_next(Streaming<AvgPool<Window>>, const F& f) noexcept {
  using S = typename F::scalar;
  commit_pool<AvgPool<Window>>(f, [](S a, S b) { return a + b; });
}

}  // namespace emmy::inline EMMY_TARGET
