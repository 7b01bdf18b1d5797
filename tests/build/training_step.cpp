// Instantiates what a program that trains uses, for nm_test.sh: every layer, loss and rule, ledger, verbs, and the
// product parametrisation with its certificate.
#include <emmy/emmy.hpp>

#if defined(EMMY_PLANTED)
#include <cmath>
#endif

namespace app {

using Net = emmy::Net<emmy::Input<3, 7>, emmy::Sigmoid, emmy::Dense<9>, emmy::Tanh,
                      emmy::Residual<emmy::Dense<9>, emmy::LeakyRelu<>>, emmy::Dense<8, emmy::NoBias>,
                      emmy::PowerRelu<3, 2>, emmy::Frozen<emmy::Dense<6>>, emmy::Relu, emmy::Dense<4>>;
using Plain = emmy::Net<emmy::Input<64>, emmy::Dense<32>, emmy::Relu, emmy::Dense<10>>;
using Sparse = emmy::Net<emmy::Input<16>, emmy::Parametrized<emmy::Dense<12>, emmy::Product>, emmy::Relu,
                         emmy::Parametrized<emmy::Dense<4>, emmy::ProductByInput>>;
using Rule = emmy::ClipByNorm<emmy::PerBlock<emmy::Nesterov, Net>>;

constinit emmy::Trainer<Net, Rule, 3> trainer{};
constinit emmy::Ledger<Net> ledger{};
constinit emmy::Trainer<Plain, emmy::Momentum, 16> demo{};
constinit emmy::Ledger<Plain> demo_ledger{};
constinit emmy::Trainer<Sparse, emmy::Sgd, 4> sparse{};
constinit emmy::Gradient<Plain> gradient{};
constinit emmy::Scratch<Plain, 16, emmy::Infer> scratch{};

}  // namespace app

using namespace app;

emmy::StepResult<float> step(const float* x, const float* target, const Rule& rule) {
#if defined(EMMY_PLANTED)
  trainer.params.data[0] = std::exp(trainer.params.data[1]);
#endif
  return trainer.step(x, target, emmy::SquaredError{}, rule, ledger);
}
emmy::StepResult<float> demo_step(const float* x, const int* labels, const emmy::Momentum& rule) {
  return demo.step(x, labels, emmy::CrossEntropy{}, rule, demo_ledger);
}
emmy::Status demo_verbs(const float* x, const int* labels, float* y, emmy::Evaluation<float>& sum) {
  emmy::Pcg32 rng{42};
  emmy::init(demo.params, rng);
  if (const auto s = emmy::infer(demo.params, demo.buffers, scratch, x, y); s != emmy::Status::ok) return s;
  if (const auto s = emmy::evaluate(demo.params, demo.buffers, scratch, x, labels, 16, sum); s != emmy::Status::ok)
    return s;
  if (const auto r = emmy::gradient<false>(demo.params, demo.buffers, demo.scratch, x, labels, emmy::CrossEntropy{}, 16,
                                           1.0f / 16, gradient);
      r.status != emmy::Status::ok)
    return r.status;
  return emmy::apply(demo.params, demo.state, gradient, emmy::Momentum{}, demo_ledger);
}
emmy::StepResult<float> sparse_step(const float* x, const int* labels, const emmy::Sgd& rule, float* sizes) {
  emmy::group_sizes<emmy::Layer<2>>(sparse.params, sizes);
  return sparse.step(x, labels, emmy::CrossEntropy{}, rule);
}
