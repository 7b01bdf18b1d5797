// The nets of the golden cases.
#pragma once

#include <emmy/train/trainer.hpp>

namespace emmy::golden {

// A kind names its net and, in the order of the net's blocks, its parameters as golden cases call them. Compile time is
// the price of each batch size: one between those listed runs as the next larger one, partly filled, and one beyond 9
// is added up from parts. Momentum with clipping has its own text for mlp1_relu alone.
template <int... Size>
struct Batches {};

struct Mlp1Relu {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, Relu, Dense<3>>;
  using batches = Batches<1, 2, 3, 4, 5, 6, 7, 8, 9>;
  static constexpr const char* kName = "mlp1_relu";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2"};
  static constexpr bool kClipsMomentum = true;
};
// Rules with a preconditioner have texts of their own.
struct Mlp1Adaptive {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, Relu, Dense<3>>;
  using batches = Batches<4, 9>;
  static constexpr const char* kName = "mlp1_relu";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2"};
  static constexpr bool kAdaptive = true;
};
struct Mlp1Wide : Mlp1Adaptive {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<6>, Dense<5>, Relu, Dense<3>>;
};
struct Mlp1Leaky {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, LeakyRelu<1, 8>, Dense<3>>;
  using batches = Batches<1, 4, 8, 9>;
  static constexpr const char* kName = "mlp1_leaky";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2"};
};
struct Mlp1Exp {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, Exp, Dense<3>>;
  using batches = Batches<9>;
  static constexpr const char* kName = "mlp1_exp";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2"};
};
struct Mlp1ReluSquared {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, PowerRelu<2>, Dense<3>>;
  using batches = Batches<1, 4, 8, 9>;
  static constexpr const char* kName = "mlp1_relu_squared";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2"};
};
struct Mlp2Relu {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5>, Relu, Dense<4>, Relu, Dense<3>>;
  using batches = Batches<1, 2, 3, 4, 8, 9>;
  static constexpr const char* kName = "mlp2_relu";
  static constexpr const char* kParams[] = {"W1", "b1", "W2", "b2", "W3", "b3"};
};
struct Mlp2Adaptive : Mlp2Relu {
  using batches = Batches<4, 9>;
  static constexpr bool kAdaptive = true;
};
// W1[j] = u_j z[j], b1[j] = u_j zb_j
struct ProductUnitRelu {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Parametrized<Dense<5>, ProductByOutput>, Relu, Dense<3>>;
  using batches = Batches<1, 2, 3, 4, 8, 9>;
  static constexpr const char* kName = "product_unit_relu";
  static constexpr const char* kParams[] = {"u", "z", "zb", "W2", "b2"};
};
// w = F[0] * F[1], loss |A w - y|^2 / (2n), always gradient descent on all data; then the certificate of w.
struct SparseProduct {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<6>, Parametrized<Dense<1, NoBias>, Product>>;
  using batches = Batches<6, 9>;
  static constexpr const char* kName = "sparse_product";
  static constexpr const char* kParams[] = {"F.0", "F.1"};
  static constexpr bool kCertified = true;
};

// Channels of a convolution; cases have channels before positions.
struct Conv1dChannels {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<9, 2>, Conv1d<4, 3>, Relu, Conv1d<3, 3, NoBias>>;
  using batches = Batches<1, 3, 9>;
  static constexpr const char* kName = "conv1d";
  static constexpr const char* kParams[] = {"w1", "b1", "w2"};
};

// relu(norm(x W1 [+ b1]) gamma + beta) V. A kind of cases with several epsilons, with and without b1, is several nets.
template <class Norm, class Bias>
struct Normed {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Dense<5, Bias>, Norm, Relu, Dense<3, NoBias>>;
  using batches = Batches<9>;
  static constexpr double kEpsilon = Norm::template kEpsilon<double>;
};
template <int Numerator, int Denominator>
struct NormedWithBias : Normed<LayerNorm<WithBias, Numerator, Denominator>, WithBias> {
  static constexpr const char* kName = "layernorm";
  static constexpr const char* kParams[] = {"W1", "b1", "gamma", "beta", "V"};
};
struct LayerNormScale : Normed<LayerNorm<WithBias, 0>, NoBias> {
  static constexpr const char* kName = "layernorm";
  static constexpr const char* kParams[] = {"W1", "gamma", "beta", "V"};
};
struct LayerNormBias : NormedWithBias<0, 1> {};
struct LayerNormEpsilon32 : NormedWithBias<1, 32> {};
struct LayerNormEpsilon64 : NormedWithBias<1, 64> {};
struct LayerNormEpsilon128 : NormedWithBias<1, 128> {};
// The statistics of all samples of a case: 8.
template <int Numerator, int Denominator>
struct NormedByBatch : Normed<BatchNorm<WithBias, Numerator, Denominator>, NoBias> {
  using batches = Batches<8>;
  static constexpr const char* kName = "batchnorm";
  static constexpr const char* kParams[] = {"W1", "gamma", "beta", "V"};
};
struct BatchNormScale : NormedByBatch<0, 1> {};
struct BatchNormEpsilon32 : NormedByBatch<1, 32> {};
struct BatchNormEpsilon64 : NormedByBatch<1, 64> {};
struct BatchNormEpsilon128 : NormedByBatch<1, 128> {};
struct RmsNormScale : Normed<RmsNorm<WithBias, 0>, NoBias> {
  static constexpr const char* kName = "rmsnorm";
  static constexpr const char* kParams[] = {"W1", "gamma", "beta", "V"};
};

// ((x Wu) silu(x Wg)) W2
struct SwiGluKind {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4>, Glu<5>, Dense<3, NoBias>>;
  using batches = Batches<9>;
  static constexpr const char* kName = "swiglu";
  static constexpr const char* kParams[] = {"Wu", "Wg", "W2"};
};

struct Linear3 {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<5>, Dense<4, NoBias>, Dense<3, NoBias>, Dense<2, NoBias>>;
  using batches = Batches<9>;
  static constexpr const char* kName = "linear3";
  static constexpr const char* kParams[] = {"W1", "W2", "W3"};
};
// x (W0 + B A)', W0 a constant
struct LoraKind {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<5>, Lora<Dense<3, NoBias>, 2>>;
  using batches = Batches<9>;
  static constexpr const char* kName = "lora";
  static constexpr const char* kParams[] = {"W0", "A", "B"};
};
// The last of four states; cases have positions before samples.
struct RnnRelu {
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<4, 3>, Rnn<4, Relu>, Last, Dense<2, NoBias>>;
  using batches = Batches<9>;
  static constexpr const char* kName = "rnn_relu";
  static constexpr const char* kParams[] = {"Wx", "Wh", "b", "Wo"};
};

// Attention, one head; the positions of one window are what cases call samples.
template <class... Rotary>
struct Attentive {
  static constexpr int kRows = 5, kSize = sizeof...(Rotary) == 0 ? 3 : 4;
  template <class S>
  using Net = emmy::Net<Scalar<S>, Input<kRows, 4>, Attention<1, kSize, NoOutputBias, Rotary...>>;
  using batches = Batches<1>;
  static constexpr const char* kName = "attention";
  static constexpr const char* kParams[] = {"Wq", "Wk", "Wv", "Wo", "bq", "bk", "bv"};
};
// position 10^(-3 m / 4)
struct CaseAngles {
  static constexpr double angle(int position, int plane, int) noexcept {
    return position * (plane == 0 ? 1.0 : 0.1778279410038923);
  }
};
struct AttentionKind : Attentive<> {};
struct AttentionRope : Attentive<RopeBy<CaseAngles>> {
  using angles = CaseAngles;
};

template <class K>
concept IsKind = requires {
  K::kParams;
};
template <class K>
inline constexpr bool kClipsMomentum = requires {
  requires K::kClipsMomentum;
};
template <class K>
inline constexpr bool kIsAdaptive = requires {
  requires K::kAdaptive;
};
template <class K>
inline constexpr bool kIsCertified = requires {
  requires K::kCertified;
};

template <class K>
inline constexpr int kRowsOf = 1;
template <class K>
requires requires { K::kRows; }
inline constexpr int kRowsOf<K> = K::kRows;
template <class K>
inline constexpr double kEpsilonOf = 0;
template <class K>
requires requires { K::kEpsilon; }
inline constexpr double kEpsilonOf<K> = K::kEpsilon;

}  // namespace emmy::golden
