// A net with each parametrisation, trained on the board and, as plain double loops, beside it. Each has a step of its own,
// emmy_bench_<name>, of which bench/arm holds flash, RAM and stack to what is recorded (evidence.<target>.parametrisations).
#include <emmy/emmy.hpp>
#include <emmy/layers/mirrored.hpp>
#include <emmy/parametrize/channel_product.hpp>
#include <emmy/parametrize/constrained.hpp>
#include <emmy/parametrize/deep_product.hpp>
#include <emmy/parametrize/low_rank_states.hpp>
#include <emmy/parametrize/on_states.hpp>
#include <emmy/parametrize/syre.hpp>
#include <emmy/parametrize/tied.hpp>
#include <tests/device/check.hpp>
#include <tests/device/reference.hpp>
#include <tests/reference/recurrent.hpp>
#include <tests/reference/weight_norm.hpp>

namespace {

using emmy::Dense, emmy::Parametrized, emmy::Signed;
constexpr int kBatch = 2, kIn = 6, kHidden = 8, kOut = 5, kRank = 2, kWeight = kHidden * kOut, kAll = kWeight + kOut;
constexpr int kFirst = (kIn + 1) * kHidden;  // parameters of the first layer, which is plain
constexpr int kTime = 3, kStates = kOut * kOut,
              kRnn = (kIn + kOut + 1) * kOut;  // of an Rnn in the place of both layers
constexpr int kMost = kFirst + 3 * kWeight + kOut;

// Two orthonormal columns.
constexpr emmy::ConstraintEntry kEntries[] = {{0, 0, 2, 0.6}, {0, 1, 2, -0.8}, {1, 3, 4, 0.8}, {1, 8, 1, 0.6}};
constexpr int kColumns = 2;
struct ByEntry {
  static constexpr int kCount = kColumns;
  static constexpr auto& entries = kEntries;
};
struct ByFunction {
  static constexpr int kCount = kColumns;
  static constexpr double at(int column, int row, int out) {
    for (const auto& e : kEntries)
      if (e.column == column && e.row == row && e.out == out) return e.value;
    return 0;
  }
};
struct Quarters {
  static constexpr int kCount = 4;
  static constexpr int group(int row, int out) { return (row + 2 * out) % kCount; }
};
struct Turn {  // inputs and outputs in reverse, the output in the middle with a sign
  static constexpr int kGenerators = 1;
  static constexpr Signed in(int, int i) { return {kHidden - 1 - i, 1}; }
  static constexpr Signed out(int, int o) { return {kOut - 1 - o, o == 2 ? -1 : 1}; }
};
template <int Size>
struct Reversed {
  static constexpr Signed of(int i) { return {Size - 1 - i, 1}; }
};
using Offset = emmy::RandomOffset<1, 4>;

// ---- The same in double: parameters t to weights w [kHidden + 1][kOut], the bias last

void by_element(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = k < kWeight ? t[k] * t[kWeight + k] : t[kWeight + k];
}
void by_input(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = (k < kWeight ? t[k / kOut] : 1) * t[kHidden + k];
}
void by_output(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = t[k % kOut] * t[kOut + k];
}
void by_block(const double* t, double* w) {  // of four outputs and one; the layer's own blocks first
  for (int k = 0; k < kAll; ++k) w[k] = (k < kWeight ? t[kAll + k / kOut * 2 + (k % kOut == 4)] : 1) * t[k];
}
void by_channel(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = (k < kWeight ? t[kAll + k / kOut] : 1) * t[k];
}
void by_unit(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = t[kAll + k % kOut] * t[k];
}
void by_three(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = (k < kWeight ? t[k] * t[kWeight + k] : 1) * t[2 * kWeight + k];
}
void by_squares(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k)
    w[k] = k < kWeight ? (t[k] * t[k] - t[kWeight + k] * t[kWeight + k]) / 4 : t[kWeight + k];
}
template <bool kJoint>
void constrained(const double* t, double* w) {
  const double *u = t + kAll, *z = u + (kJoint ? 1 : kColumns);
  double rest[kColumns];
  for (int k = 0; k < kColumns; ++k) rest[k] = u[kJoint ? 0 : k] * z[k];
  for (const auto& e : kEntries) rest[e.column] -= e.value * t[e.row * kOut + e.out];
  for (int k = 0; k < kAll; ++k) w[k] = t[k];
  for (const auto& e : kEntries) w[e.row * kOut + e.out] += e.value * rest[e.column];
}
void low_rank(const double* t, double* w) {
  const double *u = t, *v = t + kHidden * kRank;
  for (int i = 0; i < kHidden; ++i)
    for (int o = 0; o < kOut; ++o) {
      w[i * kOut + o] = 0;
      for (int r = 0; r < kRank; ++r) w[i * kOut + o] += u[i * kRank + r] * v[r * kOut + o];
    }
  for (int o = 0; o < kOut; ++o) w[kWeight + o] = v[kRank * kOut + o];
}
void tied(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = t[(k / kOut + 2 * (k % kOut)) % 4];
}
void equivariant(const double* t, double* w) {  // orbits in the order of their first weights
  int orbits = 0;
  for (int k = 0; k < kAll; ++k) w[k] = 0;
  for (int i = 0; i <= kHidden; ++i)
    for (int o = 0; o < kOut; ++o) {
      const int j = i < kHidden ? kHidden - 1 - i : i, turned = j * kOut + kOut - 1 - o, own = i * kOut + o;
      if (turned < own || (i == kHidden && o == 2)) continue;  // the bias in the middle is 0
      w[own] = t[orbits++];
      w[turned] = o == 2 ? -w[own] : w[own];
    }
}
void mirrored(const double* t,
              double* w) {  // outputs of a pair are sums and differences, the one between is sqrt 2 of a sum
  const double *even = t, *odd = even + 4 * 3, *bias = odd + 4 * 2;
  for (int i = 0; i <= kHidden; ++i)
    for (int o = 0; o < kOut; ++o) {
      const int p = i < 4 ? i : 7 - i, q = o < 3 ? o : 4 - o, sign = (i < 4) == (o < 2) ? 1 : -1;
      w[i * kOut + o] = i == kHidden ? bias[q] : (even[p * 3 + q] + (o == 2 ? 0 : sign * odd[p * 2 + q])) / 2;
      if (o == 2) w[i * kOut + o] *= 1.4142135623730951;
    }
}
void offset(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = t[k] + Offset::at<double>(k / kOut, k % kOut);
}
void normed(const double* t, double* w) {
  reference::weight_norm_forward(w, t, t + kOut, kHidden, kOut);
  for (int o = 0; o < kOut; ++o) w[kWeight + o] = t[kOut + kWeight + o];
}
void plain(const double* t, double* w) {
  for (int k = 0; k < kAll; ++k) w[k] = t[k];
}

// To those of an Rnn, [kIn][kOut] of the input, [kOut][kOut] of the states, bias
void rnn(const double* t, double* w) {
  for (int k = 0; k < kRnn; ++k) w[k] = t[k];
}
void low_rank_of_rnn(const double* t, double* w) {
  const double *u = t, *v = t + kIn * kRank;
  for (int k = 0; k < kRnn; ++k) w[k] = k < kIn * kOut ? 0 : v[k + (kRank - kIn) * kOut];
  for (int k = 0; k < kIn * kOut; ++k)
    for (int r = 0; r < kRank; ++r) w[k] += u[k / kOut * kRank + r] * v[r * kOut + k % kOut];
}
void low_rank_states(const double* t, double* w) {
  const double *a = t + kIn * kOut, *b = a + kOut * kRank;
  for (int k = 0; k < kIn * kOut; ++k) w[k] = t[k];
  for (int k = 0; k < kStates; ++k) {
    w[kIn * kOut + k] = 0;
    for (int r = 0; r < kRank; ++r) w[kIn * kOut + k] += a[k / kOut * kRank + r] * b[r * kOut + k % kOut];
  }
  for (int o = 0; o < kOut; ++o) w[kRnn - kOut + o] = b[kRank * kOut + o];
}
void on_states(const double* t, double* w) {  // blocks of four states and one
  const double *z = t + kIn * kOut, *u = t + kRnn;
  for (int k = 0; k < kRnn; ++k) w[k] = t[k];
  for (int k = 0; k < kStates; ++k) w[kIn * kOut + k] = u[k / kOut * 2 + (k % kOut == 4)] * z[k];
}

// ---- On the board

template <class Layer>
struct Behind {  // a hidden layer
  using net = emmy::Net<emmy::Input<kIn>, Dense<kHidden>, emmy::Relu, Layer>;
  static constexpr int kPlain = kFirst;
};
template <class Layer>
struct OverTime {
  using net = emmy::Net<emmy::Input<kTime, kIn>, Layer, emmy::Last>;
  static constexpr int kPlain = 0;
};
template <class Of>
constinit emmy::Trainer<typename Of::net, emmy::Momentum, kBatch> trainer{};

constexpr float kRate = 0.125f, kBeta = 0.75f, kDecay = 0.015625f;
template <class Of>
[[gnu::always_inline]] inline float step(const float* x, const int* labels) {
  const auto result =
      trainer<Of>.step(x, labels, emmy::CrossEntropy{},
                       emmy::Momentum{.learning_rate = kRate, .momentum = kBeta, .weight_decay = kDecay});
  return result.status == emmy::Status::ok ? result.loss : -1.0f;
}

// ---- Beside it

constinit float x[kBatch * kTime * kIn] = {};
constinit int labels[kBatch] = {};
constinit double theta[kMost] = {}, slope[kMost] = {}, buf[kMost] = {};

// What the parameters make, and its slope.
constinit double w[kRnn] = {}, dw[kRnn] = {};
static_assert(kRnn >= kAll);

double behind_a_layer() {
  static double in[kBatch * kIn], hidden[kBatch * kHidden], out[kBatch * kOut], d_hidden[kBatch * kHidden];
  for (int i = 0; i < kBatch * kIn; ++i) in[i] = static_cast<double>(x[i]);
  reference::dense(in, theta, theta + kIn * kHidden, hidden, kBatch, kIn, kHidden);
  reference::relu(hidden, kBatch * kHidden);
  reference::dense(hidden, w, w + kWeight, out, kBatch, kHidden, kOut);
  const double loss = reference::cross_entropy(out, labels, kBatch, kOut);
  reference::dense_backward(hidden, w, out, dw, dw + kWeight, d_hidden, kBatch, kHidden, kOut);
  reference::relu_backward(d_hidden, hidden, kBatch * kHidden);
  reference::dense_backward(in, theta, d_hidden, slope, slope + kIn * kHidden, static_cast<double*>(nullptr), kBatch,
                            kIn, kHidden);
  return loss;
}
double over_time() {
  constexpr reference::Window window{kBatch, kTime, kIn, kOut};
  static double in[kBatch * kTime * kIn], states[kBatch * kTime * kOut], d_states[kBatch * kTime * kOut],
      out[kBatch * kOut];
  for (int i = 0; i < kBatch * kTime * kIn; ++i) in[i] = static_cast<double>(x[i]);
  const double *const wh = w + kIn * kOut, *const b = wh + kStates;
  reference::rnn_forward(states, in, w, wh, b, window, reference::tanh);
  reference::last_forward(out, states, kBatch, kTime, kOut);
  const double loss = reference::cross_entropy(out, labels, kBatch, kOut);  // out becomes its gradient
  reference::clear(d_states), reference::clear(dw);
  reference::last_backward(d_states, out, kBatch, kTime, kOut);
  reference::rnn_backward(static_cast<double*>(nullptr), dw, dw + kIn * kOut, dw + kIn * kOut + kStates, d_states,
                          states, in, static_cast<const double*>(w), wh, window, [](double y) { return 1 - y * y; });
  return loss;
}

// The loss; `slope` of the parameters. W is of second degree at most in each parameter, so that a difference over 2 h is the
// slope for any h; WeightNorm alone wants a small one.
double reference_gradient(void (*weights)(const double*, double*), int first, int parameters, double h) {
  static double above[kRnn], below[kRnn];
  double *const own = theta + first, *const d_own = slope + first;
  const int count = first > 0 ? kAll : kRnn;
  weights(own, w);
  const double loss = first > 0 ? behind_a_layer() : over_time();
  for (int k = 0; k < parameters; ++k) {
    const double kept = own[k];
    own[k] = kept + h;
    weights(own, above);
    own[k] = kept - h;
    weights(own, below);
    own[k] = kept;
    d_own[k] = 0;
    for (int n = 0; n < count; ++n) d_own[k] += dw[n] * (above[n] - below[n]) / (2 * h);
  }
  return loss;
}

template <class Of>
void train(const char* name, float (*board_step)(const float*, const int*), void (*weights)(const double*, double*),
           int factors_doubled = 0, double h = 1) {
  using N = typename Of::net;
  constexpr auto& plan = emmy::kPlan<N>;
  static_assert(plan.weights <= kMost);
  check::begin(name);
  const auto for_weights = [](auto f) {
    int n = 0;
    for (const auto& block : plan.block)
      for (int i = 0; i < block.rows; ++i)
        for (int o = 0; o < block.cols; ++o) f(block.at(i, o), n++);
  };
  emmy::Pcg32 rng{5};
  emmy::init(trainer<Of>.params, rng);
  for_weights([](int at, int n) { theta[n] = static_cast<double>(trainer<Of>.params.data[at]), buf[n] = 0; });
  double first = 0, last = 0;
  for (int t = 0; t < 24; ++t) {
    for (int s = 0; s < kBatch; ++s) {
      labels[s] = (t + 2 * s) % kOut;
      for (int k = 0; k < N::kInputs; ++k)
        x[s * N::kInputs + k] = 2 * rng.uniform() - 1 + (k % kIn == labels[s] ? 1.0f : 0.0f);
    }
    const double loss = reference_gradient(weights, Of::kPlain, plan.weights - Of::kPlain, h);
    for (int n = 0; n < plan.weights; ++n) {
      // A DiagonalProduct hands on the gradients of U + Z and U - Z: twice the slopes.
      const double g = slope[n] * (n >= Of::kPlain && n < Of::kPlain + factors_doubled ? 2 : 1);
      buf[n] = static_cast<double>(kBeta) * buf[n] + g + static_cast<double>(kDecay) * theta[n];
      theta[n] -= static_cast<double>(kRate) * buf[n];
    }
    if (!CHECK_NEAR(static_cast<double>(board_step(x, labels)), loss, 1e-5)) break;
    (t < 12 ? first : last) += loss / 12;
  }
  CHECK(last < first);
  for_weights([](int at, int n) {
    CHECK_NEAR(static_cast<double>(trainer<Of>.params.data[at]), theta[n], 1e-5);
    CHECK_NEAR(static_cast<double>(trainer<Of>.state.buf[at]), buf[n], 1e-5);
  });
}

}  // namespace

// Its step, that tools/arm_table.py finds by its name: neither inlined nor changed for its caller; and its training.
#define EMMY_TRAINED(name, ...) EMMY_TRAINED_IN(name, Behind<__VA_ARGS__>)
#define EMMY_TRAINED_IN(name, ...)                                                                  \
  namespace {                                                                                       \
  using name##_layer = __VA_ARGS__;                                                                 \
  }                                                                                                 \
  extern "C" [[gnu::noipa, gnu::used]] float emmy_bench_##name(const float* in, const int* label) { \
    return step<name##_layer>(in, label);                                                           \
  }

EMMY_TRAINED(plain, Dense<kOut>)
EMMY_TRAINED(product, Parametrized<Dense<kOut>, emmy::Product>)
EMMY_TRAINED(product_by_input, Parametrized<Dense<kOut>, emmy::ProductByInput>)
EMMY_TRAINED(product_by_output, Parametrized<Dense<kOut>, emmy::ProductByOutput>)
EMMY_TRAINED(product_by_block, Parametrized<Dense<kOut>, emmy::ProductByBlock<4>>)
EMMY_TRAINED(product_by_channel, Parametrized<Dense<kOut>, emmy::ProductByChannel>)
EMMY_TRAINED(product_by_unit, Parametrized<Dense<kOut>, emmy::ProductByUnit>)
EMMY_TRAINED(product_of_depth, Parametrized<Dense<kOut>, emmy::ProductOfDepth<3>>)
EMMY_TRAINED(diagonal_product, Parametrized<Dense<kOut>, emmy::DiagonalProduct>)
EMMY_TRAINED(constrained, Parametrized<Dense<kOut>, emmy::Constrained<ByFunction>>)
EMMY_TRAINED(constrained_elementwise, Parametrized<Dense<kOut>, emmy::Constrained<ByEntry, emmy::Elementwise>>)
EMMY_TRAINED(low_rank, emmy::LowRank<Dense<kOut>, kRank>)
EMMY_TRAINED(tied, Parametrized<Dense<kOut>, emmy::Tied<Quarters>>)
EMMY_TRAINED(equivariant, Parametrized<Dense<kOut>, emmy::Equivariant<Turn>>)
EMMY_TRAINED(mirrored, emmy::Mirrored<kOut, Reversed<kHidden>, Reversed<kOut>>)
EMMY_TRAINED(syre, Parametrized<Dense<kOut>, emmy::Syre<Offset>>)
EMMY_TRAINED(weight_norm, Parametrized<Dense<kOut>, emmy::WeightNorm>)
EMMY_TRAINED_IN(rnn, OverTime<emmy::Rnn<kOut>>)
EMMY_TRAINED_IN(low_rank_of_rnn, OverTime<emmy::LowRank<emmy::Rnn<kOut>, kRank>>)
EMMY_TRAINED_IN(low_rank_states, OverTime<Parametrized<emmy::Rnn<kOut>, emmy::LowRankStates<kRank>>>)
EMMY_TRAINED_IN(on_states, OverTime<Parametrized<emmy::Rnn<kOut>, emmy::OnStates<emmy::ProductByBlock<4>>>>)

int main() {
#define EMMY_TRAIN(name, ...) train<name##_layer>(#name, emmy_bench_##name, __VA_ARGS__)
  EMMY_TRAIN(plain, plain);
  EMMY_TRAIN(product, by_element);
  EMMY_TRAIN(product_by_input, by_input);
  EMMY_TRAIN(product_by_output, by_output);
  EMMY_TRAIN(product_by_block, by_block);
  EMMY_TRAIN(product_by_channel, by_channel);
  EMMY_TRAIN(product_by_unit, by_unit);
  EMMY_TRAIN(product_of_depth, by_three);
  EMMY_TRAIN(diagonal_product, by_squares, 2 * kWeight);
  EMMY_TRAIN(constrained, constrained<true>);
  EMMY_TRAIN(constrained_elementwise, constrained<false>);
  EMMY_TRAIN(low_rank, low_rank);
  EMMY_TRAIN(tied, tied);
  EMMY_TRAIN(equivariant, equivariant);
  EMMY_TRAIN(mirrored, mirrored);
  EMMY_TRAIN(syre, offset);
  EMMY_TRAIN(weight_norm, normed, 0, 1e-4);
  EMMY_TRAIN(rnn, rnn);
  EMMY_TRAIN(low_rank_of_rnn, low_rank_of_rnn);
  EMMY_TRAIN(low_rank_states, low_rank_states);
  EMMY_TRAIN(on_states, on_states);
  return check::end();
}
