// emmy/kernels/backward_sweep.hpp: dots against a double loop, weights in the bits of sweep_outer.
#include <emmy/kernels/backward_sweep.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace {

using support::Fenced;
using support::fill;
using support::fill_padded;
using support::kRoundoff;
using support::Random;

constexpr int kLanes = emmy::kLanesOf<float>;

// The dots of weights as they were, element i * row + o * col of them, against a double loop.
void expect_dots(const std::vector<float>& w, int rows, int cols, int row, int col, const float* dy, const float* dots,
                 int count) {
  for (int i = 0; i < count; ++i) {
    double dot = 0, size = 0;
    for (int o = 0; i < rows && o < cols; ++o) {
      const double term = double{w[static_cast<std::size_t>(i * row + o * col)]} * double{dy[o]};
      dot += term, size += std::fabs(term);
    }
    EXPECT_LE(std::fabs(double{dots[i]} - dot), cols * kRoundoff<float> * size) << i;
  }
}

template <int Rows, int Cols>
void check(std::size_t gap, float k) {
  constexpr int kStride = emmy::padded<float>(Cols), kDots = emmy::covered<float, Rows>();
  constexpr auto kSize = static_cast<std::size_t>(Rows * kStride);
  SCOPED_TRACE(testing::Message() << Rows << " x " << Cols << ", gap " << gap << ", k " << k);
  constexpr float kRate = 0.375f;
  Random random(static_cast<std::uint64_t>(Rows * 1000 + Cols) + gap);
  Fenced<float> w(kSize, gap), x(Rows, gap), dy(kStride, gap), dots(kDots, gap);
  fill_padded(w.data(), Rows, Cols, kStride, random);
  fill(x.data(), Rows, random);
  fill_padded(dy.data(), 1, Cols, kStride, random);
  const std::vector<float> before(w.data(), w.data() + kSize);
  std::vector<float> other = before;

  emmy::sweep_backward<Rows, Cols>(k, kRate, w.data(), x.data(), dy.data(), dots.data());

  expect_dots(before, Rows, Cols, kStride, 1, dy.data(), dots.data(), kDots);
  emmy::sweep_outer<Cols, Rows>(k, kRate, other.data(), x.data(), dy.data(), static_cast<float*>(nullptr));
  EXPECT_EQ(std::memcmp(other.data(), w.data(), kSize * sizeof(float)), 0);
  if constexpr (emmy::kSweepsBackward<float>) {  // where a step takes it, its deltas are those of two sweeps
    std::vector<float> apart(kDots);
    emmy::row_dots<Rows, Cols>(before.data(), static_cast<const float*>(dy.data()),
                               [&](int i, auto v) { emmy::simd::store(v, apart.data() + i); });
    for (int i = 0; i < kDots; ++i) EXPECT_EQ(apart[static_cast<std::size_t>(i)], dots.data()[i]) << i;
  }
  EXPECT_TRUE(w.intact() && x.intact() && dy.intact() && dots.intact());
}

// Turned weights [Cols][Rows].
template <int Rows, int Cols>
void check_turned(std::size_t gap, float k) {
  constexpr auto kSize = static_cast<std::size_t>(Rows * Cols);
  SCOPED_TRACE(testing::Message() << Rows << " x " << Cols << ", gap " << gap << ", k " << k);
  Random random(static_cast<std::uint64_t>(Rows * 1000 + Cols) + gap);
  Fenced<float> w(kSize, gap), x(Rows, gap), dy(Cols, gap), motion(Cols, gap), dots(Rows, gap);
  for (Fenced<float>* each : {&w, &x, &dy, &motion}) fill(each->data(), each->size(), random);
  x.data()[Rows / 2] = 0;
  const std::vector<float> before(w.data(), w.data() + kSize);
  std::vector<float> other = before, apart(Rows);

  emmy::sweep_backward_turned<Rows, Cols>(k, w.data(), x.data(), static_cast<const float*>(dy.data()),
                                          static_cast<const float*>(motion.data()), dots.data());

  expect_dots(before, Rows, Cols, 1, Rows, dy.data(), dots.data(), Rows);
  emmy::narrow_backward<false, 1, Rows, Cols>(before.data(), static_cast<const float*>(dy.data()), x.data(),
                                              apart.data(), nullptr);
  EXPECT_EQ(std::memcmp(apart.data(), dots.data(), Rows * sizeof(float)), 0);
  emmy::sweep_outer<Rows, Cols>(k, 1.0f, other.data(), static_cast<const float*>(motion.data()),
                                static_cast<const float*>(x.data()), static_cast<float*>(nullptr));
  EXPECT_EQ(std::memcmp(other.data(), w.data(), kSize * sizeof(float)), 0);

  // The same behind a ReLU.
  std::copy(before.begin(), before.end(), w.data());
  emmy::sweep_backward_turned<Rows, Cols>(k, w.data(), x.data(), static_cast<const float*>(dy.data()),
                                          static_cast<const float*>(motion.data()), dots.data(), emmy::Relu{});
  for (int i = 0; i < Rows; ++i)
    EXPECT_EQ(dots.data()[i], x.data()[i] > 0 ? apart[static_cast<std::size_t>(i)] : 0.0f) << i;
  EXPECT_EQ(std::memcmp(other.data(), w.data(), kSize * sizeof(float)), 0);
  EXPECT_TRUE(w.intact() && x.intact() && dy.intact() && motion.intact() && dots.intact());
}

template <class T>
void check_all(std::size_t gap, float k) {
  if constexpr (emmy::kDotsByLanes<T>) {
    support::for_each_size<1, 5>([&](auto n) {
      constexpr int kN = decltype(n)::value;
      check<kLanes - 2 + kN, 3 * kN>(gap, k);
      check<3, kN * kLanes>(gap, k);
      check<2 * kLanes, kN * kLanes - 1>(gap, k);
    });
    check<3 * kLanes + 1, 9 * kLanes + 3>(gap, k);
  }
  // Rests and rounds of rows; rows within reach of one address, by four, and not.
  if constexpr (emmy::kHasBackPanels<T>) {
    constexpr int kPad = emmy::padded<T>(1);
    support::for_each_size<2, 18>([&](auto n) {
      check_turned<kPad, decltype(n)::value>(gap, k);
      check_turned<2 * kPad, decltype(n)::value>(gap, k);
    });
    check_turned<kPad, 11>(gap, k);
    check_turned<2 * kPad, 12>(gap, k);
    check_turned<kPad, 30>(gap, k);
    check_turned<2 * kPad, 67>(gap, k);
    check_turned<3 * kPad, 7>(gap, k);
    check_turned<4 * kPad, 13>(gap, k);
    check_turned<5 * kPad, 9>(gap, k);
    check_turned<9 * kPad, 15>(gap, k);
  }
}

// Groups of rows that are whole and not; a panel of columns, less, several, and one vector more.
TEST(BackwardSweep, GivesTheDotsAndTheUpdate) {
  static_assert(emmy::kDotsByLanes<float> || emmy::kHasBackPanels<float>);
  for (std::size_t gap = 0; gap < 16; ++gap) check_all<float>(gap, 1.0f), check_all<float>(gap, 0.9375f);
}

}  // namespace
