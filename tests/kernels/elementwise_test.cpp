// emmy/kernels/elementwise.hpp: unfused activations, sums of tensors, and how deltas are passed on.
#include <emmy/kernels/elementwise.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/activations.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

using support::Fenced;
using support::for_each_size;
using support::kRoundoff;
using support::Random;

template <class T>
class Elementwise : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Elementwise, Types);

// The double loop of each activation, and how many ulps of the value and of the slope its header allows.
struct Curve {
  void (*forward)(double* y, const double* x, int N);
  void (*backward)(double* dx, const double* dy, const double* x, int N);
  double value_ulps, slope_roundings;
};
template <class L>
struct CurveOf;
template <>
struct CurveOf<emmy::Identity> {
  static Curve get() { return {reference::identity_forward, reference::identity_backward, 0, 1}; }
};
template <>
struct CurveOf<emmy::Relu> {
  static Curve get() {
    return {
        [](double* y, const double* x, int N) { reference::leaky_relu_forward(y, x, 0, N); },
        [](double* dx, const double* dy, const double* x, int N) { reference::leaky_relu_backward(dx, dy, x, 0, N); },
        0, 1};
  }
};
template <int P, int Q>
struct CurveOf<emmy::LeakyRelu<P, Q>> {
  static Curve get() {
    return {[](double* y, const double* x, int N) { reference::leaky_relu_forward(y, x, double(P) / Q, N); },
            [](double* dx, const double* dy, const double* x, int N) {
              reference::leaky_relu_backward(dx, dy, x, double(P) / Q, N);
            },
            1.5, 2};
  }
};
template <int P, int Q>
struct CurveOf<emmy::PowerRelu<P, Q>> {
  static Curve get() {
    return {[](double* y, const double* x, int N) { reference::power_relu_forward(y, x, double(P) / Q, N); },
            [](double* dx, const double* dy, const double* x, int N) {
              reference::power_relu_backward(dx, dy, x, double(P) / Q, N);
            },
            P, P + 2};
  }
};
template <>
struct CurveOf<emmy::Tanh> {
  static Curve get() { return {reference::tanh_forward, reference::tanh_backward, 3, 8}; }
};
template <>
struct CurveOf<emmy::Sigmoid> {
  static Curve get() { return {reference::sigmoid_forward, reference::sigmoid_backward, 3, 8}; }
};

template <>
struct CurveOf<emmy::Exp> {
  static Curve get() { return {reference::exp_forward, reference::exp_backward, 1.5, 4}; }
};
template <>
struct CurveOf<emmy::Silu> {
  static Curve get() { return {reference::silu_forward, reference::silu_backward, 4, 10}; }
};
template <>
struct CurveOf<emmy::GeluTanh> {
  static Curve get() { return {reference::gelu_tanh_forward, reference::gelu_tanh_backward, 4 + 4 * 0.84, 16}; }
};

template <class T>
struct Case {
  int rows, cols, stride;
  Curve curve;
  void (*forward)(const T* x, T* y);
  void (*backward)(const T* x, const T* y, const T* dy, T* dx);
  void (*add_backward)(const T* x, const T* y, const T* dy, T* dx);
};
template <class L, class T, int Rows, int Cols, int InStride>
void run_forward(const T* x, T* y) {
  emmy::elementwise_forward<Rows, Cols, InStride>(L{}, x, y);
}
template <class L, bool Add, class T, int Rows, int Cols>
void run_backward(const T* x, const T* y, const T* dy, T* dx) {
  emmy::elementwise_backward<Add, Rows, Cols>(L{}, x, y, dy, dx);
}
template <class L, class T, int Rows, int Cols, int InStride>
Case<T> make_case() {
  return {Rows,
          Cols,
          InStride,
          CurveOf<L>::get(),
          &run_forward<L, T, Rows, Cols, InStride>,
          &run_backward<L, false, T, Rows, Cols>,
          &run_backward<L, true, T, Rows, Cols>};
}

// x in rows of `stride` at a misalignment, y in padded rows; what lies between rows of x is poison.
template <class T>
void check_forward(const Case<T>& kernel, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows), cols = static_cast<std::size_t>(kernel.cols),
             stride = static_cast<std::size_t>(kernel.stride);
  const auto pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  Random random(cols * 10 + rows);
  Fenced<T> x(rows * stride, gap), y(rows * pad);
  support::fill_padded(x.data(), kernel.rows, kernel.cols, kernel.stride, random);
  kernel.forward(x.data(), y.data());
  ASSERT_TRUE(x.intact() && y.intact());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < pad; ++c) {
      if (c >= cols) {
        ASSERT_EQ(y[r * pad + c], T(0)) << "pad lane";
        continue;
      }
      const double in = static_cast<double>(x[r * stride + c]);
      double expected = 0;
      kernel.curve.forward(&expected, &in, 1);
      const double ulps = kernel.curve.value_ulps * (sizeof(T) == 8 ? 2 : 1);
      ASSERT_LE(std::fabs(static_cast<double>(y[r * pad + c]) - expected),
                2 * ulps * kRoundoff<T> * std::fabs(expected))
          << cols << " at " << r << ' ' << c;
    }
  }
  if (stride != pad) return;
  kernel.forward(x.data(), x.data());  // in place
  ASSERT_TRUE(x.intact());
  for (std::size_t k = 0; k < rows * pad; ++k) ASSERT_EQ(x[k], y[k]);
}

template <class T>
void check_backward(const Case<T>& kernel) {
  const auto rows = static_cast<std::size_t>(kernel.rows), cols = static_cast<std::size_t>(kernel.cols);
  const auto pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  Random random(cols * 10 + rows);
  Fenced<T> x(rows * pad), y(rows * pad), dy(rows * pad), dx(rows * pad), sum(rows * pad);
  support::fill_padded(x.data(), kernel.rows, kernel.cols, static_cast<int>(pad), random);
  support::fill_padded(dy.data(), kernel.rows, kernel.cols, static_cast<int>(pad), random);
  support::fill_padded(sum.data(), kernel.rows, kernel.cols, static_cast<int>(pad), random);
  const std::vector<T> start(sum.data(), sum.data() + sum.size());
  for (std::size_t k = 0; k < rows * pad; ++k) {
    double out = 0;
    const double in = static_cast<double>(x[k]);
    kernel.curve.forward(&out, &in, 1);
    y[k] = k % pad < cols ? static_cast<T>(out) : T(0);
  }
  kernel.backward(x.data(), y.data(), dy.data(), dx.data());
  kernel.add_backward(x.data(), y.data(), dy.data(), sum.data());
  ASSERT_TRUE(x.intact() && y.intact() && dy.intact() && dx.intact() && sum.intact());
  for (std::size_t k = 0; k < rows * pad; ++k) {
    if (k % pad >= cols) {
      ASSERT_TRUE(dx[k] == T(0) && sum[k] == T(0)) << "pad lane";
      continue;
    }
    const double in = static_cast<double>(x[k]), d = static_cast<double>(dy[k]), old = static_cast<double>(start[k]);
    double slope = 0;
    const double one = 1;
    kernel.curve.backward(&slope, &one, &in, 1);
    const double bound =
        kernel.curve.slope_roundings * kRoundoff<T> * (sizeof(T) == 8 ? 2 : 1) * std::fabs(d) * std::fmax(1.0, slope);
    ASSERT_LE(std::fabs(static_cast<double>(dx[k]) - d * slope), bound) << cols << " at " << k;
    ASSERT_LE(std::fabs(static_cast<double>(sum[k]) - old - d * slope),
              bound + kRoundoff<T> * (std::fabs(old) + std::fabs(d * slope)) * 2)
        << cols << " at " << k;
  }
  kernel.backward(x.data(), y.data(), dy.data(), dy.data());  // in place
  ASSERT_TRUE(dy.intact());
  for (std::size_t k = 0; k < rows * pad; ++k) ASSERT_EQ(dy[k], dx[k]);
}

TYPED_TEST(Elementwise, EveryWidthAndMisalignment) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value, kRows = 1 + kCols % 3;
    const auto unpadded = make_case<emmy::LeakyRelu<1, 8>, T, kRows, kCols, kCols>();
    for (std::size_t gap = 0; gap < 16; ++gap) check_forward(unpadded, gap);
    check_forward(make_case<emmy::LeakyRelu<1, 8>, T, kRows, kCols, emmy::padded<T>(kCols)>(), 0);
    check_backward(unpadded);
  });
}

TYPED_TEST(Elementwise, EveryActivation) {
  using T = TypeParam;
  const auto both = []<class L>(L) {
    constexpr int kCols = support::kLanes<T> + 3;
    for (std::size_t gap = 0; gap < 16; ++gap) check_forward(make_case<L, T, 3, kCols, kCols>(), gap);
    check_forward(make_case<L, T, 2, 5, support::kLanes<T>>(), 0);
    check_backward(make_case<L, T, 3, kCols, kCols>());
  };
  both(emmy::Identity{});
  both(emmy::Relu{});
  both(emmy::LeakyRelu<>{});
  both(emmy::PowerRelu<1>{});
  both(emmy::PowerRelu<2>{});
  both(emmy::PowerRelu<5>{});
  both(emmy::PowerRelu<3, 2>{});
  both(emmy::PowerRelu<4, 2>{});
  both(emmy::Tanh{});
  both(emmy::Sigmoid{});
  both(emmy::Exp{});
  both(emmy::Silu{});
  both(emmy::GeluTanh{});
}

// Far from 0: the tails go to x and to 0, within the error of their headers, and no slope is NaN.
TYPED_TEST(Elementwise, GatedUnitsInTheirTails) {
  using T = TypeParam;
  const auto check = []<class L>(L, auto ulps_at) {
    constexpr int kCols = support::kLanes<T>;
    const auto kernel = make_case<L, T, 1, kCols, kCols>();
    std::vector<T> x(kCols), y(x), dy(kCols, T(1)), dx(x);
    for (const double size : {1.5, 3.0, 6.0, 12.0, 1e3, 1e6, 1e18}) {
      for (int c = 0; c < kCols; ++c)
        x[static_cast<std::size_t>(c)] = static_cast<T>((c % 2 ? -size : size) * (1 + 0.01 * c));
      kernel.forward(x.data(), y.data());
      kernel.backward(x.data(), y.data(), dy.data(), dx.data());
      for (std::size_t c = 0; c < x.size(); ++c) {
        const double in = static_cast<double>(x[c]), one = 1;
        double expected = 0, slope = 0;
        kernel.curve.forward(&expected, &in, 1);
        kernel.curve.backward(&slope, &one, &in, 1);
        const double w = (sizeof(T) == 8 ? 4 : 2) * kRoundoff<T>;
        EXPECT_LE(
            std::fabs(static_cast<double>(y[c]) - expected),
            ulps_at(in) * w * std::fabs(expected) + std::fabs(in) * static_cast<double>(std::numeric_limits<T>::min()))
            << in;
        EXPECT_LE(std::fabs(static_cast<double>(dx[c]) - slope), 16 * w) << in;
      }
    }
  };
  check(emmy::Silu{}, [](double) { return 4.0; });
  check(emmy::GeluTanh{}, [](double x) { return 4 + 4 * std::fabs(reference::gelu_argument(x)); });
}

// The left derivative at a kink is the header's: 0 for the ReLU, the slope for the leaky one.
TYPED_TEST(Elementwise, DerivativesAtZero) {
  using T = TypeParam;
  const auto slope_at_zero = []<class L>(L) {
    const auto kernel = make_case<L, T, 1, 1, 1>();
    std::vector<T> x(support::kLanes<T>), y(x), dy(x), dx(x);
    dy[0] = T(1);
    kernel.forward(x.data(), y.data());
    kernel.backward(x.data(), y.data(), dy.data(), dx.data());
    return dx[0];
  };
  EXPECT_EQ(slope_at_zero(emmy::Relu{}), T(0));
  EXPECT_EQ(slope_at_zero(emmy::LeakyRelu<1, 8>{}), T(0.125));
  EXPECT_EQ(slope_at_zero(emmy::PowerRelu<1>{}), T(0));
  EXPECT_EQ(slope_at_zero(emmy::PowerRelu<3, 2>{}), T(0));
  EXPECT_EQ(slope_at_zero(emmy::Tanh{}), T(1));
  EXPECT_EQ(slope_at_zero(emmy::Sigmoid{}), T(0.25));
  EXPECT_EQ(slope_at_zero(emmy::Exp{}), T(1));
  EXPECT_EQ(slope_at_zero(emmy::Silu{}), T(0.5));
  EXPECT_EQ(slope_at_zero(emmy::GeluTanh{}), T(0.5));
}

// A NaN goes through every activation, forward and backward, so that the check of a step finds it.
TYPED_TEST(Elementwise, NanGoesThrough) {
  using T = TypeParam;
  const auto check = []<class L>(L) {
    constexpr int kCols = support::kLanes<T> + 3;
    const auto kernel = make_case<L, T, 1, kCols, kCols>();
    for (std::size_t at = 0; at < kCols; ++at) {
      std::vector<T> x(kCols, T(0.5)), y(2 * support::kLanes<T>);
      x[at] = std::numeric_limits<T>::quiet_NaN();
      kernel.forward(x.data(), y.data());
      ASSERT_TRUE(std::isnan(y[at])) << typeid(L).name() << " at " << at;
    }
  };
  check(emmy::Identity{});
  check(emmy::Relu{});
  check(emmy::LeakyRelu<>{});
  check(emmy::PowerRelu<2>{});
  check(emmy::PowerRelu<3, 2>{});
  check(emmy::Tanh{});
  check(emmy::Sigmoid{});
  check(emmy::Exp{});
  check(emmy::Silu{});
  check(emmy::GeluTanh{});
}

// ---- y = a + b or a b, d (+)= dy, d (+)= dy b

template <class T>
struct JoinCase {
  int rows, cols, stride_a, stride_b;
  bool multiplies;
  void (*run)(const T* a, const T* b, T* y);
  void (*backward)(const T* dy, const T* b, T* da);  // of a product
  void (*add_backward)(const T* dy, const T* b, T* da);
};
template <class T, bool Multiply, int Rows, int Cols, int StrideA, int StrideB>
void run_join(const T* a, const T* b, T* y) {
  emmy::join_rows<Multiply, Rows, Cols, StrideA, StrideB>(a, b, y);
}
template <class T, bool Add, int Rows, int Cols, int StrideB>
void run_product_backward(const T* dy, const T* b, T* da) {
  emmy::multiply_backward<Add, Rows, Cols, StrideB>(dy, b, da);
}
template <class T, bool Multiply, int Rows, int Cols, int StrideA, int StrideB>
constexpr JoinCase<T> join_case() {
  return {Rows,
          Cols,
          StrideA,
          StrideB,
          Multiply,
          &run_join<T, Multiply, Rows, Cols, StrideA, StrideB>,
          &run_product_backward<T, false, Rows, Cols, StrideB>,
          &run_product_backward<T, true, Rows, Cols, StrideB>};
}

template <class T>
void check_join(const JoinCase<T>& kernel, std::size_t gap_a, std::size_t gap_b) {
  const auto rows = static_cast<std::size_t>(kernel.rows), cols = static_cast<std::size_t>(kernel.cols);
  const auto stride_a = static_cast<std::size_t>(kernel.stride_a), stride_b = static_cast<std::size_t>(kernel.stride_b);
  const auto pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols));
  Random random(cols);
  Fenced<T> a(rows * stride_a, gap_a), b(rows * stride_b, gap_b), y(rows * pad);
  support::fill_padded(a.data(), kernel.rows, kernel.cols, kernel.stride_a, random);
  support::fill_padded(b.data(), kernel.rows, kernel.cols, kernel.stride_b, random);
  kernel.run(a.data(), b.data(), y.data());
  ASSERT_TRUE(a.intact() && b.intact() && y.intact());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < pad; ++c) {
      const T left = a[r * stride_a + c % stride_a], right = b[r * stride_b + c % stride_b];
      const T expected = c >= cols ? T(0) : kernel.multiplies ? left * right : left + right;
      ASSERT_EQ(y[r * pad + c], expected) << cols << " at " << r << ' ' << c;
    }
  }
  if (!kernel.multiplies) return;
  Fenced<T> dy(rows * pad), da(rows * pad), sum(rows * pad);
  support::fill_padded(dy.data(), kernel.rows, kernel.cols, static_cast<int>(pad), random);
  support::fill_padded(sum.data(), kernel.rows, kernel.cols, static_cast<int>(pad), random);
  for (std::size_t k = 0; k < rows * pad; ++k) {
    if (k % pad >= cols) dy[k] = sum[k] = T(0);
  }
  const std::vector<T> start(sum.data(), sum.data() + rows * pad);
  kernel.backward(dy.data(), b.data(), da.data());
  kernel.add_backward(dy.data(), b.data(), sum.data());
  ASSERT_TRUE(dy.intact() && da.intact() && sum.intact());
  for (std::size_t k = 0; k < rows * pad; ++k) {
    const std::size_t r = k / pad, c = k % pad;
    const T product = c < cols ? dy[k] * b[r * stride_b + c] : T(0);
    ASSERT_EQ(da[k], product) << cols << " at " << k;
    ASSERT_NEAR(sum[k], product + start[k], 2 * kRoundoff<T> * (1 + std::fabs(product) + std::fabs(start[k])));
  }
}

// The product with fewer sizes: its rows are those of the sum.
TYPED_TEST(Elementwise, JoinsRowsOfAnyStride) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value, kRows = 1 + kCols % 3, kPad = emmy::padded<T>(kCols);
    check_join(join_case<T, false, kRows, kCols, kPad, kPad>(), 0, 0);
    for (std::size_t gap = 0; gap < 16; ++gap) check_join(join_case<T, false, kRows, kCols, kPad, kCols>(), 0, gap);
    if constexpr (kCols % 3 == 1) check_join(join_case<T, true, kRows, kCols, kPad, kPad>(), 0, 0);
  });
  constexpr int kCols = support::kLanes<T> + 3;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check_join(join_case<T, false, 3, kCols, kCols, kCols>(), gap, 15 - gap);
    check_join(join_case<T, true, 3, kCols, kCols, kCols>(), gap, 15 - gap);
  }
}

TYPED_TEST(Elementwise, PassesDeltasOn) {
  using T = TypeParam;
  for (const std::size_t pads : {1u, 2u, 5u}) {
    const std::size_t count = pads * support::kLanes<T>;
    Random random(pads);
    Fenced<T> dy(count), d(count), sum(count);
    support::fill(dy.data(), count, random);
    support::fill(sum.data(), count, random);
    const std::vector<T> start(sum.data(), sum.data() + count);
    emmy::pass_on<false>(static_cast<const T*>(dy.data()), d.data(), static_cast<int>(count));
    emmy::pass_on<true>(static_cast<const T*>(dy.data()), sum.data(), static_cast<int>(count));
    ASSERT_TRUE(dy.intact() && d.intact() && sum.intact());
    for (std::size_t k = 0; k < count; ++k) {
      ASSERT_EQ(d[k], dy[k]);
      ASSERT_EQ(sum[k], dy[k] + start[k]);
    }
  }
}

}  // namespace
