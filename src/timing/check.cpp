#include "timing/check.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace emmy::timing {
namespace {

using Values = std::vector<double>;

std::size_t index(int i) { return static_cast<std::size_t>(i); }

// What a layer gives for one sample: of every position, the activation applied, and the largest of each pool.
struct Tensors {
  Values all, pooled;
};

// Of one sample, inputs first.
std::vector<Tensors> forward(const Workload& w, const Values& theta, const float* x) {
  std::vector<Tensors> act{{{}, Values(x, x + w.inputs())}};
  std::size_t at = 0;
  for (int l = 0; l < w.affines(); ++l) {
    const Affine layer = w.affine(l);
    const std::size_t in = index(layer.in), out = index(layer.out), pool = index(layer.pool), bias = at + in * out;
    Tensors y{Values(index(layer.positions) * out),
              Values(index(layer.outputs()), -std::numeric_limits<double>::infinity())};
    for (std::size_t p = 0; p < index(layer.positions); ++p)
      for (std::size_t o = 0; o < out; ++o) {
        double& v = y.all[p * out + o];
        v = theta[bias + o];
        for (std::size_t i = 0; i < in; ++i) v += theta[at + o * in + i] * act.back().pooled[p * index(layer.step) + i];
        if (l + 1 < w.affines()) v = w.activation == Activation::tanh ? std::tanh(v) : std::max(v, 0.0);
        const std::size_t to = p / pool * out + o;
        if (to < y.pooled.size()) y.pooled[to] = std::max(y.pooled[to], v);
      }
    act.push_back(y);
    at = bias + out;
  }
  return act;
}

// The gradient of a layer's `pooled` becomes that of its sums: the first of equal maxima takes it.
Values unpooled(const Affine& layer, const Tensors& y, const Values& delta) {
  const std::size_t out = index(layer.out), pool = index(layer.pool);
  Values all(y.all.size());
  for (std::size_t i = 0; i < delta.size(); ++i) {
    std::size_t first = i / out * pool * out + i % out;
    while (y.all[first] < y.pooled[i]) first += out;
    all[first] = delta[i];
  }
  return all;
}

// One sample of a batch: adds its gradient to g, returns its loss.
double add_gradient(const Workload& w, const Values& theta, const Batch& batch, int sample, Values& g) {
  const std::vector<Tensors> act = forward(w, theta, batch.x + sample * w.inputs());
  const Values& outputs = act.back().pooled;
  Values delta = outputs;
  double loss = 0;
  if (w.loss == Loss::cross_entropy) {
    double sum = 0;
    for (const double y : outputs) sum += std::exp(y);
    for (double& d : delta) d = std::exp(d) / sum;
    delta[index(batch.labels[sample])] -= 1;
    loss = std::log(sum) - outputs[index(batch.labels[sample])];
  } else {
    for (std::size_t o = 0; o < delta.size(); ++o) {
      delta[o] -= static_cast<double>(batch.target[index(sample) * delta.size() + o]);
      loss += 0.5 * delta[o] * delta[o];
    }
  }
  std::size_t from = theta.size();
  for (int l = w.affines() - 1; l >= 0; --l) {
    const Affine layer = w.affine(l);
    const std::size_t in = index(layer.in), out = index(layer.out);
    const Values &x = act[index(l)].pooled, all = unpooled(layer, act[index(l + 1)], delta);
    from -= (in + 1) * out;
    delta.assign(x.size(), 0);
    for (std::size_t p = 0; p < index(layer.positions); ++p)
      for (std::size_t o = 0; o < out; ++o) {
        const double d = all[p * out + o];
        g[from + in * out + o] += d;
        for (std::size_t i = 0; i < in; ++i) {
          const std::size_t at = p * index(layer.step) + i;
          g[from + o * in + i] += d * x[at];
          if (l == 0) continue;
          const double slope = w.activation == Activation::tanh ? 1 - x[at] * x[at] : x[at] > 0 ? 1 : 0;
          delta[at] += d * theta[from + o * in + i] * slope;
        }
      }
  }
  return loss;
}

double reference_step(const Workload& w, Rule rule, Values& theta, Values& memory, const Batch& batch) {
  constexpr auto kRetained = static_cast<double>(kMomentum);
  Values g(theta.size());
  double loss = 0;
  for (int s = 0; s < w.batch; ++s) loss += add_gradient(w, theta, batch, s, g);
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double mean = g[i] / w.batch;
    memory[i] = kRetained * memory[i] + mean;
    const double step = rule == Rule::sgd || rule == Rule::lazy ? mean
                        : rule == Rule::momentum                ? memory[i]
                                                                : mean + kRetained * memory[i];
    theta[i] -= static_cast<double>(kRate) * step;
  }
  return loss / w.batch;
}

// C of a kernel; the operands are A[n][n], of which a gemv takes the first row, and B[n][n].
Values product(const Workload& w, const std::vector<float>& operands) {
  const std::size_t n = index(w.size[0]), rows = w.kernel == Kernel::gemv ? 1 : n;
  const float *a = operands.data(), *b = a + n * n;
  Values c(rows * n);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < n; ++k)
        c[i * n + j] += static_cast<double>(w.kernel == Kernel::gemm_tn ? a[k * n + i] : a[i * n + k]) *
                        static_cast<double>(w.kernel == Kernel::gemm_nt ? b[j * n + k] : b[k * n + j]);
  return c;
}

double larger(double a, double b) { return std::isnan(b) ? std::numeric_limits<double>::infinity() : std::max(a, b); }
double off(float got, double want) { return std::abs(static_cast<double>(got) - want) / (1 + std::abs(want)); }

}  // namespace

Disagreement check(const Opponent& opponent, const Data& data) {
  constexpr int kSteps = 6;
  const Workload& w = *opponent.workload;
  Disagreement worst;
  if (w.kernel != Kernel::none) {
    const Values want = product(w, data.weights());
    std::vector<float> got(want.size());
    opponent.reset(data.weights().data());
    opponent.infer(nullptr, nullptr);
    opponent.read(got.data());
    for (std::size_t i = 0; i < want.size(); ++i) worst.outputs = larger(worst.outputs, off(got[i], want[i]));
    return worst;
  }
  Values theta(data.weights().begin(), data.weights().end()), memory(theta.size());
  opponent.reset(data.weights().data());
  if (opponent.infer != nullptr) {
    std::vector<float> y(index(w.batch * w.outputs()));
    opponent.infer(data.batch(0).x, y.data());
    for (int s = 0; s < w.batch; ++s) {
      const Values want = forward(w, theta, data.batch(0).x + s * w.inputs()).back().pooled;
      for (std::size_t o = 0; o < want.size(); ++o)
        worst.outputs = larger(worst.outputs, off(y[index(s) * want.size() + o], want[o]));
    }
  }
  for (int s = 0; s < kSteps; ++s) {
    const double want = reference_step(w, opponent.rule, theta, memory, data.batch(s));
    worst.loss = larger(worst.loss, off(opponent.step(data.batch(s)), want));
  }
  std::vector<float> got(theta.size());
  opponent.read(got.data());
  std::size_t i = 0;
  for (int t = 0; t < 2 * w.affines(); ++t) {
    const Affine layer = w.affine(t / 2);
    const std::size_t end = i + index(t % 2 == 0 ? layer.in * layer.out : layer.out);
    double apart = 0, moved = 0;
    for (; i < end; ++i) {
      apart += std::pow(static_cast<double>(got[i]) - theta[i], 2);
      moved += std::pow(theta[i] - static_cast<double>(data.weights()[i]), 2);
    }
    worst.displacement = larger(worst.displacement, std::sqrt(apart / moved));
  }
  return worst;
}

}  // namespace emmy::timing
