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

template <class T>
void expect_zero_pads(const Fenced<T>& p, int rows, int cols, int stride) {
  for (int r = 0; r < rows; ++r) {
    for (int c = cols; c < stride; ++c) ASSERT_EQ(p.data()[r * stride + c], T(0)) << "pad lane";
  }
}

// One size of the kernel: Stride of the rows of x that forward reads; Below a ReLU or nothing; `offset` is added to x.
template <class T, bool Centred, int Rows, int Cols, int Stride, class Below, bool kAdd>
void check(std::size_t gap, double offset, bool biased, T epsilon) {
  constexpr int kPad = emmy::padded<T>(Cols);
  Random random(static_cast<std::uint64_t>(Rows * 1000 + Cols));
  // Rows of padded length come with their pads, others end at the fence.
  Fenced<T> x(static_cast<std::size_t>(Stride == kPad ? Rows * kPad : (Rows - 1) * Stride + Cols), gap);
  Fenced<T> whole(static_cast<std::size_t>(Rows * kPad)), y(whole.size()), dy(whole.size()), dx(whole.size());
  Fenced<T> gain(kPad), bias(kPad), dgain(kPad), kept(static_cast<std::size_t>(emmy::kNormKept * Rows));
  fill_padded(whole.data(), Rows, Cols, kPad, random);
  fill_padded(gain.data(), 1, Cols, kPad, random);
  fill_padded(bias.data(), 1, Cols, kPad, random);
  fill_padded(dy.data(), Rows, Cols, kPad, random);
  if (kAdd) fill_padded(dx.data(), Rows, Cols, kPad, random);
  for (int r = 0; r < Rows; ++r) {
    for (int c = 0; c < Cols; ++c) whole.data()[r * kPad + c] += static_cast<T>(offset);
    for (int c = 0; c < (Stride == kPad ? kPad : Cols); ++c) x.data()[r * Stride + c] = whole.data()[r * kPad + c];
  }
  const T* const from = x.data();
  emmy::norm_forward<Centred, Rows, Cols, Stride>(from, static_cast<const T*>(gain.data()),
                                                  biased ? static_cast<const T*>(bias.data()) : nullptr, epsilon,
                                                  y.data(), kept.data());
  ASSERT_TRUE(x.intact() && gain.intact() && bias.intact() && y.intact() && kept.intact());
  const Values xs = unpadded<Real>(whole.data(), Rows, Cols, kPad), g = unpadded<Real>(gain.data(), 1, Cols, kPad),
               b = unpadded<Real>(bias.data(), 1, Cols, kPad), d = unpadded<Real>(dy.data(), Rows, Cols, kPad),
               got = unpadded<Real>(y.data(), Rows, Cols, kPad), old = unpadded<Real>(dx.data(), Rows, Cols, kPad);
  Values want(xs.size()), slopes(xs.size()), gains(Cols), ones(Cols, Real(1));
  reference::norm_forward(want.data(), xs.data(), g.data(), biased ? b.data() : nullptr, Rows, Cols, Centred,
                          static_cast<Real>(epsilon));
  reference::norm_backward(slopes.data(), gains.data(), static_cast<Real*>(nullptr), d.data(), xs.data(), g.data(),
                           Rows, Cols, Centred, static_cast<Real>(epsilon));

  constexpr Real kUnit = kRoundoff<T>, kMany = Cols / 2 + 16;
  Values error(xs.size()), size(xs.size());  // of n
  std::vector<Real> dx_error(Rows);
  for (int r = 0; r < Rows; ++r) {
    const auto row =
        reference::norm_of_row(&xs[static_cast<std::size_t>(r * Cols)], Cols, Centred, static_cast<Real>(epsilon));
    Real top = 0, square = 0;
    for (int c = 0; c < Cols; ++c) {
      const auto at = static_cast<std::size_t>(r * Cols + c), col = static_cast<std::size_t>(c);
      top = std::fmax(top, std::fabs(xs[at]));
      square += d[at] * g[col] * d[at] * g[col];
    }
    if (!Centred) top = 0;
    for (int c = 0; c < Cols; ++c) {
      const auto at = static_cast<std::size_t>(r * Cols + c), col = static_cast<std::size_t>(c);
      size[at] = std::fabs((xs[at] - row.mean) * row.scale);
      error[at] = kMany * (row.scale * top * (1 + size[at]) + size[at]) * kUnit;
      ASSERT_LE(
          std::fabs(got[at] - want[at]),
          error[at] * std::fabs(g[col]) + 2 * kUnit * (size[at] * std::fabs(g[col]) + std::fabs(biased ? b[col] : 0)))
          << Rows << 'x' << Cols << ", row " << r << ", column " << c;
    }
    dx_error[static_cast<std::size_t>(r)] = 8 * kMany * row.scale * (1 + row.scale * top) * std::sqrt(square) * kUnit;
  }
  expect_zero_pads(y, Rows, Cols, kPad);

  emmy::norm_backward<Centred, kAdd, Rows, Cols>(static_cast<const T*>(whole.data()),
                                                 static_cast<const T*>(gain.data()), static_cast<const T*>(kept.data()),
                                                 static_cast<const T*>(dy.data()), dx.data(), Below{});
  emmy::norm_gain_gradient<Rows, Cols, Stride>(from, static_cast<const T*>(kept.data()),
                                               static_cast<const T*>(dy.data()), dgain.data());
  ASSERT_TRUE(whole.intact() && dy.intact() && dx.intact() && dgain.intact() && kept.intact() && x.intact());
  const Values moved = unpadded<Real>(dx.data(), Rows, Cols, kPad), made = unpadded<Real>(dgain.data(), 1, Cols, kPad);
  for (std::size_t k = 0; k < xs.size(); ++k) {
    const bool cut = std::is_same_v<Below, emmy::Relu> && !(xs[k] > 0);
    const Real wanted = (kAdd ? old[k] : 0) + (cut ? 0 : slopes[k]);
    ASSERT_LE(std::fabs(moved[k] - wanted), dx_error[k / Cols] + (kAdd ? kUnit * std::fabs(wanted) : 0))
        << Rows << 'x' << Cols << " at " << k;
  }
  for (int c = 0; c < Cols; ++c) {
    const auto col = static_cast<std::size_t>(c);
    Real allowed = 0;
    for (int r = 0; r < Rows; ++r) {
      const auto at = static_cast<std::size_t>(r * Cols + c);
      allowed += std::fabs(d[at]) * (error[at] + (Rows + 1) * kUnit * size[at]);
    }
    ASSERT_LE(std::fabs(made[col] - gains[col]), allowed) << Rows << 'x' << Cols << ", gain " << c;
  }
  expect_zero_pads(dx, Rows, Cols, kPad);
  expect_zero_pads(dgain, 1, Cols, kPad);
}

template <class T, bool Centred>
void check_sizes() {
  for_each_size<1, support::kSizes<T>>([](auto cols) {
    constexpr int kCols = decltype(cols)::value;
    check<T, Centred, 1 + kCols % 4, kCols, kCols, std::nullptr_t, kCols % 2 == 0>(kCols % 16, 0, kCols % 3 > 0,
                                                                                   T(1e-5));
  });
}
TYPED_TEST(Norm, CentredRows) { check_sizes<TypeParam, true>(); }
TYPED_TEST(Norm, RowsAsTheyAre) { check_sizes<TypeParam, false>(); }

TYPED_TEST(Norm, OnPaddedRowsWithAnActivationBelow) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (std::size_t gap = 0; gap < 16; ++gap) {
    check<T, true, 3, 5, emmy::padded<T>(5), emmy::Relu, false>(gap, 0, true, T(0));
    check<T, false, 2, kLanes, kLanes, emmy::Relu, true>(gap, 0, false, T(0.25));
    check<T, true, 1, 3 * kLanes + 2, 3 * kLanes + 2, std::nullptr_t, false>(gap, 0, true, T(1e-3));
  }
}

// Rows far from zero: the mean is taken away before anything is squared.
TYPED_TEST(Norm, FarFromZero) {
  using T = TypeParam;
  check<T, true, 3, 19, 19, std::nullptr_t, false>(0, 100, true, T(1e-5));
  check<T, true, 2, 8, 8, std::nullptr_t, false>(0, -3000, true, T(0));
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
