// emmy/kernels/max_pool.hpp: the largest of each window, and where its gradient goes.
#include <emmy/kernels/max_pool.hpp>
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
using support::Random;
using support::unpadded;

template <class T>
class MaxPool : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(MaxPool, Types);

using Values = std::vector<double>;

// Windows of `Window` positions, and of Down x Along ones of an image.
template <int Positions, int Window>
using Line = emmy::PoolWindows<1, Positions, 1, Window>;
template <int Height, int Width, int Down, int Along>
using Image = emmy::PoolWindows<Height, Width, Down, Along>;

// Few different values: windows are full of ties.
template <class T>
void fill_with_ties(T* p, int rows, int cols, int stride, Random& random) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) p[r * stride + c] = static_cast<T>(random.below(4) - 1);
  }
}

template <class T>
struct Case {
  int batch;
  reference::Grid grid;
  int channels, stride;  // stride: of the rows of x that forward reads
  bool adds, masks;      // below is a ReLU
  void (*forward)(const T* x, T* y);
  void (*backward)(const T* x, const T* y, const T* dy, T* dx);
};
template <class Below, bool kAdd, class T, int Batch, class W, int Channels, int Stride>
Case<T> make_case() {
  return {Batch,
          reference::pooling(W::kPositions / W::kWidth, W::kWidth, W::kDown, W::kAlong),
          Channels,
          Stride,
          kAdd,
          std::is_same_v<Below, emmy::Relu>,
          [](const T* x, T* y) { emmy::max_pool_forward<Batch, W, Channels, Stride>(x, y); },
          [](const T* x, const T* y, const T* dy, T* dx) {
            emmy::max_pool_backward<kAdd, Batch, W, Channels>(x, y, dy, dx, Below{});
          }};
}

// Exact: what comes out are values that went in.
template <class T>
void check(const Case<T>& kernel, bool ties, std::size_t gap) {
  const reference::Grid& grid = kernel.grid;
  const int pad = emmy::padded<T>(kernel.channels);
  const int in_rows = kernel.batch * grid.h * grid.w, out_rows = kernel.batch * grid.oh * grid.ow;
  Random random(static_cast<std::uint64_t>(grid.h * grid.w * 1000 + grid.kh * grid.kw * 100 + kernel.channels));
  Fenced<T> x(static_cast<std::size_t>((in_rows - 1) * kernel.stride + kernel.channels), gap);
  Fenced<T> whole(static_cast<std::size_t>(in_rows * pad)), dx(whole.size());
  Fenced<T> y(static_cast<std::size_t>(out_rows * pad)), dy(y.size());
  fill_padded(whole.data(), in_rows, kernel.channels, pad, random);
  if (ties) fill_with_ties(whole.data(), in_rows, kernel.channels, pad, random);
  for (int r = 0; r < in_rows; ++r) {
    for (int c = 0; c < kernel.channels; ++c) x.data()[r * kernel.stride + c] = whole.data()[r * pad + c];
  }
  // Rows of padded length come with their pads.
  if (kernel.stride == pad) kernel.forward(whole.data(), y.data());
  else kernel.forward(x.data(), y.data());
  ASSERT_TRUE(x.intact() && whole.intact() && y.intact());

  const auto xs = unpadded(whole.data(), in_rows, kernel.channels, pad);
  Values top(static_cast<std::size_t>(out_rows * kernel.channels)), expected(xs.size());
  reference::max_pool_forward(top.data(), xs.data(), kernel.batch, grid, kernel.channels);
  ASSERT_EQ(unpadded(y.data(), out_rows, kernel.channels, pad), top);
  for (int r = 0; r < out_rows; ++r) {
    for (int c = kernel.channels; c < pad; ++c) ASSERT_EQ(y.data()[r * pad + c], T(0)) << "pad lane";
  }

  fill_padded(dy.data(), out_rows, kernel.channels, pad, random);
  if (kernel.adds) fill_padded(dx.data(), in_rows, kernel.channels, pad, random);
  const auto old = unpadded(dx.data(), in_rows, kernel.channels, pad);
  kernel.backward(whole.data(), y.data(), dy.data(), dx.data());
  ASSERT_TRUE(whole.intact() && y.intact() && dy.intact() && dx.intact());
  reference::max_pool_backward(expected.data(), unpadded(dy.data(), out_rows, kernel.channels, pad).data(), xs.data(),
                               kernel.batch, grid, kernel.channels);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    if (kernel.masks && !(xs[k] > 0)) expected[k] = 0;
    if (kernel.adds) expected[k] = static_cast<double>(static_cast<T>(expected[k] + old[k]));
  }
  ASSERT_EQ(unpadded(dx.data(), in_rows, kernel.channels, pad), expected)
      << grid.h << " x " << grid.w << " positions by " << grid.kh << " x " << grid.kw << ", " << kernel.channels
      << " channels";
  for (int r = 0; r < in_rows; ++r) {
    for (int c = kernel.channels; c < pad; ++c) ASSERT_EQ(dx.data()[r * pad + c], T(0)) << "pad lane";
  }
}

TYPED_TEST(MaxPool, IsTheFirstLargestOfEachWindow) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto channels) {
    constexpr int kChannels = decltype(channels)::value, kWindow = 1 + kChannels % 4;
    // Positions that fill no window are left.
    constexpr int kPositions = 3 * kWindow + kChannels % kWindow;
    check(make_case<std::nullptr_t, kChannels % 2 == 0, T, 2, Line<kPositions, kWindow>, kChannels, kChannels>(),
          kChannels % 3 == 0, kChannels % 16);
  });
}

TYPED_TEST(MaxPool, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  for (const bool ties : {false, true}) {
    for (std::size_t gap = 0; gap < 16; ++gap) {
      check(make_case<emmy::Relu, false, T, 3, Line<7, 2>, 5, emmy::padded<T>(5)>(), ties, gap);
      check(make_case<emmy::Relu, true, T, 2, Line<9, 3>, support::kLanes<T>, support::kLanes<T>>(), ties, gap);
      check(make_case<std::nullptr_t, false, T, 1, Line<4, 4>, support::kLanes<T> + 1, support::kLanes<T> + 1>(), ties,
            gap);
    }
  }
}

// Rows and columns that fill no window are left; windows as wide as the image, of one row, of one column.
TYPED_TEST(MaxPool, OfImages) {
  using T = TypeParam;
  for (const bool ties : {false, true}) {
    check(make_case<std::nullptr_t, false, T, 2, Image<5, 7, 2, 2>, 3, 3>(), ties, 1);
    check(make_case<emmy::Relu, true, T, 2, Image<6, 5, 3, 2>, support::kLanes<T> + 1, 2 * support::kLanes<T>>(), ties,
          2);
    check(make_case<std::nullptr_t, false, T, 1, Image<4, 3, 2, 3>, 5, 5>(), ties, 3);
    check(make_case<emmy::Relu, false, T, 3, Image<3, 8, 1, 3>, 6, emmy::padded<T>(6)>(), ties, 4);
    check(make_case<std::nullptr_t, true, T, 2, Image<7, 2, 3, 1>, 4, 4>(), ties, 5);
  }
}

// NaN is not lost, wherever in the window it is, nor infinity.
TYPED_TEST(MaxPool, NotANumberComesThrough) {
  using T = TypeParam;
  constexpr int kChannels = support::kLanes<T> + 3;
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN(), kInf = std::numeric_limits<T>::infinity();
  for (int at = 0; at < 3; ++at) {
    Fenced<T> x(3 * kChannels), y(static_cast<std::size_t>(emmy::padded<T>(kChannels)));
    Random random(static_cast<std::uint64_t>(at));
    support::fill(x.data(), x.size(), random);
    for (int c = 0; c < kChannels; ++c) x.data()[at * kChannels + c] = c % 3 == 0 ? kNan : c % 3 == 1 ? kInf : -kInf;
    emmy::max_pool_forward<1, Line<3, 3>, kChannels, kChannels>(static_cast<const T*>(x.data()), y.data());
    for (int c = 0; c < kChannels; ++c) {
      const T got = y.data()[c];
      if (c % 3 == 0) EXPECT_TRUE(std::isnan(got)) << at << ' ' << c;
      else EXPECT_EQ(got == kInf, c % 3 == 1) << at << ' ' << c;
    }
  }
}

}  // namespace
