// FANN (float) on W1 alone: it has no ReLU and no softmax cross-entropy. Its symmetric sigmoid of steepness 1 is tanh, and
// with a linear error function its incremental training (batch 1) and its batch training (the mean over the batch) are
// the step of workload.hpp.
#include <bench/compare/opponents.hpp>

#include <floatfann.h>

namespace compare {
namespace {

template <const Workload& Work>
struct Program {
  static_assert(Work.activation == Activation::tanh && Work.loss == Loss::squared_error);
  static constexpr unsigned kBatch = Work.batch, kIn = Work.size[0], kOut = Work.outputs();
  static inline fann* net = nullptr;
  static inline fann_train_data* rows = nullptr;  // what points at the batch

  static void make() {
    unsigned size[Work.layers + 1];
    for (int l = 0; l <= Work.layers; ++l) size[l] = static_cast<unsigned>(Work.size[l]);
    net = fann_create_standard_array(Work.layers + 1, size);
    fann_set_activation_function_hidden(net, FANN_SIGMOID_SYMMETRIC);
    fann_set_activation_steepness_hidden(net, 1.0f);
    fann_set_activation_function_output(net, FANN_LINEAR);
    fann_set_activation_steepness_output(net, 1.0f);
    fann_set_train_error_function(net, FANN_ERRORFUNC_LINEAR);
    fann_set_training_algorithm(net, kBatch == 1 ? FANN_TRAIN_INCREMENTAL : FANN_TRAIN_BATCH);
    fann_set_learning_rate(net, kRate);
    fann_set_learning_momentum(net, 0.0f);
    rows = fann_create_train(kBatch, kIn, kOut);
  }
  // f(weight of the net, weight of the workload): FANN has the bias of a unit after its weights.
  template <class Weight, class F>
  static void for_each_weight(Weight* w, F f) {
    float* own = net->weights;
    for (int l = 0; l < Work.layers; ++l) {
      const int in = Work.size[l], out = Work.size[l + 1];
      for (int o = 0; o < out; ++o) {
        for (int i = 0; i < in; ++i) f(*own++, w[o * in + i]);
        f(*own++, w[out * in + o]);
      }
      w += (in + 1) * out;
    }
  }

  static void reset(const float* weights) {
    if (net == nullptr) make();
    for_each_weight(weights, [](float& own, float given) { own = given; });
  }
  static void read(float* weights) {
    for_each_weight(weights, [](float own, float& asked) { asked = own; });
  }
  static float step(const Batch& b) {
    float *x = const_cast<float*>(b.x), *target = const_cast<float*>(b.target);
    fann_reset_MSE(net);
    if constexpr (kBatch == 1) {
      fann_train(net, x, target);
    } else {
      for (unsigned s = 0; s < kBatch; ++s) {
        rows->input[s] = x + s * kIn;
        rows->output[s] = target + s * kOut;
      }
      fann_train_epoch(net, rows);
    }
    return 0.5f * static_cast<float>(kOut) * fann_get_MSE(net);  // FANN's is also the mean over outputs
  }
  static void infer(const float* x, float* y) {
    for (unsigned s = 0; s < kBatch; ++s) {
      const float* out = fann_run(net, const_cast<float*>(x) + s * kIn);
      for (unsigned o = 0; o < kOut; ++o) *y++ = out[o];
    }
  }
};
template <const Workload& Work>
constexpr Opponent row() {
  using P = Program<Work>;
  return {"fann", &Work, P::reset, P::read, P::step, P::infer};
}

}  // namespace

namespace opponents {
std::span<const Opponent> fann() {
  static constexpr Opponent kAll[] = {row<kW1<1>>(), row<kW1<4>>()};
  return kAll;
}
}  // namespace opponents
}  // namespace compare
