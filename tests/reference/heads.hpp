// A layer of attention of an emmy::Net for the loops of attention.hpp: its sizes, angles and blocks. Blocks are arrays in the order
// of the net's plan.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <emmy/layers/attention.hpp>
#include <tests/reference/attention.hpp>

namespace reference {

struct Heads {
  int positions = 0, in = 0, out = 0, first_block = 0, heads = 0, size = 0, biases = 4;
  bool causal = false;
  std::vector<double> turns;  // cosine and sine by position and plane

  HeadSizes sizes(int samples) const { return {samples, positions, in, heads, size, out, causal}; }
  double scale() const { return 1 / std::sqrt(static_cast<double>(size)); }
  const double* turning() const { return turns.empty() ? nullptr : turns.data(); }
  // Its blocks as pointers: f(block) for each of the eight, -1 where it has no such bias.
  template <class Pointers, class F>
  Pointers blocks(F f) const {
    const auto bias = [&](int b) { return f(b < biases ? first_block + 4 + b : -1); };
    return {f(first_block), f(first_block + 1), f(first_block + 2), f(first_block + 3), bias(0), bias(1), bias(2),
            bias(3)};
  }
};

inline void describe(Heads& h, emmy::Causal) { h.causal = true; }
inline void describe(Heads&, emmy::WithBias) {}
inline void describe(Heads& h, emmy::NoBias) { h.biases = 0; }
inline void describe(Heads& h, emmy::NoOutputBias) { h.biases = 3; }
template <int Channels>
void describe(Heads&, emmy::OutputChannels<Channels>) {}
template <class Angles>
void describe(Heads& h, emmy::RopeBy<Angles>) {
  for (int t = 0; t < h.positions; ++t)
    for (int m = 0; m < h.size / 2; ++m) {
      const double angle = Angles::angle(t, m, h.size / 2);
      h.turns.insert(h.turns.end(), {std::cos(angle), std::sin(angle)});
    }
}

using BlockArrays = std::vector<std::vector<double>>;
inline HeadWeights<double> weights_of(const Heads& h, const BlockArrays& theta) {
  return h.blocks<HeadWeights<double>>(
      [&](int b) { return b < 0 ? nullptr : theta[static_cast<std::size_t>(b)].data(); });
}
// What it makes on its way.
inline std::vector<double> heads_forward(double* y, const double* x, const Heads& h, const BlockArrays& theta,
                                         int samples) {
  const HeadSizes n = h.sizes(samples);
  std::vector<double> room(static_cast<std::size_t>(Attended<double>::size(n)));
  attention_forward(y, x, weights_of(h, theta), Attended<double>(room.data(), n), h.turning(), h.scale(), n,
                    [](double score, int) { return std::exp(score); });
  return room;
}
// Adds to dx and gradient.
inline void heads_backward(double* dx, BlockArrays& gradient, const double* dy, const double* x, const Heads& h,
                           const BlockArrays& theta, int samples) {
  const HeadSizes n = h.sizes(samples);
  std::vector<double> y(static_cast<std::size_t>(n.N * n.T * n.O)),
      room = heads_forward(y.data(), x, h, theta, samples), work(static_cast<std::size_t>(n.T * (4 * n.D + 1)));
  const auto g = h.blocks<HeadGradients<double>>(
      [&](int b) { return b < 0 ? nullptr : gradient[static_cast<std::size_t>(b)].data(); });
  attention_backward(dx, g, dy, x, weights_of(h, theta), Attended<double>(room.data(), n), h.turning(), h.scale(), n,
                     work.data());
}

}  // namespace reference
