// emmy/kernels/conv.hpp: forward, dx and dW of a convolution whose windows are overlapping rows.
#include <emmy/kernels/conv.hpp>
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

using support::absolute;
using support::allowed;
using support::Constant;
using support::Fenced;
using support::fill;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;
using support::unpadded;

template <class T>
class Conv : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Conv, Types);

using Values = std::vector<double>;

struct Sizes {
  int batch, positions, kernel, in, stride, out;  // stride: of the rows of x
  int rows() const { return positions - kernel + 1; }
};

// What is between rows of x stays poison.
template <class T>
struct Data {
  Sizes n;
  int in_pad, out_pad;
  Random random;
  Fenced<T> x, w, b, y;

  Data(const Sizes& sizes, std::size_t gap)
      : n(sizes),
        in_pad(emmy::padded<T>(n.in)),
        out_pad(emmy::padded<T>(n.out)),
        random(static_cast<std::uint64_t>(n.positions * 100000 + n.kernel * 10000 + n.in * 100 + n.out)),
        x(static_cast<std::size_t>((n.batch * n.positions - 1) * n.stride + n.in), gap),
        w(static_cast<std::size_t>(n.kernel * n.in * out_pad)),
        b(static_cast<std::size_t>(out_pad)),
        y(static_cast<std::size_t>(n.batch * n.rows() * out_pad)) {
    for (int r = 0; r < n.batch * n.positions; ++r)
      fill(x.data() + r * n.stride, static_cast<std::size_t>(n.in), random);
    fill_padded(w.data(), n.kernel * n.in, n.out, out_pad, random);
    fill_padded(b.data(), 1, n.out, out_pad, random);
  }
  Values inputs() const { return unpadded(x.data(), n.batch * n.positions, n.in, n.stride); }
  Values weights() const { return unpadded(w.data(), n.kernel * n.in, n.out, out_pad); }
};

// ---- y = activation(x * W + b)

template <class T>
struct ForwardCase {
  Sizes n;
  bool rectifies;
  void (*run)(const T* x, const T* w, const T* b, T* y);
};
template <class Activation, class T, int Batch, int Positions, int Kernel, int In, int Stride, int Out>
ForwardCase<T> forward_case() {
  return {{Batch, Positions, Kernel, In, Stride, Out},
          std::is_same_v<Activation, emmy::Relu>,
          [](const T* x, const T* w, const T* b, T* y) {
            emmy::conv_forward<Batch, Positions, Kernel, In, Stride, Out>(x, w, b, y, Activation{});
          }};
}

template <class T>
void check_forward(const ForwardCase<T>& kernel, bool biased, std::size_t gap) {
  const Sizes& n = kernel.n;
  Data<T> d(n, gap);
  kernel.run(d.x.data(), d.w.data(), biased ? d.b.data() : nullptr, d.y.data());
  ASSERT_TRUE(d.x.intact() && d.w.intact() && d.b.intact() && d.y.intact());

  const int rows = n.batch * n.rows();
  const auto biases = unpadded(d.b.data(), 1, n.out, d.out_pad);
  const auto sum = [&](const Values& x, const Values& w, const Values& b) {
    Values y(static_cast<std::size_t>(rows * n.out));
    reference::conv_forward(y.data(), x.data(), w.data(), biased ? b.data() : nullptr, n.batch, n.positions, n.kernel,
                            n.in, n.out);
    return y;
  };
  auto expected = sum(d.inputs(), d.weights(), biases);
  const auto magnitude = sum(absolute(d.inputs()), absolute(d.weights()), absolute(biases));
  for (int r = 0; r < rows; ++r) {
    for (int o = 0; o < d.out_pad; ++o) {
      const double got = static_cast<double>(d.y[static_cast<std::size_t>(r * d.out_pad + o)]);
      if (o >= n.out) {
        ASSERT_EQ(got, 0.0) << "pad lane";
        continue;
      }
      const auto at = static_cast<std::size_t>(r * n.out + o);
      const double want = kernel.rectifies ? std::fmax(expected[at], 0.0) : expected[at];
      ASSERT_LE(std::fabs(got - want), allowed<T>(n.kernel * n.in + 1, magnitude[at]))
          << "kernel " << n.kernel << ", " << n.in << " to " << n.out << " channels, row " << r << ", channel " << o;
    }
  }
}

TYPED_TEST(Conv, ForwardMatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto in) {
    constexpr int kIn = decltype(in)::value, kOut = support::other_size<T>(kIn), kKernel = 1 + kIn % 3;
    check_forward(forward_case<emmy::Identity, T, 2, kKernel + kIn % 8, kKernel, kIn, kIn, kOut>(), kIn % 4 != 0,
                  kIn % 16);
  });
}

// Rows with pads: poison in them must not come through. kIn fills its row, or it does not.
TYPED_TEST(Conv, ForwardOnPaddedRows) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check_forward(forward_case<emmy::Relu, T, 2, 9, 3, 5, kLanes, kLanes + 1>(), gap % 2 == 0, gap);
    check_forward(forward_case<emmy::Identity, T, 1, 7, 5, kLanes, kLanes, 3>(), true, gap);
    check_forward(forward_case<emmy::Relu, T, 3, 4, 4, kLanes + 1, 2 * kLanes, 6>(), true, gap);
    check_forward(forward_case<emmy::Identity, T, 2, 5, 1, 6, 6, 4>(), true, gap);
  }
}

// A sigmoid of 0 is 1/2: pad lanes of y need help.
TYPED_TEST(Conv, PadLanesOfASigmoidAreZero) {
  using T = TypeParam;
  const auto kernel = forward_case<emmy::Sigmoid, T, 2, 6, 3, 5, 5, 7>();
  Data<T> d(kernel.n, 1);
  kernel.run(d.x.data(), d.w.data(), d.b.data(), d.y.data());
  Values linear(static_cast<std::size_t>(2 * 4 * 7)), want(linear.size());
  reference::conv_forward(linear.data(), d.inputs().data(), d.weights().data(),
                          unpadded(d.b.data(), 1, 7, d.out_pad).data(), 2, 6, 3, 5, 7);
  reference::sigmoid_forward(want.data(), linear.data(), static_cast<int>(want.size()));
  for (int r = 0; r < 8; ++r) {
    for (int o = 0; o < d.out_pad; ++o)
      ASSERT_NEAR(static_cast<double>(d.y[static_cast<std::size_t>(r * d.out_pad + o)]),
                  o < 7 ? want[static_cast<std::size_t>(r * 7 + o)] : 0.0, o < 7 ? 100 * kRoundoff<T> : 0.0);
  }
}

// ---- dx (+)= below'(x) sum dy w

template <class T>
struct BackwardCase {
  Sizes n;
  bool adds, masks;  // below is a ReLU
  int work;
  void (*run)(const T* w, const T* dy, const T* x, T* dx, T* work);
};
template <class Below, bool kAdd, class T, int Batch, int Positions, int Kernel, int In, int Out>
BackwardCase<T> backward_case() {
  return {{Batch, Positions, Kernel, In, emmy::padded<T>(In), Out},
          kAdd,
          std::is_same_v<Below, emmy::Relu>,
          emmy::conv_work<T>(Positions, Kernel, In, Out),
          [](const T* w, const T* dy, const T* x, T* dx, T* work) {
            emmy::conv_backward<kAdd, Batch, Positions, Kernel, In, Out>(w, dy, x, dx, work, Below{});
          }};
}

template <class T>
void check_backward(const BackwardCase<T>& kernel) {
  const Sizes& n = kernel.n;
  Data<T> d(n, 0);
  const int in_rows = n.batch * n.positions, out_rows = n.batch * n.rows();
  Fenced<T> x(static_cast<std::size_t>(in_rows * d.in_pad)), dx(x.size()), work(static_cast<std::size_t>(kernel.work));
  fill_padded(x.data(), in_rows, n.in, d.in_pad, d.random);
  if (kernel.adds) fill_padded(dx.data(), in_rows, n.in, d.in_pad, d.random);
  fill_padded(d.y.data(), out_rows, n.out, d.out_pad, d.random);
  const auto old = unpadded(dx.data(), in_rows, n.in, d.in_pad), xs = unpadded(x.data(), in_rows, n.in, d.in_pad);
  kernel.run(d.w.data(), d.y.data(), kernel.masks ? x.data() : nullptr, dx.data(), work.data());
  ASSERT_TRUE(d.w.intact() && d.y.intact() && x.intact() && dx.intact() && work.intact());

  const auto sum = [&](const Values& dy, const Values& w) {
    Values to(xs.size()), unused(w.size());
    reference::conv_backward(to.data(), unused.data(), nullptr, dy.data(), xs.data(), w.data(), n.batch, n.positions,
                             n.kernel, n.in, n.out);
    return to;
  };
  const auto dys = unpadded(d.y.data(), out_rows, n.out, d.out_pad);
  const auto product = sum(dys, d.weights()), magnitude = sum(absolute(dys), absolute(d.weights()));
  for (int r = 0; r < in_rows; ++r) {
    for (int i = 0; i < d.in_pad; ++i) {
      const double got = static_cast<double>(dx[static_cast<std::size_t>(r * d.in_pad + i)]);
      if (i >= n.in) {
        ASSERT_EQ(got, 0.0) << "pad lane";
        continue;
      }
      const auto at = static_cast<std::size_t>(r * n.in + i);
      const double start = kernel.adds ? old[at] : 0.0, slope = kernel.masks && !(xs[at] > 0) ? 0.0 : 1.0;
      ASSERT_LE(std::fabs(got - start - slope * product[at]),
                allowed<T>(n.kernel * n.out + 2, std::fabs(start) + magnitude[at]))
          << "kernel " << n.kernel << ", " << n.in << " to " << n.out << " channels, row " << r << ", channel " << i;
    }
  }
}

TYPED_TEST(Conv, BackwardMatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto in) {
    constexpr int kIn = decltype(in)::value, kOut = support::other_size<T>(kIn), kKernel = 1 + kIn % 3;
    check_backward(
        backward_case<std::nullptr_t, kIn % 8 >= 4, T, 1 + kIn % 2, kKernel + kIn % 8, kKernel, kIn, kOut>());
  });
}

// From one row of dy to many: windows that see zeros on both sides, on one, on none.
TYPED_TEST(Conv, BackwardAtTheEdges) {
  using T = TypeParam;
  for_each_size<1, 9>([](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    check_backward(backward_case<emmy::Relu, false, T, 2, kRows + 4, 5, 6, 7>());
    check_backward(backward_case<emmy::Relu, true, T, 2, kRows + 1, 2, 5, support::kLanes<T>>());
    check_backward(backward_case<std::nullptr_t, true, T, 1, kRows, 1, 9, 5>());
  });
}

// ---- dW

template <class T>
struct GradientCase {
  Sizes n;
  void (*run)(const T* x, const T* dy, T* g, int* visits);
};
// Whole rows, as a visitor of rows gets them, or vector by vector.
template <bool Tiles, class T, int Batch, int Positions, int Kernel, int In, int Stride, int Out>
GradientCase<T> gradient_case() {
  return {{Batch, Positions, Kernel, In, Stride, Out}, [](const T* x, const T* dy, T* g, int* visits) {
            constexpr int kPad = emmy::padded<T>(Out);
            if constexpr (Tiles)
              emmy::conv_gradient_tiles<Batch, Positions, Kernel, In, Stride, Out>(
                  x, dy, [=](int row, int col, auto v) EMMY_LAMBDA {
                    emmy::simd::store(v, g + row * kPad + col);
                    if (col == 0) ++visits[row];
                  });
            else
              emmy::conv_gradient_rows<Batch, Positions, Kernel, In, Stride, Out>(
                  x, dy, [=](int row, auto m, const T* rows) EMMY_LAMBDA {
                    for (int at = 0; at < decltype(m)::value * kPad; ++at) g[row * kPad + at] = rows[at];
                    for (int k = 0; k < decltype(m)::value; ++k) ++visits[row + k];
                  });
          }};
}

template <class T>
void check_gradient(const GradientCase<T>& kernel, std::size_t gap) {
  const Sizes& n = kernel.n;
  Data<T> d(n, gap);
  fill_padded(d.y.data(), n.batch * n.rows(), n.out, d.out_pad, d.random);
  Fenced<T> g(d.w.size());
  std::vector<int> visits(static_cast<std::size_t>(n.kernel * n.in));
  kernel.run(d.x.data(), d.y.data(), g.data(), visits.data());
  ASSERT_TRUE(d.x.intact() && d.y.intact() && g.intact());
  for (const int count : visits) ASSERT_EQ(count, 1) << "each row once";

  const auto sum = [&](const Values& dy, const Values& x) {
    Values to(static_cast<std::size_t>(n.kernel * n.in * n.out)), w(to.size());
    reference::conv_backward(nullptr, to.data(), nullptr, dy.data(), x.data(), w.data(), n.batch, n.positions, n.kernel,
                             n.in, n.out);
    return to;
  };
  const auto dys = unpadded(d.y.data(), n.batch * n.rows(), n.out, d.out_pad);
  const auto expected = sum(dys, d.inputs()), magnitude = sum(absolute(dys), absolute(d.inputs()));
  for (int i = 0; i < n.kernel * n.in; ++i) {
    for (int o = 0; o < d.out_pad; ++o) {
      const double got = static_cast<double>(g[static_cast<std::size_t>(i * d.out_pad + o)]);
      const auto at = static_cast<std::size_t>(i * n.out + o);
      if (o >= n.out) ASSERT_EQ(got, 0.0) << "pad lane";
      else
        ASSERT_LE(std::fabs(got - expected[at]), allowed<T>(n.batch * n.rows(), magnitude[at]))
            << "kernel " << n.kernel << ", " << n.in << " to " << n.out << " channels, row " << i << ", channel " << o;
    }
  }
}

TYPED_TEST(Conv, GradientMatchesTheDoubleLoops) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto in) {
    constexpr int kIn = decltype(in)::value, kOut = support::other_size<T>(kIn), kKernel = 1 + kIn % 3;
    check_gradient(gradient_case<kIn % 2 == 0, T, 1 + kIn % 3, kKernel + kIn % 5, kKernel, kIn, kIn, kOut>(), kIn % 16);
  });
}
TYPED_TEST(Conv, GradientOnPaddedRows) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check_gradient(gradient_case<true, T, 3, 9, 3, 5, kLanes, kLanes + 1>(), gap);
    check_gradient(gradient_case<false, T, 2, 7, 4, kLanes + 1, 2 * kLanes, 6>(), gap);
    check_gradient(gradient_case<false, T, 2, 6, 5, kLanes, kLanes, 3>(), gap);
  }
}

}  // namespace
