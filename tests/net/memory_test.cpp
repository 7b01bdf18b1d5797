// emmy/net/memory.hpp: the four objects, their sizes, and logical access to weights.
#include <emmy/net/memory.hpp>
#include <emmy/train/trainer.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <type_traits>

namespace {

using emmy::Dense;
using emmy::Input;
using emmy::Layer;
using emmy::NoBias;
using emmy::Relu;

struct Body;
struct Head;
using Demo = emmy::Net<Input<64>, Dense<32>, Relu, Dense<10>>;
using Tagged = emmy::Net<emmy::Scalar<double>, Input<5>, emmy::Named<Body, Dense<9, NoBias>>, Relu,
                         emmy::Residual<Dense<9>>, emmy::Named<Head, Dense<3>>>;

// Each logical weight has a place of its own within its block, and the accessors find it whatever the packing.
template <class Net, class Site>
void check_access(emmy::Params<Net>& params, int block, std::set<const void*>& seen) {
  const auto& b = emmy::kPlan<Net>.block[block];
  const emmy::Params<Net>& constant = params;
  for (int in = 0; in < b.rows; ++in) {
    for (int out = 0; out < b.cols; ++out) {
      auto* at = b.role == emmy::Role::bias ? nullptr : &params.template weight<Site>(out, in);
      const auto* same = b.role == emmy::Role::bias ? nullptr : &constant.template weight<Site>(out, in);
      if constexpr (requires { params.template bias<Site>(0); }) {
        if (b.role == emmy::Role::bias) {
          at = &params.template bias<Site>(out);
          same = &constant.template bias<Site>(out);
        }
      }
      EXPECT_EQ(at, params.data + b.at(in, out));
      EXPECT_EQ(at, same);
      EXPECT_TRUE(seen.insert(at).second);
    }
  }
}

TEST(Params, LogicalAccessFindsEveryWeightOnce) {
  static emmy::Params<Demo> params{};
  std::set<const void*> seen;
  check_access<Demo, Layer<0>>(params, 0, seen);
  check_access<Demo, Layer<0>>(params, 1, seen);
  check_access<Demo, Layer<2>>(params, 2, seen);
  check_access<Demo, Layer<2>>(params, 3, seen);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(emmy::kPlan<Demo>.weights));
}

TEST(Params, TagsPositionsAndNestedLayersNameTheSame) {
  static emmy::Params<Tagged> params{};
  EXPECT_EQ(&(params.weight<Body>(8, 4)), &(params.weight<Layer<0>>(8, 4)));
  EXPECT_EQ(&(params.weight<Body>(8, 4)), params.data + 4 * 16 + 8);
  EXPECT_EQ(&(params.weight<Layer<2, 0>>(1, 2)), params.data + 5 * 16 + 2 * 16 + 1);
  EXPECT_EQ(&(params.bias<Layer<2, 0>>(3)), params.data + 5 * 16 + 9 * 16 + 3);
  EXPECT_EQ(&(params.bias<Head>(2)), &(params.bias<Layer<3>>(2)));
}

constexpr std::size_t kPad = emmy::kPadBytes;
constexpr std::size_t up(std::size_t bytes) { return (bytes + kPad - 1) / kPad * kPad; }

TEST(Sizes, AreThoseOfThePlan) {
  static_assert(sizeof(emmy::Params<Demo>) == (emmy::kTurnsNarrow ? 9664 : 10432) &&  // 10 rows of 32, 32 of 16
                alignof(emmy::Params<Demo>) == kPad);
  static_assert(sizeof(emmy::Params<Tagged>) == static_cast<std::size_t>(emmy::kPlan<Tagged>.params) * 8);
  static_assert(sizeof(emmy::Gradient<Demo>) == sizeof(emmy::Params<Demo>));
  static_assert(sizeof(emmy::Scratch<Demo, 16, emmy::Train<emmy::Sgd>>) ==
                up(emmy::kArena<Demo, 16, true>.scalars * 4));
  static_assert(sizeof(emmy::Scratch<Demo, 1, emmy::Infer>) == 192);
  static_assert(std::is_empty_v<emmy::Buffers<Demo>>);
  // A net of activations alone has no weights, but an object of no size would be no object.
  using NoWeights = emmy::Net<Input<2, 17>, Relu>;
  static_assert(emmy::kPlan<NoWeights>.params == 0 && sizeof(emmy::Params<NoWeights>) == kPad &&
                sizeof(emmy::Gradient<NoWeights>) == kPad);
  // Plain SGD keeps the largest |w| of each block and no number a weight; momentum one a weight.
  static_assert(sizeof(emmy::State<Demo, emmy::Sgd>) <= 48);
  static_assert(sizeof(emmy::State<Demo, emmy::Momentum>) ==
                up(sizeof(emmy::Largest<Demo, true>)) + sizeof(emmy::Params<Demo>));
  static_assert(sizeof(emmy::State<Demo, emmy::ClipByNorm<emmy::Nesterov>>) ==
                sizeof(emmy::State<Demo, emmy::Momentum>));
  SUCCEED();
}

template <class Rule>
constexpr bool trainer_is_its_parts() {
  using T = emmy::Trainer<Demo, Rule, 16>;
  return sizeof(T) == sizeof(emmy::Params<Demo>) + up(sizeof(emmy::State<Demo, Rule>)) +
                          sizeof(emmy::Scratch<Demo, 16, emmy::Train<Rule>>);
}
TEST(Sizes, TrainerIsTheFourObjects) {
  static_assert(trainer_is_its_parts<emmy::Sgd>() && trainer_is_its_parts<emmy::Momentum>());
  SUCCEED();
}

// In static memory without a constructor to run, and plain enough to be written to a file.
constinit emmy::Trainer<Demo, emmy::Momentum, 16> trainer{};
constinit const emmy::Params<Demo> flash{};
TEST(Objects, AreConstantInitialisedAndPlain) {
  static_assert(std::is_trivially_copyable_v<decltype(trainer)> && std::is_standard_layout_v<emmy::Params<Demo>>);
  static_assert(std::is_trivially_destructible_v<decltype(trainer)>);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&trainer.params) % kPad, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&trainer.scratch) % kPad, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(trainer.state.buf) % kPad, 0u);
  for (const float v : flash.data) ASSERT_EQ(v, 0.0f);
  EXPECT_FALSE(trainer.state.largest.known());
}

}  // namespace
