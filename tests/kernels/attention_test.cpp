// emmy/kernels/attention.hpp: scores, what they weigh, their gradients and turns, within the documented errors, given what the step
// before made.
#include <emmy/kernels/attention.hpp>

#include <gtest/gtest.h>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using support::Fenced;
using support::fill_padded;
using support::kRoundoff;
using support::Random;
using Real = long double;

template <class T>
class AttentionKernels : public testing::Test {};
using Types = support::Scalars;
TYPED_TEST_SUITE(AttentionKernels, Types);

struct Angles {
  static constexpr double angle(int position, int plane, int planes) {
    return position * 3.0 * (plane + 1) / (planes + 1);
  }
};

// Padded rows between fences.
template <class T>
struct Rows {
  int rows, cols, stride;
  Fenced<T> data;
  Rows(int r, int c, Random* random)
      : rows(r), cols(c), stride(emmy::padded<T>(c)), data(static_cast<std::size_t>(r * emmy::padded<T>(c))) {
    if (random != nullptr) fill_padded(data.data(), rows, cols, stride, *random);
  }
  Real operator()(int row, int col) const {
    return static_cast<Real>(data[static_cast<std::size_t>(row * stride + col)]);
  }
  T* p() { return data.data(); }
  void expect_clean() const {
    for (int r = 0; r < rows; ++r)
      for (int c = cols; c < stride; ++c) ASSERT_EQ((*this)(r, c), 0) << "pad lane";
    ASSERT_TRUE(data.intact());
  }
};
template <class T>
void copy(const Rows<T>& from, Rows<T>& to) {
  std::copy(from.data.data(), from.data.data() + from.data.size(), to.p());
}
// sum over k of a(k) b(k), and of |a b|
struct Sum {
  Real value = 0, size = 0;
};
template <class A, class B>
Sum sum_of(int count, A a, B b) {
  Sum s;
  for (int k = 0; k < count; ++k) {
    s.value += a(k) * b(k);
    s.size += std::fabs(a(k) * b(k));
  }
  return s;
}

// One size of the kernels. Their checks are compiled once a scalar.
template <class T>
struct Case {
  int positions, size;
  bool causal;
  void (*attend)(const T* q, const T* k, const T* v, T* p, T* o, T* work);
  void (*deltas)(T* q, T* k, T* v, const T* p, T* d, T* work);
};

template <class T>
void check(const Case<T>& n) {
  const int S = n.positions, D = n.size;
  const Real w = kRoundoff<T>, scale = 1 / std::sqrt(static_cast<Real>(D));
  Random random(static_cast<std::uint64_t>(100 * S + D));
  Rows<T> q(S, D, &random), k(S, D, &random), v(S, D, &random), d(S, D, &random), p(S, S, nullptr), o(S, D, nullptr);
  Fenced<T> work(static_cast<std::size_t>(emmy::detail::attend_deltas_work<T>(S, D)));
  n.attend(q.p(), k.p(), v.p(), p.p(), o.p(), work.data());
  p.expect_clean();
  o.expect_clean();
  const auto seen = [&](int i) { return n.causal ? i + 1 : S; };
  for (int i = 0; i < S; ++i) {
    std::vector<Real> e;
    Real most = 0, total = 0, top = -1e30L;
    for (int j = 0; j < seen(i); ++j) {
      const Sum score = sum_of(
          D, [&](int c) { return q(i, c); }, [&](int c) { return k(j, c); });
      e.push_back(scale * score.value);
      most = std::fmax(most, scale * score.size);
      top = std::fmax(top, e.back());
    }
    for (Real& one : e) total += one = std::exp(one - top);
    for (int j = 0; j < S; ++j) {
      const Real want = j < seen(i) ? e[static_cast<std::size_t>(j)] / total : 0;
      ASSERT_LE(std::fabs(p(i, j) - want), w * (2 * (D + 2) * most * want + S + 8)) << S << ' ' << D << ", row " << i;
      ASSERT_TRUE(j < seen(i) || p(i, j) == 0);
    }
    for (int c = 0; c < D; ++c) {
      const Sum want = sum_of(
          S, [&](int j) { return p(i, j); }, [&](int j) { return v(j, c); });
      ASSERT_LE(std::fabs(o(i, c) - want.value), w * (S + 2) * want.size);
    }
  }

  Rows<T> dq(S, D, nullptr), dk(S, D, nullptr), dv(S, D, nullptr), through(S, D, nullptr);
  copy(q, dq), copy(k, dk), copy(v, dv), copy(d, through);
  n.deltas(dq.p(), dk.p(), dv.p(), p.p(), through.p(), work.data());
  for (auto* rows : {&dq, &dk, &dv}) rows->expect_clean();
  ASSERT_TRUE(work.intact());
  std::vector<std::vector<Real>> ds, error;  // by row
  for (int i = 0; i < S; ++i) {
    std::vector<Real> dp, of_dp;
    Real mean = 0, of_mean = 0;
    for (int j = 0; j < S; ++j) {
      const Sum one = sum_of(
          D, [&](int c) { return d(i, c); }, [&](int c) { return v(j, c); });
      dp.push_back(one.value);
      of_dp.push_back((D + 2) * w * one.size);
      mean += p(i, j) * one.value;
      of_mean += p(i, j) * (of_dp.back() + (S + 2) * w * std::fabs(one.value));
    }
    ds.emplace_back(), error.emplace_back();
    for (int j = 0; j < S; ++j) {
      const Real own = dp[static_cast<std::size_t>(j)];
      ds.back().push_back(scale * p(i, j) * (own - mean));
      error.back().push_back(scale * p(i, j) *
                             (of_dp[static_cast<std::size_t>(j)] + of_mean + 5 * w * std::fabs(own - mean)));
    }
  }
  const auto at = [](const std::vector<std::vector<Real>>& all, int i, int j) {
    return all[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
  };
  for (int r = 0; r < S; ++r)
    for (int c = 0; c < D; ++c) {
      const auto compare = [&](Real got, auto slope, auto of_slope, auto other) {
        const Sum want = sum_of(S, slope, other), of_slopes = sum_of(S, of_slope, other);
        ASSERT_LE(std::fabs(got - want.value), of_slopes.size + w * (S + 2) * (want.size + of_slopes.size))
            << S << ' ' << D << ", row " << r << ", column " << c;
      };
      compare(
          dq(r, c), [&](int j) { return at(ds, r, j); }, [&](int j) { return at(error, r, j); },
          [&](int j) { return k(j, c); });
      compare(
          dk(r, c), [&](int i) { return at(ds, i, r); }, [&](int i) { return at(error, i, r); },
          [&](int i) { return q(i, c); });
      compare(
          dv(r, c), [&](int i) { return p(i, r); }, [](int) { return Real(0); }, [&](int i) { return d(i, c); });
    }
}

template <class T, int Positions, int Size, bool IsCausal>
void check_size() {
  check(Case<T>{Positions, Size, IsCausal, &emmy::attend<Positions, Size, IsCausal, T>,
                &emmy::attend_deltas<Positions, Size, T>});
}
TYPED_TEST(AttentionKernels, WeighAndShareGradients) {
  using T = TypeParam;
  constexpr int kL = support::kLanes<T>;
  check_size<T, 1, 1, false>();
  check_size<T, 2, 3, true>();
  check_size<T, 5, 4, false>();
  check_size<T, 7, kL - 1, true>();
  check_size<T, kL - 1, 6, false>();
  check_size<T, kL, kL, true>();
  check_size<T, kL + 1, 2, false>();
  check_size<T, 9, kL + 1, false>();
  check_size<T, 2 * kL + 3, 8, true>();
}

template <class T, int Batch, int Positions, int Size>
void check_turn() {
  constexpr int kPad = emmy::padded<T>(Size), kRows = Batch * Positions;
  Random random(Positions * 10 + Size);
  Rows<T> x(kRows, Size, &random);
  Fenced<T> y(static_cast<std::size_t>(kRows * kPad + 2));
  y[0] = y[y.size() - 1] = T(3);  // read where vectors are, not used
  T* const rows = y.data() + 1;
  std::copy(x.p(), x.p() + kRows * kPad, rows);
  emmy::turn<false, Batch, Positions, Size, Angles>(rows);
  const Real w = kRoundoff<T>;
  const auto got = [&](int r, int c) { return static_cast<Real>(rows[r * kPad + c]); };
  for (int r = 0; r < kRows; ++r) {
    for (int m = 0; m < Size / 2; ++m) {
      const Real angle = Angles::angle(r % Positions, m, Size / 2), c = std::cos(angle), s = std::sin(angle),
                 even = x(r, 2 * m), odd = x(r, 2 * m + 1),
                 bound = (4 * w + Real(kRoundoff<double>) * (2 + 2 * angle)) * (std::fabs(even) + std::fabs(odd));
      ASSERT_LE(std::fabs(got(r, 2 * m) - (even * c - odd * s)), bound) << r << ' ' << m;
      ASSERT_LE(std::fabs(got(r, 2 * m + 1) - (even * s + odd * c)), bound) << r << ' ' << m;
    }
    for (int c = Size; c < kPad; ++c) ASSERT_EQ(got(r, c), 0) << "pad lane";
  }
  emmy::turn<true, Batch, Positions, Size, Angles>(rows);
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < Size; ++c)
      ASSERT_LE(std::fabs(got(r, c) - x(r, c)), 10 * w * (std::fabs(x(r, c)) + std::fabs(x(r, c ^ 1)))) << r;
  ASSERT_TRUE(y.intact() && y[0] == T(3) && y[y.size() - 1] == T(3));
}
TYPED_TEST(AttentionKernels, TurnThereAndBack) {
  using T = TypeParam;
  constexpr int kL = support::kLanes<T>;
  check_turn<T, 2, 3, 2>();
  check_turn<T, 1, 5, 4>();
  check_turn<T, 3, 4, kL - 2>();
  check_turn<T, 2, 7, kL>();
  check_turn<T, 1, 6, kL + 2>();
  check_turn<T, 1, 40, 2 * kL>();
}

}  // namespace
