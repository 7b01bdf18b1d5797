// emmy/kernels/block_sparse.hpp: products with blocks of four outputs, against plain double loops with the zeros.
#include <emmy/kernels/block_sparse.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/dense.hpp>
#include <tests/support/drawn_blocks.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

using support::absolute;
using support::allowed;
using support::DrawnBlocks;
using support::Fenced;
using support::fill;
using support::fill_padded;
using support::Random;
using support::unpadded;

template <class T>
class BlockSparse : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(BlockSparse, Types);

// y = activation(x W + b), the row of x `Stride` apart; what is between rows and the four weights beyond the last output are poison.
template <class T, class Pattern, int Rows, int In, int Stride, int Out, bool Bias, class Activation>
void check(double (*curve)(double), std::size_t gap) {
  constexpr int kPad = emmy::padded<T>(Out), kBlocks = emmy::BlockTable<Pattern>::kBlocks;
  ASSERT_TRUE((emmy::fits<Pattern>(In, Out)));
  Random random(In * 1000 + Out);
  Fenced<T> x((Rows - 1) * Stride + In, gap), w(4 * kBlocks, gap), b(Bias ? kPad : 0), y(Rows * kPad);
  for (int r = 0; r < Rows; ++r) fill(x.data() + r * Stride, In, random);
  fill_padded(b.data(), Bias ? 1 : 0, Out, kPad, random);
  std::vector<double> dense(In * Out);
  for (int row = 0, k = 0; row < Pattern::kRows; ++row)
    for (int i = 0; i < In; ++i) {
      if (!Pattern::has(row, i)) continue;
      T* const block = w.data() + 4 * emmy::block_place<Pattern>(k++);
      for (int c = 0; c < 4 && 4 * row + c < Out; ++c) {
        block[c] = static_cast<T>(random());
        dense[static_cast<std::size_t>(i * Out + 4 * row + c)] = static_cast<double>(block[c]);
      }
    }
  emmy::block_sparse_forward<Pattern, Bias, Rows, In, Stride, Out>(
      static_cast<const T*>(x.data()), static_cast<const T*>(w.data()), static_cast<const T*>(b.data()), y.data(),
      Activation{});
  ASSERT_TRUE(x.intact() && w.intact() && b.intact() && y.intact());

  const auto xs = unpadded(x.data(), Rows, In, Stride), bs = unpadded(b.data(), Bias ? 1 : 0, Out, kPad);
  const auto xa = absolute(xs), wa = absolute(dense), ba = absolute(bs);
  std::vector<double> sum(Rows * Out), magnitude(Rows * Out);
  reference::dense_forward(sum.data(), xs.data(), dense.data(), Bias ? bs.data() : nullptr, Rows, In, Out);
  reference::dense_forward(magnitude.data(), xa.data(), wa.data(), Bias ? ba.data() : nullptr, Rows, In, Out);
  for (int r = 0; r < Rows; ++r)
    for (int o = 0; o < kPad; ++o) {
      const auto value = static_cast<double>(y[static_cast<std::size_t>(r * kPad + o)]);
      if (o >= Out) {
        ASSERT_EQ(value, 0.0) << "pad lane";
        continue;
      }
      const auto k = static_cast<std::size_t>(r * Out + o);
      const double wanted = curve(sum[k]);
      ASSERT_LE(std::fabs(value - wanted), allowed<T>(In + 1, magnitude[k]) + allowed<T>(6, std::fabs(wanted)))
          << In << ' ' << Out << " at " << r << ' ' << o;
    }
}

double same(double v) { return v; }
double relu(double v) { return v > 0 ? v : 0; }
double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }

template <class T, int In, int Percent, int... Out>
void check_outputs(std::integer_sequence<int, Out...>) {
  (check<T, DrawnBlocks<In, Out + 1, Percent>, 1 + Out % 2, In, In + Out % 3, Out + 1, Out % 3 != 0, emmy::Relu>(
       relu, Out % 16),
   ...);
}

TYPED_TEST(BlockSparse, EveryRemainderOfOutputs) {
  check_outputs<TypeParam, 7, 45>(std::make_integer_sequence<int, 9>{});
  check_outputs<TypeParam, 19, 60>(std::integer_sequence<int, 14, 15, 16, 31, 32>{});
}

TYPED_TEST(BlockSparse, EveryDensity) {
  using T = TypeParam;
  check<T, DrawnBlocks<5, 6, 0>, 2, 5, 5, 6, true, emmy::Identity>(same, 3);     // b alone
  check<T, DrawnBlocks<5, 6, 0>, 1, 5, 5, 6, false, emmy::Sigmoid>(sigmoid, 0);  // 1/2, pads 0
  check<T, DrawnBlocks<17, 10, 100>, 2, 17, 32, 10, true, emmy::Sigmoid>(sigmoid, 5);
  check<T, DrawnBlocks<1, 3, 100>, 1, 1, 1, 3, false, emmy::Identity>(same, 1);  // a single block
  check<T, DrawnBlocks<300, 5, 50>, 1, 300, 300, 5, true, emmy::Tanh>([](double v) { return std::tanh(v); }, 2);
}

// In the patterns of two and of three outputs' blocks: of no inputs, ascending, as many as it says.
struct Descending {
  static constexpr std::uint8_t kCount[] = {2}, kInput[] = {1, 0};
};
struct Beyond {
  static constexpr std::uint8_t kCount[] = {1, 1}, kInput[] = {1, 3};
};
struct TooMany {
  static constexpr std::uint8_t kCount[] = {1, 0}, kInput[] = {1, 2};
};
TEST(BlockPattern, FitsItsLayer) {
  EXPECT_FALSE(emmy::fits<Descending>(3, 4));
  EXPECT_FALSE(emmy::fits<Beyond>(3, 8));
  EXPECT_TRUE(emmy::fits<Beyond>(4, 8));
  EXPECT_TRUE(emmy::fits<Beyond>(4, 5));
  EXPECT_FALSE(emmy::fits<Beyond>(4, 4));
  EXPECT_FALSE(emmy::fits<TooMany>(3, 8));
}

}  // namespace
