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

// Windows of `Window` positions, and of Down x Along ones of an image.
template <int Positions, int Window>
using Line = emmy::PoolWindows<1, Positions, 1, Window>;
template <int Height, int Width, int Down, int Along>
using Image = emmy::PoolWindows<Height, Width, Down, Along>;

Values magnitudes(Values values) {
  for (double& v : values) v = std::fabs(v);
  return values;
}

// One size of the kernels. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int batch;
  reference::Grid grid;
  int channels, stride;  // stride: of the rows of x that forward reads
  bool adds, masks;      // below is a ReLU
  void (*forward)(const T* x, T* y);
  void (*backward)(const T* x, const T* dy, T* dx);
};
template <class T, int Batch, class W, int Channels, int Stride, class Below, bool kAdd>
Case<T> make_case() {
  return {
      Batch,
      reference::pooling(W::kPositions / W::kWidth, W::kWidth, W::kDown, W::kAlong),
      Channels,
      Stride,
      kAdd,
      std::is_same_v<Below, emmy::Relu>,
      [](const T* x, T* y) { emmy::avg_pool_forward<Batch, W, Channels, Stride>(x, y); },
      [](const T* x, const T* dy, T* dx) { emmy::avg_pool_backward<kAdd, Batch, W, Channels>(x, dy, dx, Below{}); }};
}

template <class T>
void check(const Case<T>& kernel, std::size_t gap) {
  const reference::Grid& grid = kernel.grid;
  const int batch = kernel.batch, positions = grid.h * grid.w, window = grid.kh * grid.kw, channels = kernel.channels,
            stride = kernel.stride, pad = emmy::padded<T>(channels), in_rows = batch * positions,
            out_rows = batch * grid.oh * grid.ow;
  Random random(static_cast<std::uint64_t>(positions * 1000 + window * 100 + channels));
  // Rows of padded length come with their pads, others end at the fence.
  Fenced<T> x(static_cast<std::size_t>(stride == pad ? in_rows * pad : (in_rows - 1) * stride + channels), gap);
  Fenced<T> whole(static_cast<std::size_t>(in_rows * pad)), dx(whole.size());
  Fenced<T> y(static_cast<std::size_t>(out_rows * pad)), dy(y.size());
  fill_padded(whole.data(), in_rows, channels, pad, random);
  for (int r = 0; r < in_rows; ++r) {
    for (int c = 0; c < (stride == pad ? pad : channels); ++c) x.data()[r * stride + c] = whole.data()[r * pad + c];
  }
  kernel.forward(x.data(), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  const auto xs = unpadded(whole.data(), in_rows, channels, pad), got = unpadded(y.data(), out_rows, channels, pad);
  Values mean(got.size()), size(got.size());
  reference::avg_pool_forward(mean.data(), xs.data(), batch, grid, channels);
  reference::avg_pool_forward(size.data(), magnitudes(xs).data(), batch, grid, channels);
  for (std::size_t k = 0; k < got.size(); ++k) {
    // The double reference of f64 has rounded as often.
    ASSERT_LE(std::fabs(got[k] - mean[k]),
              (window / 2 + 4 + (sizeof(T) == 8 ? window + 1 : 0)) * kRoundoff<T> * size[k])
        << positions << " by " << window << ", " << channels << " channels";
  }
  for (int r = 0; r < out_rows; ++r) {
    for (int c = channels; c < pad; ++c) ASSERT_EQ(y.data()[r * pad + c], T(0)) << "pad lane";
  }

  fill_padded(dy.data(), out_rows, channels, pad, random);
  if (kernel.adds) fill_padded(dx.data(), in_rows, channels, pad, random);
  const auto old = unpadded(dx.data(), in_rows, channels, pad);
  kernel.backward(whole.data(), dy.data(), dx.data());
  ASSERT_TRUE(whole.intact() && dy.intact() && dx.intact());
  Values expected(xs.size());
  reference::avg_pool_backward(expected.data(), unpadded(dy.data(), out_rows, channels, pad).data(), batch, grid,
                               channels);
  const auto slopes = unpadded(dx.data(), in_rows, channels, pad);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    if (kernel.masks && !(xs[k] > 0)) expected[k] = 0;
    const double before = kernel.adds ? old[k] : 0,
                 bound = 2 * std::fabs(expected[k]) + std::fabs(before + expected[k]);
    ASSERT_LE(std::fabs(slopes[k] - (before + expected[k])), (sizeof(T) == 8 ? 2 : 1) * kRoundoff<T> * bound);
  }
  for (int r = 0; r < in_rows; ++r) {
    for (int c = channels; c < pad; ++c) ASSERT_EQ(dx.data()[r * pad + c], T(0)) << "pad lane";
  }
}

TYPED_TEST(AvgPool, IsTheMeanOfEachWindow) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto channels) {
    constexpr int kChannels = decltype(channels)::value, kWindow = 1 + kChannels % 5;
    // Positions that fill no window are left.
    constexpr int kPositions = 3 * kWindow + kChannels % kWindow;
    check(make_case<T, 2, Line<kPositions, kWindow>, kChannels, kChannels, std::nullptr_t, kChannels % 2 == 0>(),
          kChannels % 16);
  });
}

TYPED_TEST(AvgPool, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check(make_case<T, 3, Line<7, 2>, 5, emmy::padded<T>(5), emmy::Relu, false>(), gap);
    check(make_case<T, 2, Line<9, 3>, support::kLanes<T>, support::kLanes<T>, emmy::Relu, true>(), gap);
    check(make_case<T, 1, Line<41, 41>, support::kLanes<T> + 1, support::kLanes<T> + 1, std::nullptr_t, false>(), gap);
  }
}

// Rows and columns that fill no window are left; windows as wide as the image, of one row, of one column, of all of it.
TYPED_TEST(AvgPool, OfImages) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  check(make_case<T, 2, Image<5, 7, 2, 2>, 3, 3, std::nullptr_t, false>(), 1);
  check(make_case<T, 2, Image<6, 5, 3, 2>, kLanes + 1, 2 * kLanes, emmy::Relu, true>(), 2);
  check(make_case<T, 1, Image<4, 3, 2, 3>, 5, 5, std::nullptr_t, false>(), 3);
  check(make_case<T, 3, Image<3, 8, 1, 3>, 6, emmy::padded<T>(6), emmy::Relu, false>(), 4);
  check(make_case<T, 2, Image<7, 2, 3, 1>, 4, 4, std::nullptr_t, true>(), 5);
  check(make_case<T, 2, Image<5, 3, 5, 3>, 9, 9, std::nullptr_t, false>(), 6);
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
    emmy::avg_pool_forward<1, Line<3, 3>, kChannels, kChannels>(static_cast<const T*>(x.data()), y.data());
    for (int c = 0; c < kChannels; ++c) EXPECT_EQ(std::isnan(y.data()[c]), c % 2 == 0) << at << ' ' << c;
  }
}

}  // namespace
