// Constraints on weights: DCS above and below its threshold, ties and groups.
#include <emmy/parametrize/certificate.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/tied.hpp>

#include <emmy/net/init.hpp>
#include <emmy/symmetry/balance.hpp>
#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

// ---- DCS on a linear regression, which is convex

constexpr int kSize = 6, kRows = 12;

// Two columns of integers that are orthogonal, and the same as an array and as what is not zero.
struct Columns {
  static constexpr int kCount = 2;
  static constexpr double columns[kCount][kSize][1] = {{{1}, {2}, {0}, {-1}, {0}, {1}},
                                                       {{2}, {-1}, {0}, {1}, {3}, {1}}};
};
struct OfSeven {  // of a layer of seven inputs and six outputs
  static constexpr int kCount = 2;
  static constexpr double at(int column, int row, int out) {
    return out == 2 && row < kSize ? Columns::columns[column][row][0] : 0;
  }
};
struct Entries {
  static constexpr int kCount = 2;
  static constexpr ConstraintEntry entries[] = {{0, 0, 0, 1},  {0, 1, 0, 2}, {0, 3, 0, -1}, {0, 5, 0, 1}, {1, 0, 0, 2},
                                                {1, 1, 0, -1}, {1, 3, 0, 1}, {1, 4, 0, 3},  {1, 5, 0, 1}};
};

template <class Penalty>
struct Dcs : testing::Test {
  using N = Net<Scalar<double>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<Columns, Penalty>>>;
  using Plain = plain_of<N>;
  using Rule = PerBlock<BasicSgd<double>, N>;
  static constexpr int kGroups = Groups<N, Layer<0>>::kCount;
  double x[kRows * kSize], y[kRows];
  double o[2][kSize];                   // orthonormal
  std::array<double, kSize> optimum{};  // under the constraint
  double threshold = 0;
  Trainer<N, Rule, kRows> trainer{};

  std::array<double, kSize> slope(const std::array<double, kSize>& theta) const {
    std::array<double, kSize> g{};
    for (int r = 0; r < kRows; ++r) {
      double e = -y[r];
      for (std::size_t i = 0; i < kSize; ++i) e += x[r * kSize + static_cast<int>(i)] * theta[i];
      for (std::size_t i = 0; i < kSize; ++i) g[i] += e * x[r * kSize + static_cast<int>(i)] / kRows;
    }
    return g;
  }
  double along(int k, const std::array<double, kSize>& v) const {
    double s = 0;
    for (std::size_t i = 0; i < kSize; ++i) s += o[k][i] * v[i];
    return s;
  }
  void SetUp() override {
    Pcg32 rng{11};
    for (double& v : x) v = fixture::draw(rng);
    for (double& v : y) v = 2 * fixture::draw(rng);
    for (int k = 0; k < 2; ++k) {
      double square = 0;
      for (int i = 0; i < kSize; ++i) square += Columns::columns[k][i][0] * Columns::columns[k][i][0];
      for (int i = 0; i < kSize; ++i) o[k][i] = Columns::columns[k][i][0] / std::sqrt(square);
    }
    for (int t = 0; t < 20000; ++t) {  // projected descent
      const auto g = slope(optimum);
      for (std::size_t i = 0; i < kSize; ++i)
        optimum[i] -= 0.5 * (g[i] - along(0, g) * o[0][i] - along(1, g) * o[1][i]);
    }
    const auto g = slope(optimum);
    const double a = std::fabs(along(0, g)), b = std::fabs(along(1, g));
    threshold = std::is_same_v<Penalty, Joint> ? std::hypot(a, b) : std::max(a, b);
    ASSERT_GT(threshold, 0.02);
    Pcg32 draws{3};
    init(trainer.params, draws);
  }
  void train(double decay, int steps) {
    Rule rule{{0.5, 0}, {}};
    rule.fill();
    rule.template constrain<Layer<0>>(decay);
    for (int t = 0; t < steps; ++t) ASSERT_EQ(trainer.step(x, y, SquaredError{}, rule).status, Status::ok);
  }
  Params<Plain> weights() const {
    Params<Plain> plain{};
    fold(trainer.params, plain);
    return plain;
  }
  std::array<double, 2> margins_at(double decay) {
    const auto plain = weights();
    Buffers<Plain> buffers{};
    Scratch<Plain, kRows, Train<BasicSgd<double>>> scratch{};
    Gradient<Plain> full{};
    EXPECT_EQ(gradient<false>(plain, buffers, scratch, x, y, SquaredError{}, kRows, 1.0 / kRows, full).status,
              Status::ok);
    std::array<double, 2> margin{1, 1};
    EXPECT_EQ((margins<Layer<0>, N>(plain, full, decay, margin.data())), Status::ok);
    return margin;
  }
};
using Penalties = testing::Types<Joint, Elementwise>;
TYPED_TEST_SUITE(Dcs, Penalties);

TYPED_TEST(Dcs, AboveTheThresholdTheConstraintHoldsAndIsCertified) {
  const double decay = 1.1 * this->threshold;
  this->train(decay, 6000);
  double size[2], value[2];
  group_sizes<Layer<0>>(this->trainer.params, size);
  for (int g = 0; g < this->kGroups; ++g) {
    EXPECT_LT(size[g], 1e-12);
    snap<Layer<0>>(this->trainer.params, this->trainer.state, g);
  }
  constraint_values<Layer<0>>(this->trainer.params, value);
  EXPECT_EQ(value[0], 0.0);
  EXPECT_EQ(value[1], 0.0);
  const auto plain = this->weights();
  std::array<double, kSize> theta{};
  for (std::size_t i = 0; i < kSize; ++i) {
    theta[i] = plain.data[i];
    EXPECT_NEAR(theta[i], this->optimum[i], 1e-9);
  }
  EXPECT_NEAR(this->along(0, theta), 0, 1e-15);
  EXPECT_NEAR(this->along(1, theta), 0, 1e-15);
  const auto margin = this->margins_at(decay);
  for (int g = 0; g < this->kGroups; ++g) EXPECT_TRUE(verdict(margin[static_cast<std::size_t>(g)], decay).certified);
  EXPECT_NEAR(*std::min_element(margin.begin(), margin.begin() + this->kGroups), 0.1 * this->threshold, 1e-9);
}

TYPED_TEST(Dcs, BelowTheThresholdItDoesNotAndIsRefused) {
  const double decay = 0.9 * this->threshold;
  this->train(decay, 6000);
  double value[2];
  constraint_values<Layer<0>>(this->trainer.params, value);
  EXPECT_GT(std::hypot(value[0], value[1]), 1e-3);
  for (int g = 0; g < this->kGroups; ++g) snap<Layer<0>>(this->trainer.params, this->trainer.state, g);
  this->train(decay, 6000);
  const auto margin = this->margins_at(decay);
  const double worst = *std::min_element(margin.begin(), margin.begin() + this->kGroups);
  const auto said = verdict(worst, decay);
  EXPECT_FALSE(said.certified);
  EXPECT_NEAR(said.margin, -0.1 * this->threshold, 1e-9);
  EXPECT_NEAR(said.threshold, this->threshold, 1e-9);
  EXPECT_GT(said.suggested_decay, this->threshold);
  this->SetUp();  // and what it suggests does hold
  this->train(said.suggested_decay, 6000);
  constraint_values<Layer<0>>(this->trainer.params, value);
  EXPECT_LT(std::hypot(value[0], value[1]), 1e-12);
}

// The charges of DCS, u^2 - |z|^2 or those of each column: the ledger finds and books them, cleanly, and a step of descent moves them
// by the square of its rate alone.
template <class Penalty>
void check_charges() {
  using N =
      Net<Scalar<double>, Input<7>, Parametrized<Dense<kSize, NoBias>, Constrained<OfSeven, Penalty>>, Tanh, Dense<2>>;
  using Charge = FactorBalance<Layer<0>>;
  constexpr int kUnits = std::is_same_v<Penalty, Joint> ? 1 : 2;
  static_assert(kCharges<N, Watch<Charge>>.units == kUnits);
  double moved[2] = {};
  for (int k = 0; k < 2; ++k) {
    Trainer<N, BasicMomentum<double>, 4> trainer{};
    Ledger<N, Watch<Charge>> ledger{};
    fixture::Data<N, 4> data{};
    Pcg32 rng{5};
    init(trainer.params, rng);
    const auto charge = [&](int unit) {
      const double *u = trainer.params.data + kPlan<N>.block[1].offset,
                   *z = trainer.params.data + kPlan<N>.block[2].offset;
      return kUnits == 1 ? u[0] * u[0] - z[0] * z[0] - z[1] * z[1] : u[unit] * u[unit] - z[unit] * z[unit];
    };
    const double before = charge(0), rate = k == 0 ? 0.02 : 0.01;
    for (int t = 0; t < 50; ++t) {
      data.refill(rng, false);
      const BasicMomentum<double> rule{rate, t == 0 ? 0 : 0.5, t == 0 ? 0 : 0.1};
      ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, rule, ledger).status, Status::ok);
      EXPECT_LE(ledger.health(), 1.0);
      if (t == 0) moved[k] = charge(0) - before;
      for (int unit = 0; unit < kUnits; ++unit) EXPECT_NEAR(ledger.units[PerUnit::charge][unit], charge(unit), 1e-14);
    }
  }
  EXPECT_NEAR(moved[0] / moved[1], 4, 1e-6);
}
TEST(DcsCharge, IsWatchedAndConserved) {
  check_charges<Joint>();
  check_charges<Elementwise>();
}

TEST(Constraint, EntriesAreTheArray) {
  using A = Net<Scalar<double>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<Columns>>>;
  using B = Net<Scalar<double>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<Entries>>>;
  Params<A> a{};
  Params<B> b{};
  Params<plain_of<A>> first{}, second{};
  Pcg32 rng{8};
  fixture::randomise(a, rng, 1);
  std::copy(std::begin(a.data), std::end(a.data), b.data);
  fold(a, first);
  fold(b, second);
  for (int i = 0; i < kSize; ++i) EXPECT_NEAR(first.data[i], second.data[i], 1e-15);
}

// Known at run time only.
struct Given {
  static constexpr int kCount = 2;
  static constexpr bool kAtRunTime = true;
  template <class C>
  static inline C columns{};
  static inline double value[kCount][kSize];
  static double at(int column, int row, int) { return value[column][row]; }
};
template <class Penalty>
Status make(double& condition, double& held) {
  using N = Net<Scalar<double>, Input<kSize>, Parametrized<Dense<1, NoBias>, Constrained<Given, Penalty>>>;
  const Status s = make_columns<N, Layer<0>>(condition);
  Params<N> params{};
  for (int i = 0; i < kSize; ++i) params.data[i] = i + 1;  // u = z = 0
  Params<plain_of<N>> plain{};
  fold(params, plain);
  held = 0;
  for (int i = 0; i < kSize; ++i) held += Given::value[0][i] * plain.data[i];
  return s;
}

TEST(Constraint, AtRunTimeIsMadeOrthonormalOrRefused) {
  double condition = -1, held = 1;
  const auto set = [](std::array<double, kSize> a, std::array<double, kSize> b) {
    std::copy(a.begin(), a.end(), Given::value[0]);
    std::copy(b.begin(), b.end(), Given::value[1]);
  };
  set({1, 2, 0, -1, 0, 1}, {2, -1, 0, 1, 3, 1});
  EXPECT_EQ(make<Elementwise>(condition, held), Status::ok);
  EXPECT_NEAR(condition, 1, 1e-12);
  EXPECT_NEAR(held, 0, 1e-14);
  set({1, 0, 0, 0, 0, 0}, {1, 1, 0, 0, 0, 0});  // of Gram-Schmidt 1 and sqrt(1/2) are left
  EXPECT_EQ(make<Joint>(condition, held), Status::ok);
  EXPECT_NEAR(condition, std::sqrt(2), 1e-12);
  EXPECT_NEAR(held, 0, 1e-14);
  EXPECT_EQ(make<Elementwise>(condition, held), Status::not_orthonormal);
  EXPECT_NEAR(condition, std::sqrt(2), 1e-12);
  EXPECT_EQ(held, 1.0) << "not constrained at all";
  set({1, 2, 3, 0, 0, 0}, {-2, -4, -6, 0, 0, 0});
  EXPECT_EQ(make<Joint>(condition, held), Status::rank_deficient);
  EXPECT_EQ(condition, 0.0);
  EXPECT_EQ(held, 1.0 + 4 + 9) << "not constrained at all";
  for (const double bad : {std::nan(""), double(INFINITY), double(-INFINITY)}) {
    set({1, 0, bad, 0, 0, 0}, {0, 1, 0, 0, 0, 0});
    EXPECT_EQ(make<Joint>(condition, held), Status::not_finite) << bad;
  }
  for (const double size : {1e300, 1e155, 1e-200}) {  // its square overflows or vanishes
    set({size, 0, 0, 0, 0, 0}, {0, size, size, 0, 0, 0});
    EXPECT_EQ(make<Elementwise>(condition, held), Status::ok) << size;
    EXPECT_EQ(held, 0.0);
  }
  set({1, 0, 0, 0, 0, 0}, {1e-3, 1, 0, 0, 0, 0});  // a condition number of 1 + 5e-7
  EXPECT_EQ(make<Elementwise>(condition, held), Status::not_orthonormal);
}

// ---- ties and groups

// Quarter turns of four inputs, two orbits of hidden units, outputs turned with a sign.
struct Turns {
  static constexpr int kGenerators = 1;
  static constexpr Signed in(int, int i) { return {(i + 1) % 4, 1}; }
  static constexpr Signed out(int, int o) { return {o / 4 * 4 + (o + 1) % 4, 1}; }
};
struct Signs {  // from hidden units to two outputs, one even and one odd
  static constexpr int kGenerators = 1;
  static constexpr Signed in(int, int i) { return Turns::out(0, i); }
  static constexpr Signed out(int, int o) { return {o, o == 0 ? 1 : -1}; }
};

TEST(Equivariant, HoldsExactlyThroughTraining) {
  using N = Net<Input<4>, Parametrized<Dense<8>, Equivariant<Turns>>, Relu, Parametrized<Dense<2>, Equivariant<Signs>>>;
  static_assert(kPlan<N>.weights == 8 + 2 + 2 + 1 + 2, "each orbit is one number; the odd output has no bias");
  Trainer<N, Momentum, 4> trainer{};
  fixture::Data<N, 4> data{};
  Pcg32 rng{7};
  init(trainer.params, rng);
  for (int t = 0; t < 200; ++t) {
    data.refill(rng, false);
    ASSERT_EQ(trainer.step(data.x, data.values, SquaredError{}, Momentum{0.05f, 0.5f, 0.001f}).status, Status::ok);
  }
  Params<plain_of<N>> p{};
  fold(trainer.params, p);
  float largest = 0;
  for (int o = 0; o < 8; ++o) {
    const int to = Turns::out(0, o).index;
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(p.weight<Layer<0>>(to, (i + 1) % 4), p.weight<Layer<0>>(o, i));
      largest = std::max(largest, std::fabs(p.weight<Layer<0>>(o, i)));
    }
    EXPECT_EQ(p.bias<Layer<0>>(to), p.bias<Layer<0>>(o));
    EXPECT_EQ(p.weight<Layer<2>>(0, to), p.weight<Layer<2>>(0, o));
    EXPECT_EQ(p.weight<Layer<2>>(1, to), -p.weight<Layer<2>>(1, o));
  }
  EXPECT_EQ(p.bias<Layer<2>>(1), 0.0f);
  EXPECT_NE(p.bias<Layer<2>>(0), 0.0f);
  EXPECT_GT(largest, 0.1f);
}

}  // namespace
