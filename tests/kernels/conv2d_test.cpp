// emmy/kernels/conv2d.hpp and depthwise.hpp: forward, dx and dW of windows with strides and zero padding.
#include <emmy/kernels/depthwise.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/activations.hpp>
#include <tests/reference/conv.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

using reference::Grid;
using support::absolute;
using support::allowed;
using support::Fenced;
using support::fill;
using support::fill_padded;
using support::kRoundoff;
using support::Random;
using support::unpadded;

template <class T>
class Conv2d : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Conv2d, Types);

using Values = std::vector<double>;

// Both kinds of a size. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int batch, in, stride, out;  // stride: of the rows of x that forward and dW read
  Grid grid;
  bool depthwise, adds, masks;  // below, and what y goes through, is a ReLU
  int work;
  void (*forward)(const T* x, const T* w, const T* b, T* y);
  void (*backward)(const T* w, const T* dy, const T* x, T* dx, T* work);
  void (*gradient)(const T* x, const T* dy, T* g, int* visits);

  int taps() const { return grid.kh * grid.kw; }
  int in_rows() const { return batch * grid.h * grid.w; }
  int out_rows() const { return batch * grid.oh * grid.ow; }
  int weight_rows() const { return taps() * (depthwise ? 1 : in); }
};

template <class R, class C>
constexpr Grid grid_of() {
  return {R::kIn, C::kIn, R::kTaps, C::kTaps, R::kStride, C::kStride, R::kBefore, C::kBefore, R::kOut, C::kOut};
}
template <class T, class W, int Batch, int In, int Stride, int Out, bool Masks, bool kAdd, bool Tiles>
Case<T> conv_case() {
  using Other = std::conditional_t<Masks, emmy::Relu, emmy::Identity>;
  using Below = std::conditional_t<Masks, emmy::Relu, std::nullptr_t>;
  return {Batch,
          In,
          Stride,
          Out,
          grid_of<typename W::rows, typename W::columns>(),
          false,
          kAdd,
          Masks,
          emmy::conv2d_work<T>(W::kTaps, In, Out),
          [](const T* x, const T* w, const T* b, T* y) {
            emmy::conv2d_forward<Batch, W, In, Stride, Out>(x, w, b, y, Other{});
          },
          [](const T* w, const T* dy, const T* x, T* dx, T* work) {
            emmy::conv2d_backward<kAdd, Batch, W, In, Out>(w, dy, x, dx, work, Below{});
          },
          [](const T* x, const T* dy, T* g, int* visits) {
            constexpr int kPad = emmy::padded<T>(Out);
            if constexpr (Tiles)
              emmy::conv2d_gradient_tiles<Batch, W, In, Stride, Out>(x, dy, [=](int row, int col, auto v) EMMY_LAMBDA {
                emmy::simd::store(v, g + row * kPad + col);
                if (col == 0) ++visits[row];
              });
            else
              emmy::conv2d_gradient_rows<Batch, W, In, Stride, Out>(x, dy, [=](int row, auto m, const T* rows) {
                for (int at = 0; at < decltype(m)::value * kPad; ++at) g[row * kPad + at] = rows[at];
                for (int k = 0; k < decltype(m)::value; ++k) ++visits[row + k];
              });
          }};
}
template <class T, class W, int Batch, int Channels, int Stride, bool Masks, bool kAdd>
Case<T> depthwise_case() {
  using Other = std::conditional_t<Masks, emmy::Relu, emmy::Identity>;
  using Below = std::conditional_t<Masks, emmy::Relu, std::nullptr_t>;
  return {Batch,
          Channels,
          Stride,
          Channels,
          grid_of<typename W::rows, typename W::columns>(),
          true,
          kAdd,
          Masks,
          0,
          [](const T* x, const T* w, const T* b, T* y) {
            emmy::depthwise_forward<Batch, W, Channels, Stride>(x, w, b, y, Other{});
          },
          [](const T* w, const T* dy, const T* x, T* dx, T*) {
            emmy::depthwise_backward<kAdd, Batch, W, Channels>(w, dy, x, dx, Below{});
          },
          [](const T* x, const T* dy, T* g, int* visits) {
            constexpr int kPad = emmy::padded<T>(Channels);
            emmy::depthwise_gradient<Batch, W, Channels, Stride>(x, dy, [=](int row, auto m, const T* rows) {
              for (int at = 0; at < decltype(m)::value * kPad; ++at) g[row * kPad + at] = rows[at];
              for (int k = 0; k < decltype(m)::value; ++k) ++visits[row + k];
            });
          }};
}

// What lies between rows of x without pads stays poison; rows of padded length end in zeros, as those of activations do.
template <class T>
struct Data {
  const Case<T>& n;
  int in_pad, out_pad;
  Random random;
  Fenced<T> x, w, b, y;

  Data(const Case<T>& kernel, std::size_t gap)
      : n(kernel),
        in_pad(emmy::padded<T>(n.in)),
        out_pad(emmy::padded<T>(n.out)),
        random(static_cast<std::uint64_t>(n.grid.h * 100000 + n.grid.w * 10000 + n.in * 100 + n.out)),
        x(static_cast<std::size_t>((n.in_rows() - 1) * n.stride + (n.stride == in_pad ? in_pad : n.in)), gap),
        w(static_cast<std::size_t>(n.weight_rows() * out_pad)),
        b(static_cast<std::size_t>(out_pad)),
        y(static_cast<std::size_t>(n.out_rows() * out_pad)) {
    if (n.stride == in_pad) fill_padded(x.data(), n.in_rows(), n.in, in_pad, random);
    else
      for (int r = 0; r < n.in_rows(); ++r) fill(x.data() + r * n.stride, static_cast<std::size_t>(n.in), random);
    fill_padded(w.data(), n.weight_rows(), n.out, out_pad, random);
    fill_padded(b.data(), 1, n.out, out_pad, random);
  }
  Values inputs() const { return unpadded(x.data(), n.in_rows(), n.in, n.stride); }
  Values weights() const { return unpadded(w.data(), n.weight_rows(), n.out, out_pad); }
};

Values sums(const auto& n, const Values& x, const Values& w, const double* b) {
  Values y(static_cast<std::size_t>(n.out_rows() * n.out));
  if (n.depthwise) reference::depthwise_forward(y.data(), x.data(), w.data(), b, n.batch, n.grid, n.in);
  else reference::conv2d_forward(y.data(), x.data(), w.data(), b, n.batch, n.grid, n.in, n.out);
  return y;
}
struct Slopes {
  Values dx, dw;
};
Slopes slopes(const auto& n, const Values& dy, const Values& x, const Values& w) {
  Slopes s{Values(x.size()), Values(w.size())};
  if (n.depthwise)
    reference::depthwise_backward(s.dx.data(), s.dw.data(), nullptr, dy.data(), x.data(), w.data(), n.batch, n.grid,
                                  n.in);
  else
    reference::conv2d_backward(s.dx.data(), s.dw.data(), nullptr, dy.data(), x.data(), w.data(), n.batch, n.grid, n.in,
                               n.out);
  return s;
}

// got[k] is want[k] up to `terms` roundings of magnitude[k]; pad lanes are zero.
template <class T>
void expect_close(const T* got, int rows, int cols, const Values& want, const Values& magnitude, double terms,
                  const char* what) {
  const int pad = emmy::padded<T>(cols);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < pad; ++c) {
      const double value = static_cast<double>(got[r * pad + c]);
      const auto at = static_cast<std::size_t>(r * cols + c);
      if (c >= cols) ASSERT_EQ(value, 0.0) << what << ", pad lane of row " << r;
      else
        ASSERT_LE(std::fabs(value - want[at]), allowed<T>(terms, magnitude[at]))
            << what << ", row " << r << ", column " << c;
    }
  }
}

template <class T>
void check(const Case<T>& n, bool biased, std::size_t gap) {
  SCOPED_TRACE(testing::Message() << n.grid.h << " x " << n.grid.w << " by " << n.grid.kh << " x " << n.grid.kw << ", "
                                  << n.in << " to " << n.out << " channels" << (n.depthwise ? ", depthwise" : ""));
  Data<T> d(n, gap);
  const int terms = n.depthwise ? 1 : n.in, back_terms = n.depthwise ? 1 : n.out;
  n.forward(d.x.data(), d.w.data(), biased ? d.b.data() : nullptr, d.y.data());
  ASSERT_TRUE(d.x.intact() && d.w.intact() && d.b.intact() && d.y.intact());
  const auto biases = unpadded(d.b.data(), 1, n.out, d.out_pad), sizes = absolute(biases);
  auto want = sums(n, d.inputs(), d.weights(), biased ? biases.data() : nullptr);
  for (double& v : want) v = n.masks ? std::fmax(v, 0.0) : v;
  expect_close(d.y.data(), n.out_rows(), n.out, want,
               sums(n, absolute(d.inputs()), absolute(d.weights()), biased ? sizes.data() : nullptr),
               n.taps() * terms + 1, "forward");

  // Backward: x in rows of padded length.
  Fenced<T> x(static_cast<std::size_t>(n.in_rows() * d.in_pad)), dx(x.size()), g(d.w.size());
  Fenced<T> work(static_cast<std::size_t>(n.work));
  fill_padded(x.data(), n.in_rows(), n.in, d.in_pad, d.random);
  if (n.adds) fill_padded(dx.data(), n.in_rows(), n.in, d.in_pad, d.random);
  fill_padded(d.y.data(), n.out_rows(), n.out, d.out_pad, d.random);
  const auto old = unpadded(dx.data(), n.in_rows(), n.in, d.in_pad),
             xs = unpadded(x.data(), n.in_rows(), n.in, d.in_pad),
             dys = unpadded(d.y.data(), n.out_rows(), n.out, d.out_pad);
  n.backward(d.w.data(), d.y.data(), n.masks ? x.data() : nullptr, dx.data(), work.data());
  ASSERT_TRUE(d.w.intact() && d.y.intact() && x.intact() && dx.intact() && work.intact());
  auto product = slopes(n, dys, d.inputs(), d.weights());
  auto magnitude = slopes(n, absolute(dys), absolute(d.inputs()), absolute(d.weights()));
  for (std::size_t k = 0; k < xs.size(); ++k) {
    const double start = n.adds ? old[k] : 0.0;
    product.dx[k] = start + (n.masks && !(xs[k] > 0) ? 0.0 : product.dx[k]);
    magnitude.dx[k] += std::fabs(start);
  }
  expect_close(dx.data(), n.in_rows(), n.in, product.dx, magnitude.dx, n.taps() * back_terms + 2, "dx");

  std::vector<int> visits(static_cast<std::size_t>(n.weight_rows()));
  n.gradient(d.x.data(), d.y.data(), g.data(), visits.data());
  ASSERT_TRUE(d.x.intact() && d.y.intact() && g.intact());
  for (const int count : visits) ASSERT_EQ(count, 1) << "each row once";
  expect_close(g.data(), n.weight_rows(), n.out, product.dw, magnitude.dw, n.out_rows(), "dW");
}

// Axes of `In` positions, windows of Taps of them: next to each other, and with as many zeros as keep the number.
template <int Taps, int In>
using Valid = emmy::WindowAxis<Taps, 1, 0, In, In - Taps + 1>;
template <int Taps, int In>
using Same = emmy::WindowAxis<Taps, 1, (Taps - 1) / 2, In, In>;
template <class Rows, class Columns>
using Of = emmy::WindowAxes<Rows, Columns>;

// Channels by themselves, ending in a vector or with it; together, what a row of taps has of them, the tile's rows and its panels.
TYPED_TEST(Conv2d, MatchesTheDoubleLoops) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  const auto apart = [](auto channels) {
    constexpr int kChannels = decltype(channels)::value;
    constexpr int kStride = kChannels % 2 == 0 ? emmy::padded<T>(kChannels) : kChannels;
    check(
        depthwise_case<T, Of<Same<3, 4>, Same<3, 5>>, 2, kChannels, kStride, kChannels % 4 == 1, kChannels % 4 >= 2>(),
        kChannels % 4 != 0, kChannels % 16);
  };
  apart(support::Constant<1>());
  apart(support::Constant<6>());
  apart(support::Constant<kLanes - 1>());
  apart(support::Constant<kLanes>());
  apart(support::Constant<2 * kLanes + 3>());
  check(conv_case<T, Of<Valid<3, 8>, Valid<3, 8>>, 1, 1, 1, 8, true, false, true>(), true, 1);
  check(conv_case<T, Of<Same<3, 4>, Same<3, 9>>, 2, 2, 2, kLanes + 1, false, true, false>(), false, 3);
  check(conv_case<T, Of<Valid<2, 5>, Same<5, 13>>, 2, kLanes - 1, kLanes, 5, true, true, true>(), true, 5);
  check(conv_case<T, Of<Same<2, 3>, Valid<2, 7>>, 1, kLanes, kLanes, 2 * kLanes + 3, false, false, false>(), true, 2);
  check(conv_case<T, Of<Same<1, 2>, Same<3, 3>>, 3, kLanes + 1, kLanes + 1, 1, false, false, true>(), true, 4);
}

// Windows of every kind on rows with pads and without: strides that leave positions out and that are longer than the kernel,
// zeros on one side alone, kernels larger than the image, one window.
TYPED_TEST(Conv2d, OfStridesAndZeros) {
  using T = TypeParam;
  const auto both = [](auto axes, auto turn) {
    using W = decltype(axes);
    constexpr int kTurn = decltype(turn)::value, kStride = kTurn % 2 == 0 ? 3 : emmy::padded<T>(3);
    check(conv_case<T, W, 2, 3, kStride, 5, kTurn % 3 == 0, kTurn % 2 == 0, kTurn % 3 == 1>(), true, kTurn);
    check(depthwise_case<T, W, 2, 3, kStride, kTurn % 3 == 0, kTurn % 2 == 0>(), true, kTurn);
  };
  using emmy::WindowAxis;
  both(Of<WindowAxis<3, 2, 1, 7, 4>, WindowAxis<3, 2, 1, 6, 3>>{}, support::Constant<0>{});
  both(Of<WindowAxis<2, 3, 0, 8, 3>, WindowAxis<1, 2, 0, 5, 3>>{}, support::Constant<1>{});
  both(Of<WindowAxis<5, 1, 2, 3, 3>, WindowAxis<4, 1, 1, 4, 4>>{}, support::Constant<2>{});
  both(Of<WindowAxis<4, 2, 3, 5, 4>, WindowAxis<5, 3, 4, 9, 5>>{}, support::Constant<3>{});
  both(Of<Valid<3, 3>, Valid<2, 2>>{}, support::Constant<4>{});
  both(Of<Valid<1, 1>, WindowAxis<5, 2, 2, 9, 5>>{}, support::Constant<5>{});
  // dy in whole rows, of which a grid of dx meets every second tap.
  check(conv_case<T, Of<Same<3, 3>, WindowAxis<3, 2, 1, 5, 3>>, 1, 3, 3, support::kLanes<T>, false, false, false>(),
        true, 7);
}

// A sigmoid of 0 is 1/2: pad lanes of y need help.
TYPED_TEST(Conv2d, PadLanesOfASigmoidAreZero) {
  using T = TypeParam;
  using W = Of<Same<3, 3>, Same<3, 4>>;
  auto n = conv_case<T, W, 2, 3, 3, 5, false, false, true>();
  n.forward = [](const T* x, const T* w, const T* b, T* y) {
    emmy::conv2d_forward<2, W, 3, 3, 5>(x, w, b, y, emmy::Sigmoid{});
  };
  Data<T> d(n, 1);
  n.forward(d.x.data(), d.w.data(), d.b.data(), d.y.data());
  auto want = sums(n, d.inputs(), d.weights(), unpadded(d.b.data(), 1, 5, d.out_pad).data());
  const Values linear = want;
  reference::sigmoid_forward(want.data(), linear.data(), static_cast<int>(want.size()));
  expect_close(d.y.data(), n.out_rows(), 5, want, Values(want.size(), 1.0), 100, "sigmoid");
}

}  // namespace
