// Strict text: the same weights, bit for bit, on every target. The hashes below are those of all of them.
#include <emmy/net/hash.hpp>
#include <emmy/net/init.hpp>
#include <emmy/simd/strict.hpp>
#include <emmy/train/trainer.hpp>

#include <cstdint>
#include <cstdio>

#include <gtest/gtest.h>

#if !defined(EMMY_STRICT)
#error "compile this test with EMMY_STRICT"
#endif

namespace {

using namespace emmy;  // the names of nets and rules

using Digits = Net<Input<64>, Dense<32>, Relu, Dense<10>>;
// Widths that fill no vector, factors and weights of a norm with sums of their own, and a clip that sums over everything.
using Mixed = Net<Input<7>, Parametrized<Dense<9>, ProductByInput>, Tanh, Dense<5>, LeakyRelu<1, 8>,
                  Parametrized<Dense<3>, WeightNorm>>;
// Windows on rows with and without pads.
using Sensors = Net<Input<18, 6>, Conv1d<16, 5>, Relu, MaxPool<2>, Conv1d<5, 3>, Relu, MaxPool<2>, Flatten, Dense<6>>;

// Windows of fewer taps at the edges of an image, a stride, a depthwise convolution.
using Picture = Net<Input<6, 5, 2>, Conv2d<5, 3, 3, Same>, Relu, DepthwiseConv2d<3, 3, Padding<1>>, Relu,
                    Conv2d<4, 3, 2, Stride<2>, Padding<1>>, Relu, AvgPool<2>, Flatten, Dense<4>>;

// Heads of columns that fill no vector, turned and masked or not.
using Heads =
    Net<Input<5, 4>, Attention<2, 6, Rope<>, Causal, OutputChannels<7>>, Relu, Attention<1, 5>, Last, Dense<3>>;

template <class N, int Batch, class Rule>
std::uint64_t hash_after(int steps, const Rule& rule) {
  static Trainer<N, Rule, Batch> trainer;
  trainer = {};
  Pcg32 rng{20261121};
  init(trainer.params, rng);
  float x[Batch * N::kInputs];
  int label[Batch];
  for (int k = 0; k < steps; ++k) {
    for (float& v : x) v = 2.0f * rng.uniform() - 1.0f;
    // A rule that can be learnt: the larger of the inputs decides.
    for (int r = 0; r < Batch; ++r) {
      label[r] = 0;
      for (int o = 1; o < N::kOutputs; ++o)
        if (x[r * N::kInputs + o] > x[r * N::kInputs + label[r]]) label[r] = o;
    }
    EXPECT_EQ(trainer.step(x, label, CrossEntropy{}, rule).status, Status::ok);
  }
  const std::uint64_t hash = weight_hash(trainer.params);
  std::printf("0x%016llx\n", static_cast<unsigned long long>(hash));
  return hash;
}

TEST(Strict, ArithmeticIsStrict) { EXPECT_TRUE(strict_ok()); }

TEST(Strict, SgdOneSample) { EXPECT_EQ((hash_after<Digits, 1>(5000, Sgd{0.02f, 1e-4f})), 0x3aadb21ff6c95103ULL); }
TEST(Strict, MomentumOneSample) {
  EXPECT_EQ((hash_after<Digits, 1>(5000, Momentum{0.01f, 0.9f, 1e-4f, 0.0f})), 0x717e140032dd87c5ULL);
}
TEST(Strict, MomentumSixteenSamples) {
  EXPECT_EQ((hash_after<Digits, 16>(1000, Momentum{0.05f, 0.9f, 1e-4f, 0.1f})), 0xf26e8d885bcc33d7ULL);
}
TEST(Strict, ClippedFactors) {
  EXPECT_EQ((hash_after<Mixed, 1>(5000, ClipByNorm<MomentumW>{{0.05f, 0.9f, 1e-3f, 0.0f}, 0.3f})),
            0x3fc3a66fac1aba2dULL);
}
TEST(Strict, Convolutions) {
  EXPECT_EQ((hash_after<Sensors, 4>(500, Momentum{0.02f, 0.9f, 1e-4f, 0.1f})), 0x1bb5e45ea09ba479ULL);
}
TEST(Strict, ConvolutionsOfImages) {
  EXPECT_EQ((hash_after<Picture, 4>(500, Momentum{0.02f, 0.9f, 1e-4f, 0.1f})), 0x7c1e8fb9ba6b0d76ULL);
}
TEST(Strict, Attention) {
  EXPECT_EQ((hash_after<Heads, 3>(500, Momentum{0.02f, 0.9f, 1e-4f, 0.1f})), 0x7812582a73bcad64ULL);
}

}  // namespace
