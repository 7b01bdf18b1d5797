// Forward and backward over the nodes of a net.
#pragma once

#include <emmy/kernels/elementwise.hpp>
#include <emmy/layers/activations.hpp>
#include <emmy/layers/attention.hpp>
#include <emmy/layers/avg_pool.hpp>
#include <emmy/layers/batch_norm.hpp>
#include <emmy/layers/conv1d.hpp>
#include <emmy/layers/conv2d.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/layers/depthwise.hpp>
#include <emmy/layers/flatten.hpp>
#include <emmy/layers/frozen.hpp>
#include <emmy/layers/glu.hpp>
#include <emmy/layers/max_pool.hpp>
#include <emmy/layers/norm.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/layers/streaming.hpp>
#include <emmy/parametrize/product.hpp>
#include <emmy/parametrize/weight_norm.hpp>
#include <emmy/train/frames.hpp>

namespace emmy::inline EMMY_TARGET {

namespace inner {

// Sum of squares of every tensor and delta, by root tensor.
template <class Net>
struct Totals {
  using S = typename Net::scalar;
  S act[Net::kNodes + 1], delta[Net::kNodes + 1];
  S all;  // finite if every value is
};
// In place of it: nobody wants to know.
struct NoTotals {};

// What the affine node I computes in its epilogue.
template <class Net, int I>
consteval auto epilogue() {
  if constexpr (I + 1 < Net::kNodes) {
    if constexpr (kFusedForward<Net, I + 1>) return typename node_at<Net, I + 1>::layer{};
    else return Identity{};
  } else {
    return Identity{};
  }
}

// Does node I sum the squares of what it makes of tensor I + 1, of the delta of the tensor that it reads? Where it alone writes
// them, whole vectors of them.
template <class Net, int Batch, int I>
inline constexpr bool kTellsAct = [] {
  using N = node_at<Net, I>;
  using S = typename Net::scalar;
  if constexpr (!kTellsSquares<typename N::layer> || I + 1 == Net::kNodes || kReadsNarrow<frame_of<Net, I, Batch>>)
    return false;
  else
    return kSumsSquaresInTiles<S> && Batch * N::out::kPositions >= kSquaresFromRows &&
           (decltype(epilogue<Net, I>())::kFixesZero || N::out::kChannels == padded<S>(N::out::kChannels));
}();
template <class Net, int Batch, int I>
inline constexpr bool kTellsDelta = [] {
  using N = node_at<Net, I>;
  constexpr auto& plan = kPlan<Net>;
  constexpr int kRoot = plan.tensor[I].root;  // of its own, or that of what the node before made in place
  if constexpr (!kTellsSquares<typename N::layer> || kRoot == 0 || N::kFrom != I) return false;
  else
    return kSumsSquaresInTiles<typename Net::scalar> && Batch * N::out::kPositions >= kSquaresFromRows &&
           kRoot >= I - 1 && plan.tensor[I].consumers == 1 && !kMakesDeltas<typename node_at<Net, kRoot - 1>::layer>;
}();

// Node I forward; what it tells goes to `told`.
template <int I, class Net, int Batch, bool Training, class Told>
EMMY_NODE void forward_node(const Memory<Net, Batch, Training>& m, Told& told) noexcept {
  using N = node_at<Net, I>;
  using L = typename N::layer;
  constexpr int kRows = Batch * N::in::kPositions, kCols = N::in::kChannels;
  if constexpr (kFusedForward<Net, I> || kIsView<Net, I>) {
    return;
  } else if constexpr (kIsAffine<L>) {
    if constexpr (!__is_same(Told, NoTotals) && kTellsAct<Net, Batch, I>)
      forward(L{}, m.template frame<I>(), epilogue<Net, I>(), told.act + I + 1);
    else forward(L{}, m.template frame<I>(), epilogue<Net, I>());
  } else if constexpr (kIsElementwise<L>) {
    if constexpr (kInPlace<Net, I>)  // else what that layer told would no longer be so
      static_assert(!kIsAffine<typename node_at<Net, N::kFrom - 1>::layer>);
    const auto f = m.template frame<I>();
    elementwise_forward<kRows, kCols, kPlan<Net>.tensor[N::kFrom].stride>(L{}, f.x, f.y);
  } else if constexpr (kIsJoin<L>) {
    join_rows<__is_same(L, Multiply), kRows, kCols, kPlan<Net>.tensor[N::kFrom].stride,
              kPlan<Net>.tensor[N::kSkip].stride>(m.template act<N::kFrom>(), m.template act<N::kSkip>(),
                                                  m.template frame<I>().y);
  } else if constexpr (!Training && requires { forward_trained(L{}, m.template frame<I>()); }) {
    forward_trained(L{}, m.template frame<I>());
  } else {
    forward(L{}, m.template frame<I>());
  }
}

// What the join I gives tensor To, Other the other side.
template <int I, int To, int Other, class Net, int Batch, bool Training>
EMMY_INLINE void backward_join(const Memory<Net, Batch, Training>& m) noexcept {
  using N = node_at<Net, I>;
  constexpr int kRows = Batch * N::in::kPositions, kCols = N::in::kChannels;
  constexpr bool kAdds = kAddsTo<Net, I, To>;
  if constexpr (!kPlan<Net>.needs_delta[To]) return;
  else if constexpr (__is_same(typename N::layer, Multiply))
    multiply_backward<kAdds, kRows, kCols, kPlan<Net>.tensor[Other].stride>(
        static_cast<const typename Net::scalar*>(m.template delta<I + 1>()), m.template act<Other>(),
        m.template delta<To>());
  else pass_on<kAdds>(m.template delta<I + 1>(), m.template delta<To>(), kRows * padded<typename Net::scalar>(kCols));
}

template <int I, class Net, int Batch, bool Training, class Told>
EMMY_NODE void backward_node(const Memory<Net, Batch, Training>& m, Told& told) noexcept {
  using N = node_at<Net, I>;
  using L = typename N::layer;
  constexpr auto& plan = kPlan<Net>;
  constexpr bool kNeeded = plan.needs_delta[N::kFrom], kAdds = kAddsTo<Net, I, N::kFrom>;
  constexpr int kRows = Batch * N::in::kPositions, kCols = N::in::kChannels;
  if constexpr (kMakesDeltas<L> && plan.needs_delta[I + 1]) deltas(L{}, m.template frame<I>());
  if constexpr (kIsJoin<L>) {
    backward_join<I, N::kFrom, N::kSkip>(m);
    backward_join<I, N::kSkip, N::kFrom>(m);
  } else if constexpr (!kNeeded || kFusedBackward<Net, I> || kIsView<Net, I>) {
    return;
  } else if constexpr (kIsElementwise<L>) {
    const auto f = m.template frame<I>();
    elementwise_backward<kAdds && !kInPlace<Net, I>, kRows, kCols>(L{}, f.x, f.y, f.dy, f.dx);
  } else if constexpr (kTakesBelow<L>) {
    const auto run = [&](auto below) EMMY_LAMBDA {
      if constexpr (!__is_same(Told, NoTotals) && kTellsDelta<Net, Batch, I>)
        backward<kAdds>(L{}, m.template frame<I>(), below, told.delta + plan.tensor[N::kFrom].root);
      else backward<kAdds>(L{}, m.template frame<I>(), below);
    };
    run(below_of<Net, I>());
  } else {
    backward<kAdds>(L{}, m.template frame<I>());
  }
}

}  // namespace inner

// told: Totals, of which the nodes that can (kTellsAct, kTellsDelta) write their part, or none.
template <int I = 0, class Net, int Batch, bool Training, class Told>
EMMY_INLINE void forward_pass(const Memory<Net, Batch, Training>& m, Told& told) noexcept {
  inner::forward_node<I>(m, told);
  if constexpr (I + 1 < Net::kNodes) forward_pass<I + 1>(m, told);
}
template <class Net, int Batch, bool Training>
EMMY_INLINE void forward_pass(const Memory<Net, Batch, Training>& m) noexcept {
  inner::NoTotals none;
  forward_pass(m, none);
}

// The delta of the last tensor is there; makes all others that a weight needs.
template <int I, class Net, int Batch, bool Training, class Told>
EMMY_INLINE void backward_from(const Memory<Net, Batch, Training>& m, Told& told) noexcept {
  inner::backward_node<I>(m, told);
  if constexpr (I > 0) backward_from<I - 1>(m, told);
}
template <class Net, int Batch, bool Training, class Told>
EMMY_INLINE void backward_pass(const Memory<Net, Batch, Training>& m, Told& told) noexcept {
  backward_from<Net::kNodes - 1>(m, told);
}
template <class Net, int Batch, bool Training>
EMMY_INLINE void backward_pass(const Memory<Net, Batch, Training>& m) noexcept {
  inner::NoTotals none;
  backward_pass(m, none);
}

// f(constant<I>) for every node with weights.
template <class Net, int I = 0, class F>
EMMY_INLINE void for_weighted_nodes(F&& f) noexcept {
  if constexpr (kPlan<Net>.first_block[I] < kPlan<Net>.first_block[I + 1]) f(std::integral_constant<int, I>{});
  if constexpr (I + 1 < Net::kNodes) for_weighted_nodes<Net, I + 1>(f);
}

}  // namespace emmy::inline EMMY_TARGET
