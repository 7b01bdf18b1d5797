// Closed forms of the learning dynamics in all three regimes of damping, against the equation integrated in small steps and
// against training itself; the exact recursion; rotation from charges alone.
#include <cmath>
#include <emmy/core/random.hpp>
#include <emmy/noether/learning_dynamics.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace emmy;

// R(t) of R(0) = R0 = 1, R'(0) = 0 without a force, as in the head of the header.
double closed_form(double g, double w2, double t) {
  const double d = g * g - w2;
  if (std::fabs(d) < 1e-12 * w2) return std::exp(-g * t) * (1 + g * t);
  if (d < 0) {
    const double w = std::sqrt(-d);
    return std::exp(-g * t) * (std::cos(w * t) + g / w * std::sin(w * t));
  }
  const double a = -g + std::sqrt(d), b = -g - std::sqrt(d);
  return (a * std::exp(b * t) - b * std::exp(a * t)) / (a - b);
}

TEST(LearningDynamics, ClosedFormsInAllThreeRegimes) {
  // (gam/2)^2 against w^2: under, critically and over damped; mass 1, damping 2 g, decay w^2/2.
  for (const double g : {0.1, 1.0, 3.0, 30.0})
    for (const double t : {1e-3, 0.1, 1.0, 7.0, 200.0}) {
      const LearningDynamics<double> d{1, 2 * g, 0.5};
      const auto m = scale_transition(d, t);
      EXPECT_NEAR(m.rr, closed_form(g, 1, t), 1e-11) << g << " " << t;
      const float single = scale_transition(LearningDynamics<float>{1, float(2 * g), 0.5f}, float(t)).rr;
      EXPECT_NEAR(static_cast<double>(single), m.rr, 2e-5 * (1 + t)) << g << " " << t;
      // The rest of the matrix follows from R'' = -2 g R' - R: R of R'(0) = 1 has the derivative of R of R(0) = 1 as -R.
      EXPECT_NEAR(m.vr, -m.rv, 1e-11);
      EXPECT_NEAR(m.vv, m.rr - 2 * g * m.rv, 1e-11 * (1 + g));
      EXPECT_NEAR(m.rf, 1 - m.rr, 1e-11);  // at rest where R = f
      EXPECT_NEAR(m.vf, m.rv, 1e-11);
    }
  // Without decay R does not come back: R = R0 + (1 - e^(-2 g t)) R'0 / 2 g.
  const auto free = scale_transition(LearningDynamics<double>{2, 3, 0}, 1.25);
  EXPECT_NEAR(free.rr, 1, 1e-15);
  EXPECT_NEAR(free.rv, (1 - std::exp(-1.5 * 1.25)) / 1.5, 1e-14);
  static_assert(scale_transition(LearningDynamics<double>{1, 1, 1}, 0.5).rr < 1);
}

TEST(LearningDynamics, ForceIsFoldedIn) {
  // Two halves of a time with forces of their own are the whole, and many short ones follow a force that changes.
  const LearningDynamics<double> d = learning_dynamics(ScaleRates<double>{0.1, 0.9, 0.5});
  EXPECT_DOUBLE_EQ(d.mass, 0.095);
  EXPECT_NEAR(d.growth(), 2 * 0.1 / (0.1 * 1.9), 1e-15);
  EXPECT_NEAR(d.frequency_square(), 4 * 0.5 / (0.1 * 1.9), 1e-14);
  const auto half = scale_transition(d, 0.4), whole = scale_transition(d, 0.8);
  const auto two = half.of(half.of({2, -1}, 0.7), 0.7), one = whole.of({2, -1}, 0.7);
  EXPECT_NEAR(two.square, one.square, 1e-13);
  EXPECT_NEAR(two.speed, one.speed, 1e-12);
  const double h = 1e-4;
  const auto brief = scale_transition(d, h);
  ScaleTransition<double>::State s{1, 0};
  double r = 1, v = 0;  // the same by the midpoint rule
  for (int k = 0; k < 20000; ++k) {
    const double t = h * k, force = 1 + std::sin(t);
    s = brief.of(s, 1 + std::sin(t + h / 2));
    const auto slope = [&](double rr, double vv, double f) { return f - d.growth() * vv - d.frequency_square() * rr; };
    const double vm = v + h / 2 * slope(r, v, force), rm = r + h / 2 * v;
    r += h * vm;
    v += h * slope(rm, vm, 1 + std::sin(t + h / 2));
  }
  EXPECT_NEAR(s.square, r, 1e-6);
  EXPECT_NEAR(s.speed, v, 1e-6);
}

// Weights of a scale-invariant loss with fresh noise in every step: g is any vector at right angles to q, divided by |q|.
struct Walk {
  std::vector<double> q, buf;
  Pcg32 rng{7};
  double angular = 0;  // <buf, T q> of a turn of the first two

  explicit Walk(std::size_t n) : q(n), buf(n, 0.0) {
    for (double& x : q) x = static_cast<double>(rng.uniform()) - 0.5;
  }
  double square() const {
    double sum = 0;
    for (const double x : q) sum += x * x;
    return sum;
  }
  // Returns |D|^2; ghat = the size of the gradient on the unit sphere.
  double step(const ScaleRates<double>& r, double ghat) {
    std::vector<double> g(q.size());
    double along = 0, size = 0;
    for (double& x : g) x = static_cast<double>(rng.uniform()) - 0.5;
    for (std::size_t i = 0; i < q.size(); ++i) along += g[i] * q[i];
    for (std::size_t i = 0; i < q.size(); ++i) g[i] -= along / square() * q[i], size += g[i] * g[i];
    double moved = 0;
    for (std::size_t i = 0; i < q.size(); ++i) {
      buf[i] = r.momentum * buf[i] + ghat / std::sqrt(size * square()) * g[i] + r.weight_decay * q[i];
      moved += std::pow(r.learning_rate * buf[i], 2);
    }
    for (std::size_t i = 0; i < q.size(); ++i) q[i] -= r.learning_rate * buf[i];
    return moved;
  }
};

TEST(LearningDynamics, RecursionIsExact) {
  for (const double beta : {0.0, 0.5, 0.9}) {
    const ScaleRates<double> r{0.05, beta, 0.03};
    Walk walk(20);
    ScaleRecursion<double> predicted{walk.square(), 0};
    for (int k = 0; k < 500; ++k) {
      predicted.step(walk.step(r, 1), r);
      ASSERT_NEAR(predicted.square, walk.square(), 1e-12 * (1 + walk.square())) << beta << " " << k;
    }
  }
}

TEST(LearningDynamics, EquilibriumRotation) {
  for (const double beta : {0.0, 0.5, 0.9}) {
    const ScaleRates<double> r{0.02, beta, 0.05};
    Walk walk(40);
    RotationMeter<double> meter{};
    RotationMeter<float> single{};
    meter.start(walk.square());
    single.start(static_cast<float>(walk.square()));
    const ScaleRates<float> rates{0.02f, static_cast<float>(beta), 0.05f};
    const int settle = static_cast<int>(3 * r.time_constant()), window = 4000;
    double moved = 0, size = 0, angle = 0;
    for (int k = 0; k < settle + window; ++k) {
      if (k == settle) meter.clear(), single.clear();
      const std::vector<double> before = walk.q;
      const double square = walk.square(), by = walk.step(r, 1);
      meter.step(walk.square(), r);
      single.step(static_cast<float>(walk.square()), rates);
      if (k < settle) continue;
      moved += by;
      size += square;
      double dot = 0;
      for (std::size_t i = 0; i < before.size(); ++i) dot += before[i] * walk.q[i];
      angle += std::pow(std::acos(std::fmin(1.0, dot / std::sqrt(square * walk.square()))), 2) / window;
    }
    EXPECT_NEAR(meter.measured(), moved / size, 1e-10 * moved / size);
    EXPECT_NEAR(static_cast<double>(single.measured()), meter.measured(), 1e-3 * meter.measured());
    EXPECT_NEAR(meter.predicted(), 2 * 0.02 * 0.05 / (1 + beta), 1e-12);
    std::printf("beta %.1f: rotation a step %.5f by weights, %.5f by charges, %.5f predicted\n", beta, std::sqrt(angle),
                std::sqrt(meter.measured()), std::sqrt(meter.predicted()));
    EXPECT_NEAR(std::sqrt(meter.measured() / meter.predicted()), 1, 0.01);
    EXPECT_NEAR(std::sqrt(angle / meter.predicted()), 1, 0.02);
  }
}

TEST(LearningDynamics, ChargeEquationAndRmsForm) {
  // d/dt m <q', q> by its two products; a turn's charge only decays.
  const LearningDynamics<double> d{0.5, 0.25, 0.125};
  EXPECT_DOUBLE_EQ(d.charge_rate(2, 3, 4), 0.5 * 2 - 0.125 * 3 - 0.25 * 4);
  EXPECT_DOUBLE_EQ(d.charge_rate(0, 0, 4), -1);
  // R^2 of plain steps with small rates follows RMSProp's running mean.
  const ScaleRates<double> r{1e-3, 0, 0.5};
  Walk walk(20);
  double square = walk.square();
  for (int k = 0; k < 3000; ++k) {
    walk.step(r, 1);
    square = std::sqrt(rms_form(square, 1.0, r));
  }
  EXPECT_NEAR(square, walk.square(), 1e-3 * walk.square());
  // At rest: eta/R = eta / sqrt(2 eta^2 |ghat|^2 / (1 - rho)).
  EXPECT_DOUBLE_EQ(effective_rate(0.5, 4.0), 0.125);
}

}  // namespace
