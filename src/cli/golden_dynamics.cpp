// The golden case of learning dynamics: weights that a norm alone reads, their norm and rotation.
#include <emmy/noether/learning_dynamics.hpp>

#include <algorithm>
#include <cmath>

#include "cli/golden_field.hpp"
#include "cli/golden_own.hpp"

namespace emmy::golden {
namespace {

constexpr int kInputs = 6, kSamples = 16, kSteps = 200, kEvery = 20;

struct Run {
  double beta, lam, eta;
  int batch;
};
struct Given {
  std::vector<double> w, x, y;
  std::vector<Run> runs;
};

// y = x w / |w| under half the mean squared error, heavy ball with coupled decay.
template <class S>
void train(const Given& given, const Run& run, const std::string& path, Computed& computed) {
  const ScaleRates<S> rates{static_cast<S>(run.eta), static_cast<S>(run.beta), static_cast<S>(run.lam)};
  S w[kInputs], buf[kInputs] = {};
  for (int i = 0; i < kInputs; ++i) w[i] = static_cast<S>(given.w[static_cast<std::size_t>(i)]);
  const auto square = [](const S* v) {
    S sum = 0;
    for (int i = 0; i < kInputs; ++i) sum += v[i] * v[i];
    return sum;
  };
  ScaleRecursion<S> exact{square(w), 0};
  S worst = 0, moved = 0, size = 0;
  std::vector<double>& shown = computed[path + "R_every_20"];
  for (int step = 0; step < kSteps; ++step) {
    const S norm = std::sqrt(square(w)), before = square(w);
    if (step % kEvery == 0) shown.push_back(static_cast<double>(before));
    S gu[kInputs] = {}, along = 0, by[kInputs];  // the gradient in u = w/|w|
    for (int s = 0; s < run.batch; ++s) {
      const auto row = static_cast<std::size_t>((step * run.batch + s) % kSamples);
      const auto x = [&](int i) { return static_cast<S>(given.x[row * kInputs + static_cast<std::size_t>(i)]); };
      S e = -static_cast<S>(given.y[row]);
      for (int i = 0; i < kInputs; ++i) e += x(i) * w[i] / norm;
      for (int i = 0; i < kInputs; ++i) gu[i] += x(i) * e / static_cast<S>(run.batch);
    }
    for (int i = 0; i < kInputs; ++i) along += gu[i] * w[i] / norm;
    for (int i = 0; i < kInputs; ++i) {
      const S g = (gu[i] - w[i] / norm * along) / norm;
      buf[i] = rates.momentum * buf[i] + g + rates.weight_decay * w[i];
      by[i] = rates.learning_rate * buf[i];
    }
    for (int i = 0; i < kInputs; ++i) w[i] -= by[i];
    exact.step(square(by), rates);
    worst = std::max(worst, std::abs(exact.square - square(w)));
    if (step >= kSteps / 2) {
      moved += square(by);
      size += before;
    }
  }
  computed[path + "R_final"] = {static_cast<double>(square(w))};
  computed[path + "w_final"].assign(w, w + kInputs);
  computed[path + "exact_recursion_max_err"] = {static_cast<double>(worst)};
  computed[path + "equilibrium_K_over_R"] = {static_cast<double>(rates.equilibrium())};
  computed[path + "K_over_R_second_half"] = {static_cast<double>(moved / size)};
}

std::vector<double> values(const Field& field, const std::vector<int>& shape) {
  const Array array = field.array();
  if (array.shape != shape)
    throw Unsupported(fmt::format("{} is [{}]; compiled in is [{}]", field.path(), fmt::join(array.shape, ", "),
                                  fmt::join(shape, ", ")));
  return array.values;
}

Compute read(const Field& c) {
  if (c.at("kind").text() != "normalised_linear") return {};
  Given given{values(c.at("params").at("w"), {kInputs}),
              values(c.at("data").at("X"), {kSamples, kInputs}),
              values(c.at("data").at("y"), {kSamples}),
              {}};
  for (const Field& run : c.at("optimizer").at("runs").elements()) {
    if (run.at("kind").text() != "hb") throw Unsupported("optimizer " + run.at("kind").text());
    if (run.at("steps").integer(1, 10'000'000) != kSteps)
      throw Unsupported(fmt::format("{} steps; compiled in are {}", run.at("steps").integer(1, 10'000'000), kSteps));
    given.runs.push_back({run.at("beta").number(0, 1), run.at("lam").number(0, 1), run.at("eta").number(0, 10),
                          run.at("batch").integer(1, kSamples)});
  }
  return [given](const char*, bool single, Computed& computed) {
    for (std::size_t i = 0; i < given.runs.size(); ++i) {
      const std::string path = fmt::format("runs.{}.", i);
      if (single) train<float>(given, given.runs[i], path, computed);
      else train<double>(given, given.runs[i], path, computed);
    }
    return Outcome{Status::ok, 0};
  };
}

}  // namespace

const OwnKind kDynamics{read};

}  // namespace emmy::golden
