// emmy/kernels/batch_norm.hpp: columns of equal size, their gradients and what batches leave, within the documented errors.
#include <emmy/kernels/batch_norm.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/reference/batch_norm.hpp>
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
class BatchNorm : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(BatchNorm, Types);

using Real = long double;
using Values = std::vector<Real>;

// One size of the kernels. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int rows, cols, stride;  // stride: of the rows of x that forward reads
  bool adds, masks;        // below is a ReLU
  void (*forward)(const T* x, const T* gain, const T* bias, T epsilon, T* y, T* kept);
  void (*backward)(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* dx);
  void (*gain_gradient)(const T* x, const T* kept, const T* dy, T* dgain);
  void (*invariance)(const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* along, T* error, T* across);
  void (*update)(const T* kept, T share, T* running);
  void (*trained)(const T* running, T epsilon, T* kept);
};
template <class T, int Rows, int Cols, int Stride, class Below, bool kAdd>
Case<T> make_case() {
  return {Rows,
          Cols,
          Stride,
          kAdd,
          std::is_same_v<Below, emmy::Relu>,
          [](const T* x, const T* gain, const T* bias, T epsilon, T* y, T* kept) {
            emmy::batch_statistics<Rows, Cols, Stride>(x, epsilon, kept);
            emmy::batch_norm_forward<Rows, Cols, Stride>(x, gain, bias, static_cast<const T*>(kept), y);
          },
          [](const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* dx) {
            emmy::batch_norm_backward<kAdd, Rows, Cols>(x, gain, kept, dy, epsilon, dx, Below{});
          },
          [](const T* x, const T* kept, const T* dy, T* dgain) {
            emmy::batch_norm_gain_gradient<Rows, Cols, Stride>(x, kept, dy, dgain);
          },
          [](const T* x, const T* gain, const T* kept, const T* dy, T epsilon, T* along, T* error, T* across) {
            emmy::batch_norm_invariance<Rows, Cols>(x, gain, kept, dy, epsilon, along, error, across);
          },
          [](const T* kept, T share, T* running) { emmy::update_running<Rows, Cols>(kept, share, running); },
          [](const T* running, T epsilon, T* kept) { emmy::running_statistics<Cols>(running, epsilon, kept); }};
}

// Data of one check, x with `offset` added.
template <class T>
struct Data {
  Fenced<T> x, whole, y, dy, dx, gain, bias, dgain, kept, running, along, along_error, across_error;

  Data(const Case<T>& kernel, std::size_t gap, double offset)
      : x(size(kernel.stride == pad(kernel) ? kernel.rows * pad(kernel)
                                            : (kernel.rows - 1) * kernel.stride + kernel.cols),
          gap),
        whole(size(kernel.rows * pad(kernel))),
        y(whole.size()),
        dy(whole.size()),
        dx(whole.size()),
        gain(size(pad(kernel))),
        bias(gain.size()),
        dgain(gain.size()),
        kept(size(emmy::kBatchNormKept * pad(kernel))),
        running(size(2 * kernel.cols + 1), gap),
        along(size(kernel.cols), gap),
        along_error(size(kernel.cols), gap),
        across_error(size(kernel.cols), gap) {
    const int rows = kernel.rows, cols = kernel.cols, stride = pad(kernel);
    Random random(static_cast<std::uint64_t>(rows * 1000 + cols));
    fill_padded(whole.data(), rows, cols, stride, random);
    fill_padded(gain.data(), 1, cols, stride, random);
    fill_padded(bias.data(), 1, cols, stride, random);
    fill_padded(dy.data(), rows, cols, stride, random);
    if (kernel.adds) fill_padded(dx.data(), rows, cols, stride, random);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < cols; ++c) whole.data()[r * stride + c] += static_cast<T>(offset);
      for (int c = 0; c < (kernel.stride == stride ? stride : cols); ++c)
        x.data()[r * kernel.stride + c] = whole.data()[r * stride + c];
    }
    for (std::size_t k = 0; k < running.size(); ++k) running[k] = T(0);
  }
  static std::size_t size(int n) { return static_cast<std::size_t>(n); }
  static int pad(const Case<T>& kernel) { return emmy::padded<T>(kernel.cols); }
  bool intact() const {
    return x.intact() && whole.intact() && y.intact() && dy.intact() && dx.intact() && gain.intact() && bias.intact() &&
           dgain.intact() && kept.intact() && running.intact() && along.intact() && along_error.intact() &&
           across_error.intact();
  }
};

template <class T>
void check(const Case<T>& kernel, std::size_t gap, double offset, bool biased, T epsilon) {
  const int rows = kernel.rows, cols = kernel.cols, pad = emmy::padded<T>(cols);
  Data<T> at(kernel, gap, offset);
  kernel.forward(at.x.data(), at.gain.data(), biased ? at.bias.data() : nullptr, epsilon, at.y.data(), at.kept.data());
  ASSERT_TRUE(at.intact());
  const Values xs = unpadded<Real>(at.whole.data(), rows, cols, pad), g = unpadded<Real>(at.gain.data(), 1, cols, pad),
               b = unpadded<Real>(at.bias.data(), 1, cols, pad), d = unpadded<Real>(at.dy.data(), rows, cols, pad),
               got = unpadded<Real>(at.y.data(), rows, cols, pad), old = unpadded<Real>(at.dx.data(), rows, cols, pad);
  Values want(xs.size()), slopes(xs.size()), gains(static_cast<std::size_t>(cols));
  reference::batch_norm_forward(want.data(), xs.data(), g.data(), biased ? b.data() : nullptr, rows, cols,
                                static_cast<Real>(epsilon));
  reference::batch_norm_backward(slopes.data(), gains.data(), static_cast<Real*>(nullptr), d.data(), xs.data(),
                                 g.data(), rows, cols, static_cast<Real>(epsilon));
  expect_zero_pads(at.y, rows, cols, pad);
  kernel.backward(at.whole.data(), at.gain.data(), at.kept.data(), at.dy.data(), epsilon, at.dx.data());
  kernel.gain_gradient(at.x.data(), at.kept.data(), at.dy.data(), at.dgain.data());
  kernel.invariance(at.whole.data(), at.gain.data(), at.kept.data(), at.dy.data(), epsilon, at.along.data(),
                    at.along_error.data(), at.across_error.data());
  ASSERT_TRUE(at.intact());
  const Values moved = unpadded<Real>(at.dx.data(), rows, cols, pad),
               made = unpadded<Real>(at.dgain.data(), 1, cols, pad);
  expect_zero_pads(at.dx, rows, cols, pad);
  expect_zero_pads(at.dgain, 1, cols, pad);

  const Real unit = kRoundoff<T>, many = rows / 2 + 16;
  for (std::size_t c = 0; c < g.size(); ++c) {
    const auto column = reference::column_of(xs.data(), static_cast<int>(c), rows, cols, static_cast<Real>(epsilon));
    Real top = 0, square = 0, gain_error = 0, by_formula = 0, by_gradient = 0, across = 0;
    for (std::size_t k = c; k < xs.size(); k += g.size()) {
      top = std::fmax(top, std::fabs(xs[k]));
      square += d[k] * g[c] * d[k] * g[c];
    }
    const Real dx_error = 8 * many * column.scale * (1 + column.scale * top) * std::sqrt(square) * unit;
    for (std::size_t k = c; k < xs.size(); k += g.size()) {
      const Real n = (xs[k] - column.mean) * column.scale, size = std::fabs(n),
                 error = many * (column.scale * top * (1 + size) + size) * unit;
      ASSERT_LE(std::fabs(got[k] - want[k]),
                error * std::fabs(g[c]) + 2 * unit * (size * std::fabs(g[c]) + std::fabs(biased ? b[c] : 0)))
          << rows << 'x' << cols << " at " << k;
      const bool cut = kernel.masks && !(xs[k] > 0);
      const Real wanted = (kernel.adds ? old[k] : 0) + (cut ? 0 : slopes[k]);
      ASSERT_LE(std::fabs(moved[k] - wanted), dx_error + (kernel.adds ? unit * std::fabs(wanted) : 0))
          << rows << 'x' << cols << " at " << k;
      gain_error += std::fabs(d[k]) * (error + (rows + 1) * unit * size);
      by_formula += static_cast<Real>(epsilon) * column.scale * column.scale * d[k] * g[c] * n;
      by_gradient += xs[k] * moved[k];
      across += moved[k];
    }
    ASSERT_LE(std::fabs(made[c] - gains[c]), gain_error) << rows << 'x' << cols << ", gain " << c;
    // What epsilon makes of <x, dx>, by its formula and by the gradient that the kernel made, whose columns add up to 0.
    const Real allowed = static_cast<Real>(at.along_error[c]) * unit;
    ASSERT_LE(std::fabs(at.along[c] - by_formula), allowed) << rows << 'x' << cols << ", column " << c;
    if (!kernel.adds && !kernel.masks) {
      ASSERT_LE(std::fabs(at.along[c] - by_gradient), allowed) << rows << 'x' << cols << ", column " << c;
      ASSERT_LE(std::fabs(across), static_cast<Real>(at.across_error[c]) * unit) << rows << 'x' << cols;
    }
  }
}

TYPED_TEST(BatchNorm, Columns) {
  using T = TypeParam;
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value;
    check(make_case<T, 2 + kCols % 4, kCols, kCols, std::nullptr_t, kCols % 2 == 0>(), kCols % 16, 0, kCols % 3 > 0,
          T(1e-5));
  });
}

TYPED_TEST(BatchNorm, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check(make_case<T, 5, 3, emmy::padded<T>(3), emmy::Relu, false>(), gap, 0, true, T(0));
    check(make_case<T, 2, kLanes, kLanes, emmy::Relu, true>(), gap, 0, false, T(0.25));
    check(make_case<T, 67, kLanes + 2, kLanes + 2, std::nullptr_t, false>(), gap, 0, true, T(1e-3));
  }
}

// Columns far from zero: the mean is taken away before anything is squared.
TYPED_TEST(BatchNorm, FarFromZero) {
  using T = TypeParam;
  check(make_case<T, 19, 3, 3, std::nullptr_t, false>(), 0, 100, true, T(1e-5));
  check(make_case<T, 8, 2, 2, std::nullptr_t, false>(), 0, -3000, true, T(0));
}

// Statistics of the first batch, then a share of the way; a layer that saw none leaves x as it is but for epsilon.
template <class T, int Rows, int Cols>
void check_running(T share) {
  const auto kernel = make_case<T, Rows, Cols, Cols, std::nullptr_t, false>();
  Values mean(Cols), variance(Cols, 1);
  Data<T> at(kernel, Cols % 16, 0.5);
  const Real unit = kRoundoff<T>;
  for (int seen = 0; seen < 4; ++seen) {
    kernel.trained(at.running.data(), T(0.25), at.kept.data());
    expect_zero_pads(at.kept, emmy::kBatchNormKept, Cols, emmy::padded<T>(Cols));
    for (std::size_t c = 0; c < Cols; ++c) {
      const T* kept = at.kept.data() + c;
      constexpr int kPad = emmy::padded<T>(Cols);
      const Real want[] = {mean[c], variance[c], 1 / std::sqrt(variance[c] + Real(0.25))};
      for (int k = 0; k < 3; ++k) ASSERT_LE(std::fabs(kept[k * kPad] - want[k]), 80 * unit) << seen;
    }
    for (int r = 0; r < Rows; ++r) {
      for (int c = 0; c < Cols; ++c) at.x.data()[r * Cols + c] *= static_cast<T>(c % 2 == 0 ? 0.75 : -1);
    }
    const Values xs = unpadded<Real>(at.x.data(), Rows, Cols, Cols);
    if (seen == 0) variance.assign(Cols, 0);
    reference::move_running(mean.data(), variance.data(), xs.data(), seen, Rows, Cols, static_cast<Real>(share));
    kernel.forward(at.x.data(), at.gain.data(), nullptr, T(0.25), at.y.data(), at.kept.data());
    kernel.update(at.kept.data(), share, at.running.data());
    ASSERT_TRUE(at.intact());
  }
}
TYPED_TEST(BatchNorm, WhatBatchesLeave) {
  using T = TypeParam;
  check_running<T, 2, 1>(T(0.1));
  check_running<T, 7, support::kLanes<T>>(T(0.1));
  check_running<T, 5, support::kLanes<T> + 1>(T(1));
  check_running<T, 3, 2 * support::kLanes<T> - 1>(T(0.5));
}

TYPED_TEST(BatchNorm, EqualValuesAndNaN) {
  using T = TypeParam;
  constexpr int kCols = support::kLanes<T> + 3, kPad = emmy::padded<T>(kCols);
  const auto kernel = make_case<T, 3, kCols, kCols, std::nullptr_t, false>();
  Data<T> at(kernel, 0, 0);
  for (std::size_t k = 0; k < at.x.size(); ++k) at.x[k] = T(4);
  const auto norm = [&](T epsilon) {
    kernel.forward(at.x.data(), at.gain.data(), nullptr, epsilon, at.y.data(), at.kept.data());
  };
  norm(T(1e-5));
  for (std::size_t k = 0; k < at.y.size(); ++k) EXPECT_EQ(at.y[k], T(0));
  norm(T(0));
  for (int k = 0; k < 3 * kPad; ++k) EXPECT_EQ(std::isnan(at.y.data()[k]), k % kPad < kCols);
  at.x[kCols + 1] = std::numeric_limits<T>::quiet_NaN();
  norm(T(1e-5));
  for (int k = 0; k < 3 * kPad; ++k) EXPECT_EQ(std::isnan(at.y.data()[k]), k % kPad == 1);
}

}  // namespace
