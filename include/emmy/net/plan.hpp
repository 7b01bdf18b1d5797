// The memory plan, made by the compiler: lifetimes become offsets.
#pragma once

#include <emmy/net/net.hpp>

namespace emmy {

// What the memory of a net is for.
struct Infer {};  // forward only
template <class Rule>
struct Train {};  // a training step with Rule

// In memory a block is `lines` rows of `width` scalars, whole pads: its rows, or its columns where it is turned.
struct PlannedBlock {
  int node, rows, cols, stride, offset;
  Role role;
  bool trained, turned;
  int lines, width;

  EMMY_INLINE constexpr int size() const noexcept { return lines * width; }
  // Where element (row, col) is. Rows are `stride` apart.
  EMMY_INLINE constexpr int at(int row, int col) const noexcept { return offset + row * stride + col * col_stride(); }
  EMMY_INLINE constexpr int col_stride() const noexcept { return turned ? width : 1; }
  // Is scalar k of the block a weight, and no pad?
  EMMY_INLINE constexpr bool is_weight(int k) const noexcept { return k % width < line_length(); }
  // The weights of a row of memory.
  EMMY_INLINE constexpr int line_length() const noexcept { return turned ? rows : cols; }
  // Along what the memory's rows (row) or columns (column) run.
  EMMY_INLINE constexpr Axis in_memory(Axis line) const noexcept {
    return !turned ? line : line == Axis::row ? Axis::column : Axis::row;
  }
};
struct PlannedTensor {
  int positions, channels, stride;
  int root;       // the tensor whose memory it shares (an activation in place, another shape), itself otherwise
  int consumers;  // nodes that read it
};

// Everything about a net that is a number. Offsets are in scalars; blocks of a node follow each other.
template <int NodeCount, int BlockCount>
struct NetPlan {
  static constexpr int kNodes = NodeCount;
  static constexpr int kTensors = NodeCount + 1;
  static constexpr int kBlocks = BlockCount;
  PlannedBlock block[BlockCount > 0 ? BlockCount : 1] = {};
  PlannedTensor tensor[NodeCount + 1] = {};
  int first_block[NodeCount + 1] = {};       // of node i; [i + 1] - [i] blocks
  int buffer_offset[NodeCount + 1] = {};     // in Buffers
  bool needs_delta[NodeCount + 1] = {};      // tensor: does its gradient reach a weight?
  int params = 0, buffers = 0, weights = 0;  // weights: without padding
};

namespace detail {

template <class... N>
consteval int count_blocks(Nodes<N...>) {
  return (0 + ... + decltype(blocks_of<typename N::layer, typename N::in>())::kCount);
}

template <class S, class NodeType, class Plan>
EMMY_INLINE constexpr void add_node(Plan& plan, int node, int& next_block) {
  using L = typename NodeType::layer;
  using In = typename NodeType::in;
  using Out = typename NodeType::out;
  constexpr auto kList = blocks_of<L, In>();
  plan.first_block[node] = next_block;
  for (int b = 0; b < kList.kCount; ++b) {
    const Block& from = kList.block[b];
    const bool turned = from.turned || (from.role == Role::weight && is_narrow<S, L>(from.rows));
    const int stride = turned ? 1 : padded<S>(from.cols);
    PlannedBlock& block = plan.block[next_block++];
    block = {node,
             from.rows,
             from.cols,
             stride,
             plan.params,
             from.role,
             !kIsFrozen<L>,
             turned,
             turned ? from.cols : from.rows,
             turned ? padded<S>(from.rows) : stride};
    plan.params += block.size();
    plan.weights += from.rows * from.cols;
  }
  plan.first_block[node + 1] = next_block;
  plan.buffer_offset[node] = plan.buffers;
  plan.buffers += padded<S>(buffers_of<L, In>());
  plan.buffer_offset[node + 1] = plan.buffers;
  plan.tensor[node + 1] = {Out::kPositions, Out::kChannels, padded<S>(Out::kChannels), node + 1, 0};
  ++plan.tensor[NodeType::kFrom].consumers;
  if constexpr (NodeType::kSkip >= 0) ++plan.tensor[NodeType::kSkip].consumers;
  bool upstream = plan.needs_delta[NodeType::kFrom];
  if constexpr (NodeType::kSkip >= 0) upstream = upstream || plan.needs_delta[NodeType::kSkip];
  plan.needs_delta[node + 1] = upstream || (kList.kCount > 0 && !kIsFrozen<L>);
}

template <class L>
inline constexpr bool kForgetsOutput = kIsAffine<L> || requires {
  requires L::kForgetsOutput;
};

// An activation whose derivative needs its output only shares its input's memory, if nobody else needs that input:
// neither another reader nor the node that made it (affine layers, norms and joins do not look at their output again). So does
// another shape of a tensor without pads; of the user's input only if a node reads it, for outputs have pads.
template <class NodeType, class Plan>
EMMY_INLINE constexpr void share(Plan& plan, int node, const bool* forgets_output) {
  constexpr int kFrom = NodeType::kFrom;
  const PlannedTensor& from = plan.tensor[kFrom];
  PlannedTensor& to = plan.tensor[node + 1];
  if (from.consumers != 1) return;
  if (kWorksInPlace<typename NodeType::layer> && kFrom > 0 && forgets_output[kFrom > 0 ? kFrom - 1 : 0])
    to.root = kFrom;
  if (kIsReshape<typename NodeType::layer> && from.stride == from.channels &&
      (from.root > 0 ? to.stride == to.channels : to.consumers > 0)) {
    to.root = from.root;
    to.stride = to.channels;
  }
}

template <class Net, class... N>
consteval auto make_plan(Nodes<N...> nodes) {
  using S = typename Net::scalar;
  NetPlan<sizeof...(N), count_blocks(nodes)> plan{};
  plan.tensor[0] = {Net::input::kPositions, Net::input::kChannels, Net::input::kChannels, 0, 0};
  int node = 0, next_block = 0;
  (add_node<S, N>(plan, node++, next_block), ...);
  node = 0;
  const bool forgets_output[] = {kForgetsOutput<typename N::layer>...};
  (share<N>(plan, node++, forgets_output), ...);
  return plan;
}

}  // namespace detail

template <class Net>
inline constexpr auto kPlan = detail::make_plan<Net>(typename Net::nodes{});

// Is any of its weights a product?
template <class Net>
inline constexpr bool kHasFactors = [] {
  for (const PlannedBlock& block : kPlan<Net>.block)
    if (block.role == Role::factor) return true;
  return false;
}();

// ---- the arena of activations: one offset for each value, chosen so that values alive together do not overlap

template <int NodeCount>
struct Arena {
  int act[NodeCount + 1] = {};    // tensors (0 is the user's input: unused)
  int delta[NodeCount + 1] = {};  // their gradients (training)
  int kept[NodeCount] = {};       // what a layer keeps from forward to update
  int work[NodeCount] = {};       // what it needs within one backward call
  int scalars = 0;
};

namespace detail {

// One value: alive from event `from` to event `to`, both included.
struct Lifetime {
  int size, from, to, offset;
};

// First fit in the order given: the lowest offset that overlaps no placed value alive at the same time.
EMMY_INLINE constexpr int place(Lifetime* value, int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) {
    int at = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (int j = 0; j < i; ++j) {
        const bool together = value[j].from <= value[i].to && value[i].from <= value[j].to;
        const bool overlap = value[j].offset < at + value[i].size && at < value[j].offset + value[j].size;
        if (together && overlap) {
          at = value[j].offset + value[j].size;
          moved = true;
        }
      }
    }
    value[i].offset = at;
    total = at + value[i].size > total ? at + value[i].size : total;
  }
  return total;
}

template <class L, class S, class InShape, int Batch>
consteval int kept_of() {
  if constexpr (requires { L::template kKept<S, InShape, Batch>; })
    return padded<S>(L::template kKept<S, InShape, Batch>);
  else return 0;
}
template <class L, class S, class InShape, int Batch>
consteval int work_of() {
  if constexpr (is_narrow<S, L>(InShape::kChannels)) return 0;
  else if constexpr (requires { L::template kWork<S, InShape, Batch>; })
    return padded<S>(L::template kWork<S, InShape, Batch>);
  else return 0;
}

// Events: forward of node i is event i, the loss n, backward of node i is 2n - i, all updates 2n + 1.
template <class Net, int Batch, bool Training, class... N>
consteval auto make_arena(Nodes<N...>) {
  using S = typename Net::scalar;
  constexpr auto plan = kPlan<Net>;
  constexpr int n = plan.kNodes;
  constexpr int kUpdate = 2 * n + 1;
  Lifetime value[4 * n + 4] = {};
  int act_value[n + 1] = {}, delta_value[n + 1] = {}, kept_value[n + 1] = {}, work_value[n + 1] = {}, count = 0;
  // How long a tensor is read: by its consumers; in training until the update (deltas and inputs form the gradient).
  int last[n + 1] = {};
  const int from[] = {N::kFrom...}, skip[] = {N::kSkip...};
  constexpr bool forgets_output[] = {kForgetsOutput<typename N::layer>...};
  for (int i = 0; i < n; ++i) {
    const int root = plan.tensor[from[i]].root;
    last[root] = i > last[root] ? i : last[root];
    if (skip[i] >= 0) last[plan.tensor[skip[i]].root] = i;
  }
  last[plan.tensor[n].root] = Training ? kUpdate : n;
  for (int t = 1; t <= n; ++t) {
    if (plan.tensor[t].root != t) continue;
    const int size = Batch * plan.tensor[t].positions * plan.tensor[t].stride;
    act_value[t] = count;
    value[count++] = {size, t - 1, Training ? kUpdate : last[t], 0};
    // The loss turns outputs into their gradient, in place unless the last layer still wants to see them.
    if (Training && t == n && forgets_output[n - 1]) {
      delta_value[t] = act_value[t];
    } else if (Training) {
      const bool needed = plan.needs_delta[t] || t == plan.tensor[n].root;  // the loss writes the last one in any case
      delta_value[t] = count;
      value[count++] = {needed ? size : 0, n, kUpdate, 0};
    }
  }
  const int kept[] = {kept_of<typename N::layer, S, typename N::in, Batch>()...};
  constexpr bool makes_deltas[] = {kMakesDeltas<typename N::layer>...};
  const int work[] = {work_of<typename N::layer, S, typename N::in, Batch>()...};
  for (int i = 0; i < n; ++i) {
    kept_value[i] = count;
    value[count++] = {kept[i], i, Training ? kUpdate : i, 0};
    if (Training) {
      work_value[i] = count;
      const bool works = plan.needs_delta[from[i]] || (makes_deltas[i] && plan.needs_delta[i + 1]);
      value[count++] = {works ? work[i] : 0, 2 * n - i, 2 * n - i, 0};
    }
  }
  Arena<n> arena{};
  arena.scalars = place(value, count);
  for (int t = 1; t <= n; ++t) {
    const int root = plan.tensor[t].root;
    arena.act[t] = value[act_value[root]].offset;
    if (Training) arena.delta[t] = value[delta_value[root]].offset;
  }
  for (int i = 0; i < n; ++i) {
    arena.kept[i] = value[kept_value[i]].offset;
    if (Training) arena.work[i] = value[work_value[i]].offset;
  }
  return arena;
}

template <class Net, class... N>
consteval int invariants_before(int node, Nodes<N...>) {
  int count = 0, at = 0;
  ((count += at++ < node && kIsScaleInvariant<typename N::layer> && kPlan<Net>.needs_delta[N::kFrom]
                 ? (kIsUnitInvariant<typename N::layer> ? N::in::kChannels : 1)
                 : 0),
   ...);
  return count;
}
template <class... N>
consteval bool mixes_samples(Nodes<N...>) {
  return (kIsMixingSamples<typename N::layer> || ...);
}
}  // namespace detail

// How much there is before node Before that does not see its scale, and whose layer makes its gradient: inputs of layers, or
// channels of them (kUnitInvariant).
template <class Net, int Before = Net::kNodes>
inline constexpr int kInvariants = detail::invariants_before<Net>(Before, typename Net::nodes{});

// Does training make one sample of others?
template <class Net>
inline constexpr bool kMixesSamples = detail::mixes_samples(typename Net::nodes{});

template <class Net, int Batch, bool Training>
inline constexpr auto kArena = detail::make_arena<Net, Batch, Training>(typename Net::nodes{});

}  // namespace emmy
