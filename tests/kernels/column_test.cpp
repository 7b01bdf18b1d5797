// emmy/kernels/column.hpp: the products of a layer with one output against plain double loops.
#include <emmy/kernels/column.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>

namespace {

using support::Fenced;
using support::fill;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;

template <class T>
struct Case {
  int rows, in, stride;
  void (*forward)(const T* x, const T* w, const T* b, T* y);
  void (*rectified)(const T* x, const T* w, const T* b, T* y);
  void (*backward)(const T* w, const T* dy, const T* x, T* dx);
  void (*added)(const T* w, const T* dy, const T* x, T* dx);
  void (*gradient)(const T* x, const T* dy, T* g);
};
template <class T, int Rows, int In, int Stride>
Case<T> column_case() {
  using emmy::Identity;
  using emmy::Relu;
  return {
      Rows,
      In,
      Stride,
      [](const T* x, const T* w, const T* b, T* y) { emmy::column_forward<Rows, In, Stride>(x, w, b, y, Identity{}); },
      [](const T* x, const T* w, const T* b, T* y) { emmy::column_forward<Rows, In, Stride>(x, w, b, y, Relu{}); },
      [](const T* w, const T* dy, const T* x, T* dx) { emmy::column_backward<false, Rows, In>(w, dy, x, dx, nullptr); },
      [](const T* w, const T* dy, const T* x, T* dx) { emmy::column_backward<true, Rows, In>(w, dy, x, dx, Relu{}); },
      [](const T* x, const T* dy, T* g) {
        emmy::column_gradient<In, Stride, Rows>(x, dy, [g](const T* from) {
          for (int i = 0; i < emmy::padded<T>(In); ++i) g[i] = from[i];
        });
      }};
}

template <class T>
class Column : public testing::Test {
 protected:
  // Every width, with 1 to 9 rows, padded and not.
  template <class F>
  static void for_each_case(F f) {
    for_each_size<1, support::kSizes<T>>([&](auto in) {
      constexpr int kIn = decltype(in)::value;
      f(column_case<T, 1, kIn, kIn>());
      f(column_case<T, 1 + 5 * kIn % 9, kIn, emmy::padded<T>(kIn)>());
    });
  }
};
TYPED_TEST_SUITE(Column, support::Scalars);

template <class T>
double bound(double terms, double magnitude) {
  return 1.01 * (terms * kRoundoff<T> + (terms + 2) * 0x1p-53) * magnitude;
}

template <class T>
void check_forward(const Case<T>& kernel, bool biased, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
             stride = static_cast<std::size_t>(kernel.stride), pad = static_cast<std::size_t>(emmy::padded<T>(1));
  Random random(rows * 100 + in);
  Fenced<T> x((rows - 1) * stride + in, gap), padded_x(rows * stride, gap),
      w(static_cast<std::size_t>(emmy::padded<T>(kernel.in))), b(1, gap), y(rows * pad), rectified(rows * pad);
  Fenced<T>& from = kernel.stride == kernel.in ? x : padded_x;  // unpadded rows end at the fence
  fill_padded(from.data(), kernel.rows, kernel.in, kernel.stride, random);
  fill_padded(w.data(), 1, kernel.in, emmy::padded<T>(kernel.in), random);
  fill(b.data(), 1, random);
  kernel.forward(from.data(), w.data(), biased ? b.data() : nullptr, y.data());
  kernel.rectified(from.data(), w.data(), biased ? b.data() : nullptr, rectified.data());
  ASSERT_TRUE(from.intact() && w.intact() && b.intact() && y.intact() && rectified.intact());
  for (std::size_t r = 0; r < rows; ++r) {
    double want = biased ? static_cast<double>(b[0]) : 0, magnitude = std::fabs(want);
    for (std::size_t i = 0; i < in; ++i) {
      const double term = static_cast<double>(from[r * stride + i]) * static_cast<double>(w[i]);
      want += term;
      magnitude += std::fabs(term);
    }
    ASSERT_LE(std::fabs(static_cast<double>(y[r * pad]) - want), bound<T>(kernel.in + 1, magnitude))
        << rows << 'x' << in << " row " << r;
    ASSERT_EQ(rectified[r * pad], y[r * pad] > 0 ? y[r * pad] : T(0));
    for (std::size_t o = 1; o < pad; ++o) ASSERT_TRUE(y[r * pad + o] == T(0) && rectified[r * pad + o] == T(0));
  }
}

TYPED_TEST(Column, ForwardIsADotProductARow) {
  this->for_each_case([](const auto& kernel) {
    for (std::size_t gap = 0; gap < 16; gap += 3)
      for (const bool biased : {false, true}) check_forward(kernel, biased, gap);
  });
}

TYPED_TEST(Column, BackwardMultiplies) {
  using T = TypeParam;
  this->for_each_case([](const auto& kernel) {
    if (kernel.stride != emmy::padded<T>(kernel.in)) return;  // x is an activation
    const auto rows = static_cast<std::size_t>(kernel.rows), stride = static_cast<std::size_t>(kernel.stride),
               pad = static_cast<std::size_t>(emmy::padded<T>(1));
    Random random(rows + stride);
    Fenced<T> x(rows * stride), w(stride), dy(rows * pad), dx(rows * stride), added(rows * stride);
    for (Fenced<T>* p : {&x, &added}) fill_padded(p->data(), kernel.rows, kernel.in, kernel.stride, random);
    fill_padded(w.data(), 1, kernel.in, kernel.stride, random);
    fill_padded(dy.data(), kernel.rows, 1, emmy::padded<T>(1), random);
    const std::vector<T> before(added.data(), added.data() + added.size());
    kernel.backward(w.data(), dy.data(), x.data(), dx.data());
    kernel.added(w.data(), dy.data(), x.data(), added.data());
    ASSERT_TRUE(x.intact() && w.intact() && dy.intact() && dx.intact() && added.intact());
    for (std::size_t at = 0; at < rows * stride; ++at) {
      const T product = dy[at / stride * pad] * w[at % stride];
      ASSERT_EQ(dx[at], product);
      ASSERT_EQ(added[at], (x[at] > 0 ? product : T(0)) + before[at]);
    }
  });
}

TYPED_TEST(Column, GradientSumsOverTheRows) {
  using T = TypeParam;
  this->for_each_case([](const auto& kernel) {
    const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
               stride = static_cast<std::size_t>(kernel.stride), pad = static_cast<std::size_t>(emmy::padded<T>(1));
    for (std::size_t gap = 0; gap < 4; ++gap) {
      Random random(rows + in);
      Fenced<T> x(rows * stride, gap), dy(rows * pad), g(static_cast<std::size_t>(emmy::padded<T>(kernel.in)));
      fill_padded(x.data(), kernel.rows, kernel.in, kernel.stride, random);
      fill_padded(dy.data(), kernel.rows, 1, emmy::padded<T>(1), random);
      kernel.gradient(x.data(), dy.data(), g.data());
      ASSERT_TRUE(x.intact() && dy.intact() && g.intact());
      for (std::size_t i = 0; i < g.size(); ++i) {
        double want = 0, magnitude = 0;
        for (std::size_t r = 0; r < rows && i < in; ++r) {
          const double term = static_cast<double>(x[r * stride + i]) * static_cast<double>(dy[r * pad]);
          want += term;
          magnitude += std::fabs(term);
        }
        ASSERT_LE(std::fabs(static_cast<double>(g[i]) - want), bound<T>(kernel.rows + 1, magnitude)) << i;
      }
    }
  });
}

}  // namespace
