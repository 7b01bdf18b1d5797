// The quadrotor's controller: hover, mirror, saturation.
#include "io/controller.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace emmy::io {
namespace {

TEST(Controller, HoversAtRest) {
  const double rest[13] = {0, 0, 0, 1};
  double motor[4];
  control(rest, motor);
  for (const double m : motor) EXPECT_EQ(m, 0);  // half of full
}

// Each sign by itself: below the goal all motors push; tilted to the left (roll about x) the right side gives way;
// nose down (pitch about y) the front pushes; a turn to the left is braked by the pair that pushes for it.
TEST(Controller, PushesBack) {
  double motor[4];
  const double low[13] = {0, 0, -1, 1};
  control(low, motor);
  for (const double m : motor) EXPECT_GT(m, 0);
  const double right_down[13] = {0, 0, 0, std::sqrt(0.99), 0.1};
  control(right_down, motor);
  EXPECT_GT(motor[1], motor[0]);
  EXPECT_GT(motor[3], motor[2]);
  const double nose_down[13] = {0, 0, 0, std::sqrt(0.99), 0, 0.1};
  control(nose_down, motor);
  EXPECT_GT(motor[0], motor[2]);
  EXPECT_GT(motor[1], motor[3]);
  const double turning[13] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  control(turning, motor);
  EXPECT_GT(motor[0], motor[1]);
  EXPECT_GT(motor[3], motor[2]);
}

// y -> -y swaps left and right.
TEST(Controller, IsMirrorSymmetric) {
  const Dataset drawn = draw_controller(500, 1);
  constexpr int kSign[13] = {1, -1, 1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
  constexpr int kSwapped[4] = {1, 0, 3, 2};
  for (std::size_t r = 0; r < drawn.rows; ++r) {
    double state[13], mirrored[13], motor[4], other[4];
    for (std::size_t i = 0; i < 13; ++i) {
      state[i] = static_cast<double>(drawn.x[r * 13 + i]);
      mirrored[i] = kSign[i] * state[i];
    }
    control(state, motor);
    control(mirrored, other);
    for (int m = 0; m < 4; ++m) EXPECT_NEAR(motor[m], other[kSwapped[m]], 1e-12);
  }
}

TEST(Controller, DrawnRows) {
  const Dataset d = draw_controller(1000, 1), longer = draw_controller(1001, 1), other = draw_controller(1000, 2);
  ASSERT_EQ(d.x.size(), 13000U);
  ASSERT_EQ(d.values.size(), 4000U);
  EXPECT_TRUE(std::equal(d.x.begin(), d.x.end(), longer.x.begin()));
  EXPECT_NE(d.x, other.x);
  double sum = 0, squares = 0;
  int saturated = 0;
  for (const float v : d.values) {
    ASSERT_LE(std::abs(v), 1);
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
    saturated += std::abs(v) == 1.0F;
  }
  const double variance = squares / 4000 - sum * sum / 4000 / 4000;
  std::printf("variance %.3f, %d of 4000 motors saturated\n", variance, saturated);
  EXPECT_GT(variance, 0.3);
  EXPECT_LT(variance, 0.8);
  EXPECT_GT(saturated, 400);
  EXPECT_LT(saturated, 2400);
  for (std::size_t r = 0; r < d.rows; ++r) {
    double norm = 0;
    for (std::size_t i = 3; i < 7; ++i) norm += static_cast<double>(d.x[r * 13 + i] * d.x[r * 13 + i]);
    EXPECT_NEAR(norm, 1, 1e-6);
  }
}

}  // namespace
}  // namespace emmy::io
