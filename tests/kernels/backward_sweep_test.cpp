// emmy/kernels/backward_sweep.hpp: dots against a double loop, weights in the bits of sweep_outer.
#include <emmy/kernels/backward_sweep.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>

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

  for (int i = 0; i < kDots; ++i) {
    double dot = 0, size = 0;
    for (int o = 0; i < Rows && o < Cols; ++o) {
      const double term = double{before[static_cast<std::size_t>(i * kStride + o)]} * double{dy.data()[o]};
      dot += term, size += std::fabs(term);
    }
    EXPECT_LE(std::fabs(double{dots.data()[i]} - dot), Cols * kRoundoff<float> * size) << i;
  }
  emmy::sweep_outer<Cols>(k, kRate, other.data(), Rows, x.data(), dy.data(), static_cast<float*>(nullptr));
  EXPECT_EQ(std::memcmp(other.data(), w.data(), kSize * sizeof(float)), 0);
  if constexpr (emmy::kSweepsBackward<float>) {  // where a step takes it, its deltas are those of two sweeps
    std::vector<float> apart(kDots);
    emmy::row_dots<Rows, Cols>(before.data(), static_cast<const float*>(dy.data()),
                               [&](int i, auto v) { emmy::simd::store(v, apart.data() + i); });
    for (int i = 0; i < kDots; ++i) EXPECT_EQ(apart[static_cast<std::size_t>(i)], dots.data()[i]) << i;
  }
  EXPECT_TRUE(w.intact() && x.intact() && dy.intact() && dots.intact());
}

// Groups of rows that are whole and not; a panel of columns, less, several, and one vector more.
TEST(BackwardSweep, GivesTheDotsAndTheUpdate) {
  const auto all = [](std::size_t gap, float k) {
    support::for_each_size<1, 5>([&](auto n) {
      constexpr int kN = decltype(n)::value;
      check<kLanes - 2 + kN, 3 * kN>(gap, k);
      check<3, kN * kLanes>(gap, k);
      check<2 * kLanes, kN * kLanes - 1>(gap, k);
    });
    check<3 * kLanes + 1, 9 * kLanes + 3>(gap, k);
  };
  for (std::size_t gap = 0; gap < 16; ++gap) all(gap, 1.0f), all(gap, 0.9375f);
}

}  // namespace
