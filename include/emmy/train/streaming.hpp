// Streams: one position of the input in, one of the output out, what the past left in `Buffers`.
//
// infer_next gives position p of the output when it gets the last position that this one sees: the same values as `infer` on
// the whole window. Layers take part by position: elementwise ones, Dense, norms, and all behind a layer that leaves one
// position (Last). Others, such as Streaming<L> (layers/streaming.hpp), bring text of their own:
//   forward_next(L, frame)   y from x, one row each, and from frame.buffers, which it leaves alone; false: no position of y
//                            ends here, and y is not written
//   commit_next(L, frame)    moves frame.buffers on, x and y as forward_next left them
// In their frames x is one position: kInRows = kOutRows = 1. Zeros in the buffers are the start of a stream.
#pragma once

#include <emmy/train/verbs.hpp>

namespace emmy {

// What the memory of a net is for: a stream.
struct Stream {};

// `ready`: y was written. A convolution makes its first position of the last one that it sees.
struct NextResult {
  Status status;
  bool ready;
};

namespace detail {

template <class Net, int Tensor>
inline constexpr int kNextStride = Tensor == 0 ? Net::input::kChannels
                                               : padded<typename Net::scalar>(kPlan<Net>.tensor[Tensor].channels);
template <class Net, int I>
using next_frame_of =
    Frame<typename node_at<Net, I>::layer, typename Net::scalar, Shape<1, node_at<Net, I>::in::kChannels>,
          Shape<1, node_at<Net, I>::out::kChannels>, kNextStride<Net, node_at<Net, I>::kFrom>, 1>;

// One row a tensor and what layers keep of it, all apart: a position is small.
template <int NodeCount>
struct NextArena {
  int row[NodeCount + 1] = {}, kept[NodeCount] = {};
  int scalars = 0;
};
template <class Net, class... N>
consteval auto make_next_arena(Nodes<N...>) {
  using S = typename Net::scalar;
  NextArena<Net::kNodes> arena{};
  int node = 0;
  const auto add = [&](int channels, int kept) {
    arena.row[node + 1] = arena.scalars;
    arena.scalars += padded<S>(channels);
    arena.kept[node++] = arena.scalars;
    arena.scalars += kept;
  };
  (add(N::out::kChannels, kept_of<typename N::layer, S, Shape<1, N::in::kChannels>, 1>()), ...);
  return arena;
}
template <class Net>
inline constexpr auto kNextArena = make_next_arena<Net>(typename Net::nodes{});

}  // namespace detail

template <class Net>
struct Scratch<Net, 1, Stream> {
  using S = typename Net::scalar;
  alignas(kAlign<S>) S data[detail::kNextArena<Net>.scalars];
};

}  // namespace emmy

namespace emmy::inline EMMY_TARGET {
namespace inner {

template <class Net>
struct NextMemory {
  using S = typename Net::scalar;
  const S* params;
  S* buffers;
  S* arena;
  const S* x;

  template <int Tensor>
  EMMY_INLINE const S* row() const noexcept {
    if constexpr (Tensor == 0) return x;
    else return arena + detail::kNextArena<Net>.row[Tensor];
  }
  template <int I>
  EMMY_INLINE detail::next_frame_of<Net, I> frame() const noexcept {
    constexpr int kFirst = kPlan<Net>.first_block[I];
    const S* own = nullptr;
    if constexpr (kFirst < kPlan<Net>.first_block[I + 1]) own = params + kPlan<Net>.block[kFirst].offset;
    return {own,
            buffers == nullptr ? nullptr : buffers + kPlan<Net>.buffer_offset[I],
            arena + detail::kNextArena<Net>.kept[I],
            nullptr,
            row<node_at<Net, I>::kFrom>(),
            arena + detail::kNextArena<Net>.row[I + 1],
            nullptr,
            nullptr};
  }
};

// False where node I has nothing to give yet.
template <int I, class Net>
EMMY_INLINE bool next_node(const NextMemory<Net>& m) noexcept {
  using N = node_at<Net, I>;
  using L = typename N::layer;
  constexpr int kCols = N::in::kChannels;
  const auto f = m.template frame<I>();
  if constexpr (requires { forward_next(L{}, f); }) {
    return forward_next(L{}, f);
  } else {
    static_assert(
        kIsPositionwise<L> || N::in::kPositions == 1,
        "emmy: infer_next takes layers that see one position at a time (Dense, activations, norms), Streaming "
        "convolutions and pools, Rnn, Gru and Last, and any behind Last; use infer on whole windows");
    if constexpr (kIsAffine<L>) forward(L{}, f, Identity{});
    else if constexpr (kIsElementwise<L>)
      elementwise_forward<1, kCols, detail::kNextStride<Net, N::kFrom>>(L{}, f.x, f.y);
    else if constexpr (kIsJoin<L>)
      join_rows<__is_same(L, Multiply), 1, kCols, detail::kNextStride<Net, N::kFrom>,
                detail::kNextStride<Net, N::kSkip>>(f.x, m.template row<N::kSkip>(), f.y);
    else forward(L{}, f);
    return true;
  }
}

// Makes rows until a node has none to give: its number, or that of all nodes.
template <int I, class Net>
EMMY_INLINE int make_next(const NextMemory<Net>& m) noexcept {
  if constexpr (I == Net::kNodes) return I;
  else return next_node<I>(m) ? make_next<I + 1>(m) : I;
}

// f(constant<I>) for every node whose buffers hold a stream.
template <class Net, int I = 0, class F>
EMMY_INLINE void for_streaming_nodes(F&& f) noexcept {
  if constexpr (I < Net::kNodes) {
    if constexpr (requires(const NextMemory<Net>& m) {
                    commit_next(typename node_at<Net, I>::layer{}, m.template frame<I>());
                  })
      f(std::integral_constant<int, I>{});
    for_streaming_nodes<Net, I + 1>(f);
  }
}

}  // namespace inner

// The next position of a stream: x [channels of the input], y [channels of the output]. not_finite: x or what it makes is
// not; the stream is where it was. Test: tests/train/streaming_test.cpp.
template <class Net>
NextResult infer_next(const Params<Net>& params, Buffers<Net>& buffers, Scratch<Net, 1, Stream>& scratch,
                      const typename Net::scalar* x, typename Net::scalar* y) noexcept {
  using S = typename Net::scalar;
  constexpr int kCols = Net::output::kChannels;
  const inner::NextMemory<Net> m{params.data, data_of(buffers), scratch.data, x};
  const int made = inner::make_next<0>(m);
  bool finite = all_finite(x, Net::input::kChannels);
  for (int t = 1; t <= made; ++t)
    finite = finite && all_finite(scratch.data + detail::kNextArena<Net>.row[t],
                                  static_cast<std::size_t>(padded<S>(kPlan<Net>.tensor[t].channels)));
  if (!finite) return {Status::not_finite, false};
  inner::for_streaming_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value;
    if (I <= made) commit_next(typename node_at<Net, I>::layer{}, m.template frame<I>());
  });
  if (made < Net::kNodes) return {Status::ok, false};
  const S* from = m.template row<Net::kNodes>();
  for (int o = 0; o < kCols; ++o) y[o] = from[o];
  return {Status::ok, true};
}

// The start of a stream. What else is in the buffers (statistics of norms) stays.
template <class Net>
void reset(Buffers<Net>& buffers) noexcept {
  inner::for_streaming_nodes<Net>([&](auto node) EMMY_LAMBDA {
    constexpr int I = decltype(node)::value, kFirst = kPlan<Net>.buffer_offset[I];
    clear(data_of(buffers) + kFirst, kPlan<Net>.buffer_offset[I + 1] - kFirst);
  });
}

}  // namespace emmy::inline EMMY_TARGET
