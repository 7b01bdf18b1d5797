// emmy/net/plan.hpp: blocks, and an arena where nothing that is alive at the same time overlaps. When a value is alive
// is worked out here by itself, from what each node reads and writes.
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/layers/frozen.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/product.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using emmy::Dense;
using emmy::Frozen;
using emmy::Input;
using emmy::NoBias;
using emmy::Relu;
using emmy::Residual;
using emmy::Tanh;

// ---- a net as plain facts

struct NodeFacts {
  int from, skip, out_positions, out_channels;
  bool weighted, trained, affine;
  int kept, work;  // scalars, before padding
};

template <class Net, int Batch>
std::vector<NodeFacts> facts_of() {
  std::vector<NodeFacts> facts;
  [&]<class... N>(emmy::Nodes<N...>) {
    const auto add = [&]<class Node>(Node) {
      using L = typename Node::layer;
      using In = typename Node::in;
      using S = typename Net::scalar;
      NodeFacts f{Node::kFrom,          Node::kSkip, Node::out::kPositions,
                  Node::out::kChannels, false,       false,
                  emmy::kIsAffine<L>,   0,           0};
      f.weighted = decltype(emmy::blocks_of<L, In>())::kCount > 0;
      f.trained = f.weighted && !emmy::kIsFrozen<L>;
      if constexpr (requires { L::template kKept<S, In, Batch>; }) f.kept = L::template kKept<S, In, Batch>;
      if constexpr (requires { L::template kWork<S, In, Batch>; }) f.work = L::template kWork<S, In, Batch>;
      if (emmy::is_narrow<S, L>(In::kChannels)) f.work = 0;  // nothing is transposed
      facts.push_back(f);
    };
    (add(N{}), ...);
  }(typename Net::nodes{});
  return facts;
}

// Is there a trained weight before tensor t?
bool trains_before(const std::vector<NodeFacts>& nodes, int t) {
  if (t <= 0) return false;
  const NodeFacts& maker = nodes[static_cast<std::size_t>(t - 1)];
  return maker.trained || trains_before(nodes, maker.from) || trains_before(nodes, maker.skip);
}

// A range of scalars and the events, first and last, between which somebody relies on it.
struct Value {
  std::string name;
  int offset, size, first, last, memory;  // values with the same memory >= 0 share it on purpose
};

// Events: forward of node i is i, the loss n, backward of node i 2n - i, then inspection and update 2n + 1.
template <class Net, int Batch, bool Training>
std::vector<Value> values_of() {
  using S = typename Net::scalar;
  constexpr auto arena = emmy::kArena<Net, Batch, Training>;
  constexpr auto& plan = emmy::kPlan<Net>;
  const auto nodes = facts_of<Net, Batch>();
  const int n = static_cast<int>(nodes.size()), end = 2 * n + 1;
  std::vector<Value> values;
  for (int t = 1; t <= n; ++t) {
    const NodeFacts& maker = nodes[static_cast<std::size_t>(t - 1)];
    const int size = Batch * maker.out_positions * emmy::padded<S>(maker.out_channels);
    int last_read = t == n ? n : t - 1;
    for (int i = 0; i < n; ++i) {
      const NodeFacts& reader = nodes[static_cast<std::size_t>(i)];
      if ((reader.from == t || reader.skip == t) && i > last_read) last_read = i;
    }
    // The loss writes its gradient over outputs that their maker does not look at again; apart from those, training
    // inspects every activation and delta before it updates.
    const bool becomes_delta = Training && t == n && (maker.affine || maker.skip >= 0);
    if (becomes_delta) {
      EXPECT_EQ(arena.delta[t], arena.act[t]);
    }
    values.push_back({"activation " + std::to_string(t), arena.act[t], size, t - 1,
                      Training && !becomes_delta ? end : last_read, plan.tensor[t].root});
    if (Training && (trains_before(nodes, t) || t == n)) {
      values.push_back({"delta " + std::to_string(t), arena.delta[t], size, n, end,
                        (becomes_delta ? 0 : 1000) + plan.tensor[t].root});
    }
  }
  for (int i = 0; i < n; ++i) {
    const NodeFacts& f = nodes[static_cast<std::size_t>(i)];
    if (f.kept > 0) values.push_back({"kept " + std::to_string(i), arena.kept[i], f.kept, i, Training ? end : i, -1});
    if (Training && f.work > 0 && trains_before(nodes, f.from))
      values.push_back({"work " + std::to_string(i), arena.work[i], f.work, 2 * n - i, 2 * n - i, -1});
  }
  return values;
}

template <class Net, int Batch, bool Training>
void check_arena() {
  const auto values = values_of<Net, Batch, Training>();
  const int total = emmy::kArena<Net, Batch, Training>.scalars;
  int sum = 0;
  for (std::size_t a = 0; a < values.size(); ++a) {
    const Value& v = values[a];
    EXPECT_GE(v.offset, 0) << v.name;
    EXPECT_LE(v.offset + v.size, total) << v.name;
    EXPECT_EQ(v.offset % (emmy::kPadBytes / static_cast<int>(sizeof(typename Net::scalar))), 0)
        << v.name << " is aligned";
    sum += v.size;
    for (std::size_t b = 0; b < a; ++b) {
      const Value& w = values[b];
      if (v.memory >= 0 && v.memory == w.memory) continue;
      const bool together = v.first <= w.last && w.first <= v.last,
                 overlap = v.offset < w.offset + w.size && w.offset < v.offset + v.size;
      EXPECT_FALSE(together && overlap) << v.name << " and " << w.name << ", batch " << Batch
                                        << (Training ? ", training" : ", inference");
    }
  }
  EXPECT_LE(total, sum + static_cast<int>(values.size()) * 16) << "not more than everything side by side";
  // Nothing smaller can do: at some event this much is in use.
  int busiest = 0;
  for (int event = 0; event <= 2 * Net::kNodes + 1; ++event) {
    int used = 0;
    for (const Value& v : values) {
      const bool first_of_its_memory = v.memory < 0 || [&] {
        for (const Value& w : values) {
          if (w.memory == v.memory) return &w == &v;
        }
        return true;
      }();
      if (first_of_its_memory && v.first <= event && event <= v.last) used += v.size;
    }
    busiest = used > busiest ? used : busiest;
  }
  EXPECT_GE(total, busiest);
}

template <class N>
class Plan : public testing::Test {};
using Nets = testing::Types<
    emmy::Net<Input<64>, Dense<32>, Relu, Dense<10>>,                                                            //
    emmy::Net<Input<7>, Dense<9>, Relu, Dense<5>, Tanh, Dense<40>, Relu, Dense<3>>,                              //
    emmy::Net<emmy::Scalar<double>, Input<5>, Relu, Dense<9>, Relu, Relu, Dense<5>, emmy::PowerRelu<2>, Tanh>,   //
    emmy::Net<Input<3, 5>, Dense<6>, Residual<Dense<11>, Relu, Dense<6>>, Relu, Dense<2>>,                       //
    emmy::Net<Input<6>, Residual<Residual<Dense<6>, Tanh>, Relu>, Residual<Relu, Dense<6>>, Dense<2>>,           //
    emmy::Net<Input<6>, Frozen<Dense<50>>, Relu, Frozen<Dense<33, NoBias>>, Dense<20>, Relu, Frozen<Dense<3>>>,  //
    emmy::Net<Input<6>, Frozen<Dense<5>>, Relu>,                                                                 //
    emmy::Net<Input<9>, emmy::Parametrized<Dense<20>, emmy::Product>, Relu,
              emmy::Parametrized<Dense<4>, emmy::ProductByInput>, Relu,
              emmy::Parametrized<Dense<3, NoBias>, emmy::ProductByOutput>>>;
TYPED_TEST_SUITE(Plan, Nets);

TYPED_TEST(Plan, NothingAliveOverlaps) {
  check_arena<TypeParam, 1, true>();
  check_arena<TypeParam, 3, true>();
  check_arena<TypeParam, 1, false>();
  check_arena<TypeParam, 16, false>();
}

TYPED_TEST(Plan, DeltasReachExactlyWhereAWeightTrains) {
  const auto nodes = facts_of<TypeParam, 1>();
  for (int t = 0; t <= TypeParam::kNodes; ++t)
    EXPECT_EQ(emmy::kPlan<TypeParam>.needs_delta[t], trains_before(nodes, t)) << t;
}

// Blocks follow each other, rows are padded, and nothing but blocks is in Params.
TYPED_TEST(Plan, BlocksFillTheParameters) {
  using S = typename TypeParam::scalar;
  constexpr auto& plan = emmy::kPlan<TypeParam>;
  int at = 0, weights = 0;
  for (int b = 0; b < plan.kBlocks; ++b) {
    const auto& block = plan.block[b];
    EXPECT_EQ(block.offset, at);
    EXPECT_EQ(block.stride, block.turned ? 1 : emmy::padded<S>(block.cols));
    EXPECT_EQ(block.size(), block.turned ? block.cols * emmy::padded<S>(block.rows) : block.rows * block.stride);
    EXPECT_TRUE(!block.turned || block.cols == 1 || (emmy::kTurnsNarrow && block.width == block.rows));
    EXPECT_GE(b, plan.first_block[block.node]);
    EXPECT_LT(b, plan.first_block[block.node + 1]);
    at += block.size();
    weights += block.rows * block.cols;
  }
  EXPECT_EQ(plan.params, at);
  EXPECT_EQ(plan.weights, weights);
}

// An activation shares memory with its input exactly where nobody else needs that input.
TEST(PlanInPlace, OnlyWhereNobodyNeedsTheInput) {
  const auto root = []<class Net>(Net, int t) { return emmy::kPlan<Net>.tensor[t].root; };
  using Chain = emmy::Net<Input<5>, Relu, Dense<9>, Relu, Tanh, Dense<5>, emmy::PowerRelu<2>, Dense<3>, emmy::Sigmoid>;
  EXPECT_EQ(root(Chain{}, 1), 1) << "the user's input is not ours to write";
  EXPECT_EQ(root(Chain{}, 3), 2) << "after Dense";
  EXPECT_EQ(root(Chain{}, 4), 4) << "the Relu before still needs its output";
  EXPECT_EQ(root(Chain{}, 6), 6) << "a derivative from the input";
  EXPECT_EQ(root(Chain{}, 8), 7);
  using Skip = emmy::Net<Input<5>, Dense<6>, Residual<Relu, Dense<6>>, Relu, Dense<2>>;
  EXPECT_EQ(root(Skip{}, 2), 2) << "the skip reads it too";
  EXPECT_EQ(root(Skip{}, 5), 4) << "after a sum";
}

// The figures of the demo, worked out by hand.
TEST(PlanSizes, OfTheDemo) {
  using Demo = emmy::Net<Input<64>, Dense<32>, Relu, Dense<10>>;
  constexpr int kTurned = emmy::kTurnsNarrow ? 1 : 0;  // ten outputs are columns then, which need no W^T
  static_assert(emmy::kPlan<Demo>.params == 64 * 32 + 32 + (kTurned ? 10 * 32 : 32 * 16) + 16 &&
                emmy::kPlan<Demo>.weights == 64 * 32 + 32 + 320 + 10);
  static_assert(emmy::kArena<Demo, 1, false>.scalars == 32 + 16);
  static_assert(emmy::kArena<Demo, 16, true>.scalars == 16 * (32 + 32 + 16) + (kTurned ? 0 : 10 * 32),
                "hidden values, their deltas, outputs that become deltas, and W^T of the second layer");
  static_assert(emmy::kArena<Demo, 1, true>.scalars == 32 + 32 + 16, "one row needs no W^T");
  // Three layers of inference need the memory of two.
  using Deep = emmy::Net<Input<8>, Dense<32>, Relu, Dense<32>, Relu, Dense<32>, Relu, Dense<32>>;
  static_assert(emmy::kArena<Deep, 1, false>.scalars == 64);
  // No delta and no W^T below the last layer that trains.
  using Top = emmy::Net<Input<8>, Frozen<Dense<32>>, Relu, Frozen<Dense<32>>, Relu, Dense<16>>;
  static_assert(emmy::kArena<Top, 1, true>.scalars == 32 + 32 + 16);
  SUCCEED();
}

}  // namespace
