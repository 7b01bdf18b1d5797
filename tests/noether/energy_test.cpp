// The energy law of a step, its meters of curvature, and the learning rate that follows them.
#include <emmy/noether/energy.hpp>

#include <emmy/train/verbs.hpp>
#include <tests/train/fixture.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace emmy;  // the names of nets and rules

using Smooth = Net<Scalar<double>, Input<4>, Dense<5>, Tanh, Frozen<Dense<4>>, Tanh, Dense<3>>;
constexpr int kBatch = 8;

[[maybe_unused]] constinit EnergyMeter of_a_device{};
[[maybe_unused]] constinit RateGovernor rate_of_a_device{.learning_rate = 0.01f, .every = 4};
static_assert(sizeof of_a_device <= 40 && sizeof rate_of_a_device <= 40);

template <class R>
struct Machine {
  Params<Smooth> params{};
  Buffers<Smooth> buffers{};
  State<Smooth, R> state{};
  Scratch<Smooth, kBatch, Train<R>> scratch{};
  fixture::Data<Smooth, kBatch> data{};
  Pcg32 rng;
  NoLedger none;

  explicit Machine(std::uint64_t seed = 43) : rng{seed} {
    fixture::randomise(params, rng, 0.7);
    data.refill(rng, false);
  }
  double loss_and_gradient(const Params<Smooth>& at, Gradient<Smooth>& g) {
    const auto r = gradient<false>(at, buffers, scratch, data.x, data.values, SquaredError{}, kBatch, 1.0 / kBatch, g);
    EXPECT_EQ(r.status, Status::ok);
    return r.loss;
  }
  // One step, measured.
  void step(const R& rule, BasicEnergyMeter<double>& meter) {
    Gradient<Smooth> g{}, after{};
    const Params<Smooth> from = params;
    const double loss = loss_and_gradient(params, g);
    ASSERT_EQ(apply(params, state, g, rule, none), Status::ok);
    meter.begin(loss, slope(g, from, params));
    const double then = loss_and_gradient(params, after);
    meter.end(then, slope(after, from, params));
  }
};

// How far each prediction of one step at this rate is off.
struct Off {
  double first, second, trapezoid, kappa_loss, kappa_gradient, curvature;
};
Off off_at(double eta) {
  Machine<BasicSgd<double>> m;
  BasicEnergyMeter<double> meter{};
  Gradient<Smooth> g{}, above{}, below{};
  m.loss_and_gradient(m.params, g);
  const double square = inner_product(g, g);
  // g'Hg by central differences along g
  constexpr double kStep = 1e-5;
  Params<Smooth> up = m.params, down = m.params;
  for (int i = 0; i < kPlan<Smooth>.params; ++i) {
    up.data[i] += kStep * g.data[i];
    down.data[i] -= kStep * g.data[i];
  }
  m.loss_and_gradient(up, above);
  m.loss_and_gradient(down, below);
  const double bend = (inner_product(g, above) - inner_product(g, below)) / (2 * kStep);
  m.step({eta}, meter);
  EXPECT_NEAR(meter.slope, -eta * square, 1e-14) << "of a plain step";
  return {meter.first() - meter.change,     meter.second(eta * eta * bend) - meter.change,
          meter.trapezoid() - meter.change, meter.kappa_loss(),
          meter.kappa_gradient(),           bend / square};
}

TEST(Energy, PredictionsAreOfTheirOrders) {
  const Off wide = off_at(0.02), narrow = off_at(0.01), tiny = off_at(1e-4);
  EXPECT_NEAR(wide.first / narrow.first, 4, 0.2);
  EXPECT_NEAR(wide.second / narrow.second, 8, 0.5);
  EXPECT_NEAR(wide.trapezoid / narrow.trapezoid, 8, 0.5);
  EXPECT_LT(std::fabs(narrow.trapezoid), 0.05 * std::fabs(narrow.first));
  // Rates times the curvature along the gradient
  EXPECT_NEAR(tiny.kappa_loss / 1e-4, tiny.curvature, 1e-3 * std::fabs(tiny.curvature));
  EXPECT_NEAR(tiny.kappa_gradient / 1e-4, tiny.curvature, 1e-3 * std::fabs(tiny.curvature));
  EXPECT_GT(std::fabs(tiny.curvature), 0.1);
}

// Any step: heavy ball with decay too.
TEST(Energy, TrapezoidHoldsForEverySteepness) {
  Machine<BasicMomentum<double>> m;
  BasicEnergyMeter<double> meter{};
  double first = 0, trapezoid = 0, change = 0, most = 0;
  Gradient<Smooth> unused{};
  const double start = m.loss_and_gradient(m.params, unused);
  for (int k = 0; k < 200; ++k) {
    m.step({0.01, 0.9, 0.01}, meter);
    first += std::fabs(meter.first() - meter.change);
    trapezoid += std::fabs(meter.trapezoid() - meter.change);
    change += std::fabs(meter.change);
    most = std::fmax(most, std::fabs(meter.kappa_loss() - meter.kappa_gradient()));
  }
  std::printf("sum of |dL|: off by %.2g in first order, %.2g by the trapezoid\n", first / change, trapezoid / change);
  EXPECT_LT(trapezoid, 3e-3 * change);
  EXPECT_GT(first, 10 * trapezoid);
  EXPECT_EQ(meter.steps, 200);
  EXPECT_NEAR(meter.sum_change, m.loss_and_gradient(m.params, unused) - start, 1e-13);
  EXPECT_NEAR(meter.sum_trapezoid, meter.sum_change, 3e-3 * change);
  meter.reset();
  EXPECT_EQ(meter.steps, 0);
  EXPECT_EQ(meter.sum_change, 0);
}

// Where the gradient of the frozen layer is garbage, it is not looked at.
TEST(Energy, FrozenWeightsDoNotCount) {
  Gradient<Smooth> a{}, b{};
  for (double& v : a.data) v = std::numeric_limits<double>::quiet_NaN();
  for (const auto& block : kPlan<Smooth>.block)
    for (int i = 0; block.trained && i < block.size(); ++i) a.data[block.offset + i] = b.data[block.offset + i] = 2;
  int trained = 0;
  for (const auto& block : kPlan<Smooth>.block) trained += block.trained ? block.size() : 0;
  EXPECT_EQ(inner_product(a, b), 4 * trained);
}

// What a step of this slope and this kappa tells, the loss before it 1.
template <class S>
BasicEnergyMeter<S> told(S slope, S kappa) {
  BasicEnergyMeter<S> meter{};
  meter.begin(1, slope);
  meter.end(1 + slope * (1 - kappa / 2), slope * (1 - kappa));
  return meter;
}

// On L = c x^2 / 2 kappa is the rate times c: the governor finds 1 / c from far below, and keeps it at the very bottom.
TEST(Governor, FollowsTheCurvature) {
  for (const double curvature : {0.01, 1.0, 300.0}) {
    BasicRateGovernor<double> governor{.learning_rate = 1e-5, .most = 1e6};
    BasicEnergyMeter<double> meter{};
    double x = 1;
    for (int k = 0; k < 2000; ++k) {
      const double g = curvature * x, rate = governor.learning_rate;
      meter.begin(curvature * x * x / 2, -rate * g * g);
      const double then = x - rate * g;
      meter.end(curvature * then * then / 2, -rate * g * curvature * then);
      if (k < 1500) {
        ASSERT_NEAR(meter.kappa_loss(), rate * curvature, 1e-8);
        ASSERT_NEAR(meter.kappa_gradient(), rate * curvature, 1e-8);
      }
      governor.update(meter, rate);
      ASSERT_LE(governor.learning_rate, 1.02 * rate);
      if (k > 1200) {
        ASSERT_NEAR(governor.learning_rate * curvature, 1, 1e-9);
      }
      x = k < 1500 ? 1 : then;  // as far from the bottom as ever, then down
    }
    EXPECT_LT(std::fabs(x), 1e-150);
  }
}

// The mean of the curvature along steps, the last ones foremost, weighed by the decrease that was foretold.
TEST(Governor, WeighsWhatStepsTell) {
  BasicRateGovernor<double> governor{.learning_rate = 0.5, .growth = 1e3, .cut = 1e-3, .target = 0.8, .memory = 0.75};
  governor.update(told<double>(-0.02, 0.4), 0.5);
  EXPECT_NEAR(governor.learning_rate, 0.8 * 0.5 / 0.4, 1e-12);
  governor.update(told<double>(-0.03, 0.6), 0.2);  // at a rate that a schedule lowered
  EXPECT_NEAR(governor.learning_rate, 0.8 * (0.75 * 0.02 + 0.03) / (0.75 * 0.02 * 0.4 / 0.5 + 0.03 * 0.6 / 0.2), 1e-12);
}

TEST(Governor, AStepThatTellsNothingLeavesTheSums) {
  const auto after = [](auto f) {
    BasicRateGovernor<double> governor{.learning_rate = 0.01};
    governor.update(told<double>(-0.02, 0.5), 0.01);
    governor.learning_rate = 0.01;
    const double falls = governor.falls, bends = governor.bends;
    f(governor);
    EXPECT_TRUE(governor.falls == falls && governor.bends == bends);
    return governor.learning_rate;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  EXPECT_DOUBLE_EQ(after([](auto& g) { g.refused(); }), 0.007);
  for (const double bad : {nan, inf, -inf}) {
    EXPECT_DOUBLE_EQ(after([&](auto& g) { g.update(told<double>(bad, 1), 0.01); }), 0.007) << bad;
    EXPECT_DOUBLE_EQ(after([&](auto& g) { g.update(told<double>(-0.01, bad), 0.01); }), 0.007) << bad;
  }
  EXPECT_DOUBLE_EQ(after([](auto& g) { g.update(told<double>(0.1, 1), 0.01); }), 0.01) << "uphill";
  EXPECT_DOUBLE_EQ(after([](auto& g) { g.update(told<double>(-1e-17, 5), 0.01); }), 0.0102) << "hidden";
  EXPECT_NEAR(after([](auto& g) {
                g.learning_rate = 0.0199;
                g.update(told<double>(-1e-17, 5), 0.0199);
              }),
              0.02, 1e-12)
      << "hidden, but the sums let it grow no farther";
}

TEST(Governor, KeepsWithinItsBounds) {
  RateGovernor governor{.learning_rate = 1, .most = 1.01f, .every = 4};
  EXPECT_FLOAT_EQ(governor.update(told(-0.1f, 0.1f), 1), 1.01f);
  EXPECT_FLOAT_EQ(governor.update(told(-1e3f, 1e6f), 1.01f), 1.01f * 0.7f) << "cut, not lost";
  // One wild step is forgotten: it counted as kappa 4.
  int steps = 0;
  for (; governor.learning_rate < 0.9f && steps < 1000; ++steps) governor.update(told(-0.1f, 0.1f), 1);
  EXPECT_LT(steps, 300);
  // Curvature the other way lets it grow, by no more than its growth.
  governor = {.learning_rate = 0.1f};
  EXPECT_FLOAT_EQ(governor.update(told(-0.1f, -1e6f), 0.1f), 0.102f);
  for (steps = 0; steps < 10; ++steps) governor.update(told(-0.1f, 2.0f), 0.1f);
  EXPECT_LT(governor.learning_rate, 0.1f) << "and is forgotten";
  EXPECT_FALSE(governor.is_lost());
  for (int k = 0; k < 100; ++k) governor.refused();
  EXPECT_TRUE(governor.is_lost());
  EXPECT_EQ(governor.learning_rate, 1e-9f);
  governor.every = 4;
  EXPECT_TRUE(governor.due(0) && governor.due(8));
  EXPECT_FALSE(governor.due(1) || governor.due(6));
}

// From a rate whose steps the rounding of the loss hides.
TEST(Governor, GrowsOutOfTheRoundingOfTheLoss) {
  RateGovernor governor{.learning_rate = 1e-9f};
  EnergyMeter meter{};
  const auto loss = [](float x) { return 3 + x * x / 2; };  // of curvature 1
  float x = 1;
  int hidden = 0;
  for (int k = 0; k < 1500; ++k) {
    const float rate = governor.learning_rate, then = x - rate * x;
    meter.begin(loss(x), -rate * x * x);
    meter.end(loss(then), -rate * x * then);
    hidden += !meter.tells();
    governor.update(meter, rate);
    if (k < 1100) x = 1;  // as far from the bottom as ever
    else x = then;
  }
  EXPECT_GT(hidden, 300);
  EXPECT_NEAR(governor.learning_rate, 1, 0.1);
}

// Full batches of ten small nets, without tuning: about as low as the best of six fixed rates of each.
TEST(Governor, IsAboutAsGoodAsTheBestFixedRate) {
  const auto train = [](std::uint64_t seed, BasicRateGovernor<double> governor) {
    Machine<BasicSgd<double>> m(seed);
    BasicEnergyMeter<double> meter{};
    for (int k = 0; k < 700 && !(meter.loss > 1e3); ++k) {
      m.step({governor.learning_rate}, meter);
      governor.update(meter, governor.learning_rate);
    }
    return meter.loss;
  };
  std::vector<double> governed, careful;
  for (std::uint64_t seed = 43; seed < 53; ++seed) {
    double best = std::numeric_limits<double>::infinity();
    for (const double rate : {0.05, 0.2, 0.5, 1.0, 2.0, 4.0})
      best = std::fmin(best, train(seed, {.learning_rate = rate, .growth = 1, .cut = 1}));
    governed.push_back(train(seed, {.learning_rate = 0.02, .target = 1.8}) / best);
    careful.push_back(train(seed, {.learning_rate = 0.02}) / best);
    ASSERT_TRUE(std::isfinite(governed.back()) && std::isfinite(careful.back()));
  }
  const auto median = [](std::vector<double>& v) {
    std::sort(v.begin(), v.end());
    return (v[4] + v[5]) / 2;
  };
  std::printf("loss, of the best fixed rate's: %.2f, with a target of 1 %.2f\n", median(governed), median(careful));
  EXPECT_LT(median(governed), 1.25);
  EXPECT_LT(median(careful), 1.75);
  EXPECT_LT(governed[7], 2) << "eight of ten nets";
  for (const double loss : {governed.back(), careful.back()}) EXPECT_LT(loss, 10) << "the worst net";
}

}  // namespace
