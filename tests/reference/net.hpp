// An emmy::Net as plain double loops, made from its type: forward, loss, gradients of the parameters, Residual too.
// Weights are one unpadded array a block, in the order of the net's plan.
#pragma once

#include <cstddef>
#include <vector>

#include <emmy/layers/activations.hpp>
#include <emmy/layers/avg_pool.hpp>
#include <emmy/layers/batch_norm.hpp>
#include <emmy/layers/conv1d.hpp>
#include <emmy/layers/conv2d.hpp>
#include <emmy/layers/depthwise.hpp>
#include <emmy/layers/flatten.hpp>
#include <emmy/layers/frozen.hpp>
#include <emmy/layers/max_pool.hpp>
#include <emmy/layers/norm.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/product.hpp>
#include <emmy/parametrize/weight_norm.hpp>
#include <tests/reference/activations.hpp>
#include <tests/reference/batch_norm.hpp>
#include <tests/reference/conv.hpp>
#include <tests/reference/heads.hpp>
#include <tests/reference/losses.hpp>
#include <tests/reference/norm.hpp>
#include <tests/reference/product.hpp>
#include <tests/reference/recurrent.hpp>
#include <tests/reference/weight_norm.hpp>

namespace reference {

using Values = std::vector<double>;
using Blocks = std::vector<Values>;

enum class Factors { none, by_element, by_input, by_output, length };

// One layer: reads tensor `from` (and `skip`, an Add or a Multiply), tensor 0 is the input, stage i makes tensor i + 1. Affine ones
// have blocks; the others a pair of functions on arrays.
struct Stage {
  bool affine = false, bias = false, adds = false, multiplies = false;
  int from = 0, skip = -1;
  int in = 0, out = 0, positions = 1, first_block = 0;  // positions: of what it makes
  Grid grid{};                           // of a convolution or a pooling layer, else each position by itself
  bool pools = false, averages = false;  // the largest, or means
  bool depthwise = false;
  bool image = false, same = false;    // of rows and columns; padded to as many outputs
  bool norm = false, centred = false;  // of the channels of each position
  bool of_batch = false;               // ... or of each channel by itself
  double epsilon = 0;
  bool gru = false, last = false;
  Heads attention{};                                              // of at least one head
  double (*state)(double) = nullptr, (*slope)(double) = nullptr;  // of an Rnn: f, and f' from its value
  Factors factors = Factors::none;
  void (*forward)(double* y, const double* x, int n) = nullptr;
  void (*backward)(double* dx, const double* dy, const double* x, int n) = nullptr;
};

inline void describe(Stage& s, emmy::Identity) { s.forward = identity_forward, s.backward = identity_backward; }
inline void describe(Stage& s, emmy::Tanh) { s.forward = tanh_forward, s.backward = tanh_backward; }
inline void describe(Stage& s, emmy::FastTanh) { s.forward = fast_tanh_forward, s.backward = fast_tanh_backward; }
inline void describe(Stage& s, emmy::Sigmoid) { s.forward = sigmoid_forward, s.backward = sigmoid_backward; }
inline void describe(Stage& s, emmy::Exp) { s.forward = exp_forward, s.backward = exp_backward; }
inline void describe(Stage& s, emmy::Silu) { s.forward = silu_forward, s.backward = silu_backward; }
inline void describe(Stage& s, emmy::GeluTanh) { s.forward = gelu_tanh_forward, s.backward = gelu_tanh_backward; }
template <int N, int D>
void describe(Stage& s, emmy::LeakyRelu<N, D>) {
  s.forward = [](double* y, const double* x, int n) { leaky_relu_forward(y, x, double{N} / D, n); };
  s.backward = [](double* dx, const double* dy, const double* x, int n) {
    leaky_relu_backward(dx, dy, x, double{N} / D, n);
  };
}
inline void describe(Stage& s, emmy::Relu) {
  s.forward = [](double* y, const double* x, int n) { leaky_relu_forward(y, x, 0.0, n); };
  s.backward = [](double* dx, const double* dy, const double* x, int n) { leaky_relu_backward(dx, dy, x, 0.0, n); };
}
template <int P, int Q>
void describe(Stage& s, emmy::PowerRelu<P, Q>) {
  s.forward = [](double* y, const double* x, int n) { power_relu_forward(y, x, double{P} / Q, n); };
  s.backward = [](double* dx, const double* dy, const double* x, int n) {
    power_relu_backward(dx, dy, x, double{P} / Q, n);
  };
}
inline void describe(Stage& s, emmy::Add) { s.adds = true; }
inline void describe(Stage& s, emmy::Multiply) { s.multiplies = true; }
inline void describe(Stage& s, emmy::Flatten) { describe(s, emmy::Identity{}); }
// The grid of a pooling layer over `down` rows of `along` columns.
inline void pool(Stage& s, int down, int along) {
  s.pools = true;
  s.grid = pooling(s.grid.h, s.grid.w, down, along);
}
template <int Window, int Along>
void describe(Stage& s, emmy::MaxPool<Window, Along>) {
  pool(s, s.image ? Window : 1, Along > 0 ? Along : Window);
}
template <int Window, int Along>
void describe(Stage& s, emmy::AvgPool<Window, Along>) {
  describe(s, emmy::MaxPool<Window, Along>{});
  s.averages = true;
}
inline void describe(Stage& s, emmy::GlobalAvgPool) {
  pool(s, s.grid.h, s.grid.w);
  s.averages = true;
}
inline void describe(Stage& s, emmy::WithBias) { s.bias = true; }
inline void describe(Stage& s, emmy::NoBias) { s.bias = false; }
inline void describe(Stage& s, emmy::Product) { s.factors = Factors::by_element; }
inline void describe(Stage& s, emmy::ProductByInput) { s.factors = Factors::by_input; }
inline void describe(Stage& s, emmy::ProductByOutput) { s.factors = Factors::by_output; }
inline void describe(Stage& s, emmy::WeightNorm) { s.factors = Factors::length; }
template <bool Centred, class Bias, int Numerator, int Denominator>
void describe(Stage& s, emmy::detail::Norm<Centred, Bias, Numerator, Denominator>) {
  s.norm = true;
  s.centred = Centred;
  s.epsilon = static_cast<double>(Numerator) / Denominator;
  describe(s, Bias{});
}
template <class Bias, int Numerator, int Denominator, int... Momentum>
void describe(Stage& s, emmy::BatchNorm<Bias, Numerator, Denominator, Momentum...>) {
  describe(s, emmy::LayerNorm<Bias, Numerator, Denominator>{});
  s.of_batch = true;
}
inline void describe_states(Stage& s, emmy::Tanh) {
  s.state = [](double a) { return std::tanh(a); };
  s.slope = [](double y) { return 1 - y * y; };
}
inline void describe_states(Stage& s, emmy::Relu) {
  s.state = [](double a) { return a > 0 ? a : 0; };
  s.slope = [](double y) { return y > 0 ? 1.0 : 0.0; };
}
template <int N, int D>
void describe_states(Stage& s, emmy::LeakyRelu<N, D>) {
  s.state = [](double a) { return a > 0 ? a : a * N / D; };
  s.slope = [](double y) { return y > 0 ? 1.0 : double{N} / D; };
}
template <int Units, class Activation>
void describe(Stage& s, emmy::Rnn<Units, Activation>) {
  describe_states(s, Activation{});
}
template <int Units>
void describe(Stage& s, emmy::Gru<Units>) {
  s.gru = true;
}
inline void describe(Stage& s, emmy::Last) { s.last = true; }
template <int Count, int Size, class... Options>
void describe(Stage& s, emmy::Attention<Count, Size, Options...>) {
  s.attention = {s.positions, s.in, s.out, s.first_block, Count, Size, 4, false, {}};
  (describe(s.attention, Options{}), ...);
}
template <int Out, class Bias>
void describe(Stage& s, emmy::Dense<Out, Bias>) {
  s.affine = true;
  describe(s, Bias{});
}
// What follows the sizes of a convolution.
template <int Down, int Along>
void describe(Stage& s, emmy::Stride<Down, Along>) {
  s.grid.sh = s.image ? Down : 1, s.grid.sw = Along;
}
template <int Down, int Along>
void describe(Stage& s, emmy::Padding<Down, Along>) {
  s.grid.ph = s.image ? Down : 0, s.grid.pw = Along;
}
inline void describe(Stage& s, emmy::Same) { s.same = true; }
template <class... Options>
void convolve(Stage& s, int kh, int kw) {
  Grid& g = s.grid;
  g.kh = kh, g.kw = kw;
  s.affine = s.bias = true;
  (describe(s, Options{}), ...);
  const auto outputs = [&](int size, int kernel, int stride, int& before) {
    if (!s.same) return (size + 2 * before - kernel) / stride + 1;
    const int count = (size + stride - 1) / stride, zeros = (count - 1) * stride + kernel - size;
    before = zeros > 0 ? zeros / 2 : 0;
    return count;
  };
  g.oh = outputs(g.h, kh, g.sh, g.ph);
  g.ow = outputs(g.w, kw, g.sw, g.pw);
}
template <int Channels, int Kernel, class... Options>
void describe(Stage& s, emmy::Conv1d<Channels, Kernel, Options...>) {
  convolve<Options...>(s, 1, Kernel);
}
template <int Channels, int Height, int Width, class... Options>
void describe(Stage& s, emmy::Conv2d<Channels, Height, Width, Options...>) {
  convolve<Options...>(s, Height, Width);
}
template <int Rank, int Height, int Width, class... Options>
void describe(Stage& s, emmy::detail::Depthwise<Rank, Height, Width, Options...>) {
  convolve<Options...>(s, Height, Width);
  s.depthwise = true;
}
template <int Out, class Bias, class P>
void describe(Stage& s, emmy::Parametrized<emmy::Dense<Out, Bias>, P>) {
  describe(s, emmy::Dense<Out, Bias>{});
  describe(s, P{});
}

using Model = std::vector<Stage>;

template <class Net>
Model model_of() {
  Model model;
  [&]<class... N>(emmy::Nodes<N...>) {
    const auto add = [&]<class Node>(Node) {
      Stage s;
      s.in = Node::in::kChannels;
      s.out = Node::out::kChannels;
      s.positions = Node::out::kPositions;
      s.image = Node::in::kRank == 3;
      s.grid = {Node::in::kHeight, Node::in::kWidth, 1, 1};
      s.from = Node::kFrom;
      s.skip = Node::kSkip;
      s.first_block = emmy::kPlan<Net>.first_block[model.size()];
      describe(s, typename Node::layer{});
      model.push_back(s);
    };
    (add(N{}), ...);
  }(typename Net::nodes{});
  return model;
}

// ---- weights: from and to the padded layout

template <class Net, class S>
Blocks read_blocks(const S* data) {
  Blocks all;
  for (int b = 0; b < emmy::kPlan<Net>.kBlocks; ++b) {
    const auto& block = emmy::kPlan<Net>.block[b];
    Values v;
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) v.push_back(static_cast<double>(data[block.at(i, o)]));
    all.push_back(v);
  }
  return all;
}
template <class Net, class S>
void write_blocks(const Blocks& all, S* data) {
  for (int b = 0; b < emmy::kPlan<Net>.kBlocks; ++b) {
    const auto& block = emmy::kPlan<Net>.block[b];
    const double* from = all[static_cast<std::size_t>(b)].data();
    for (int i = 0; i < block.rows; ++i)
      for (int o = 0; o < block.cols; ++o) data[block.at(i, o)] = static_cast<S>(from[i * block.cols + o]);
  }
}
inline Blocks zeros_like(const Blocks& all) {
  Blocks zeros;
  for (const auto& v : all) zeros.emplace_back(v.size(), 0.0);
  return zeros;
}

// ---- effective weights: what an affine layer multiplies by

struct Effective {
  Values w, b;
};

inline Effective effective_of(const Stage& s, const Blocks& theta) {
  const auto at = static_cast<std::size_t>(s.first_block);
  const bool factored = s.factors != Factors::none;
  Effective e{theta[at + (factored ? 1 : 0)], {}};
  if (s.bias) e.b = theta[at + (factored ? 2 : 1)];
  const double* u = theta[at].data();
  const Values z = e.w, zb = e.b;
  if (s.factors == Factors::by_element) product_forward(e.w.data(), u, z.data(), s.in, s.out);
  if (s.factors == Factors::by_input) product_by_input_forward(e.w.data(), u, z.data(), s.in, s.out);
  if (s.factors == Factors::length) weight_norm_forward(e.w.data(), u, z.data(), s.in, s.out);
  if (s.factors == Factors::by_output) {
    product_by_output_forward(e.w.data(), u, z.data(), s.in, s.out);
    if (s.bias) product_by_output_forward(e.b.data(), u, zb.data(), 1, s.out);
  }
  return e;
}
// g: gradient of the effective weights; adds to the gradient of the parameters.
inline void pull_back(const Stage& s, const Blocks& theta, const Effective& g, Blocks& gradient) {
  const auto at = static_cast<std::size_t>(s.first_block);
  const bool factored = s.factors != Factors::none;
  double *du = gradient[at].data(), *dz = factored ? gradient[at + 1].data() : nullptr;
  const double *u = theta[at].data(), *z = factored ? theta[at + 1].data() : nullptr;
  const bool factored_bias = s.bias && s.factors == Factors::by_output;
  if (s.factors == Factors::none) gradient[at] = g.w;
  if (s.factors == Factors::by_element) product_backward(du, dz, g.w.data(), u, z, s.in, s.out);
  if (s.factors == Factors::by_input) product_by_input_backward(du, dz, g.w.data(), u, z, s.in, s.out);
  if (s.factors == Factors::by_output) product_by_output_backward(du, dz, g.w.data(), u, z, s.in, s.out);
  if (s.factors == Factors::length) weight_norm_backward(du, dz, g.w.data(), u, z, s.in, s.out);
  if (factored_bias)
    product_by_output_backward(du, gradient[at + 2].data(), g.b.data(), u, theta[at + 2].data(), 1, s.out);
  else if (s.bias) gradient[at + (factored ? 2 : 1)] = g.b;
}

// ---- forward, loss, backward

struct Targets {
  bool softmax;   // cross-entropy, else squared error
  Values values;  // one a output
};
inline Targets labels(const std::vector<int>& label, int classes) {
  Targets t{true, Values(label.size() * static_cast<std::size_t>(classes))};
  one_hot(t.values.data(), label.data(), static_cast<int>(label.size()), classes);
  return t;
}

inline double tanh_of(double x) { return std::tanh(x); }
inline double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

inline std::vector<Values> forward(const Model& model, const Blocks& theta, const Values& x, int samples) {
  std::vector<Values> act{x};
  for (const Stage& s : model) {
    const int rows = samples * s.positions;
    Values y(static_cast<std::size_t>(rows * s.out));
    const Values& in = act[static_cast<std::size_t>(s.from)];
    if (s.affine) {
      const Effective e = effective_of(s, theta);
      const double* b = s.bias ? e.b.data() : nullptr;
      if (s.depthwise) depthwise_forward(y.data(), in.data(), e.w.data(), b, samples, s.grid, s.in);
      else conv2d_forward(y.data(), in.data(), e.w.data(), b, samples, s.grid, s.in, s.out);
    } else if (s.norm) {
      const auto at = static_cast<std::size_t>(s.first_block);
      const double* b = s.bias ? theta[at + 1].data() : nullptr;
      if (s.of_batch) batch_norm_forward(y.data(), in.data(), theta[at].data(), b, rows, s.out, s.epsilon);
      else norm_forward(y.data(), in.data(), theta[at].data(), b, rows, s.out, s.centred, s.epsilon);
    } else if (s.gru || s.state != nullptr) {
      const auto at = static_cast<std::size_t>(s.first_block);
      const Window window{samples, s.positions, s.in, s.out};
      const double *wx = theta[at].data(), *wh = theta[at + 1].data(), *b = theta[at + 2].data();
      Values gates(y.size() * 4);
      if (s.gru) gru_forward(y.data(), gates.data(), in.data(), wx, wh, b, window, tanh_of, sigmoid_of);
      else rnn_forward(y.data(), in.data(), wx, wh, b, window, s.state);
    } else if (s.attention.heads > 0) {
      heads_forward(y.data(), in.data(), s.attention, theta, samples);
    } else if (s.last) {
      last_forward(y.data(), in.data(), samples, s.grid.h * s.grid.w, s.out);
    } else if (s.pools) {
      (s.averages ? avg_pool_forward : max_pool_forward)(y.data(), in.data(), samples, s.grid, s.out);
    } else if (s.adds) {
      for (std::size_t k = 0; k < y.size(); ++k) y[k] = in[k] + act[static_cast<std::size_t>(s.skip)][k];
    } else if (s.multiplies) {
      for (std::size_t k = 0; k < y.size(); ++k) y[k] = in[k] * act[static_cast<std::size_t>(s.skip)][k];
    } else {
      s.forward(y.data(), in.data(), rows * s.out);
    }
    act.push_back(y);
  }
  return act;
}

// The gradient of the parameters from `dy`, the gradient of the last tensor.
inline Blocks backward(const Model& model, const Blocks& theta, const std::vector<Values>& act, const Values& dy,
                       int samples) {
  Blocks gradient = zeros_like(theta);
  std::vector<Values> delta;
  for (const Values& a : act) delta.emplace_back(a.size(), 0.0);
  delta.back() = dy;
  for (std::size_t k = model.size(); k-- > 0;) {
    const Stage& s = model[k];
    const auto from = static_cast<std::size_t>(s.from);
    const Values& d = delta[k + 1];
    Values& dx = delta[from];
    if (s.affine) {
      const Effective e = effective_of(s, theta);
      Effective g{Values(e.w.size()), Values(e.b.size())};
      double* db = s.bias ? g.b.data() : nullptr;
      if (s.depthwise)
        depthwise_backward(dx.data(), g.w.data(), db, d.data(), act[from].data(), e.w.data(), samples, s.grid, s.in);
      else
        conv2d_backward(dx.data(), g.w.data(), db, d.data(), act[from].data(), e.w.data(), samples, s.grid, s.in,
                        s.out);
      pull_back(s, theta, g, gradient);
    } else if (s.norm) {
      const auto at = static_cast<std::size_t>(s.first_block);
      const int rows = samples * s.positions;
      double* db = s.bias ? gradient[at + 1].data() : nullptr;
      if (s.of_batch)
        batch_norm_backward(dx.data(), gradient[at].data(), db, d.data(), act[from].data(), theta[at].data(), rows,
                            s.out, s.epsilon);
      else
        norm_backward(dx.data(), gradient[at].data(), db, d.data(), act[from].data(), theta[at].data(), rows, s.out,
                      s.centred, s.epsilon);
    } else if (s.gru || s.state != nullptr) {
      const auto at = static_cast<std::size_t>(s.first_block);
      const Window window{samples, s.positions, s.in, s.out};
      const double *wx = theta[at].data(), *wh = theta[at + 1].data(), *b = theta[at + 2].data();
      double *dwx = gradient[at].data(), *dwh = gradient[at + 1].data(), *db = gradient[at + 2].data();
      Values states = act[k + 1], deltas = d, gates(d.size() * 4);
      if (s.gru) {
        gru_forward(states.data(), gates.data(), act[from].data(), wx, wh, b, window, tanh_of, sigmoid_of);
        gru_backward(dx.data(), dwx, dwh, db, deltas.data(), gates.data(), states.data(), act[from].data(), wx, wh,
                     window);
      } else {
        rnn_backward(dx.data(), dwx, dwh, db, deltas.data(), states.data(), act[from].data(), wx, wh, window, s.slope);
      }
    } else if (s.attention.heads > 0) {
      heads_backward(dx.data(), gradient, d.data(), act[from].data(), s.attention, theta, samples);
    } else if (s.last) {
      last_backward(dx.data(), d.data(), samples, s.grid.h * s.grid.w, s.out);
    } else if (s.adds) {
      for (std::size_t n = 0; n < d.size(); ++n) {
        dx[n] += d[n];
        delta[static_cast<std::size_t>(s.skip)][n] += d[n];
      }
    } else if (s.multiplies) {
      const auto skip = static_cast<std::size_t>(s.skip);
      for (std::size_t n = 0; n < d.size(); ++n) {
        dx[n] += d[n] * act[skip][n];
        delta[skip][n] += d[n] * act[from][n];
      }
    } else if (s.averages) {
      avg_pool_backward(dx.data(), d.data(), samples, s.grid, s.out);
    } else if (s.pools) {
      max_pool_backward(dx.data(), d.data(), act[from].data(), samples, s.grid, s.out);
    } else {
      s.backward(dx.data(), d.data(), act[from].data(), static_cast<int>(d.size()));
    }
  }
  return gradient;
}

// The loss is a mean over samples, the loops of losses.hpp take one over rows.
inline double loss_of(const Model& model, const Values& outputs, int samples, const Targets& t) {
  const int positions = model.back().positions, cols = model.back().out;
  return (t.softmax ? cross_entropy_forward : squared_error_forward)(outputs.data(), t.values.data(),
                                                                     samples * positions, cols) *
         positions;
}
inline Values delta_of(const Model& model, const Values& outputs, int samples, const Targets& t) {
  const int positions = model.back().positions, cols = model.back().out;
  Values dy(outputs.size());
  (t.softmax ? cross_entropy_backward : squared_error_backward)(dy.data(), outputs.data(), t.values.data(),
                                                                samples * positions, cols);
  for (double& d : dy) d *= positions;
  return dy;
}

struct Pass {
  double loss;
  Values outputs;
  Blocks gradient;  // of the parameters
};

inline Pass run(const Model& model, const Blocks& theta, const Values& x, int samples, const Targets& t) {
  const auto act = forward(model, theta, x, samples);
  const Values& outputs = act.back();
  return {loss_of(model, outputs, samples, t), outputs,
          backward(model, theta, act, delta_of(model, outputs, samples, t), samples)};
}

}  // namespace reference
