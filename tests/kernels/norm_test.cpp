// emmy/kernels/norm.hpp: rows of equal size and their gradients, within the documented errors.
#include <emmy/kernels/norm.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/norm.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace {

using support::expect_zero_pads;
using support::Fenced;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;
using support::unpadded;

template <class T>
class Norm : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(Norm, Types);

using Real = long double;
using Values = std::vector<Real>;

// One size of the kernels. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int rows, cols, stride;     // stride: of the rows of x that forward reads
  bool centred, adds, masks;  // below is a ReLU
  void (*forward)(const T* x, const T* gain, const T* bias, T epsilon, T* y, T* kept);
  void (*backward)(const T* x, const T* gain, const T* kept, const T* dy, T* dx);
  void (*gain_gradient)(const T* x, const T* kept, const T* dy, T* dgain);
  void (*invariance)(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* along, T* error, T* across);
};
template <class T, bool Centred, int Rows, int Cols, int Stride, class Below, bool kAdd>
Case<T> make_case() {
  return {Rows,
          Cols,
          Stride,
          Centred,
          kAdd,
          std::is_same_v<Below, emmy::Relu>,
          [](const T* x, const T* gain, const T* bias, T epsilon, T* y, T* kept) {
            emmy::norm_forward<Centred, Rows, Cols, Stride>(x, gain, bias, epsilon, y, kept);
          },
          [](const T* x, const T* gain, const T* kept, const T* dy, T* dx) {
            emmy::norm_backward<Centred, kAdd, Rows, Cols>(x, gain, kept, dy, dx, Below{});
          },
          [](const T* x, const T* kept, const T* dy, T* dgain) {
            emmy::norm_gain_gradient<Rows, Cols, Stride>(x, kept, dy, dgain);
          },
          [](const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* along, T* error, T* across) {
            emmy::norm_invariance<Centred, Rows, Cols>(x, gain, kept, dy, epsilon, *along, *error, *across);
          }};
}

// `offset` is added to x.
template <class T>
void check(const Case<T>& kernel, std::size_t gap, double offset, bool biased, T epsilon) {
  const int rows = kernel.rows, cols = kernel.cols, stride = kernel.stride, pad = emmy::padded<T>(cols);
  Random random(static_cast<std::uint64_t>(rows * 1000 + cols));
  // Rows of padded length come with their pads, others end at the fence.
  Fenced<T> x(static_cast<std::size_t>(stride == pad ? rows * pad : (rows - 1) * stride + cols), gap);
  Fenced<T> whole(static_cast<std::size_t>(rows * pad)), y(whole.size()), dy(whole.size()), dx(whole.size());
  Fenced<T> gain(static_cast<std::size_t>(pad)), bias(gain.size()), dgain(gain.size());
  Fenced<T> kept(static_cast<std::size_t>(emmy::kNormKept * rows));
  fill_padded(whole.data(), rows, cols, pad, random);
  fill_padded(gain.data(), 1, cols, pad, random);
  fill_padded(bias.data(), 1, cols, pad, random);
  fill_padded(dy.data(), rows, cols, pad, random);
  if (kernel.adds) fill_padded(dx.data(), rows, cols, pad, random);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) whole.data()[r * pad + c] += static_cast<T>(offset);
    for (int c = 0; c < (stride == pad ? pad : cols); ++c) x.data()[r * stride + c] = whole.data()[r * pad + c];
  }
  kernel.forward(x.data(), gain.data(), biased ? bias.data() : nullptr, epsilon, y.data(), kept.data());
  ASSERT_TRUE(x.intact() && gain.intact() && bias.intact() && y.intact() && kept.intact());
  const Values xs = unpadded<Real>(whole.data(), rows, cols, pad), g = unpadded<Real>(gain.data(), 1, cols, pad),
               b = unpadded<Real>(bias.data(), 1, cols, pad), d = unpadded<Real>(dy.data(), rows, cols, pad),
               got = unpadded<Real>(y.data(), rows, cols, pad), old = unpadded<Real>(dx.data(), rows, cols, pad);
  Values want(xs.size()), slopes(xs.size()), gains(static_cast<std::size_t>(cols));
  reference::norm_forward(want.data(), xs.data(), g.data(), biased ? b.data() : nullptr, rows, cols, kernel.centred,
                          static_cast<Real>(epsilon));
  reference::norm_backward(slopes.data(), gains.data(), static_cast<Real*>(nullptr), d.data(), xs.data(), g.data(),
                           rows, cols, kernel.centred, static_cast<Real>(epsilon));

  const Real unit = kRoundoff<T>, many = cols / 2 + 16;
  Values error(xs.size()), size(xs.size());  // of n
  std::vector<Real> dx_error(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) {
    const auto row = reference::norm_of_row(&xs[static_cast<std::size_t>(r * cols)], cols, kernel.centred,
                                            static_cast<Real>(epsilon));
    Real top = 0, square = 0;
    for (int c = 0; c < cols; ++c) {
      const auto at = static_cast<std::size_t>(r * cols + c), col = static_cast<std::size_t>(c);
      top = std::fmax(top, std::fabs(xs[at]));
      square += d[at] * g[col] * d[at] * g[col];
    }
    if (!kernel.centred) top = 0;
    for (int c = 0; c < cols; ++c) {
      const auto at = static_cast<std::size_t>(r * cols + c), col = static_cast<std::size_t>(c);
      size[at] = std::fabs((xs[at] - row.mean) * row.scale);
      error[at] = many * (row.scale * top * (1 + size[at]) + size[at]) * unit;
      ASSERT_LE(
          std::fabs(got[at] - want[at]),
          error[at] * std::fabs(g[col]) + 2 * unit * (size[at] * std::fabs(g[col]) + std::fabs(biased ? b[col] : 0)))
          << rows << 'x' << cols << ", row " << r << ", column " << c;
    }
    dx_error[static_cast<std::size_t>(r)] = 8 * many * row.scale * (1 + row.scale * top) * std::sqrt(square) * unit;
  }
  expect_zero_pads(y, rows, cols, pad);

  kernel.backward(whole.data(), gain.data(), kept.data(), dy.data(), dx.data());
  kernel.gain_gradient(x.data(), kept.data(), dy.data(), dgain.data());
  ASSERT_TRUE(whole.intact() && dy.intact() && dx.intact() && dgain.intact() && kept.intact() && x.intact());
  const Values moved = unpadded<Real>(dx.data(), rows, cols, pad), made = unpadded<Real>(dgain.data(), 1, cols, pad);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    const bool cut = kernel.masks && !(xs[k] > 0);
    const Real wanted = (kernel.adds ? old[k] : 0) + (cut ? 0 : slopes[k]);
    ASSERT_LE(std::fabs(moved[k] - wanted),
              dx_error[k / static_cast<std::size_t>(cols)] + (kernel.adds ? unit * std::fabs(wanted) : 0))
        << rows << 'x' << cols << " at " << k;
  }
  for (int c = 0; c < cols; ++c) {
    const auto col = static_cast<std::size_t>(c);
    Real allowed = 0;
    for (int r = 0; r < rows; ++r) {
      const auto at = static_cast<std::size_t>(r * cols + c);
      allowed += std::fabs(d[at]) * (error[at] + (rows + 1) * unit * size[at]);
    }
    ASSERT_LE(std::fabs(made[col] - gains[col]), allowed) << rows << 'x' << cols << ", gain " << c;
  }
  // What epsilon makes of <x, dx>, by its formula and by the gradient that the kernel made, and that the sums of rows are 0.
  T along = 0, along_error = 0, across_error = 0;
  kernel.invariance(whole.data(), gain.data(), kept.data(), dy.data(), epsilon, &along, &along_error, &across_error);
  Real by_formula = 0, by_gradient = 0;
  for (int r = 0; r < rows; ++r) {
    const auto row = reference::norm_of_row(&xs[static_cast<std::size_t>(r * cols)], cols, kernel.centred,
                                            static_cast<Real>(epsilon));
    Real across = 0;
    for (int c = 0; c < cols; ++c) {
      const auto at = static_cast<std::size_t>(r * cols + c);
      by_formula += static_cast<Real>(epsilon) * row.scale * row.scale * d[at] * g[static_cast<std::size_t>(c)] *
                    (xs[at] - row.mean) * row.scale;
      by_gradient += xs[at] * moved[at];
      across += moved[at];
    }
    if (kernel.centred && !kernel.adds && !kernel.masks) {
      ASSERT_LE(std::fabs(across), across_error * unit) << rows << 'x' << cols << ", row " << r;
    }
  }
  ASSERT_LE(std::fabs(along - by_formula), along_error * unit) << rows << 'x' << cols;
  if (!kernel.adds && !kernel.masks) {
    ASSERT_LE(std::fabs(along - by_gradient), along_error * unit) << rows << 'x' << cols;
  }
  expect_zero_pads(dx, rows, cols, pad);
  expect_zero_pads(dgain, 1, cols, pad);
}

template <class T, bool Centred>
void check_sizes() {
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value;
    check(make_case<T, Centred, 1 + kCols % 4, kCols, kCols, std::nullptr_t, kCols % 2 == 0>(), kCols % 16, 0,
          kCols % 3 > 0, T(1e-5));
  });
}
TYPED_TEST(Norm, CentredRows) { check_sizes<TypeParam, true>(); }
TYPED_TEST(Norm, RowsAsTheyAre) { check_sizes<TypeParam, false>(); }

TYPED_TEST(Norm, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check(make_case<T, true, 3, 5, emmy::padded<T>(5), emmy::Relu, false>(), gap, 0, true, T(0));
    check(make_case<T, false, 2, kLanes, kLanes, emmy::Relu, true>(), gap, 0, false, T(0.25));
    check(make_case<T, true, 1, 3 * kLanes + 2, 3 * kLanes + 2, std::nullptr_t, false>(), gap, 0, true, T(1e-3));
  }
}

// Rows far from zero: the mean is taken away before anything is squared.
TYPED_TEST(Norm, FarFromZero) {
  using T = TypeParam;
  check(make_case<T, true, 3, 19, 19, std::nullptr_t, false>(), 0, 100, true, T(1e-5));
  check(make_case<T, true, 2, 8, 8, std::nullptr_t, false>(), 0, -3000, true, T(0));
}

TYPED_TEST(Norm, EqualValuesAndNaN) {
  using T = TypeParam;
  constexpr int kCols = support::kLanes<T> + 3, kPad = emmy::padded<T>(kCols);
  Fenced<T> x(kCols), y(kPad), gain(kPad), kept(emmy::kNormKept);
  for (int c = 0; c < kPad; ++c) gain[static_cast<std::size_t>(c)] = T(c < kCols);
  for (int c = 0; c < kCols; ++c) x[static_cast<std::size_t>(c)] = T(4);
  const auto norm = [&](T epsilon) {
    emmy::norm_forward<true, 1, kCols, kCols>(static_cast<const T*>(x.data()), static_cast<const T*>(gain.data()),
                                              static_cast<const T*>(nullptr), epsilon, y.data(), kept.data());
  };
  norm(T(1e-5));
  for (int c = 0; c < kPad; ++c) EXPECT_EQ(y[static_cast<std::size_t>(c)], T(0));
  norm(T(0));
  for (int c = 0; c < kCols; ++c) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(c)]));
  x[kCols - 1] = std::numeric_limits<T>::quiet_NaN();
  norm(T(1e-5));
  for (int c = 0; c < kCols; ++c) EXPECT_TRUE(std::isnan(y[static_cast<std::size_t>(c)]));
}

}  // namespace
