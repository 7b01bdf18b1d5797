// Rotations of the data: the identity on whole orbits, and the law of the angular momentum.
#include <emmy/noether/rotation.hpp>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>
#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

// Of degree 2 in its inputs; and its neighbour with a kink.
using Squares = Net<Scalar<double>, Input<4>, Dense<6>, Parallel<Multiply, Branch<Identity>, Branch<>>, Dense<3>>;
using Kinks = Net<Scalar<double>, Input<4>, Dense<6>, Relu, Dense<3>>;
using Column = Net<Scalar<double>, Input<4>, Dense<1>, Parallel<Multiply, Branch<Identity>, Branch<>>, Dense<2>>;
static_assert(least_orbit<Squares>() == 5 && least_orbit<Squares, 1>() == 3);
static_assert(least_orbit<Net<Input<3>, Dense<2>, Identity, Residual<Dense<2>>, Dense<1>>>() == 3);

constexpr int kTurns = 7, kPlanes = 2, kBatch = kTurns * kTurns;
constexpr double kPi = 3.14159265358979323846;

// Every point of the orbit of a few numbers under 7 turns of the plane 0, 2 and 7 of the plane 1, 3; one target for all.
template <class N, int Batch = kBatch>
struct Orbit {
  double x[Batch * N::kInputs], target[Batch * N::kOutputs];

  void draw(Pcg32& rng, int turns = kTurns) {
    double point[4], own[N::kOutputs];
    for (double& v : point) v = fixture::draw(rng);
    for (double& v : own) v = fixture::draw(rng);
    for (int r = 0; r < Batch; ++r) {
      const double angle[kPlanes] = {2 * kPi * (r % turns) / turns, 2 * kPi * (r / turns) / turns};
      for (int p = 0; p < kPlanes; ++p) {
        x[r * 4 + p] = std::cos(angle[p]) * point[p] - std::sin(angle[p]) * point[p + 2];
        x[r * 4 + p + 2] = std::sin(angle[p]) * point[p] + std::cos(angle[p]) * point[p + 2];
      }
      for (int o = 0; o < N::kOutputs; ++o) target[r * N::kOutputs + o] = own[o];
    }
  }
};

template <class N, class R = BasicMomentum<double>, int Batch = kBatch>
struct Machine {
  Params<N> params{};
  Buffers<N> buffers{};
  State<N, R> state{};
  Scratch<N, Batch, Train<R>> scratch{};
  Gradient<N> g{};
  Orbit<N, Batch> orbit{};
  Pcg32 rng{97};
  NoLedger none;

  explicit Machine() { fixture::randomise(params, rng, 0.9); }
  void make_gradient(int count = Batch, int turns = kTurns) {
    orbit.draw(rng, turns);
    ASSERT_EQ(
        gradient<false>(params, buffers, scratch, orbit.x, orbit.target, SquaredError{}, count, 1.0 / count, g).status,
        Status::ok);
  }
};

// <g, A W> straight from the definition, A[i, k] = a, for all of the first block.
template <class N>
double by_definition(const double* w, const double* x, const double (&a)[4][4]) {
  constexpr auto& block = kPlan<N>.block[0];
  const auto at = [&](const double* p, int i, int o) { return p[block.at(i, o)]; };
  double sum = 0;
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 4; ++k)
      for (int o = 0; o < block.cols; ++o) sum += a[i][k] * at(w, i, o) * at(x, k, o);
  return sum;
}
constexpr double kBoth[4][4] = {{0, 0, 0.5, 0}, {0, 0, 0, -2}, {-0.5, 0, 0, 0}, {0, 2, 0, 0}};

template <class N>
struct OnOrbits : testing::Test {};
using Polynomials = testing::Types<Squares, Column>;
TYPED_TEST_SUITE(OnOrbits, Polynomials);

TYPED_TEST(OnOrbits, IdentityIsExact) {
  Machine<TypeParam> m;
  double worst = 0, off = 0;
  for (int k = 0; k < 200; ++k) {
    fixture::randomise(m.params, m.rng, 0.9);
    m.make_gradient();
    const auto first = turning(m.params, m.g, Plane{0, 2}), second = turning(m.params, m.g, Plane{1, 3});
    worst = std::fmax(worst, std::fmax(std::fabs(first.value), std::fabs(second.value)) /
                                 std::fmax(1.0, std::fmax(first.scale, second.scale)));
    const auto both = turning(m.params, m.g, &kBoth[0][0]);
    ASSERT_NEAR(both.value, by_definition<TypeParam>(m.params.data, m.g.data, kBoth), 1e-14 * both.scale);
    worst = std::fmax(worst, std::fabs(both.value) / std::fmax(1.0, both.scale));
    const auto [value, scale] = turning(m.params, m.g, Plane{0, 1});  // no symmetry of these data
    off = std::fmax(off, std::fabs(value) / scale);
  }
  std::printf("residual over its scale: %.2g; in a plane that is none: %.2g\n", worst, off);
  EXPECT_LT(worst, 1e-14);
  EXPECT_GT(worst, 0);
  EXPECT_GT(off, 1e-2);
}

// Part of an orbit, and fewer points than least_orbit, are no symmetry.
TEST(Rotation, NeedsTheWholeOrbit) {
  Machine<Squares> m;
  m.make_gradient(kBatch - 3);
  auto [value, scale] = turning(m.params, m.g, Plane{0, 2});
  EXPECT_GT(std::fabs(value) / scale, 1e-3);
  Machine<Squares, BasicMomentum<double>, 16> few;
  few.make_gradient(16, 4);
  const auto of_four = turning(few.params, few.g, Plane{0, 2});
  EXPECT_GT(std::fabs(of_four.value) / of_four.scale, 1e-5);
}

// A finite orbit is none of ReLU's: what DataRotation would tell of it, from the definition.
TEST(Rotation, OfAKinkIsNotSmall) {
  constexpr double kFirst[4][4] = {{0, 0, 1, 0}, {0, 0, 0, 0}, {-1, 0, 0, 0}, {0, 0, 0, 0}};
  Machine<Kinks> m;
  double most = 0;
  for (int k = 0; k < 20; ++k) {
    fixture::randomise(m.params, m.rng, 0.9);
    m.make_gradient();
    most = std::fmax(most, std::fabs(by_definition<Kinks>(m.params.data, m.g.data, kFirst)));
  }
  std::printf("residual of ReLU: %.2g\n", most);
  EXPECT_GT(most, 1e-3);
}

template <class R>
struct Angular : testing::Test {};
using Decays = testing::Types<BasicMomentum<double>, BasicMomentum<double, Decay::decoupled>>;
TYPED_TEST_SUITE(Angular, Decays);

TYPED_TEST(Angular, MomentumDecaysByItsFactor) {
  Machine<Squares, TypeParam> m;
  for (auto& v : m.state.buf) v = 0;
  const auto block = kPlan<Squares>.block[0];
  for (int i = 0; i < block.rows; ++i)
    for (int o = 0; o < block.cols; ++o) m.state.buf[block.at(i, o)] = fixture::draw(m.rng);
  refresh(m.state);
  const double start = turning(m.params, m.state, Plane{0, 2}).value;
  ASSERT_GT(std::fabs(start), 0.1);
  double moved = 0;
  for (int k = 0; k < 60; ++k) {
    const TypeParam rule{0.01 / (1 + k % 3), 0.9, 0.05, 0.2};
    const double before = turning(m.params, m.state, Plane{0, 2}).value,
                 all = turning(m.params, m.state, &kBoth[0][0]).value;
    m.make_gradient();
    ASSERT_EQ(apply(m.params, m.state, m.g, rule, m.none), Status::ok);
    const auto after = turning(m.params, m.state, Plane{0, 2}), both = turning(m.params, m.state, &kBoth[0][0]);
    ASSERT_NEAR(after.value, angular_factor(rule) * before, 1e-14 * after.scale) << "step " << k;
    ASSERT_NEAR(both.value, angular_factor(rule) * all, 1e-14 * both.scale) << "step " << k;
    moved = std::fmax(moved, after.scale);
  }
  EXPECT_LT(std::fabs(turning(m.params, m.state, Plane{0, 2}).value), 2e-3 * std::fabs(start));
  EXPECT_GT(moved, 0.1) << "the weights themselves keep moving";
}

}  // namespace
