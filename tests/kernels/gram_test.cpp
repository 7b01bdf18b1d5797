// emmy/kernels/gram.hpp against plain double loops: shapes around the lane count, of two matrices and of one with itself.
#include <emmy/kernels/gram.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>

namespace {

using support::Fenced;
using support::Random;

template <class T>
struct Case {
  int rows, cols;
  void (*of_rows)(const T* a, const T* b, T* g);
  void (*of_columns)(const T* a, const T* b, T* g);
};
template <class T, int Rows, int Cols>
void run_rows(const T* a, const T* b, T* g) {
  emmy::gram_of_rows<Rows, Cols>(a, b, g);
}
template <class T, int Rows, int Cols>
void run_columns(const T* a, const T* b, T* g) {
  emmy::gram_of_columns<Rows, Cols>(a, b, g);
}
template <class T, int Rows, int Cols>
Case<T> make_case() {
  return {Rows, Cols, &run_rows<T, Rows, Cols>, &run_columns<T, Rows, Cols>};
}

// Pads of a and b are zero; what lies beyond them and in g before is poison.
template <class T>
void check(const Case<T>& kernel, bool by_rows, bool itself) {
  const auto rows = static_cast<std::size_t>(kernel.rows), cols = static_cast<std::size_t>(kernel.cols),
             pad = static_cast<std::size_t>(emmy::padded<T>(kernel.cols)), units = by_rows ? rows : cols,
             terms = by_rows ? cols : rows, stride = static_cast<std::size_t>(emmy::padded<T>(static_cast<int>(units)));
  Random random(rows * 100 + cols);
  Fenced<T> a(rows * pad), other(rows * pad), g(units * stride);
  for (std::size_t k = 0; k < rows * pad; ++k) {
    a[k] = k % pad < cols ? static_cast<T>(random()) : T(0);
    other[k] = k % pad < cols ? static_cast<T>(random()) : T(0);
  }
  const T* b = itself ? a.data() : other.data();
  (by_rows ? kernel.of_rows : kernel.of_columns)(a.data(), b, g.data());
  ASSERT_TRUE(a.intact() && other.intact() && g.intact());
  for (std::size_t i = 0; i < units; ++i)
    for (std::size_t j = 0; j < stride; ++j) {
      double sum = 0, magnitude = 0;
      for (std::size_t k = 0; k < terms && j < units; ++k) {
        const double product = by_rows ? static_cast<double>(a[i * pad + k]) * static_cast<double>(b[j * pad + k])
                                       : static_cast<double>(a[k * pad + i]) * static_cast<double>(b[k * pad + j]);
        sum += product;
        magnitude += std::fabs(product);
      }
      ASSERT_LE(std::fabs(static_cast<double>(g[i * stride + j]) - sum),
                (sizeof(T) == 8 ? 2 : 1) * (static_cast<double>(terms) + 1) * support::kRoundoff<T> * magnitude)
          << rows << 'x' << cols << " at " << i << ' ' << j;
    }
}

template <class T>
struct Gram : testing::Test {};
TYPED_TEST_SUITE(Gram, support::Scalars);

TYPED_TEST(Gram, MatchesTheDoubleLoops) {
  using T = TypeParam;
  constexpr int kLanes = support::kLanes<T>;
  for (const bool by_rows : {false, true})
    for (const bool itself : {false, true}) {
      check(make_case<T, 1, 1>(), by_rows, itself);
      check(make_case<T, 1, kLanes + 1>(), by_rows, itself);
      check(make_case<T, kLanes - 1, kLanes>(), by_rows, itself);
      check(make_case<T, 5, 2 * kLanes + 3>(), by_rows, itself);
      check(make_case<T, 2 * kLanes + 1, 3>(), by_rows, itself);
    }
}

}  // namespace
