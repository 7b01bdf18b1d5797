// emmy/core/shape.hpp and the padding of core/macros.hpp
#include <emmy/core/macros.hpp>
#include <emmy/core/shape.hpp>

#include <gtest/gtest.h>

#include <type_traits>

namespace {

TEST(Shape, CountsItsPositionsAndChannels) {
  using Vector = emmy::Shape<64>;
  static_assert(Vector::kRank == 1 && Vector::kSize == 64 && Vector::kChannels == 64 && Vector::kPositions == 1);
  using Image = emmy::Shape<8, 4, 3>;
  static_assert(Image::kRank == 3 && Image::kSize == 96 && Image::kChannels == 3 && Image::kPositions == 32);
  static_assert(Image::kHeight == 8 && Image::kWidth == 4 && Vector::kHeight == 1 && Vector::kWidth == 1);
  using Single = emmy::Shape<1>;
  static_assert(Single::kRank == 1 && Single::kSize == 1 && Single::kChannels == 1 && Single::kPositions == 1);
  SUCCEED();  // the compiler has checked it
}

TEST(Shape, WithChannelsKeepsThePositions) {
  static_assert(std::is_same_v<emmy::with_channels<emmy::Shape<64>, 10>, emmy::Shape<10>>);
  static_assert(std::is_same_v<emmy::with_channels<emmy::Shape<5, 7>, 2>, emmy::Shape<5, 2>>);
  static_assert(std::is_same_v<emmy::with_channels<emmy::Shape<8, 4, 3>, 16>, emmy::Shape<8, 4, 16>>);
  static_assert(std::is_same_v<emmy::with_channels<emmy::Shape<2, 3, 4, 5>, 1>, emmy::Shape<2, 3, 4, 1>>);
  SUCCEED();
}

TEST(Padding, RoundsUpToWholePads) {
  constexpr int kFloats = emmy::kPadBytes / 4, kDoubles = emmy::kPadBytes / 8;
  for (int n = 0; n <= 5 * kFloats; ++n) {
    const int f = emmy::padded<float>(n), d = emmy::padded<double>(n);
    EXPECT_GE(f, n);
    EXPECT_LT(f, n + kFloats);
    EXPECT_EQ(f % kFloats, 0);
    EXPECT_GE(d, n);
    EXPECT_LT(d, n + kDoubles);
    EXPECT_EQ(d % kDoubles, 0);
  }
  static_assert(emmy::kPadBytes == 64, "the layout of parameters on a host is part of checkpoint files");
}

}  // namespace
