// BlockSparse: from a parametrised net by snap, fold and pack_blocks to one without its zero blocks, the same function.
#include <emmy/net/init.hpp>
#include <emmy/net/pack.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/fold.hpp>
#include <emmy/parametrize/pack_blocks.hpp>
#include <emmy/parametrize/write_blocks.hpp>
#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>
#include <tests/support/drawn_blocks.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using emmy::Layer;
using emmy::Status;

constexpr int kIn = 12, kHidden = 10, kOut = 5, kBatch = 3;
using First = support::DrawnBlocks<kIn, kHidden, 45>;
using Second = support::DrawnBlocks<kHidden, kOut, 70>;

template <class S>
struct Nets {
  using Trained =
      emmy::Net<emmy::Scalar<S>, emmy::Input<kIn>, emmy::Parametrized<emmy::Dense<kHidden>, emmy::ProductByBlock<4>>,
                emmy::Tanh, emmy::Parametrized<emmy::Dense<kOut, emmy::NoBias>, emmy::ProductByBlock<4>>>;
  using Plain = emmy::plain_of<Trained>;
  using Packed = emmy::Net<emmy::Scalar<S>, emmy::Input<kIn>, emmy::BlockSparse<kHidden, First>, emmy::Tanh,
                           emmy::BlockSparse<kOut, Second, emmy::NoBias>>;
};

// What training and its certificate leave: groups outside the pattern snapped, then folded.
template <class Site, class Pattern, class Net, class Rule>
void snap_outside(emmy::Params<Net>& params, emmy::State<Net, Rule>& state, int inputs) {
  for (int i = 0; i < inputs; ++i)
    for (int row = 0; row < Pattern::kRows; ++row)
      if (!Pattern::has(row, i)) emmy::snap<Site>(params, state, i * Pattern::kRows + row);
}
template <class S>
emmy::Params<typename Nets<S>::Plain> folded() {
  using Trained = typename Nets<S>::Trained;
  static emmy::Params<Trained> params;
  static emmy::State<Trained, emmy::BasicSgd<S>> state;
  emmy::Pcg32 rng{5};
  emmy::init(params, rng);
  for (int o = 0; o < kHidden; ++o) params.template bias<Layer<0>>(o) = static_cast<S>(0.1 * o - 0.4);
  snap_outside<Layer<0>, First>(params, state, kIn);
  snap_outside<Layer<2>, Second>(params, state, kHidden);
  emmy::Params<typename Nets<S>::Plain> plain{};
  emmy::fold(params, plain);
  return plain;
}

template <class S>
class BlockSparse : public testing::Test {};
TYPED_TEST_SUITE(BlockSparse, support::Scalars);

template <class Net, class S>
std::vector<S> outputs(const emmy::Params<Net>& params, const std::vector<S>& x) {
  emmy::Buffers<Net> none;
  emmy::Scratch<Net, kBatch, emmy::Infer> scratch;
  std::vector<S> y(kBatch * kOut);
  EXPECT_EQ((emmy::infer<Net, kBatch>(params, none, scratch, x.data(), y.data())), Status::ok);
  return y;
}

TYPED_TEST(BlockSparse, IsTheFoldedNet) {
  using S = TypeParam;
  using Packed = typename Nets<S>::Packed;
  const auto plain = folded<S>();
  std::uint8_t count[First::kRows];
  std::uint16_t input[First::kBlocks];
  ASSERT_EQ(emmy::block_pattern<Layer<0>>(plain, count, static_cast<std::uint16_t*>(nullptr)), First::kBlocks);
  ASSERT_EQ(emmy::block_pattern<Layer<0>>(plain, count, input), First::kBlocks);
  EXPECT_TRUE(std::equal(std::begin(count), std::end(count), First::kCount));
  EXPECT_TRUE(std::equal(std::begin(input), std::end(input), First::kInput));

  emmy::Params<Packed> packed;
  std::memset(&packed, 0x5a, sizeof packed);
  ASSERT_EQ(emmy::pack_blocks(plain, packed), Status::ok);
  std::vector<S> x(kBatch * kIn);
  support::Random random(3);
  for (S& v : x) v = static_cast<S>(random());
  const auto y = outputs(packed, x), wanted = outputs(plain, x);
  for (std::size_t k = 0; k < y.size(); ++k)
    EXPECT_NEAR(static_cast<double>(y[k]), static_cast<double>(wanted[k]), 64 * support::kRoundoff<S>) << k;
  EXPECT_LT(emmy::kPlan<Packed>.weights, emmy::kPlan<typename Nets<S>::Plain>.weights);
}

TYPED_TEST(BlockSparse, PackedFromArraysIsTheSame) {
  using S = TypeParam;
  using Packed = typename Nets<S>::Packed;
  const auto plain = folded<S>();
  emmy::Params<Packed> packed{};
  ASSERT_EQ(emmy::pack_blocks(plain, packed), Status::ok);
  S first[4 * First::kBlocks] = {}, second[4 * Second::kBlocks] = {}, bias[kHidden];
  const auto take = [&]<class Pattern, class Site>(Pattern, Site, int inputs, int outs, S* blocks) {
    for (int row = 0, k = 0; row < Pattern::kRows; ++row)
      for (int i = 0; i < inputs; ++i) {
        if (!Pattern::has(row, i)) continue;
        for (int c = 0; c < 4 && 4 * row + c < outs; ++c)
          blocks[4 * k + c] = plain.template weight<Site>(4 * row + c, i);
        ++k;
      }
  };
  take(First{}, Layer<0>{}, kIn, kHidden, first);
  take(Second{}, Layer<2>{}, kHidden, kOut, second);
  for (int o = 0; o < kHidden; ++o) bias[o] = plain.template bias<Layer<0>>(o);
  const emmy::Params<Packed> from =
      emmy::packed<Packed>(emmy::in_order<First>(first).at, bias, emmy::in_order<Second>(second).at);
  for (int i = 0; i < emmy::kPlan<Packed>.params; ++i) ASSERT_EQ(from.data[i], packed.data[i]) << i;
}

TYPED_TEST(BlockSparse, RefusesAWeightOutsideItsPattern) {
  using S = TypeParam;
  auto plain = folded<S>();
  int i = 0;
  while (First::has(2, i)) ++i;
  plain.template weight<Layer<0>>(9, i) = S(0x1p-20);
  emmy::Params<typename Nets<S>::Packed> packed, before;
  std::memset(&packed, 0x5a, sizeof packed);
  std::memset(&before, 0x5a, sizeof before);
  EXPECT_EQ(emmy::pack_blocks(plain, packed), Status::does_not_fit);
  EXPECT_EQ(std::memcmp(&packed, &before, sizeof packed), 0);
}

TEST(WriteBlocks, IsAPatternAndItsWeights) {
  // Two inputs, five outputs: of outputs 0-3 input 1, of output 4 both.
  emmy::Params<emmy::Net<emmy::Input<2>, emmy::Dense<5>>> params{};
  params.weight<Layer<0>>(3, 1) = -0.75f;
  params.weight<Layer<0>>(4, 0) = 1e-3f;
  params.weight<Layer<0>>(4, 1) = 0x1p-130f;
  std::string text;
  const auto sink = [&](const char* piece, std::size_t length) { text.append(piece, length); };
  EXPECT_EQ(emmy::write_blocks<Layer<0>>("P", "kW", params, sink), 3);
  EXPECT_EQ(text,
            "struct P {  // 3 of 4 blocks\n"
            "  static constexpr std::uint8_t kCount[2] = {\n    1, 2};\n"
            "  static constexpr std::uint8_t kInput[3] = {\n    1, 0, 1};\n"
            "};\n"
            "inline constexpr float kW[12] = {\n"
            "    0, 0, 0, -0x1.800000p-1f,\n"
            "    0x1.0624dep-10f, 0, 0, 0,\n"
            "    0x0.100000p-126f, 0, 0, 0};\n");
  for (const double v : {0.1, -3e-310, 1.7e308}) {
    text.clear();
    EXPECT_EQ(emmy::write_blocks("P", "kW", &v, 1, 1, 1, sink), 1);
    EXPECT_EQ(std::strtod(text.c_str() + text.find("kW[4] = {\n    ") + 14, nullptr), v) << text;
  }
  text.clear();
  const float none = 0;
  EXPECT_EQ(emmy::write_blocks("P", "kW", &none, 1, 1, 1, sink), 0);
  EXPECT_NE(text.find("kInput[1] = {0};"), std::string::npos) << text;
  EXPECT_NE(text.find("kW[4] = {0};"), std::string::npos) << text;
}

}  // namespace
