// emmy/core/mat.hpp
#include <emmy/core/mat.hpp>

#include <gtest/gtest.h>

namespace {

TEST(Mat, ReadsAndWritesThroughItsStride) {
  float data[3 * 8];
  for (int i = 0; i < 24; ++i) data[i] = static_cast<float>(i);
  const emmy::Mat<float, 3, 5, 8> m{data};
  static_assert(m.kRows == 3 && m.kCols == 5 && m.kStride == 8);
  static_assert(sizeof(m) == sizeof(float*));
  for (int r = 0; r < 3; ++r) {
    EXPECT_EQ(m.row(r), data + 8 * r);
    for (int c = 0; c < 5; ++c) EXPECT_EQ(m(r, c), static_cast<float>(8 * r + c));
  }
  m(2, 4) = -1.0f;
  EXPECT_EQ(data[20], -1.0f);
}

TEST(Mat, IsDenseByDefaultAndMayBeConst) {
  const double data[] = {1, 2, 3, 4, 5, 6};
  const emmy::Mat<const double, 2, 3> m{data};
  static_assert(m.kStride == 3);
  EXPECT_EQ(m(1, 0), 4.0);
  EXPECT_EQ(m(1, 2), 6.0);
}

}  // namespace
