// The Lie algebra that the gradients of a model's outputs generate, at one point, in exact arithmetic.
//
// Along any gradient flow theta moves by combinations of the fields grad f_o(theta, x), o an output, x an input. A function
// h(theta) is conserved whatever the data and the targets where grad h is orthogonal to all of them, hence to their
// brackets: the independent ones are parameters - dim Lie(theta). Marcotte, Gribonval, Peyre, "Abide by the law and follow
// the flow: conservation laws for gradient flows", NeurIPS 2023.
//
// At a point ReLUs are switches: what reference::forward finds at theta, in double. With these switches outputs are
// polynomials in theta, or rational in theta, roots and exponentials, and everything is computed modulo a prime.
//   roots         of one sign or the other (the two are conjugate); inputs without one modulo p are drawn again, as are those at a kink
//   exponentials  of generic arguments are algebraically independent: any number stands for e^x, with (e^x)' = e^x
//   1 / sqrt(n)   of attention's scores, and its angles: any number, and any point of the circle, for they are constants
// A rank modulo p at a point is at most the generic rank. So dimensions found here are lower bounds, of brackets and of
// charges alike; where they add up to the number of parameters both are exact, for each bounds the other from above.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>

#include <emmy/core/random.hpp>
#include <tests/reference/finite_field.hpp>
#include <tests/reference/net.hpp>

namespace reference {

using Jets = std::vector<Jet>;

// Multiples of 1/256: the same number in double and modulo p.
inline double draw_number(emmy::Pcg32& rng) { return (static_cast<double>(rng.below(2047)) - 1023) / 256; }
inline Residue residue_of(double number) { return Residue(static_cast<int>(number * 256)) * inverse(256); }
inline Residue draw_residue(emmy::Pcg32& rng) { return Residue::of((std::uint64_t{rng.next()} << 32) | rng.next()); }

// A combination of outputs on a small batch, drawn at random: its gradient is a field.
struct Combination {
  int samples;
  std::vector<Values> act;           // what reference::forward makes of the batch
  std::vector<Vector> exponentials;  // of each value in act, or of each score of attention
  Vector weights;                    // of each output
};

inline bool is_switch(const Stage& s) {
  return s.forward != nullptr && s.forward != identity_forward && s.forward != exp_forward && s.forward != silu_forward;
}
// The piece of a piecewise linear function that x is on.
inline Jet on_piece(const Stage& s, const Jet& x, double at, double y) {
  double twice = 2 * at, doubled = 0;
  s.forward(&doubled, &twice, 1);
  if (at == 0.0) return Jet::undefined();
  if (doubled != 2 * y) {
    std::fputs("lie_algebra.hpp: an activation that is not differentiated here\n", stderr);
    std::abort();
  }
  return residue_of(y / at) * x;
}

inline Jet activation(const Stage& s, const Jet& x, double at, double y, Residue exponential) {
  if (s.forward == identity_forward) return x;
  if (s.forward == exp_forward) return exp_from(x, exponential);
  if (s.forward == silu_forward) return x / (1 + exp_from(0 - x, exponential));
  return on_piece(s, x, at, y);
}

// y[r, o] = b[o] + sum of w over the window of r, of a depthwise convolution in one channel
inline void affine_forward(Jets& y, const Stage& s, const Jets& x, const Jet* w, const Jet* b, int samples) {
  const auto size = [](int n) { return static_cast<std::size_t>(n); };
  const std::size_t in = size(s.in), out = size(s.out);
  for (std::size_t at = 0; b != nullptr && at < y.size(); ++at) y[at] = b[at % out];
  for_taps(s.grid, samples, [&](int row, int tap, int position) {
    const Jet* from = x.data() + size(position) * in;
    for (std::size_t o = 0; o < out; ++o) {
      Jet& to = y[size(row) * out + o];
      if (s.depthwise) to += from[o] * w[size(tap) * out + o];
      else
        for (std::size_t i = 0; i < in; ++i) to += from[i] * w[(size(tap) * in + i) * out + o];
    }
  });
}

inline void attention_forward(Jets& y, const Heads& h, const Jets& x, const std::vector<std::size_t>& first,
                              const Jets& theta, int samples, const Vector& exponentials) {
  const auto w = h.blocks<HeadWeights<Jet>>(
      [&](int b) { return b < 0 ? nullptr : theta.data() + first[static_cast<std::size_t>(b)]; });
  Jets turns;  // (1 - t^2, 2 t) / (1 + t^2)
  for (std::size_t k = 0; k < h.turns.size() / 2; ++k) {
    const Residue t = static_cast<int>(3 * k + 2), over = inverse(1 + t * t);
    turns.push_back((1 - t * t) * over);
    turns.push_back(2 * t * over);
  }
  const HeadSizes n = h.sizes(samples);
  Jets room(static_cast<std::size_t>(Attended<Jet>::size(n)));
  attention_forward(
      y.data(), x.data(), w, Attended<Jet>(room.data(), n), turns.empty() ? nullptr : turns.data(), Jet(inverse(3)), n,
      [&](const Jet& score, int at) { return exp_from(score, exponentials[static_cast<std::size_t>(at)]); });
}

// g_j v_j / |v_j| of a weight norm, whose first block is at theta.
inline Jets normalised(const Stage& s, const Jet* theta) {
  const auto units = static_cast<std::size_t>(s.out), count = static_cast<std::size_t>(s.in) * units;
  Jets w(theta + units, theta + units + count);
  for (std::size_t o = 0; o < units; ++o) {
    Jet square = 0;
    for (std::size_t k = o; k < count; k += units) square += w[k] * w[k];
    const Jet scale = theta[o] / root(square);
    for (std::size_t k = o; k < count; k += units) w[k] = scale * w[k];
  }
  return w;
}

inline Jets outputs(const Model& model, const std::vector<std::size_t>& first, const Jets& theta,
                    const Combination& c) {
  std::vector<Jets> act(1);
  for (const double x : c.act[0]) act[0].push_back(residue_of(x));
  for (std::size_t t = 1; t < c.act.size(); ++t) {
    const Stage& s = model[t - 1];
    const auto from = static_cast<std::size_t>(s.from);
    const Jets& in = act[from];
    Jets y(c.act[t].size());
    const Jet* w = theta.data() + first[static_cast<std::size_t>(s.first_block)];
    const std::size_t bias = s.factors == Factors::none ? 1 : 2;
    const Jet* b = s.bias ? theta.data() + first[static_cast<std::size_t>(s.first_block) + bias] : nullptr;
    if (s.affine && s.factors == Factors::length) {
      affine_forward(y, s, in, normalised(s, w).data(), b, c.samples);
    } else if (s.affine) {
      affine_forward(y, s, in, w, b, c.samples);
    } else if (s.norm) {
      const int rows = c.samples * s.positions;
      if (s.of_batch) batch_norm_forward(y.data(), in.data(), w, b, rows, s.out, Jet(0));
      else norm_forward(y.data(), in.data(), w, b, rows, s.out, s.centred, Jet(0));
    } else if (s.attention.heads > 0) {
      attention_forward(y, s.attention, in, first, theta, c.samples, c.exponentials[t]);
    } else if (s.multiplies) {
      for (std::size_t k = 0; k < y.size(); ++k) y[k] = in[k] * act[static_cast<std::size_t>(s.skip)][k];
    } else {
      for (std::size_t k = 0; k < y.size(); ++k)
        y[k] = activation(s, in[k], c.act[from][k], c.act[t][k], c.exponentials[t][k]);
    }
    act.push_back(y);
  }
  return act.back();
}

class LieAlgebra {
 public:
  static constexpr int kSamples = 4, kMisses = 16, kDeepest = Jet::kDirections - 1;

  // softmax: the loss does not see the sum of a row of outputs. Weights are drawn from the seed.
  LieAlgebra(Model model, const Blocks& shape, bool softmax, std::uint64_t seed)
      : model_(std::move(model)), softmax_(softmax), theta_(shape), rng_(seed) {
    do {
      for (Values& block : theta_)
        for (double& t : block) t = draw_number(rng_);
    } while (!switches() || !has_roots());
    for (const Values& block : theta_) {
      first_.push_back(at_.size());
      for (const double t : block) at_.push_back(residue_of(t));
    }
    close();
  }

  const Blocks& theta() const { return theta_; }
  int parameters() const { return static_cast<int>(at_.size()); }
  int dimension() const { return span_.dimension(); }
  // Brackets of brackets until a level adds nothing; how deep the last one was that did.
  bool closed() const { return closed_; }
  int depth() const { return depth_; }
  // Everything that spans it.
  const std::vector<Vector>& fields() const { return fields_; }

 private:
  // [X_0, [X_1, [X_2, ...]]] of random fields of the model: these span the whole algebra, and a random one lies outside any
  // smaller space but where switches happen to agree, hence kMisses.
  void close() {
    for (int depth = 0; depth <= kDeepest && !closed_; ++depth) {
      const int before = dimension();
      for (int misses = 0; misses < kMisses;) {
        std::vector<Combination> fields;
        for (int k = 0; k <= depth; ++k) fields.push_back(draw());
        Vector v;
        for (const Jet& j : bracket(fields, at_, 0)) v.push_back(j.value());
        if (!span_.add(v)) ++misses;
        fields_.push_back(std::move(v));
      }
      closed_ = dimension() == before;
      if (!closed_) depth_ = depth;
    }
  }

  Values draw_inputs(int samples) {
    Values x(static_cast<std::size_t>(samples * model_[0].grid.h * model_[0].grid.w * model_[0].in));
    for (double& v : x) v = draw_number(rng_);
    return x;
  }
  // Is every unit of every activation below 0 for some inputs and above for others? One that never fires keeps its weights,
  // one that always does is linear: neither is what the architecture is at other points.
  bool switches() {
    constexpr int kInputs = 256;
    const auto act = forward(model_, theta_, draw_inputs(kInputs), kInputs);
    for (const Stage& s : model_) {
      if (!is_switch(s)) continue;
      const Values& x = act[static_cast<std::size_t>(s.from)];
      const std::size_t units = x.size() / kInputs;
      for (std::size_t unit = 0; unit < units; ++unit) {
        int below = 0, above = 0;
        for (std::size_t k = unit; k < x.size(); k += units) {
          below += x[k] < 0 ? 1 : 0;
          above += x[k] > 0 ? 1 : 0;
        }
        if (below < kInputs / 8 || above < kInputs / 8) return false;
      }
    }
    return true;
  }

  // Has every vector of a weight norm a length modulo p?
  bool has_roots() {
    for (const Stage& s : model_) {
      if (s.factors != Factors::length) continue;
      Jets theta;
      for (std::size_t b = 0; b < 2; ++b)
        for (const double t : theta_[static_cast<std::size_t>(s.first_block) + b]) theta.push_back(residue_of(t));
      for (const Jet& w : normalised(s, theta.data()))
        if (!w.defined()) return false;
    }
    return true;
  }

  Combination draw() {
    const Stage& last = model_.back();
    for (;;) {
      Combination c{kSamples, forward(model_, theta_, draw_inputs(kSamples), kSamples), {}, {}};
      for (std::size_t t = 0; t < c.act.size(); ++t) {
        const int scores =
            t == 0 ? 0 : model_[t - 1].attention.heads * model_[t - 1].positions * model_[t - 1].positions;
        const std::size_t count = scores > 0 ? static_cast<std::size_t>(kSamples * scores) : c.act[t].size();
        c.exponentials.emplace_back();
        for (std::size_t k = 0; k < count; ++k) c.exponentials.back().push_back(draw_residue(rng_));
      }
      for (int row = 0; row < kSamples * last.positions; ++row) {
        Residue sum = 0;
        for (int o = 0; o < last.out; ++o) {
          const bool ends = softmax_ && o == last.out - 1;
          c.weights.push_back(ends ? 0 - sum : draw_residue(rng_));
          sum = sum + c.weights.back();
        }
      }
      if (combine(c, at_).defined()) return c;
    }
  }
  Jet combine(const Combination& c, const Jets& theta) const {
    const Jets y = outputs(model_, first_, theta, c);
    Jet sum = 0;
    for (std::size_t k = 0; k < y.size(); ++k) sum += Jet(c.weights[k]) * y[k];
    return sum;
  }

  // At theta, which moves along the directions below `direction`.
  Jets gradient(const Combination& c, Jets theta, int direction) const {
    Jets g;
    for (Jet& t : theta) {
      const Jet rests = t;
      t = moved(rests, 1, direction);
      g.push_back(combine(c, theta).along(direction));
      t = rests;
    }
    return g;
  }
  // [X, Y] = DY X - DX Y, X the first field, Y the bracket of the others.
  Jets bracket(std::span<const Combination> fields, const Jets& theta, int direction) const {
    Jets x = gradient(fields[0], theta, direction);
    if (fields.size() == 1) return x;
    Jets along_x, along_y;
    for (std::size_t i = 0; i < theta.size(); ++i) along_x.push_back(moved(theta[i], x[i], direction));
    const Jets y = bracket(fields.subspan(1), along_x, direction + 1);
    for (std::size_t i = 0; i < theta.size(); ++i) along_y.push_back(moved(theta[i], y[i].at(direction), direction));
    x = gradient(fields[0], along_y, direction + 1);
    for (std::size_t i = 0; i < theta.size(); ++i) x[i] = y[i].along(direction) - x[i].along(direction);
    return x;
  }

  Model model_;
  bool softmax_;
  Blocks theta_;
  emmy::Pcg32 rng_;
  std::vector<std::size_t> first_;  // of each block in at_
  Jets at_;                         // theta modulo p
  Span span_;
  std::vector<Vector> fields_;
  bool closed_ = false;
  int depth_ = 0;
};

}  // namespace reference
