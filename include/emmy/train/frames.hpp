// From a net's plan and the four objects to the frames that the text of its layers sees.
#pragma once

#include <utility>

#include <emmy/net/memory.hpp>

namespace emmy {

template <class Net, int I, int Batch>
using frame_of = Frame<typename node_at<Net, I>::layer, typename Net::scalar, typename node_at<Net, I>::in,
                       typename node_at<Net, I>::out, kPlan<Net>.tensor[node_at<Net, I>::kFrom].stride, Batch>;

// Node I is an activation that works in the memory of its input, or another shape of it.
template <class Net, int I>
inline constexpr bool kShares = kPlan<Net>.tensor[I + 1].root != I + 1;
template <class Net, int I>
inline constexpr bool kInPlace = kShares<Net, I>&& kIsElementwise<typename node_at<Net, I>::layer>;
template <class Net, int I>
inline constexpr bool kIsView = kShares<Net, I>&& kIsReshape<typename node_at<Net, I>::layer>;

// ... and the affine node before it computes it in its epilogue.
template <class Net, int I>
inline constexpr bool kFusedForward = [] {
  if constexpr (I == 0) return false;
  else return kInPlace<Net, I> && node_at<Net, I>::kFrom == I && kIsAffine<typename node_at<Net, I - 1>::layer>;
}();

// ... and its derivative belongs to the backward text of the only node that reads it.
template <class Net, int I>
inline constexpr bool kFusedBackward = [] {
  if constexpr (I + 1 >= Net::kNodes) return false;
  else
    return kInPlace<Net, I> && kPlan<Net>.tensor[I + 1].consumers == 1 && node_at<Net, I + 1>::kFrom == I + 1 &&
           kTakesBelow<typename node_at<Net, I + 1>::layer>;
}();

// The activation whose derivative belongs to the backward text of node I, or nullptr.
template <class Net, int I>
consteval auto below_of() {
  if constexpr (I == 0 || node_at<Net, I>::kFrom != I) return nullptr;
  else if constexpr (kFusedBackward<Net, I - 1>) return typename node_at<Net, I - 1>::layer{};
  else return nullptr;
}

namespace detail {
template <class Net, int Tensor, class... N>
consteval bool later_reader(int node, Nodes<N...>) {
  constexpr int kRoot = kPlan<Net>.tensor[Tensor].root;
  const int from[] = {N::kFrom...}, skip[] = {N::kSkip...};
  for (int j = node + 1; j < Net::kNodes; ++j) {
    const bool shares = kPlan<Net>.tensor[j + 1].root != j + 1;
    if (!shares && kPlan<Net>.tensor[from[j]].root == kRoot) return true;
    if (skip[j] >= 0 && kPlan<Net>.tensor[skip[j]].root == kRoot) return true;
  }
  return false;
}
}  // namespace detail

// Backward runs from the last node to the first. Did a node after I already write the gradient of Tensor? Then I adds.
template <class Net, int I, int Tensor>
inline constexpr bool kAddsTo = detail::later_reader<Net, Tensor>(I, typename Net::nodes{});

// The loss writes the gradient of this tensor, the last one, over its values.
template <class Net, int Batch, int Tensor>
inline constexpr bool kBecomesDelta =
    Tensor == Net::kNodes&& kArena<Net, Batch, true>.act[Tensor] == kArena<Net, Batch, true>.delta[Tensor];

// Frames of one call: the four objects as pointers.
template <class Net, int Batch, bool Training>
struct Memory {
  using S = typename Net::scalar;
  const S* params;
  S* buffers;
  S* arena;
  const S* x;

  template <int Tensor>
  EMMY_INLINE const S* act() const noexcept {
    if constexpr (kPlan<Net>.tensor[Tensor].root == 0) return x;
    else return arena + kArena<Net, Batch, Training>.act[Tensor];
  }
  template <int Tensor>
  EMMY_INLINE S* delta() const noexcept {
    if constexpr (kPlan<Net>.tensor[Tensor].root == 0 || !Training) return nullptr;
    else return arena + kArena<Net, Batch, Training>.delta[Tensor];
  }
  template <int I>
  EMMY_INLINE frame_of<Net, I, Batch> frame() const noexcept {
    using N = node_at<Net, I>;
    constexpr int kFirst = kPlan<Net>.first_block[I];
    const S* own = nullptr;
    if constexpr (kFirst < kPlan<Net>.first_block[I + 1]) own = params + kPlan<Net>.block[kFirst].offset;
    return {own,
            buffers == nullptr ? nullptr : buffers + kPlan<Net>.buffer_offset[I],
            arena + kArena<Net, Batch, Training>.kept[I],
            arena + kArena<Net, Batch, Training>.work[I],
            act<N::kFrom>(),
            arena + kArena<Net, Batch, Training>.act[I + 1],
            delta<I + 1>(),
            delta<N::kFrom>()};
  }
};

// The buffers of a net as a pointer, null where it has none.
template <class Net>
EMMY_INLINE typename Net::scalar* data_of(Buffers<Net>& b) noexcept {
  if constexpr (kPlan<Net>.buffers > 0) return b.data;
  else return nullptr;
}

}  // namespace emmy
