// The nets that the emmy command trains, for run-time dispatch.
#pragma once

#include <string_view>
#include <type_traits>

#include <emmy/train/dispatch.hpp>
#include <emmy/train/shared_adam.hpp>

namespace emmy::app {

inline constexpr int kInputs = 64, kHidden = 32, kClasses = 10;

// none: every weight plain. sparse: each weight of the first layer is a product. units: the outgoing weights of each
// hidden unit are a group.
using DenseNet = Net<Input<kInputs>, Dense<kHidden>, Relu, Dense<kClasses>>;
using SparseNet = Net<Input<kInputs>, Parametrized<Dense<kHidden>, Product>, Relu, Dense<kClasses>>;
using UnitsNet = Net<Input<kInputs>, Dense<kHidden>, Relu, Parametrized<Dense<kClasses>, ProductByInput>>;

// The same digits as images, 1,898 weights and biases.
using ConvDigitsNet =
    Net<Input<8, 8, 1>, Conv2d<8, 3, 3, Same>, Relu, MaxPool<2>, Conv2d<16, 3, 3>, Relu, Flatten, Dense<kClasses>>;
// Normalised over the batch: 2,474 weights, biases and gains.
using NormDigitsNet = Net<Input<kInputs>, Dense<kHidden>, BatchNorm<>, Relu, Dense<kClasses>>;
// Windows of an accelerometer, 128 times 3 axes: 2,980 weights and biases.
using ExercisesNet =
    Net<Input<128, 3>, Conv1d<16, 5>, Relu, MaxPool<2>, Conv1d<32, 5>, Relu, MaxPool<2>, GlobalAvgPool, Dense<4>>;
// The same windows, one state from sample to sample: 1,044 weights and biases.
using GruExercisesNet = Net<Input<128, 3>, Gru<16>, Last, Dense<4>>;
// The state of a quadrotor in, its motors out.
using ControllerNet = Net<Input<13>, Dense<64>, Relu, Dense<64>, Relu, Dense<4>>;

// What --data holds, and what Emmy draws without.
enum class Source { digits, exercises, controller };

// Rates by block, for constraints; a rule that clips sees the gradient before them.
template <class Rule, class NetType>
struct ByBlock {
  using type = PerBlock<Rule, NetType>;
};
template <class Rule, class NetType>
struct ByBlock<ClipByValue<Rule>, NetType> {
  using type = ClipByValue<PerBlock<Rule, NetType>>;
};

// One configuration of the command: net, batch size, what it learns from.
template <class NetType, int Batch, Source From, class LossType = CrossEntropy, class TargetType = int,
          class Books = emmy::Ledger<NetType>, class RuleType = Momentum>
struct Trained : Config<NetType, typename ByBlock<RuleType, NetType>::type, Batch, LossType, TargetType, Books> {
  static constexpr Source kSource = From;
  static constexpr bool kConstrained = !__is_same(NetType, plain_of<NetType>);
};
template <class NetType, int Batch>
struct Digits : Trained<NetType, Batch, Source::digits> {
  static constexpr const char* kName = "digits";
  static constexpr const char* kText = "64-32-10, ReLU, softmax cross-entropy";
};

// A rule with a preconditioner takes a ledger that splits what it breaks.
template <class NetType, class Rule>
using BooksOf = emmy::Ledger<NetType, WatchAll, std::conditional_t<kPreconditioned<Rule>, Kinetic, Audit>>;
template <class RuleType>
struct DigitsByRule : Trained<DenseNet, 16, Source::digits, CrossEntropy, int, BooksOf<DenseNet, RuleType>, RuleType> {
  static constexpr const char* kName = "digits";
  static constexpr const char* kText = "64-32-10, ReLU, softmax cross-entropy";
};

struct Dense1 : Digits<DenseNet, 1> {};
struct Dense16 : Digits<DenseNet, 16> {};
struct Dense64 : Digits<DenseNet, 64> {};
struct Sparse16 : Digits<SparseNet, 16> {};
struct Units16 : Digits<UnitsNet, 16> {};
struct AdamDigits : DigitsByRule<Adam> {};
struct SharedAdamDigits : DigitsByRule<SharedAdam<DenseNet>> {};
struct SgdDigits : DigitsByRule<Sgd> {};
struct DecoupledDigits : DigitsByRule<MomentumW> {};
struct NesterovDigits : DigitsByRule<Nesterov> {};
struct ClippedDigits : DigitsByRule<ClipByValue<Momentum>> {};
struct RmsPropDigits : DigitsByRule<RmsProp> {};
struct LionDigits : DigitsByRule<Lion> {};
struct SignDigits : DigitsByRule<SignSgd> {};
struct ConvDigits : Trained<ConvDigitsNet, 16, Source::digits> {
  static constexpr const char* kName = "digits-conv";
  static constexpr const char* kText =
      "8x8, conv 8 3x3 same, ReLU, max pool 2x2, conv 16 3x3, ReLU, dense 10, softmax cross-entropy";
};
template <class RuleType>
struct NormDigitsByRule
    : Trained<NormDigitsNet, 16, Source::digits, CrossEntropy, int, BooksOf<NormDigitsNet, RuleType>, RuleType> {
  static constexpr const char* kName = "digits-norm";
  static constexpr const char* kText = "64-32-10, batch norm, ReLU, softmax cross-entropy";
};
struct NormDigits : NormDigitsByRule<Momentum> {};
struct AdamNormDigits : NormDigitsByRule<Adam> {};
struct SharedAdamNormDigits : NormDigitsByRule<SharedAdam<NormDigitsNet>> {};
struct Exercises : Trained<ExercisesNet, 16, Source::exercises> {
  static constexpr const char* kName = "exercises";
  static constexpr const char* kText =
      "128x3, conv 16 k5, ReLU, max pool 2, conv 32 k5, ReLU, max pool 2, mean of all positions, dense 4, softmax "
      "cross-entropy";
};
struct GruExercises : Trained<GruExercisesNet, 16, Source::exercises> {
  static constexpr const char* kName = "exercises-gru";
  static constexpr const char* kText = "128x3, GRU 16, last state, dense 4, softmax cross-entropy";
};
// A squared error moves with its outputs: their Translation is none.
using ControllerLedger = emmy::Ledger<ControllerNet, Watch<Rescaling<Layer<1>>, Rescaling<Layer<3>>>>;
struct Controller : Trained<ControllerNet, 32, Source::controller, SquaredError, float, ControllerLedger> {
  static constexpr const char* kName = "controller";
  static constexpr const char* kText = "13-64-64-4, ReLU, squared error";
};

// Calls f(Configuration{}) with the one that net, rule, constraint and batch size name; `otherwise` where there is none.
template <class Result, class F>
Result with_configuration(std::string_view net, std::string_view rule, std::string_view constraint, int batch,
                          Result otherwise, F f) {
  if (net == ConvDigits::kName) return f(ConvDigits{});
  if (net == NormDigits::kName && rule == "adam") return f(AdamNormDigits{});
  if (net == NormDigits::kName && rule == "adam-shared") return f(SharedAdamNormDigits{});
  if (net == NormDigits::kName) return f(NormDigits{});
  if (net == Exercises::kName) return f(Exercises{});
  if (net == GruExercises::kName) return f(GruExercises{});
  if (net == Controller::kName) return f(Controller{});
  if (net != Dense16::kName) return otherwise;
  if (rule == "adam") return f(AdamDigits{});
  if (rule == "adam-shared") return f(SharedAdamDigits{});
  if (rule == "sgd") return f(SgdDigits{});
  if (rule == "momentum-decoupled") return f(DecoupledDigits{});
  if (rule == "momentum-clipped") return f(ClippedDigits{});
  if (rule == "nesterov") return f(NesterovDigits{});
  if (rule == "rmsprop") return f(RmsPropDigits{});
  if (rule == "lion") return f(LionDigits{});
  if (rule == "sign") return f(SignDigits{});
  if (constraint == "sparse") return f(Sparse16{});
  if (constraint == "units") return f(Units16{});
  if (batch == Dense1::kBatch) return f(Dense1{});
  if (batch == Dense64::kBatch) return f(Dense64{});
  return f(Dense16{});
}

}  // namespace emmy::app
