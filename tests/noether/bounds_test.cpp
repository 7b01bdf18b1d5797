// Bounds of weights by charge and function.
#include <emmy/noether/bounds.hpp>

#include <emmy/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

namespace {

double draw(emmy::Pcg32& rng) { return 2.0 * static_cast<double>(rng.uniform()) - 1.0; }

TEST(Bounds, SidesOfAUnitComeBack) {
  emmy::Pcg32 rng{7};
  double worst = 0;
  for (int k = 0; k < 20000; ++k) {
    const double a = std::exp(12 * draw(rng)), b = std::exp(12 * draw(rng));
    const auto sides = emmy::sides_of_unit(a - b, std::sqrt(a * b));
    worst = std::fmax(worst, std::fabs(sides.incoming - a) / std::fmax(a, 1e-16 * b));
    // The smaller side is what the rounding of a - b leaves of it, unless the size tells.
    worst = std::fmax(worst, std::fabs(sides.outgoing - b) / std::fmax(b, 1e-16 * a));
  }
  std::printf("off by at most %.2g\n", worst);
  EXPECT_LT(worst, 1e-15);
  EXPECT_EQ(emmy::sides_of_unit(0.0, 0.0).incoming, 0);
  EXPECT_EQ(emmy::sides_of_unit(3.0f, 0.0f).incoming, 3.0f);
  EXPECT_EQ(emmy::sides_of_unit(-3.0f, 0.0f).incoming, 0.0f);
  EXPECT_EQ(emmy::sides_of_unit(-3.0f, 0.0f).outgoing, 3.0f);
}

// Two by two, the largest eigenvalue of a matrix whose eigenvalues are real.
struct Two {
  double a, b, c, d;
  double largest() const { return (a + d) / 2 + std::sqrt(std::fmax(0.0, (a - d) * (a - d) / 4 + b * c)); }
  double norm() const {  // of a symmetric one
    return std::fmax(largest(), Two{-a, -b, -c, -d}.largest());
  }
};
Two product(const Two& m, const Two& n) {
  return {m.a * n.a + m.b * n.c, m.a * n.b + m.b * n.d, m.c * n.a + m.d * n.c, m.c * n.b + m.d * n.d};
}

// Of 20,000 pairs none is above its bound, and some reach it.
TEST(Bounds, NoLinearPairIsAboveItsBound) {
  emmy::Pcg32 rng{11};
  double most = 0;
  for (int k = 0; k < 20000; ++k) {
    double w[3][2], v[2][3];
    const double scale = std::exp(2 * draw(rng));
    for (auto& row : w)
      for (double& x : row) x = draw(rng) * scale;
    for (auto& row : v)
      for (double& x : row) x = draw(rng) / scale;
    if (k % 4 == 0) {  // nearly of rank one, and aligned
      for (int i = 0; i < 3; ++i) w[i][1] *= 1e-9, v[1][i] *= 1e-9;
    }
    Two ww{}, vv{};
    for (int i = 0; i < 3; ++i) {
      ww.a += w[i][0] * w[i][0], ww.b += w[i][0] * w[i][1], ww.d += w[i][1] * w[i][1];
      vv.a += v[0][i] * v[0][i], vv.b += v[0][i] * v[1][i], vv.d += v[1][i] * v[1][i];
    }
    ww.c = ww.b, vv.c = vv.b;
    const double balance = Two{vv.a - ww.a, vv.b - ww.b, vv.c - ww.c, vv.d - ww.d}.norm(),
                 map = std::sqrt(product(ww, vv).largest());  // |W V|^2 = the largest eigenvalue of W'W VV'
    most = std::fmax(most, std::max(ww.largest(), vv.largest()) / emmy::largest_of_pair(balance, map));
  }
  std::printf("at most %.9f of the bound\n", most);
  EXPECT_LE(most, 1 + 1e-9);
  EXPECT_GT(most, 1 - 1e-6);
}

TEST(Bounds, DriftByLoss) { EXPECT_DOUBLE_EQ(emmy::largest_drift(0.1, 2.0, 0.5), 0.3); }

}  // namespace
