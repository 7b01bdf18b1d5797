// emmy/kernels/avg_pool.hpp: the mean of each window, and its gradient.
#include <emmy/kernels/avg_pool.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/conv.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using support::Fenced;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;
using support::unpadded;

template <class T>
class AvgPool : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(AvgPool, Types);

using Values = std::vector<double>;

Values magnitudes(Values values) {
  for (double& v : values) v = std::fabs(v);
  return values;
}

// One size of the kernel: Stride of the rows of x that forward reads; Below a ReLU or nothing.
template <class T, int Batch, int Positions, int Window, int Channels, int Stride, class Below, bool kAdd>
void check(std::size_t gap) {
  constexpr int kRows = Positions / Window, kPad = emmy::padded<T>(Channels), kIn = Batch * Positions,
                kOut = Batch * kRows;
  Random random(static_cast<std::uint64_t>(Positions * 1000 + Window * 100 + Channels));
  // Rows of padded length come with their pads, others end at the fence.
  Fenced<T> x(static_cast<std::size_t>(Stride == kPad ? kIn * kPad : (kIn - 1) * Stride + Channels), gap);
  Fenced<T> whole(static_cast<std::size_t>(kIn * kPad)), dx(whole.size());
  Fenced<T> y(static_cast<std::size_t>(kOut * kPad)), dy(y.size());
  fill_padded(whole.data(), kIn, Channels, kPad, random);
  for (int r = 0; r < kIn; ++r) {
    for (int c = 0; c < (Stride == kPad ? kPad : Channels); ++c) x.data()[r * Stride + c] = whole.data()[r * kPad + c];
  }
  emmy::avg_pool_forward<Batch, Positions, Window, Channels, Stride>(static_cast<const T*>(x.data()), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  const auto xs = unpadded(whole.data(), kIn, Channels, kPad), got = unpadded(y.data(), kOut, Channels, kPad);
  Values mean(got.size()), size(got.size());
  reference::avg_pool_forward(mean.data(), xs.data(), Batch, Positions, Window, Channels);
  reference::avg_pool_forward(size.data(), magnitudes(xs).data(), Batch, Positions, Window, Channels);
  for (std::size_t k = 0; k < got.size(); ++k) {
    // The double reference of f64 has rounded as often.
    ASSERT_LE(std::fabs(got[k] - mean[k]),
              (Window / 2 + 4 + (sizeof(T) == 8 ? Window + 1 : 0)) * kRoundoff<T> * size[k])
        << Positions << " by " << Window << ", " << Channels << " channels";
  }
  for (int r = 0; r < kOut; ++r) {
    for (int c = Channels; c < kPad; ++c) ASSERT_EQ(y.data()[r * kPad + c], T(0)) << "pad lane";
  }

  fill_padded(dy.data(), kOut, Channels, kPad, random);
  if (kAdd) fill_padded(dx.data(), kIn, Channels, kPad, random);
  const auto old = unpadded(dx.data(), kIn, Channels, kPad);
  emmy::avg_pool_backward<kAdd, Batch, Positions, Window, Channels>(
      static_cast<const T*>(whole.data()), static_cast<const T*>(dy.data()), dx.data(), Below{});
  ASSERT_TRUE(whole.intact() && dy.intact() && dx.intact());
  Values expected(xs.size());
  reference::avg_pool_backward(expected.data(), unpadded(dy.data(), kOut, Channels, kPad).data(), Batch, Positions,
                               Window, Channels);
  const auto slopes = unpadded(dx.data(), kIn, Channels, kPad);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    if (std::is_same_v<Below, emmy::Relu> && !(xs[k] > 0)) expected[k] = 0;
    const double before = kAdd ? old[k] : 0, bound = 2 * std::fabs(expected[k]) + std::fabs(before + expected[k]);
    ASSERT_LE(std::fabs(slopes[k] - (before + expected[k])), (sizeof(T) == 8 ? 2 : 1) * kRoundoff<T> * bound);
  }
  for (int r = 0; r < kIn; ++r) {
    for (int c = Channels; c < kPad; ++c) ASSERT_EQ(dx.data()[r * kPad + c], T(0)) << "pad lane";
  }
}

TYPED_TEST(AvgPool, IsTheMeanOfEachWindow) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto channels) {
    constexpr int kChannels = decltype(channels)::value, kWindow = 1 + kChannels % 5;
    // Positions that fill no window are left.
    constexpr int kPositions = 3 * kWindow + kChannels % kWindow;
    check<T, 2, kPositions, kWindow, kChannels, kChannels, std::nullptr_t, kChannels % 2 == 0>(kChannels % 16);
  });
}

TYPED_TEST(AvgPool, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check<T, 3, 7, 2, 5, emmy::padded<T>(5), emmy::Relu, false>(gap);
    check<T, 2, 9, 3, support::kLanes<T>, support::kLanes<T>, emmy::Relu, true>(gap);
    check<T, 1, 41, 41, support::kLanes<T> + 1, support::kLanes<T> + 1, std::nullptr_t, false>(gap);
  }
}

// NaN is not lost, wherever in the window it is.
TYPED_TEST(AvgPool, NotANumberComesThrough) {
  using T = TypeParam;
  constexpr int kChannels = support::kLanes<T> + 3;
  for (int at = 0; at < 3; ++at) {
    Fenced<T> x(3 * kChannels), y(static_cast<std::size_t>(emmy::padded<T>(kChannels)));
    Random random(static_cast<std::uint64_t>(at));
    support::fill(x.data(), x.size(), random);
    for (int c = 0; c < kChannels; c += 2) x.data()[at * kChannels + c] = std::numeric_limits<T>::quiet_NaN();
    emmy::avg_pool_forward<1, 3, 3, kChannels, kChannels>(static_cast<const T*>(x.data()), y.data());
    for (int c = 0; c < kChannels; ++c) EXPECT_EQ(std::isnan(y.data()[c]), c % 2 == 0) << at << ' ' << c;
  }
}

}  // namespace
