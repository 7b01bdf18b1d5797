// emmy/kernels/affine.hpp: forward, dx and db of an affine layer with what is fused into them.
#include <emmy/kernels/affine.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/activations.hpp>
#include <tests/reference/dense.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

using support::allowed;
using support::Fenced;
using support::fill;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;
using support::unpadded;

template <class T>
class Affine : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Affine, Types);

// The reference of a fused activation: its value, the largest slope near it, and the documented ulps of its own.
struct Curve {
  void (*forward)(double* y, const double* x, int N);
  void (*backward)(double* dx, const double* dy, const double* x, int N);
  double slope, ulps;
};
template <class Activation>
Curve curve_of();
template <>
Curve curve_of<emmy::Identity>() {
  return {reference::identity_forward, reference::identity_backward, 1, 0};
}
template <>
Curve curve_of<emmy::Relu>() {
  return {[](double* y, const double* x, int N) { reference::leaky_relu_forward(y, x, 0, N); },
          [](double* dx, const double* dy, const double* x, int N) { reference::leaky_relu_backward(dx, dy, x, 0, N); },
          1, 0};
}
template <>
Curve curve_of<emmy::LeakyRelu<5, 4>>() {
  return {
      [](double* y, const double* x, int N) { reference::leaky_relu_forward(y, x, 1.25, N); },
      [](double* dx, const double* dy, const double* x, int N) { reference::leaky_relu_backward(dx, dy, x, 1.25, N); },
      1.25, 0.5};
}
template <>
Curve curve_of<emmy::Tanh>() {
  return {reference::tanh_forward, reference::tanh_backward, 1, 3};
}
template <>
Curve curve_of<emmy::Sigmoid>() {
  return {reference::sigmoid_forward, reference::sigmoid_backward, 0.25, 3};
}

// ---- y = activation(x W + b)

template <class T>
struct ForwardCase {
  int rows, in, stride, out;
  Curve curve;
  void (*run)(const T* x, const T* w, const T* b, T* y);
};
template <class T, int Rows, int In, int InStride, int Out, class Activation>
void run_forward(const T* x, const T* w, const T* b, T* y) {
  emmy::affine_forward<Rows, In, InStride, Out>(x, w, b, y, Activation{});
}
template <class Activation, class T, int Rows, int In, int InStride, int Out>
ForwardCase<T> forward_case() {
  return {Rows, In, InStride, Out, curve_of<Activation>(), &run_forward<T, Rows, In, InStride, Out, Activation>};
}

template <class T>
void check_forward(const ForwardCase<T>& kernel, bool biased, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
             stride = static_cast<std::size_t>(kernel.stride);
  const auto out = static_cast<std::size_t>(kernel.out), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.out));
  Random random(rows * 10000 + in * 100 + out);
  Fenced<T> x((rows - 1) * stride + in, gap), w(in * pad), b(pad), y(rows * pad);
  for (std::size_t r = 0; r < rows; ++r) fill(x.data() + r * stride, in, random);  // what is between rows stays poison
  fill_padded(w.data(), kernel.in, kernel.out, static_cast<int>(pad), random);
  fill_padded(b.data(), 1, kernel.out, static_cast<int>(pad), random);
  kernel.run(x.data(), w.data(), biased ? b.data() : nullptr, y.data());
  ASSERT_TRUE(x.intact() && w.intact() && b.intact() && y.intact());

  const auto xs = unpadded(x.data(), kernel.rows, kernel.in, kernel.stride),
             ws = unpadded(w.data(), kernel.in, kernel.out, static_cast<int>(pad)),
             bs = unpadded(b.data(), 1, kernel.out, static_cast<int>(pad));
  std::vector<double> linear(rows * out), magnitude(rows * out), expected(rows * out), xa(xs), wa(ws), ba(bs);
  for (auto* v : {&xa, &wa, &ba}) {
    for (double& d : *v) d = std::fabs(d);
  }
  reference::dense_forward(linear.data(), xs.data(), ws.data(), biased ? bs.data() : nullptr, kernel.rows, kernel.in,
                           kernel.out);
  reference::dense_forward(magnitude.data(), xa.data(), wa.data(), biased ? ba.data() : nullptr, kernel.rows, kernel.in,
                           kernel.out);
  kernel.curve.forward(expected.data(), linear.data(), static_cast<int>(rows * out));
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < pad; ++o) {
      if (o >= out) {
        ASSERT_EQ(y[r * pad + o], T(0)) << "pad lane";
        continue;
      }
      const std::size_t k = r * out + o;
      const double bound = kernel.curve.slope * allowed<T>(kernel.in + 1, magnitude[k]) +
                           allowed<T>(2 * kernel.curve.ulps, std::fabs(expected[k]));
      ASSERT_LE(std::fabs(static_cast<double>(y[r * pad + o]) - expected[k]), bound)
          << rows << ' ' << in << ' ' << out << " at " << r << ' ' << o;
    }
  }
}

template <class T, class Activation>
void forward_of_all_outputs() {
  for_each_size<1, support::kSizes<T>>([](auto out) {
    constexpr int kOut = decltype(out)::value, kIn = support::other_size<T>(kOut), kRows = 1 + kOut % 2;
    check_forward(forward_case<Activation, T, kRows, kIn, kIn, kOut>(), kOut % 3 != 0, kOut % 16);
  });
}

TYPED_TEST(Affine, ForwardMatchesTheDoubleLoops) { forward_of_all_outputs<TypeParam, emmy::Identity>(); }

TYPED_TEST(Affine, ForwardWithEveryActivationAndMisalignment) {
  using T = TypeParam;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    // A sigmoid of 0 is 1/2: its pad lanes need help. 17 and 33 outputs leave whole pad vectors.
    check_forward(forward_case<emmy::Sigmoid, T, 3, 5, 5, 17>(), gap % 2 == 0, gap);
    check_forward(forward_case<emmy::Relu, T, 2, 7, 16, 33>(), true, gap);
    check_forward(forward_case<emmy::LeakyRelu<5, 4>, T, 1, 31, 31, 3>(), true, gap);
    check_forward(forward_case<emmy::Tanh, T, 7, 3, 16, 10>(), gap % 2 == 1, gap);
  }
}

// ---- dx (+)= below'(x) (dy W^T)

template <class T>
struct BackwardCase {
  int rows, in, out;
  bool adds, fused;
  Curve below;
  void (*run)(const T* w, const T* dy, const T* x, T* dx, T* work);
};
template <bool kAdd, class T, int Rows, int In, int Out, class Below>
void run_backward(const T* w, const T* dy, const T* x, T* dx, T* work) {
  emmy::affine_backward<kAdd, Rows, In, Out>(w, dy, x, dx, work, Below{});
}
template <class Below, bool kAdd, class T, int Rows, int In, int Out>
BackwardCase<T> backward_case() {
  if constexpr (std::is_same_v<Below, std::nullptr_t>)
    return {Rows, In, Out, kAdd, false, curve_of<emmy::Identity>(), &run_backward<kAdd, T, Rows, In, Out, Below>};
  else return {Rows, In, Out, kAdd, true, curve_of<Below>(), &run_backward<kAdd, T, Rows, In, Out, Below>};
}

template <class T>
void check_backward(const BackwardCase<T>& kernel) {
  const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
             out = static_cast<std::size_t>(kernel.out);
  const auto in_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.in)),
             out_pad = static_cast<std::size_t>(emmy::padded<T>(kernel.out));
  Random random(rows * 10000 + in * 100 + out);
  Fenced<T> w(in * out_pad), dy(rows * out_pad), x(rows * in_pad), dx(rows * in_pad),
      work(static_cast<std::size_t>(emmy::affine_work<T>(kernel.rows, kernel.in, kernel.out)));
  fill_padded(w.data(), kernel.in, kernel.out, static_cast<int>(out_pad), random);
  fill_padded(dy.data(), kernel.rows, kernel.out, static_cast<int>(out_pad), random);
  // x is the output of the activation below: its input, rounded to T first, is what the reference sees.
  std::vector<double> before(rows * in), after(rows * in);
  for (double& v : before) v = static_cast<double>(static_cast<T>(2 * random()));
  kernel.below.forward(after.data(), before.data(), static_cast<int>(rows * in));
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < in_pad; ++i) x[r * in_pad + i] = i < in ? static_cast<T>(after[r * in + i]) : T(0);
  }
  if (kernel.adds) fill_padded(dx.data(), kernel.rows, kernel.in, static_cast<int>(in_pad), random);
  const auto old = unpadded(dx.data(), kernel.rows, kernel.in, static_cast<int>(in_pad));
  kernel.run(w.data(), dy.data(), kernel.fused ? x.data() : nullptr, dx.data(), work.data());
  ASSERT_TRUE(w.intact() && dy.intact() && x.intact() && dx.intact() && work.intact());

  const auto ws = unpadded(w.data(), kernel.in, kernel.out, static_cast<int>(out_pad)),
             ds = unpadded(dy.data(), kernel.rows, kernel.out, static_cast<int>(out_pad));
  std::vector<double> product(rows * in), magnitude(rows * in), slope(rows * in), one(rows * in, 1.0), wa(ws), da(ds),
      unused(in * out);
  for (auto* v : {&wa, &da}) {
    for (double& d : *v) d = std::fabs(d);
  }
  reference::dense_backward(product.data(), unused.data(), nullptr, ds.data(), before.data(), ws.data(), kernel.rows,
                            kernel.in, kernel.out);
  reference::dense_backward(magnitude.data(), unused.data(), nullptr, da.data(), before.data(), wa.data(), kernel.rows,
                            kernel.in, kernel.out);
  kernel.below.backward(slope.data(), one.data(), before.data(), static_cast<int>(rows * in));
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < in_pad; ++i) {
      if (i >= in) {
        ASSERT_EQ(dx[r * in_pad + i], T(0)) << "pad lane";
        continue;
      }
      const std::size_t k = r * in + i;
      const double start = kernel.adds ? old[k] : 0.0, expected = start + slope[k] * product[k];
      // The slope is taken from an output that is itself rounded (2 roundings of a value up to 1).
      const double bound = allowed<T>(kernel.out + 6, std::fabs(start) + std::fmax(1.0, slope[k]) * magnitude[k]);
      ASSERT_LE(std::fabs(static_cast<double>(dx[r * in_pad + i]) - expected), bound)
          << rows << ' ' << in << ' ' << out << " at " << r << ' ' << i;
    }
  }
}

// Rows 1 and 2 take the dot products, more rows the transposed copy, or dots again.
TYPED_TEST(Affine, BackwardMatchesTheDoubleLoops) {
  using T = TypeParam;
  static_assert(emmy::kTransposeFromRows > 1 && emmy::kTransposeFromRows <= 4);
  for_each_size<1, support::kSizes<T>>([](auto in) {
    constexpr int kIn = decltype(in)::value, kOut = support::other_size<T>(kIn), kRows = 1 + kIn % 4;
    check_backward(backward_case<std::nullptr_t, kIn % 8 >= 4, T, kRows, kIn, kOut>());
  });
}

// A row of W that does not fit the registers, or in no whole number of panels, on any target.
TYPED_TEST(Affine, BackwardOfManyOutputs) {
  using T = TypeParam;
  constexpr int kMany = emmy::kRowVectors * 16 + 1, kSome = emmy::kRowVectors * 4 + 1;
  check_backward(backward_case<emmy::Relu, false, T, 1, 4, kMany>());
  check_backward(backward_case<emmy::Relu, true, T, 2, 7, kMany>());
  check_backward(backward_case<emmy::Relu, false, T, 1, 9, kSome>());
}

// One sample in panels of every width, the rows in whole rounds and not (kernels/panel.hpp).
TYPED_TEST(Affine, OneRowInPanels) {
  using T = TypeParam;
  for_each_size<1, 10>([](auto width) {
    constexpr int kOut = 4 * decltype(width)::value - 1, kIn = emmy::padded<T>(kOut), kOdd = kIn + kOut % 8;
    check_forward(forward_case<emmy::Relu, T, 1, kIn, kIn, kOut>(), true, kOut % 16);
    check_forward(forward_case<emmy::Relu, T, 1, kOdd, kOdd, kOut + 1>(), kOut % 16 > 7, kOut % 16);
    check_backward(backward_case<emmy::Relu, false, T, 1, kIn, kOut>());
  });
  check_backward(backward_case<std::nullptr_t, false, T, 1, emmy::padded<T>(32), 10>());
}

// The last number of rows that takes dots and the first that takes the copy, where folds move that limit and where W is too large.
template <class T, int In, int Out>
void check_both_sides() {
  constexpr int kFrom = emmy::kDotsBelowRows<T, In, Out>;
  check_backward(backward_case<emmy::Relu, false, T, kFrom - 1, In, Out>());
  check_backward(backward_case<std::nullptr_t, true, T, kFrom - 1, In, Out>());
  check_backward(backward_case<emmy::Relu, false, T, kFrom, In, Out>());
  // What they sum of the squares of dx.
  constexpr int kRows = kFrom > 3 ? kFrom - 1 : 3, kInPad = emmy::padded<T>(In), kOutPad = emmy::padded<T>(Out);
  Random random(In + Out);
  Fenced<T> w(In * kOutPad), dy(kRows * kOutPad), dx(kRows * kInPad), work(emmy::affine_work<T>(kRows, In, Out));
  fill_padded(w.data(), In, Out, kOutPad, random);
  fill_padded(dy.data(), kRows, Out, kOutPad, random);
  T squares = -1;
  emmy::affine_backward<false, kRows, In, Out>(w.data(), dy.data(), static_cast<const T*>(nullptr), dx.data(),
                                               work.data(), nullptr, &squares);
  double want = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) want += static_cast<double>(dx[i]) * static_cast<double>(dx[i]);
  EXPECT_NEAR(static_cast<double>(squares), want, (kRows * In + 1) * kRoundoff<T> * want);
}
TYPED_TEST(Affine, BackwardOnBothSidesOfTheCopy) {
  check_both_sides<TypeParam, 13, 20>();
  check_both_sides<TypeParam, 35, 37>();
  check_both_sides<TypeParam, 64, 64>();
  check_both_sides<TypeParam, 16, 130>();
  check_both_sides<TypeParam, 65, 64>();
}

TYPED_TEST(Affine, BackwardWithEveryActivationBelow) {
  using T = TypeParam;
  const auto both = []<class Below>(Below) {
    check_backward(backward_case<Below, false, T, 1, 17, 9>());
    check_backward(backward_case<Below, true, T, 2, 5, 31>());
    check_backward(backward_case<Below, true, T, 4, 17, 9>());
    check_backward(backward_case<Below, false, T, 7, 33, 10>());
  };
  both(emmy::Identity{});
  both(emmy::Relu{});
  both(emmy::LeakyRelu<5, 4>{});
  both(emmy::Tanh{});
  both(emmy::Sigmoid{});
}

// ---- db

TYPED_TEST(Affine, BiasGradientSumsTheRowsAndVisitsOnce) {
  using T = TypeParam;
  for_each_size<1, 5>([](auto rows) {
    constexpr int kRows = decltype(rows)::value;
    constexpr std::size_t kPad = 3 * support::kLanes<T>;
    Random random(kRows);
    Fenced<T> dy(kRows * kPad);
    fill(dy.data(), dy.size(), random);
    int visits = 0;
    emmy::bias_gradient<kPad, kRows>(static_cast<const T*>(dy.data()), [&](const T* g) {
      ++visits;
      for (std::size_t o = 0; o < kPad; ++o) {
        double sum = 0, magnitude = 0;
        for (std::size_t r = 0; r < kRows; ++r) {
          sum += static_cast<double>(dy[r * kPad + o]);
          magnitude += std::fabs(static_cast<double>(dy[r * kPad + o]));
        }
        EXPECT_LE(std::fabs(static_cast<double>(g[o]) - sum), allowed<T>(kRows, magnitude));
      }
    });
    EXPECT_EQ(visits, 1);
    EXPECT_TRUE(dy.intact());
  });
}

}  // namespace
