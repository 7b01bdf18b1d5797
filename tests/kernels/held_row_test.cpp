// emmy/kernels/held_row.hpp: rows against vectors in registers, in groups and one by one, against plain loops.
#include <emmy/kernels/held_row.hpp>
#include <emmy/layers/activations.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <vector>

namespace {

namespace simd = emmy::simd;
using support::Fenced;
using support::fill;
using support::kRoundoff;
using support::Random;

// Each takes `count` vectors from v, calls the kernel and puts them back.
template <class T>
struct Kernels {
  int count;
  void (*add)(T x, const T* p, T* v);
  void (*update)(T* p, T x, T* v);
  void (*add_to)(T* p, T* v);
  void (*through)(T* p, T x, T* v);
  void (*rectified)(T* p, T x, T* v);
};
template <class T, int Count, class F>
void hold(T* from, F f) {
  emmy::with_vectors<T, Count>([&](auto&... v) {
    T* at = from;
    ((v = simd::load(static_cast<const T*>(at)), at += simd::lanes<T>()), ...);
    f(v...);
    at = from;
    ((simd::store(v, at), at += simd::lanes<T>()), ...);
  });
}
template <class T, int Count>
Kernels<T> kernels() {
  return {Count,
          [](T x, const T* p, T* v) { hold<T, Count>(v, [&](auto&... held) { emmy::add_row(x, p, held...); }); },
          [](T* p, T x, T* v) { hold<T, Count>(v, [&](auto&... held) { emmy::update_row(p, x, held...); }); },
          [](T* p, T* v) { hold<T, Count>(v, [&](auto&... held) { emmy::add_to_row(p, held...); }); },
          [](T* p, T x, T* v) {
            hold<T, Count>(v, [&](auto&... held) { emmy::update_through<emmy::Tanh>(p, x, held...); });
          },
          [](T* p, T x, T* v) {
            hold<T, Count>(v, [&](auto&... held) { emmy::update_through<emmy::Relu>(p, x, held...); });
          }};
}

template <class T>
class HeldRow : public testing::Test {
 protected:
  // p ends at a fence, v is plain; f(kernels, p, v, x) for every number of vectors and misalignment.
  template <class F>
  static void for_each_count(F f) {
    support::for_each_size<1, 9>([&](auto count) {
      const Kernels<T> k = kernels<T, decltype(count)::value>();
      const std::size_t n = static_cast<std::size_t>(k.count) * simd::lanes<T>();
      for (std::size_t gap = 0; gap < 16; ++gap) {
        Random random(n + gap);
        Fenced<T> p(n, gap);
        fill(p.data(), n, random);
        std::vector<T> v(n), x(1);
        fill(v.data(), n, random);
        fill(x.data(), 1, random);
        f(k, p, v, x[0]);
        ASSERT_TRUE(p.intact());
      }
    });
  }
  static void near(T got, double want, double size) {
    ASSERT_LE(std::fabs(static_cast<double>(got) - want), 2.01 * (kRoundoff<T> + 0x1p-53) * size);
  }
};
TYPED_TEST_SUITE(HeldRow, support::Scalars);

TYPED_TEST(HeldRow, TakesARow) {
  using T = TypeParam;
  this->for_each_count([this](const auto& k, auto& p, auto& v, T x) {
    const auto before = v;
    k.add(x, p.data(), v.data());
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double term = static_cast<double>(x) * static_cast<double>(p[i]);
      this->near(v[i], static_cast<double>(before[i]) + term,
                 std::fabs(static_cast<double>(before[i])) + std::fabs(term));
    }
  });
}

TYPED_TEST(HeldRow, UpdatesARow) {
  using T = TypeParam;
  this->for_each_count([this](const auto& k, auto& p, auto& v, T x) {
    const std::vector<T> old(p.data(), p.data() + p.size()), held = v;
    k.update(p.data(), x, v.data());
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double term = static_cast<double>(x) * static_cast<double>(v[i]);
      this->near(p[i], static_cast<double>(old[i]) + term, std::fabs(static_cast<double>(old[i])) + std::fabs(term));
    }
    std::vector<T> sum(p.data(), p.data() + p.size());
    k.add_to(p.data(), v.data());
    for (std::size_t i = 0; i < v.size(); ++i) ASSERT_EQ(p[i], sum[i] + v[i]);
    ASSERT_EQ(v, held);
  });
}

// Relu's outputs are positive or +0.
TYPED_TEST(HeldRow, GoesThroughAnActivation) {
  using T = TypeParam;
  for (const bool rectified : {false, true}) {
    this->for_each_count([this, rectified](const auto& k, auto& p, auto& v, T x) {
      if (rectified)
        for (T& unit : v) unit = unit > 0 ? unit : T(0);
      const std::vector<T> old(p.data(), p.data() + p.size()), unit = v;
      (rectified ? k.rectified : k.through)(p.data(), x, v.data());
      for (std::size_t i = 0; i < v.size(); ++i) {
        const double w = static_cast<double>(old[i]), h = static_cast<double>(unit[i]), s = static_cast<double>(x);
        this->near(p[i], w + s * h, std::fabs(w) + std::fabs(s * h));
        const double slope = rectified ? h > 0 : 1 - h * h;
        this->near(v[i], slope * s * w, 2 * (1 + h * h) * std::fabs(s * w));
      }
    });
  }
}

}  // namespace
