// refuses: emmy: a BatchNorm learns from several samples or positions: train with a batch of 2 or more
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>, emmy::BatchNorm<>, emmy::Dense<2>>;
#ifdef EMMY_REFUSED
constexpr int kBatch = 1;
#else
constexpr int kBatch = 2;
#endif
emmy::StepResult<float> step(emmy::Trainer<Net, emmy::Sgd, kBatch>& trainer, const float* x, const int* labels) {
  return trainer.step(x, labels, emmy::CrossEntropy{}, emmy::Sgd{});
}
