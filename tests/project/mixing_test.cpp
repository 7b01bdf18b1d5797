// Projections that mix weights: the balance of linear pairs and heads, and finite groups. Against plain double.
#include <emmy/layers/attention.hpp>
#include <emmy/project/balance.hpp>
#include <emmy/project/group_average.hpp>

#include <algorithm>

#include <gtest/gtest.h>
#include <tests/reference/net.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>
#include <tests/train/fixture.hpp>

namespace {

using namespace emmy;  // the names of nets

template <class S>
using Linear = Net<Scalar<S>, Input<9>, Dense<5>, Dense<6>, Relu, Dense<4, NoBias>, Dense<1>>;
template <class S>
using Heads = Net<Scalar<S>, Input<4, 6>, Attention<2, 3>>;

template <class S>
double near() {
  return 2000 * support::kRoundoff<S>;
}
template <class N>
std::vector<double> outputs_of(const Params<N>& params) {
  Pcg32 rng{31};
  reference::Values x(5 * N::kInputs);
  for (double& v : x) v = fixture::draw(rng);
  return reference::forward(reference::model_of<N>(), reference::read_blocks<N>(params.data), x, 5).back();
}
double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) most = std::fmax(most, std::fabs(a[k] - b[k]));
  return most;
}

template <class S>
struct Mixed : testing::Test {};
TYPED_TEST_SUITE(Mixed, support::Scalars);

// Lines of two sides, [unit][entry]: the second's minus the first's products.
using Matrix = std::vector<std::vector<double>>;
Matrix balance(const Matrix& first, const Matrix& second) {
  Matrix q(first.size(), std::vector<double>(first.size()));
  for (std::size_t i = 0; i < q.size(); ++i)
    for (std::size_t j = 0; j < q.size(); ++j) {
      for (std::size_t e = 0; e < second[i].size(); ++e) q[i][j] += second[i][e] * second[j][e];
      for (std::size_t e = 0; e < first[i].size(); ++e) q[i][j] -= first[i][e] * first[j][e];
    }
  return q;
}
double off(const Matrix& q, double target) {
  double most = 0;
  for (std::size_t i = 0; i < q.size(); ++i)
    for (std::size_t j = 0; j < q.size(); ++j) most = std::fmax(most, std::fabs(q[i][j] - (i == j ? target : 0)));
  return most;
}

// The sides of a pair and of a head from their names in Params.
template <class N>
struct Sides {
  Matrix first, second;
};
template <class S, class P>
Sides<Linear<S>> sides_of(const P& p, Balance<Layer<0>>) {
  Sides<Linear<S>> s{Matrix(5), Matrix(5)};
  for (int j = 0; j < 5; ++j) {
    for (int i = 0; i < 9; ++i) s.first[std::size_t(j)].push_back(double(p.template weight<Layer<0>>(j, i)));
    s.first[std::size_t(j)].push_back(double(p.template bias<Layer<0>>(j)));
    for (int o = 0; o < 6; ++o) s.second[std::size_t(j)].push_back(double(p.template weight<Layer<1>>(o, j)));
  }
  return s;
}
template <class S, class P>
Sides<Heads<S>> sides_of(const P& p, Balance<QueryKey<Layer<0>, 1>>) {
  Sides<Heads<S>> s{Matrix(3), Matrix(3)};
  for (int j = 0; j < 3; ++j) {
    for (int i = 0; i < 6; ++i) {
      s.first[std::size_t(j)].push_back(double(p.template head_weight<Layer<0>>(HeadRole::key, j, i, 1)));
      s.second[std::size_t(j)].push_back(double(p.template head_weight<Layer<0>>(HeadRole::query, j, i, 1)));
    }
    s.first[std::size_t(j)].push_back(double(p.template head_bias<Layer<0>>(HeadRole::key, j, 1)));
    s.second[std::size_t(j)].push_back(double(p.template head_bias<Layer<0>>(HeadRole::query, j, 1)));
  }
  return s;
}

template <template <class> class NetOf, class S, class Pair>
void balances(Pair pair) {
  using N = NetOf<S>;
  for (const double q : {0.5, 0.0, -0.75}) {
    Params<N> params{};
    State<N, BasicMomentum<S>> state{};
    Pcg32 rng{8};
    fixture::randomise(params, rng, 0.8);
    Params<N> buf{};
    fixture::randomise(buf, rng, 1);
    std::copy(std::begin(buf.data), std::end(buf.data), state.buf);
    const auto y = outputs_of(params);
    const auto before = sides_of<S>(params, pair), moving = sides_of<S>(buf, pair);
    EXPECT_GT(off(balance(before.first, before.second), q), 0.1);
    ASSERT_EQ(rebalance(params, state, static_cast<S>(q), pair), Status::ok);
    const auto after = sides_of<S>(params, pair);
    EXPECT_LT(off(balance(after.first, after.second), q), near<S>());
    EXPECT_LT(distance(outputs_of(params), y), near<S>());
    // B(buf, theta) of all pairs of units, of either side: lines of weights times lines of the buffer.
    std::copy(std::begin(state.buf), std::end(state.buf), buf.data);
    const auto moved = sides_of<S>(buf, pair);
    const auto entry = [](const Matrix& a, const Matrix& b, std::size_t i, std::size_t j) {
      double sum = 0;
      for (std::size_t e = 0; e < a[i].size(); ++e) sum += a[i][e] * b[j][e];
      return sum;
    };
    double trace = 0, was = 0;
    for (std::size_t i = 0; i < after.first.size(); ++i) {
      trace += entry(after.first, moved.first, i, i), was += entry(before.first, moving.first, i, i);
      trace -= entry(after.second, moved.second, i, i), was -= entry(before.second, moving.second, i, i);
    }
    EXPECT_NEAR(trace, was, near<S>());
    EXPECT_GT(distance(moved.first[0], moving.first[0]), 0.01);
    ASSERT_EQ(rebalance(params, static_cast<S>(q), pair), Status::ok);
    const auto again = sides_of<S>(params, pair);
    for (std::size_t i = 0; i < again.first.size(); ++i) EXPECT_LT(distance(again.first[i], after.first[i]), near<S>());
  }
}

TYPED_TEST(Mixed, LinearPairsBalance) { balances<Linear, TypeParam>(Balance<Layer<0>>{}); }
TYPED_TEST(Mixed, HeadsBalance) { balances<Heads, TypeParam>(Balance<QueryKey<Layer<0>, 1>>{}); }

TYPED_TEST(Mixed, RefusesWhatHasNotTheRank) {
  using S = TypeParam;
  using N = Linear<S>;
  Params<N> params{};
  Pcg32 rng{8};
  fixture::randomise(params, rng, 0.8);
  for (int o = 0; o < 6; ++o)  // units 0 and 1 go out alike
    params.template weight<Layer<1>>(o, 1) = params.template weight<Layer<1>>(o, 0);
  const auto refuses = [&](double q, Status status) {
    const Params<N> before = params;
    EXPECT_EQ(rebalance(params, static_cast<S>(q), Balance<Layer<0>>{}), status);
    EXPECT_EQ(std::memcmp(&before, &params, sizeof params), 0);
  };
  refuses(0.5, Status::rank_deficient);
  refuses(0, Status::rank_deficient);
  refuses(INFINITY, Status::not_finite);
  EXPECT_EQ(rebalance(params, S(-1), Balance<Layer<0>>{}), Status::ok) << "what comes in can be larger than nothing";
  params.template weight<Layer<0>>(0, 0) = static_cast<S>(std::nan(""));
  refuses(-1, Status::not_finite);
}

// ---- groups

// Left and right change places: sensors 0 1 | 2 3, and 4, which changes its sign; hidden units by pairs; outputs 0 | 1.
constexpr Action<2, 5> kSensors{{{0, 1, 2, 3, 4}, {2, 3, 0, 1, 4}}, {{1, 1, 1, 1, 1}, {1, 1, 1, 1, -1}}};
constexpr Action<2, 6> kUnits = copies_of<3>(Action<2, 2>{{{0, 1}, {1, 0}}, {{1, 1}, {1, 1}}});
constexpr Action<2, 2> kMotors{{{0, 1}, {1, 0}}, {{1, 1}, {-1, -1}}};
template <class S>
using Controller = Net<Scalar<S>, Input<5>, Dense<6>, Relu, Dense<2>>;

template <class S>
std::vector<double> run(const Params<Controller<S>>& p, const reference::Values& x) {
  return reference::forward(reference::model_of<Controller<S>>(), reference::read_blocks<Controller<S>>(p.data), x, 1)
      .back();
}

TYPED_TEST(Mixed, MirroredInputsGiveMirroredOutputs) {
  using S = TypeParam;
  using N = Controller<S>;
  static_assert(kUnits.from[1][4] == 5 && kUnits.from[1][5] == 4);
  Params<N> params{};
  Pcg32 rng{12};
  fixture::randomise(params, rng, 1);
  const auto w = reference::read_blocks<N>(params.data);
  const auto first = group_average<Layer<0>>(kSensors, kUnits);
  const auto second = group_average<Layer<2>>(kUnits, kMotors);
  ASSERT_EQ(project(first, params), Status::ok);
  ASSERT_EQ(project(second, params), Status::ok);
  const auto got = reference::read_blocks<N>(params.data);
  // The mean by the formula, W [in][out].
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t o = 0; o < 6; ++o) {
      const auto from = std::size_t(kSensors.from[1][i]), to = std::size_t(kUnits.from[1][o]);
      EXPECT_NEAR(got[0][i * 6 + o], (w[0][i * 6 + o] + kSensors.sign[1][i] * w[0][from * 6 + to]) / 2,
                  4 * support::kRoundoff<S>);
    }
  for (std::size_t o = 0; o < 2; ++o) EXPECT_NEAR(got[3][o], (w[3][o] - w[3][1 - o]) / 2, 4 * support::kRoundoff<S>);
  for (int trial = 0; trial < 10; ++trial) {
    reference::Values x(5), mirrored(5);
    for (double& v : x) v = fixture::draw(rng);
    for (std::size_t i = 0; i < 5; ++i) mirrored[i] = kSensors.sign[1][i] * x[std::size_t(kSensors.from[1][i])];
    const auto y = run<S>(params, x), other = run<S>(params, mirrored);
    EXPECT_NEAR(other[0], -y[1], 1e-14);
    EXPECT_NEAR(other[1], -y[0], 1e-14);
  }
  const Params<N> once = params;
  ASSERT_EQ(project(first, params), Status::ok);
  EXPECT_EQ(std::memcmp(&once, &params, sizeof params), 0) << "idempotent, bit for bit";
  // What goes into itself with the other sign, here after turns of the three outputs, is 0 and not rounding.
  Params<Net<Scalar<S>, Input<1>, Dense<3>>> odd{};
  for (int o = 0; o < 3; ++o) odd.template weight<Layer<0>>(o, 0) = odd.template bias<Layer<0>>(o) = S(0.1) * S(o + 1);
  constexpr Action<6, 1> kFlip{{{0}, {0}, {0}, {0}, {0}, {0}}, {{1}, {1}, {1}, {-1}, {-1}, {-1}}};
  constexpr Action<6, 3> kTurn{{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 1, 2}, {1, 2, 0}, {2, 0, 1}},
                               {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}}};
  ASSERT_EQ(project(group_average<Layer<0>>(kFlip, kTurn), odd), Status::ok);
  for (int o = 0; o < 3; ++o) {
    EXPECT_EQ((odd.template weight<Layer<0>>(o, 0)), S(0));
    EXPECT_NEAR((odd.template bias<Layer<0>>(o)), 0.2, 4 * support::kRoundoff<S>);
  }
}

// Gradients of a momentum buffer go the same way as weights; the third turns of three units are exact as well.
TYPED_TEST(Mixed, TurnsOfThree) {
  using S = TypeParam;
  using N = Net<Scalar<S>, Input<3>, Dense<3>>;
  constexpr Action<3, 3> kTurns{{{0, 1, 2}, {1, 2, 0}, {2, 0, 1}}, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}};
  Params<N> params{};
  State<N, BasicMomentum<S>> state{};
  Pcg32 rng{12};
  fixture::randomise(params, rng, 1);
  std::copy(std::begin(params.data), std::end(params.data), state.buf);
  ASSERT_EQ(project(group_average<Layer<0>>(kTurns, kTurns), params, state), Status::ok);
  EXPECT_EQ(std::memcmp(params.data, state.buf, sizeof params.data), 0);
  for (int s = 0; s < 3; ++s)
    for (int o = 0; o < 3; ++o)
      for (int i = 0; i < 3; ++i)
        EXPECT_EQ((params.template weight<Layer<0>>(o, i)),
                  (params.template weight<Layer<0>>((o + s) % 3, (i + s) % 3)));
}

TYPED_TEST(Mixed, RefusesWhatIsNoGroup) {
  using S = TypeParam;
  using N = Net<Scalar<S>, Input<3>, Dense<3>>;
  Params<N> params{};
  Pcg32 rng{12};
  fixture::randomise(params, rng, 1);
  constexpr Action<2, 3> kGood{{{0, 1, 2}, {1, 0, 2}}, {{1, 1, 1}, {1, 1, 1}}};
  const auto refuses = [&](auto change, Status status = Status::not_a_group) {
    Action<2, 3> in = kGood, out = kGood;
    change(in, out);
    const Params<N> before = params;
    EXPECT_EQ(project(group_average<Layer<0>>(in, out), params), status);
    EXPECT_EQ(std::memcmp(&before, &params, sizeof params), 0);
  };
  refuses(
      [](auto& in, auto&) { in.from[1][0] = 2, in.from[1][1] = 0, in.from[1][2] = 1; });  // a turn without its square
  refuses([](auto& in, auto&) { in.from[1][0] = 0; });                                    // twice the same
  refuses([](auto& in, auto&) { in.from[1][0] = 3; });
  refuses([](auto& in, auto&) { in.sign[1][0] = 0; });
  refuses([](auto&, auto& out) { out.sign[1][0] = -1; });  // its square is no identity
  refuses([](auto&, auto& out) { out.from[0][0] = 1, out.from[0][1] = 0, out.from[1][0] = 0, out.from[1][1] = 1; });
  params.template weight<Layer<0>>(0, 1) = static_cast<S>(INFINITY);
  refuses([](auto&, auto&) {}, Status::not_finite);
}

}  // namespace
