// Meters of mirrors and units against plain arithmetic and what training does; constraints over mirrors, of several layers.
#include <emmy/train/meters.hpp>
#include <emmy/train/net_constraint.hpp>

#include <emmy/train/trainer.hpp>
#include <tests/train/fixture.hpp>

#include <cmath>
#include <cstring>
#include <tuple>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

using Units = Net<Scalar<double>, Input<3>, Dense<4>, Tanh, Dense<2>>;
constexpr int kBatch = 8, kColumns = 6;

struct Meters : testing::Test {
  Params<Units> params{};
  Buffers<Units> buffers{};
  Scratch<Units, kBatch, Train<BasicSgd<double>>> scratch{};
  fixture::Data<Units, kBatch> data{};
  MirrorEntry<double> entry[2 * kColumns];
  CurvatureMeter<Units, kColumns> meter{};
  Pcg32 rng{31};

  void SetUp() override {
    fixture::randomise(params, rng, 0.9);
    data.refill(rng, false);
    for (double& v : data.values) v *= 3;
  }
  Status slope(const Params<Units>& p, Gradient<Units>& g) {
    return gradient<false>(p, buffers, scratch, data.x, data.values, SquaredError{}, kBatch, 1.0 / kBatch, g).status;
  }
  auto slopes() {
    return [this](const Params<Units>& p, Gradient<Units>& g) { return slope(p, g); };
  }
};

// The matrix O' H O column by column, one of its entries by losses alone; its smallest eigenvalue by descent.
TEST_F(Meters, LeastCurvatureIsTheSmallestEigenvalue) {
  const auto mirror = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  ASSERT_EQ(mirror.columns, kColumns);
  ASSERT_EQ(mirror.entries, 2 * kColumns);
  const auto found = least_curvature(meter, params, mirror, slopes(), 0x1p-17, 300);
  ASSERT_EQ(found.status, Status::ok);
  EXPECT_LT(found.error, 1e-6);
  double matrix[kColumns][kColumns];
  for (int k = 0; k < kColumns; ++k) {
    for (double& v : meter.direction) v = 0;
    meter.direction[k] = 1;
    ASSERT_EQ(curvature_along(meter, params, mirror, slopes(), 0x1p-17), Status::ok);
    for (int j = 0; j < kColumns; ++j) matrix[k][j] = meter.along[j];
  }
  const auto loss = [&](double along) {
    double s[kColumns];
    mirror_coordinates(params, mirror, s);
    Params<Units> moved = params;
    for (const auto& e : entry) moved.data[e.at] += ((e.column == 0 ? along : 0) - s[e.column]) * e.value;
    Gradient<Units> g{};
    return gradient<false>(moved, buffers, scratch, data.x, data.values, SquaredError{}, kBatch, 1.0 / kBatch, g).loss;
  };
  EXPECT_NEAR(matrix[0][0], (loss(1e-3) + loss(-1e-3) - 2 * loss(0)) / 1e-6, 1e-4);
  EXPECT_GT(std::fabs(matrix[0][0]), 0.01);
  double least = 1e9;
  for (int k = 0; k < kColumns; ++k)
    for (int j = 0; j < kColumns; ++j) EXPECT_NEAR(matrix[k][j], matrix[j][k], 1e-8) << "a Hessian";
  double z[kColumns] = {1, 0.3, -0.4, 0.2, 0.1, -0.6};
  for (int t = 0; t < 4000; ++t) {  // descent on the Rayleigh quotient
    double hz[kColumns] = {}, size = 0;
    for (const double v : z) size += v * v;
    for (double& v : z) v /= std::sqrt(size);
    least = 0;
    for (int k = 0; k < kColumns; ++k) {
      for (int j = 0; j < kColumns; ++j) hz[k] += matrix[k][j] * z[j];
      least += hz[k] * z[k];
    }
    for (int k = 0; k < kColumns; ++k) z[k] -= 0.1 * hz[k];
  }
  EXPECT_NEAR(found.lambda, least, 1e-6);
}

// At a point of the surface where two units are one, decay below the critical one lets them part, above it keeps them together.
TEST_F(Meters, CriticalDecayPartsWhatGrowsFromWhatDecays) {
  const auto mirror = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  double s[kColumns];
  mirror_coordinates(params, mirror, s);
  for (const auto& e : entry) params.data[e.at] -= s[e.column] * e.value;
  EXPECT_NEAR(mirror_distance(params, mirror, s).value, 0, 1e-15);
  const auto found = least_curvature(meter, params, mirror, slopes(), 0x1p-17, 300);
  ASSERT_LT(found.lambda, -0.02) << "this point has a direction that parts";
  for (const double part : {0.8, 1.2}) {
    // The linear motion across the surface, at this point.
    double z[kColumns] = {1, 1, 1, 1, 1, 1};
    LyapunovMeter<double> lyapunov{};
    double before = 0;
    for (int t = 0; t < 400; ++t) {
      for (int k = 0; k < kColumns; ++k) meter.direction[k] = z[k];
      ASSERT_EQ(curvature_along(meter, params, mirror, slopes(), 0x1p-17), Status::ok);
      double size = 0;
      for (int k = 0; k < kColumns; ++k) {
        z[k] -= 0.1 * (meter.along[k] - part * found.lambda * z[k]);
        size += z[k] * z[k];
      }
      size = std::sqrt(size);
      for (double& v : z) v /= size;
      if (t >= 200) note_distance(lyapunov, 1.0, size);
      before = size;
    }
    EXPECT_EQ(lyapunov.exponent() < 0, part > 1) << part;
    EXPECT_NEAR(lyapunov.exponent(), std::log(1 - 0.1 * (1 - part) * found.lambda), 1e-6);
    EXPECT_GT(before, 0);
  }
}

TEST_F(Meters, LyapunovIsTheMeanLogarithm) {
  LyapunovMeter<double> meter_;
  note_curvature(meter_, 0.5, -0.25, 0.0);
  note_curvature(meter_, 0.5, 6.0, 1.0);  // beyond: |1 - 3.5|
  EXPECT_NEAR(meter_.exponent(), (std::log(1.125) + std::log(2.5)) / 2, 1e-15);
}

// The scalar model of theory.md: u w x with q = x y of mean 0.1 and variance 1, whose curvature across the mirror is -q. The rates that it
// measured, 0.1983 and with decay 0.1043, are exact ones of the distribution; those of these draws are found by bisection.
TEST_F(Meters, CriticalRateIsWithinOnePercent) {
  constexpr int kDraws = 20000;
  static double q[kDraws];
  for (double& v : q) {
    double sum = 0;  // of 12: variance 1
    for (int k = 0; k < 12; ++k) sum += fixture::draw(rng) / 2;
    v = 0.1 + sum;
  }
  for (const double lam : {0.0, 0.05}) {
    CriticalRateMeter<double, 40> rates{0.02, 1.1};
    for (const double v : q) note_curvature(rates, -v, lam);
    double low = 0.02, high = 0.8;
    for (int t = 0; t < 40; ++t) {
      const double eta = (low + high) / 2;
      double exponent = 0;
      for (const double v : q) exponent += std::log(std::fabs(1 - eta * (lam - v)));
      (exponent < 0 ? high : low) = eta;
    }
    EXPECT_NEAR(critical_rate(rates) / low, 1, 0.01) << lam;
    EXPECT_NEAR(low, lam == 0 ? 0.1983 : 0.1043, 0.03) << "of so few draws";
  }
  CriticalRateMeter<double, 4> stable{0.1, 2};
  note_curvature(stable, 0.5, 0.0);
  EXPECT_EQ(critical_rate(stable), 0.1) << "a mirror that attracts at every rate";
  CriticalRateMeter<double, 4> apart{0.1, 2};
  note_curvature(apart, -0.5, 0.0);
  EXPECT_EQ(critical_rate(apart), 0.0);
}

TEST_F(Meters, UnitsAreMeasuredWithTheirBiases) {
  for (int i = 0; i < 3; ++i) params.weight<Layer<0>>(3, i) = 2 * params.weight<Layer<0>>(0, i);
  params.bias<Layer<0>>(3) = 2 * params.bias<Layer<0>>(0);
  for (int o = 0; o < 2; ++o) {
    params.weight<Layer<2>>(o, 3) = 2 * params.weight<Layer<2>>(o, 0);
    params.weight<Layer<2>>(o, 1) = 1e-5;
  }
  double size[4], in = params.bias<Layer<0>>(0) * params.bias<Layer<0>>(0), out = 0;
  for (int i = 0; i < 3; ++i) in += params.weight<Layer<0>>(0, i) * params.weight<Layer<0>>(0, i);
  for (int o = 0; o < 2; ++o) out += params.weight<Layer<2>>(o, 0) * params.weight<Layer<2>>(o, 0);
  unit_sizes<Layer<0>>(params, size);
  EXPECT_NEAR(size[0], std::sqrt(in * out), 1e-14);
  EXPECT_NEAR(size[3], 4 * size[0], 1e-14);
  EXPECT_EQ((dead_units<Layer<0>>(params, 1e-3)), 1);
  EXPECT_EQ((dead_units<Layer<0>>(params, 1e-9)), 0);
}

TEST_F(Meters, EffectiveRankCountsDirections) {
  params = {};
  EXPECT_EQ((effective_rank<Layer<0>>(params)), 0);
  for (int j = 0; j < 4; ++j) params.weight<Layer<0>>(j, 0) = 0.5 * (j + 1);
  EXPECT_NEAR((effective_rank<Layer<0>>(params)), 1, 1e-14);
  params = {};
  for (int j = 0; j < 3; ++j) params.weight<Layer<0>>(j, j) = 2;
  params.weight<Layer<2>>(1, 3) = -2;
  EXPECT_NEAR((effective_rank<Layer<0>>(params)), 4, 1e-14);
}

// A signed swap holds for tanh units: w_1 = -w_2 on both sides.
TEST_F(Meters, SignedSwapIsAMirrorOfTanh) {
  const auto mirror = swap_of_units<Units, Layer<0>>(0, 3, -1, entry);
  double s[kColumns];
  mirror_coordinates(params, mirror, s);
  for (const auto& e : entry) params.data[e.at] -= s[e.column] * e.value;
  EXPECT_NEAR((params.weight<Layer<0>>(0, 1)), (-params.weight<Layer<0>>(3, 1)), 1e-15);
  Gradient<Units> g{};
  ASSERT_EQ(slope(params, g), Status::ok);
  double across[kColumns] = {};
  for (const auto& e : entry) across[e.column] += e.value * g.data[e.at];
  for (const double v : across) EXPECT_NEAR(v, 0, 1e-14) << "no force off the surface";
}

TEST_F(Meters, RefuseColumnsThatAreNotOrthonormal) {
  auto mirror = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  double s[kColumns];
  const auto refuses = [&](Status distance = Status::not_orthonormal) {
    const bool measured = distance == Status::not_finite;
    EXPECT_EQ(mirror_distance(params, mirror, s).status, distance);
    EXPECT_EQ(least_curvature(meter, params, mirror, slopes(), 0x1p-17, 3).status,
              measured ? Status::not_finite : Status::not_orthonormal);
    std::ignore = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  };
  EXPECT_EQ(mirror_distance(params, mirror, s).status, Status::ok);
  entry[3].value *= 1.0001;
  refuses();
  entry[3].value = std::nan("");
  refuses();
  entry[5].at = entry[0].at;  // of two columns
  refuses();
  entry[5].at = kPlan<Units>.block[2].offset + 3;  // a pad: two outputs in rows of more
  refuses();
  entry[5].at = kPlan<Units>.params;
  refuses();
  entry[5].column = kColumns;
  refuses();
  mirror.columns = kColumns + 1;
  EXPECT_EQ(least_curvature(meter, params, mirror, slopes(), 0x1p-17, 3).status, Status::not_orthonormal);
  mirror.columns = kColumns;
  params.data[entry[0].at] = std::nan("");
  refuses(Status::not_finite);
}

// Two tanh units of a net become one, on both sides of them, and the certificate holds; without decay they stay apart.
struct Across : Meters {
  using Held = NetConstraint<Units, kColumns>;
  Held held{};
  State<Units, BasicMomentum<double>> state{};
  Gradient<Units> g{};
  void train(double strength, int steps) {
    const BasicMomentum<double> rule{0.05, 0.5};
    for (int t = 0; t < steps; ++t) {
      constrained_weights(held, params);
      ASSERT_EQ(slope(held.weights, g), Status::ok);
      ASSERT_EQ(apply_constrained(held, params, state, g, rule, Rates<double>{0.05, strength}), Status::ok);
    }
    constrained_weights(held, params);
  }
  void SetUp() override {
    Meters::SetUp();
    held.mirror = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  }
};

TEST_F(Across, BeginsAsTheNetThatItWas) {
  const auto before = params;
  ASSERT_EQ(begin_constraint(held, params), Status::ok);
  constrained_weights(held, params);
  for (int i = 0; i < kPlan<Units>.params; ++i) EXPECT_NEAR(held.weights.data[i], before.data[i], 1e-15);
  for (auto& e : entry) e.value *= e.column == 2 ? 1.01 : 1;
  EXPECT_EQ(begin_constraint(held, params), Status::not_orthonormal);
}

TEST_F(Across, RefusesAndChangesNothing) {
  const auto start = params;
  const Held fresh = held;
  const auto begins = [&](Status status) {
    const auto before = params;
    const Held kept = held;
    EXPECT_EQ(begin_constraint(held, params), status);
    EXPECT_EQ(std::memcmp(&before, &params, sizeof params), 0);
    EXPECT_EQ(std::memcmp(&kept, &held, sizeof held), 0);
    params = start, held = fresh;
    std::ignore = swap_of_units<Units, Layer<0>>(1, 2, 1, entry);
  };
  entry[4].value = std::nan("");
  begins(Status::not_orthonormal);
  entry[4].at = kPlan<Units>.block[2].offset + 3;  // a pad
  begins(Status::not_orthonormal);
  held.mirror.columns = kColumns - 1;
  begins(Status::not_orthonormal);
  for (const int at : {entry[0].at, 0}) {  // under the columns and beside them
    params.data[at] = std::nan("");
    begins(Status::not_finite);
  }
  params.data[entry[0].at] = 1e200;  // its square overflows
  begins(Status::not_finite);
  ASSERT_EQ(begin_constraint(held, params), Status::ok);
  const auto steps = [&](double value, Rates<double> rates, Status status) {
    const auto phi = params;
    const Held kept = held;
    const auto buffer = state;
    g = {};
    for (const auto& e : entry)
      if (e.column == 0) g.data[e.at] = value * e.value;
    EXPECT_EQ(apply_constrained(held, params, state, g, BasicMomentum<double>{0.05, 0.5}, rates), status) << value;
    EXPECT_EQ(std::memcmp(&phi, &params, sizeof params), 0);
    EXPECT_EQ(std::memcmp(&kept, &held, sizeof held), 0);
    EXPECT_EQ(std::memcmp(&buffer, &state, sizeof state), 0);
  };
  steps(1e300, {0.1, 0.1}, Status::not_finite);
  steps(std::nan(""), {0.1, 0.1}, Status::not_finite);
  steps(1e152, {1e4, 0}, Status::out_of_range);
  held.u[0] = INFINITY;
  steps(1, {0.1, 0.1}, Status::not_finite);
}

// The loss of phi, u, z as a function: what each step takes is its slope.
TEST_F(Across, StepsAlongTheSlope) {
  ASSERT_EQ(begin_constraint(held, params), Status::ok);
  const auto loss = [&](const Params<Units>& phi, double u, double z) {
    Held moved = held;
    moved.u[0] = u, moved.z[3] = z;
    constrained_weights(moved, phi);
    Gradient<Units> unread{};
    return gradient<false>(moved.weights, buffers, scratch, data.x, data.values, SquaredError{}, kBatch, 1.0 / kBatch,
                           unread)
        .loss;
  };
  const double h = 1e-5, u = held.u[0], z = held.z[3];
  const double gu = (loss(params, u + h, z) - loss(params, u - h, z)) / (2 * h),
               gz = (loss(params, u, z + h) - loss(params, u, z - h)) / (2 * h);
  auto up = params, down = params;
  const int at = entry[0].at;
  up.data[at] += h, down.data[at] -= h;
  const double gphi = (loss(up, u, z) - loss(down, u, z)) / (2 * h), phi = params.data[at];
  constrained_weights(held, params);
  ASSERT_EQ(slope(held.weights, g), Status::ok);
  double across[kColumns] = {}, charge = constraint_charge(held, 0) * (1 - 0.25 * 0.125) * (1 - 0.25 * 0.125);
  for (const auto& e : entry) across[e.column] += e.value * g.data[e.at];
  for (const double s : across) charge -= 0.25 * 0.25 * s * u * s * u;
  State<Units, BasicSgd<double>> plain{};
  ASSERT_EQ(apply_constrained(held, params, plain, g, BasicSgd<double>{0.5}, Rates<double>{0.25, 0.125}), Status::ok);
  EXPECT_NEAR(constraint_charge(held, 0), charge + 0.25 * 0.25 * gu * gu, 1e-9);
  EXPECT_NEAR(held.u[0], (1 - 0.25 * 0.125) * u - 0.25 * gu, 1e-9);
  EXPECT_NEAR(held.z[3], (1 - 0.25 * 0.125) * z - 0.25 * gz, 1e-9);
  EXPECT_NEAR(params.data[at], phi - 0.5 * gphi, 1e-9);
  EXPECT_GT(std::fabs(gu) + std::fabs(gz), 1e-3);
}

TEST_F(Across, UnitsBecomeOneWhereDecayIsAboveTheThreshold) {
  ASSERT_EQ(begin_constraint(held, params), Status::ok);
  train(0, 3000);
  double s[kColumns];
  EXPECT_GT(mirror_distance(held.weights, held.mirror, s).value, 0.05);
  const double strength = 0.2;
  train(strength, 6000);
  EXPECT_LT(std::fabs(held.u[0]), 1e-6);
  snap(held, 0);
  train(strength, 6000);
  EXPECT_LT(mirror_distance(held.weights, held.mirror, s).value, 1e-15);
  ASSERT_EQ(slope(held.weights, g), Status::ok);
  double slope_of;
  constraint_slopes(held, g, &slope_of);
  EXPECT_TRUE(verdict(strength - slope_of, strength).certified);
  EXPECT_LT(slope_of, 1e-13) << "on the surface of a mirror there is no force across it";
}

// No mirror of the net: output 1 is to be nothing, and a weight of the first layer. There is a force against it.
TEST_F(Across, AForceAgainstItSetsTheThreshold) {
  using Six = NetConstraint<Units, 6>;
  const auto at = [&](const double& weight) { return static_cast<int>(&weight - params.data); };
  MirrorEntry<double> each[6] = {{4, at(params.bias<Layer<2>>(1)), 1}, {5, at(params.weight<Layer<0>>(2, 1)), -1}};
  each[2] = each[0], each[3] = each[1];
  for (int j = 0; j < 4; ++j) each[j < 2 ? j : j + 2] = {j, at(params.weight<Layer<2>>(1, j)), 1};
  const auto start = params;
  double threshold = 0;
  const auto run = [&](double strength, bool ends) {
    Six one{};
    one.mirror = {each, 6, 6};
    params = start;
    ASSERT_EQ(begin_constraint(one, params), Status::ok);
    State<Units, BasicSgd<double>> plain{};
    for (int t = 0; t < 20000; ++t) {
      constrained_weights(one, params);
      ASSERT_EQ(slope(one.weights, g), Status::ok);
      ASSERT_EQ(apply_constrained(one, params, plain, g, BasicSgd<double>{0.1}, Rates<double>{0.1, strength}),
                Status::ok);
    }
    EXPECT_EQ(std::fabs(one.u[0]) < 1e-6, ends) << strength;
    constrained_weights(one, params);
    ASSERT_EQ(slope(one.weights, g), Status::ok);
    double slope_of = 0;
    constraint_slopes(one, g, &slope_of);
    if (ends) threshold = slope_of;
  };
  run(4, true);
  EXPECT_GT(threshold, 1e-3);
  run(1.05 * threshold, true);
  run(0.8 * threshold, false);
}

}  // namespace
