#include <bench/compare/check.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace compare {
namespace {

using Values = std::vector<double>;

std::size_t index(int i) { return static_cast<std::size_t>(i); }

// One sample: adds its gradient to g, returns its loss. theta and g are laid out as Workload says.
double add_gradient(const Workload& w, const Values& theta, const float* x, int label, Values& g) {
  std::vector<Values> act{Values(x, x + w.size[0])};
  std::vector<std::size_t> at{0};
  for (int l = 0; l < w.layers; ++l) {
    const std::size_t in = index(w.size[l]), out = index(w.size[l + 1]), bias = at.back() + in * out;
    Values y(out);
    for (std::size_t o = 0; o < out; ++o) {
      y[o] = theta[bias + o];
      for (std::size_t i = 0; i < in; ++i) y[o] += theta[at.back() + o * in + i] * act.back()[i];
      if (l + 1 < w.layers) y[o] = std::max(y[o], 0.0);
    }
    act.push_back(y);
    at.push_back(bias + out);
  }
  Values delta = act.back();
  double sum = 0;
  for (const double y : act.back()) sum += std::exp(y);
  for (double& d : delta) d = std::exp(d) / sum;
  delta[index(label)] -= 1;
  for (int l = w.layers - 1; l >= 0; --l) {
    const std::size_t in = index(w.size[l]), out = index(w.size[l + 1]), from = at[index(l)];
    Values below(in);
    for (std::size_t o = 0; o < out; ++o) {
      g[from + in * out + o] += delta[o];
      for (std::size_t i = 0; i < in; ++i) {
        g[from + o * in + i] += delta[o] * act[index(l)][i];
        if (l > 0 && act[index(l)][i] > 0) below[i] += delta[o] * theta[from + o * in + i];
      }
    }
    delta = below;
  }
  return std::log(sum) - act.back()[index(label)];
}

double reference_step(const Workload& w, Values& theta, const Batch& batch) {
  Values g(theta.size());
  double loss = 0;
  for (int s = 0; s < w.batch; ++s) loss += add_gradient(w, theta, batch.x + s * w.size[0], batch.labels[s], g);
  for (std::size_t i = 0; i < g.size(); ++i) theta[i] -= static_cast<double>(kRate) / w.batch * g[i];
  return loss / w.batch;
}

double larger(double a, double b) { return std::isnan(b) ? std::numeric_limits<double>::infinity() : std::max(a, b); }

}  // namespace

Disagreement check(const Opponent& opponent, const Data& data) {
  constexpr int kSteps = 6;
  const Workload& w = *opponent.workload;
  Disagreement worst;
  Values theta(data.weights().begin(), data.weights().end());
  opponent.reset(data.weights().data());
  for (int s = 0; s < kSteps; ++s) {
    const double want = reference_step(w, theta, data.batch(s));
    worst.loss = larger(worst.loss, std::abs(static_cast<double>(opponent.step(data.batch(s))) - want));
  }
  std::vector<float> got(theta.size());
  opponent.read(got.data());
  std::size_t i = 0;
  for (int t = 0; t < 2 * w.layers; ++t) {
    const int out = w.size[t / 2 + 1];
    const std::size_t end = i + index(t % 2 == 0 ? out * w.size[t / 2] : out);
    double off = 0, moved = 0;
    for (; i < end; ++i) {
      off += std::pow(static_cast<double>(got[i]) - theta[i], 2);
      moved += std::pow(theta[i] - static_cast<double>(data.weights()[i]), 2);
    }
    worst.displacement = larger(worst.displacement, std::sqrt(off / moved));
  }
  return worst;
}

}  // namespace compare
