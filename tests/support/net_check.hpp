// A whole net against its double loops: forward, infer, backward and gradient, and central finite differences.
#pragma once

#include <emmy/train/verbs.hpp>

#include <gtest/gtest.h>
#include <tests/reference/net.hpp>
#include <tests/support/fenced.hpp>
#include <tests/support/numbers.hpp>
#include <tests/support/scalars.hpp>

#include <cmath>
#include <cstring>
#include <vector>

namespace support {

// Fills an object with poison: nobody may rely on what scratch held before.
template <class T, class Object>
void poison(Object& object) {
  const T value = std::bit_cast<T>(kPoisonBits<T>);
  for (std::size_t at = 0; at + sizeof(T) <= sizeof object; at += sizeof(T))
    std::memcpy(reinterpret_cast<char*>(&object) + at, &value, sizeof(T));
}

inline double largest_of(const std::vector<double>& all) {
  double most = 0;
  for (const double v : all) most = std::fmax(most, std::fabs(v));
  return most;
}
// Are a and b the same up to `tolerance` of the larger ones among b, or of `scale`? NaN never is.
inline testing::AssertionResult close(const std::vector<double>& a, const std::vector<double>& b, double tolerance,
                                      double scale = 1e-3) {
  scale = std::fmax(scale, largest_of(b));
  for (std::size_t k = 0; k < b.size(); ++k) {
    if (!(std::fabs(a[k] - b[k]) <= tolerance * scale))
      return testing::AssertionFailure() << a[k] << " instead of " << b[k] << " at " << k << ", tolerance "
                                         << tolerance * scale;
  }
  return testing::AssertionSuccess();
}
// A block of which rounding alone is left (the key bias of attention) takes the scale of the others.
inline testing::AssertionResult close(const reference::Blocks& a, const reference::Blocks& b, double tolerance) {
  double others = 0;
  for (const auto& block : b) others = std::fmax(others, largest_of(block));
  for (std::size_t k = 0; k < b.size(); ++k) {
    const double own = largest_of(b[k]);
    if (const auto result = close(a[k], b[k], tolerance, own > 0 && own < 1e-13 ? others : 1e-3); !result)
      return testing::AssertionFailure() << "block " << k << ": " << result.message();
  }
  return testing::AssertionSuccess();
}

// The same of all blocks together: gradients of dead biases are 0 but for rounding.
inline std::vector<double> flat(const reference::Blocks& blocks) {
  std::vector<double> all;
  for (const auto& block : blocks) all.insert(all.end(), block.begin(), block.end());
  return all;
}

template <class S>
inline constexpr double kNetTolerance = sizeof(S) == 4 ? 4e-6 : 1e-14;

// One net on one batch, as functions on arrays: the checks are compiled once for a scalar, not once for a net.
template <class S>
struct NetCase {
  int batch, inputs, outputs;
  bool infers_apart;  // with statistics of other batches (BatchNorm)
  reference::Model model;
  std::vector<emmy::PlannedBlock> blocks;
  S *params, *gradient;
  int params_size;
  void (*poison_scratch)();
  emmy::Status (*forward)(const S* x, S* y);
  emmy::Status (*backward)(const S* x, const S* dy);
  emmy::Status (*infer)(const S* x, S* y);
  void (*make_gradient)(const S* x);  // f32: stores it, f64: adds it to what is there
  static constexpr bool kAdds = sizeof(S) == 8;

  reference::Blocks read(const S* data) const {
    reference::Blocks all;
    for (const auto& block : blocks) {
      reference::Values v;
      for (int i = 0; i < block.rows; ++i) {
        for (int o = 0; o < block.cols; ++o) v.push_back(static_cast<double>(data[block.at(i, o)]));
      }
      all.push_back(v);
    }
    return all;
  }
  // Logical weights in [-0.7, 0.7), pad lanes zero.
  void randomise(Random& random) const {
    for (int k = 0; k < params_size; ++k) params[k] = 0;
    for (const auto& block : blocks) {
      for (int i = 0; i < block.rows; ++i) {
        for (int o = 0; o < block.cols; ++o) params[block.at(i, o)] = static_cast<S>(0.7 * random());
      }
    }
  }
  void set_gradient(const S* x) const {
    for (int k = 0; k < params_size; ++k) gradient[k] = S(0);
    make_gradient(x);
  }
};

template <class Net, int Batch>
struct NetObjects {
  using S = typename Net::scalar;
  static inline emmy::Params<Net> params;
  static inline emmy::Buffers<Net> buffers;
  static inline emmy::Scratch<Net, Batch, emmy::Train<void>> scratch;
  static inline emmy::Scratch<Net, Batch, emmy::Infer> infer_scratch;
  static inline emmy::Gradient<Net> gradient;

  static NetCase<S> get() {
    NetCase<S> c{};
    c.batch = Batch;
    c.inputs = Net::kInputs;
    c.outputs = Net::kOutputs;
    c.infers_apart = emmy::kMixesSamples<Net>;
    c.model = reference::model_of<Net>();
    c.blocks.assign(emmy::kPlan<Net>.block, emmy::kPlan<Net>.block + emmy::kPlan<Net>.kBlocks);
    c.params = params.data;
    c.gradient = gradient.data;
    c.params_size = emmy::kPlan<Net>.params;
    c.poison_scratch = [] {
      poison<S>(scratch);
      poison<S>(infer_scratch);
    };
    c.forward = [](const S* x, S* y) { return emmy::forward(params, buffers, scratch, x, y); };
    c.backward = [](const S* x, const S* dy) { return emmy::backward(params, buffers, scratch, x, dy); };
    c.infer = [](const S* x, S* y) { return emmy::infer(params, buffers, infer_scratch, x, y); };
    c.make_gradient = [](const S* x) { emmy::gradient<NetCase<S>::kAdds>(params, scratch, x, gradient); };
    return c;
  }
};

// Data of one check, at every misalignment in turn.
template <class S>
struct NetData {
  Random random;
  Fenced<S> x, y, dy;

  NetData(const NetCase<S>& net, std::uint64_t seed)
      : random(seed),
        x(static_cast<std::size_t>(net.batch * net.inputs), seed % 16),
        y(static_cast<std::size_t>(net.batch * net.outputs), (seed + 5) % 16),
        dy(static_cast<std::size_t>(net.batch * net.outputs), (seed + 11) % 16) {
    net.randomise(random);
    net.poison_scratch();
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<S>(random());
    for (std::size_t k = 0; k < dy.size(); ++k) dy[k] = static_cast<S>(random());
  }
  bool intact() const { return x.intact() && y.intact() && dy.intact(); }
};
template <class S>
std::vector<double> values(const Fenced<S>& f) {
  return {f.data(), f.data() + f.size()};
}

// forward, backward, gradient, infer of one net and batch against the reference.
template <class S>
void check_against_reference(const NetCase<S>& net, std::uint64_t seed) {
  NetData<S> d(net, seed);
  const auto theta = net.read(net.params);
  const auto act = reference::forward(net.model, theta, values(d.x), net.batch);
  auto expected = reference::backward(net.model, theta, act, values(d.dy), net.batch);
  for (std::size_t b = 0; b < net.blocks.size(); ++b) {
    if (!net.blocks[b].trained) expected[b].assign(expected[b].size(), 0.0);  // frozen: no gradient
  }

  ASSERT_EQ(net.forward(d.x.data(), d.y.data()), emmy::Status::ok);
  ASSERT_TRUE(close(values(d.y), act.back(), kNetTolerance<S>)) << "forward";
  ASSERT_EQ(net.backward(d.x.data(), d.dy.data()), emmy::Status::ok);
  net.set_gradient(d.x.data());
  const auto expect_gradient = [&](const char* which) {
    const auto got = net.read(net.gradient);
    const double tolerance = kNetTolerance<S> * 2;
    EXPECT_TRUE(net.infers_apart ? close(flat(got), flat(expected), tolerance) : close(got, expected, tolerance))
        << which;
  };
  expect_gradient("gradient");
  net.make_gradient(d.x.data());
  for (auto& block : expected) {
    for (double& v : block) v *= NetCase<S>::kAdds ? 2 : 1;
  }
  expect_gradient("gradient, again");
  for (const auto& block : net.blocks) {
    for (int k = 0; k < block.size(); ++k) {
      if (!block.is_weight(k)) {
        ASSERT_EQ(net.gradient[block.offset + k], S(0)) << "pad lane of the gradient";
      }
    }
  }

  const auto trained = values(d.y);
  d.y.place(3);
  ASSERT_EQ(net.infer(d.x.data(), d.y.data()), emmy::Status::ok);
  if (!net.infers_apart) {
    ASSERT_EQ(values(d.y), trained) << "infer gives the bits of forward";
  }
  ASSERT_TRUE(d.intact());
}

// Can a step of 1e-6 in a weight carry a value over the kink of an activation, or one maximum past another?
inline bool near_a_kink(const NetCase<double>& net, const std::vector<double>& x) {
  const auto act = reference::forward(net.model, net.read(net.params), x, net.batch);
  for (std::size_t node = 0; node < net.model.size(); ++node) {
    const auto& stage = net.model[node];
    if (stage.affine || stage.adds || stage.norm || stage.gru || stage.last || stage.attention.heads > 0) continue;
    const auto& in =
        act[stage.state != nullptr ? node + 1 : static_cast<std::size_t>(stage.from)];  // states show kinks
    std::vector<std::vector<int>> windows(static_cast<std::size_t>(net.batch * stage.positions));
    if (stage.pools && !stage.averages)
      reference::for_taps(stage.grid, net.batch,
                          [&](int out, int, int at) { windows[static_cast<std::size_t>(out)].push_back(at); });
    for (const auto& window : windows) {
      for (int c = 0; c < stage.out; ++c) {
        for (const int k : window) {
          for (const int l : window) {
            const double gap = std::fabs(in[static_cast<std::size_t>(k * stage.out + c)] -
                                         in[static_cast<std::size_t>(l * stage.out + c)]);
            if (gap > 0 && gap < 1e-4) return true;
          }
        }
      }
    }
    for (const double v : in) {
      if (v != 0 && std::fabs(v) < 1e-4) return true;
    }
  }
  return false;
}

// The gradient against central differences of sum(dy * y), away from kinks.
inline void check_against_differences(const NetCase<double>& net, std::uint64_t seed) {
  constexpr double kStep = 1e-6;
  NetData<double> d(net, seed);
  for (int tries = 0; near_a_kink(net, values(d.x)); ++tries) {
    ASSERT_LT(tries, 1000);
    for (std::size_t k = 0; k < d.x.size(); ++k) d.x[k] = d.random();
  }
  const auto value = [&] {
    EXPECT_EQ(net.forward(d.x.data(), d.y.data()), emmy::Status::ok);
    double sum = 0;
    for (std::size_t k = 0; k < d.y.size(); ++k) sum += d.y[k] * d.dy[k];
    return sum;
  };
  value();
  ASSERT_EQ(net.backward(d.x.data(), d.dy.data()), emmy::Status::ok);
  net.set_gradient(d.x.data());
  for (const auto& block : net.blocks) {
    if (!block.trained) continue;
    for (int k = 0; k < block.size(); ++k) {
      if (!block.is_weight(k)) continue;
      double& weight = net.params[block.offset + k];
      const double kept = weight, gradient = net.gradient[block.offset + k];
      weight = kept + kStep;
      const double up = value();
      weight = kept - kStep;
      const double down = value();
      weight = kept;
      // Rounding of the sums over the step, and the third derivative times its square.
      ASSERT_NEAR(gradient, (up - down) / (2 * kStep), 3e-9 * (net.batch + std::fabs(gradient)))
          << "line " << k / block.width << ", entry " << k % block.width;
    }
  }
}

// One list of layers: f32 on batch 1, where dx is made of dot products and the net takes it, f64 on Batch, also against
// differences. With address sanitizers, which are about places and not numbers, f32 on Batch: a second net would double
// the time to compile.
template <int Batch, class... Layers>
void check_net(std::uint64_t seed) {
  constexpr int kFirst = kSanitizesAddresses || emmy::kMixesSamples<emmy::Net<Layers...>> ? Batch : 1;
  check_against_reference(NetObjects<emmy::Net<Layers...>, kFirst>::get(), seed);
  if constexpr (kHasDouble && !kSanitizesAddresses) {
    const auto net = NetObjects<emmy::Net<emmy::Scalar<double>, Layers...>, Batch>::get();
    check_against_reference(net, seed + 1);
    check_against_differences(net, seed + 2);
  }
}

}  // namespace support
