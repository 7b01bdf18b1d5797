// emmy/kernels/narrow.hpp: the products of a layer with few outputs against plain double loops.
#include <emmy/kernels/narrow.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>

namespace {

using support::Fenced;
using support::fill;
using support::fill_padded;
using support::for_each_size;
using support::kRoundoff;
using support::Random;

template <class T>
struct Case {
  int rows, in, out;
  void (*forward)(const T* x, const T* w, const T* b, T* y);
  void (*bent)(const T* x, const T* w, const T* b, T* y);
  void (*backward)(const T* w, const T* dy, const T* x, T* dx);
  void (*added)(const T* w, const T* dy, const T* x, T* dx);
};
template <class T, int Rows, int In, int Out>
Case<T> narrow_case() {
  return {Rows, In, Out,
          [](const T* x, const T* w, const T* b, T* y) {
            emmy::narrow_forward<Rows, In, Out>(x, w, b, y, emmy::Identity{});
          },
          // An activation that makes no zero of the zeros in pads.
          [](const T* x, const T* w, const T* b, T* y) {
            emmy::narrow_forward<Rows, In, Out>(x, w, b, y, emmy::Sigmoid{});
          },
          [](const T* w, const T* dy, const T* x, T* dx) {
            emmy::narrow_backward<false, Rows, In, Out>(w, dy, x, dx, nullptr);
          },
          [](const T* w, const T* dy, const T* x, T* dx) {
            emmy::narrow_backward<true, Rows, In, Out>(w, dy, x, dx, emmy::Relu{});
          }};
}

template <class T>
class Narrow : public testing::Test {
 protected:
  static constexpr int kPad = emmy::padded<T>(1);
  // 2 to 10 outputs of one to three pads of inputs, one row and 2 to 9.
  template <class F>
  static void for_each_case(F f) {
    for_each_size<2, 9>([&](auto out) {
      constexpr int kOut = decltype(out)::value, kIn = kPad * (1 + kOut % 3);
      f(narrow_case<T, 1, kIn, kOut>());
      f(narrow_case<T, 2 + 3 * kOut % 8, kIn, kOut>());
    });
    // Rows by as many as there are lanes and some more; inputs of which so many rows are too long for that.
    f(narrow_case<T, 16, 2 * kPad, 10>());
    f(narrow_case<T, 21, kPad, 4>());
    f(narrow_case<T, 35, kPad, 17>());
    f(narrow_case<T, 17, 33 * kPad, 3>());
  }
};
TYPED_TEST_SUITE(Narrow, support::Scalars);

template <class T>
double bound(double terms, double magnitude) {
  return 1.01 * (terms * kRoundoff<T> + (terms + 2) * 0x1p-53) * magnitude;
}

template <class T>
void check_forward(const Case<T>& kernel, bool biased, std::size_t gap) {
  const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
             out = static_cast<std::size_t>(kernel.out), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.out));
  Random random(rows * 100 + in + out);
  Fenced<T> x(rows * in, gap), w(out * in), b(pad), y(rows * pad), bent(rows * pad);
  fill(x.data(), rows * in, random);
  fill(w.data(), out * in, random);
  fill_padded(b.data(), 1, kernel.out, emmy::padded<T>(kernel.out), random);
  kernel.forward(x.data(), w.data(), biased ? b.data() : nullptr, y.data());
  kernel.bent(x.data(), w.data(), biased ? b.data() : nullptr, bent.data());
  ASSERT_TRUE(x.intact() && w.intact() && b.intact() && y.intact() && bent.intact());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < pad; ++o) {
      if (o >= out) {
        ASSERT_TRUE(y[r * pad + o] == T(0) && bent[r * pad + o] == T(0)) << "pad " << o << " of row " << r;
        continue;
      }
      double want = biased ? static_cast<double>(b[o]) : 0, magnitude = std::fabs(want);
      for (std::size_t i = 0; i < in; ++i) {
        const double term = static_cast<double>(x[r * in + i]) * static_cast<double>(w[o * in + i]);
        want += term;
        magnitude += std::fabs(term);
      }
      ASSERT_LE(std::fabs(static_cast<double>(y[r * pad + o]) - want), bound<T>(kernel.in + 1, magnitude))
          << rows << 'x' << in << 'x' << out << " row " << r << " output " << o;
      ASSERT_NEAR(static_cast<double>(bent[r * pad + o]), 1 / (1 + std::exp(-static_cast<double>(y[r * pad + o]))),
                  1e-6);
    }
}

TYPED_TEST(Narrow, ForwardIsADotProductAnOutput) {
  this->for_each_case([](const auto& kernel) {
    for (std::size_t gap = 0; gap < 16; gap += 3)
      for (const bool biased : {false, true}) check_forward(kernel, biased, gap);
  });
}

TYPED_TEST(Narrow, BackwardSumsOverTheOutputs) {
  using T = TypeParam;
  this->for_each_case([](const auto& kernel) {
    const auto rows = static_cast<std::size_t>(kernel.rows), in = static_cast<std::size_t>(kernel.in),
               out = static_cast<std::size_t>(kernel.out), pad = static_cast<std::size_t>(emmy::padded<T>(kernel.out));
    Random random(rows + in + out);
    Fenced<T> x(rows * in), w(out * in), dy(rows * pad), dx(rows * in), added(rows * in);
    for (Fenced<T>* p : {&x, &added}) fill(p->data(), rows * in, random);
    fill(w.data(), out * in, random);
    fill_padded(dy.data(), kernel.rows, kernel.out, emmy::padded<T>(kernel.out), random);
    const std::vector<T> before(added.data(), added.data() + added.size());
    kernel.backward(w.data(), dy.data(), x.data(), dx.data());
    kernel.added(w.data(), dy.data(), x.data(), added.data());
    ASSERT_TRUE(x.intact() && w.intact() && dy.intact() && dx.intact() && added.intact());
    for (std::size_t at = 0; at < rows * in; ++at) {
      double want = 0, magnitude = 0;
      for (std::size_t o = 0; o < out; ++o) {
        const double term = static_cast<double>(dy[at / in * pad + o]) * static_cast<double>(w[o * in + at % in]);
        want += term;
        magnitude += std::fabs(term);
      }
      ASSERT_LE(std::fabs(static_cast<double>(dx[at]) - want), bound<T>(kernel.out, magnitude));
      const double sum = (x[at] > 0 ? want : 0) + static_cast<double>(before[at]);
      ASSERT_LE(std::fabs(static_cast<double>(added[at]) - sum),
                bound<T>(kernel.out + 1, magnitude + std::fabs(static_cast<double>(before[at]))));
    }
  });
}

// What is fused into dX, of one row and of several: its bits are those of dX, where x is positive.
template <class T, int Rows, int In, int Out>
void check_below() {
  Random random(Rows * 100 + Out);
  constexpr auto kSize = static_cast<std::size_t>(Rows * In);
  constexpr auto kDelta = static_cast<std::size_t>(Rows * emmy::padded<T>(Out));
  Fenced<T> w(Out * In, 0), x(kSize, 0), dy(kDelta, 0), plain(kSize, 0), dx(kSize, 0);
  fill(w.data(), w.size(), random);
  fill(x.data(), x.size(), random);
  fill_padded(dy.data(), Rows, Out, emmy::padded<T>(Out), random);
  const T *weights = w.data(), *delta = dy.data(), *input = x.data();
  emmy::narrow_backward<false, Rows, In, Out>(weights, delta, input, plain.data(), nullptr);
  emmy::narrow_backward<false, Rows, In, Out>(weights, delta, input, dx.data(), emmy::Relu{});
  bool some = false;
  for (std::size_t i = 0; i < kSize; ++i) {
    EXPECT_EQ(dx.data()[i], input[i] > T(0) ? plain.data()[i] : T(0)) << i;
    some |= dx.data()[i] != T(0);
  }
  EXPECT_TRUE(some);
}
TYPED_TEST(Narrow, ReluBelow) {
  check_below<TypeParam, 1, TestFixture::kPad, 2>();
  check_below<TypeParam, 1, 2 * TestFixture::kPad, 5>();
  check_below<TypeParam, 3, 3 * TestFixture::kPad, 3>();
}

}  // namespace
