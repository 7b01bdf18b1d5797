// One-sided Jacobi rotations: b = Q' b', Q orthogonal, rows of b' orthogonal, for shapes around the lanes and for matrices that are hard.
#include <emmy/kernels/jacobi.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

namespace {

template <class T>
struct Jacobi : testing::Test {};
TYPED_TEST_SUITE(Jacobi, support::Scalars);

template <class T, int Rows, int Cols, class Make>
void check(Make make) {
  constexpr int kStride = emmy::padded<T>(Cols), kOwn = emmy::padded<T>(Rows);
  support::Fenced<T> b(Rows * kStride), q(Rows * kOwn);
  std::vector<double> from(Rows * Cols);
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < kStride; ++c) {
      b[static_cast<std::size_t>(r * kStride + c)] = c < Cols ? static_cast<T>(make(r, c)) : T(0);
      if (c < Cols) from[static_cast<std::size_t>(r * Cols + c)] = static_cast<double>(static_cast<T>(make(r, c)));
    }
  ASSERT_TRUE((emmy::orthogonalise<Rows, Cols>(b.data(), q.data())));
  EXPECT_TRUE(b.intact() && q.intact());
  support::expect_zero_pads(b, Rows, Cols, kStride);
  support::expect_zero_pads(q, Rows, Rows, kOwn);
  const auto own = [&](int k, int c) { return static_cast<double>(b[static_cast<std::size_t>(k * kStride + c)]); };
  const auto turn = [&](int k, int r) { return static_cast<double>(q[static_cast<std::size_t>(k * kOwn + r)]); };
  double size = 0, least = 0;
  for (const double v : from) {
    size = std::fmax(size, std::fabs(v));
    least += std::pow(v * support::kRoundoff<T>, 2);
  }
  const double near = (60 + 4 * Rows) * support::kRoundoff<T>;  // each row meets some 10 Rows rotations
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j <= i; ++j) {
      double rows = 0, turns = 0, a = 0, c = 0;
      for (int k = 0; k < Cols; ++k)
        rows += own(i, k) * own(j, k), a += own(i, k) * own(i, k), c += own(j, k) * own(j, k);
      for (int k = 0; k < Rows; ++k) turns += turn(i, k) * turn(j, k);
      EXPECT_NEAR(turns, i == j ? 1 : 0, near);
      if (i == j || std::fmin(a, c) <= 4 * least) continue;  // rounding of the other rows
      EXPECT_LE(std::fabs(rows), 16 * support::kRoundoff<T> * std::sqrt(a * c));
    }
  for (int r = 0; r < Rows; ++r)
    for (int c = 0; c < Cols; ++c) {
      double sum = 0;
      for (int k = 0; k < Rows; ++k) sum += turn(k, r) * own(k, c);
      EXPECT_NEAR(sum, from[static_cast<std::size_t>(r * Cols + c)], near * size);
    }
}

template <class T, int Rows, int Cols>
void check_all() {
  support::Random random(Rows * 31 + Cols);
  std::vector<double> values(Rows * Cols);
  for (double& v : values) v = random();
  const auto any = [&](int r, int c) { return values[static_cast<std::size_t>(r * Cols + c)]; };
  check<T, Rows, Cols>(any);
  check<T, Rows, Cols>([](int, int) { return 0.0; });
  check<T, Rows, Cols>([](int r, int c) { return r == c ? 3.0 : 0.0; });
  check<T, Rows, Cols>([](int r, int c) { return (r + 1.0) * (c + 1.0) / 16; });  // of rank 1
  check<T, Rows, Cols>(
      [&](int r, int c) { return any(r, c) * std::ldexp(1.0, -4 * r); });  // small ones beside large ones
  check<T, Rows, Cols>([](int r, int c) { return 1.0 / (r + c + 1); });
}

TYPED_TEST(Jacobi, TurnsRowsOrthogonal) {
  check_all<TypeParam, 1, 1>();
  check_all<TypeParam, 2, 5>();
  check_all<TypeParam, 7, 7>();
  check_all<TypeParam, 8, 17>();
  check_all<TypeParam, 17, 8>();
  check_all<TypeParam, 33, 33>();
}

TYPED_TEST(Jacobi, GivesUpOnWhatIsNotFinite) {
  constexpr int kStride = emmy::padded<TypeParam>(3);
  alignas(64) TypeParam b[3 * kStride] = {}, q[3 * kStride];
  b[0] = b[kStride] = b[2 * kStride] = static_cast<TypeParam>(INFINITY);
  static_cast<void>(emmy::orthogonalise<3, 3>(b, q));  // ends
}

}  // namespace
