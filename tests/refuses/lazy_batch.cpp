// refuses: emmy: Lazy delays the update of one sample
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
constexpr int kBatch = 2;
#else
constexpr int kBatch = 1;
#endif
using Rule = emmy::Lazy<emmy::Sgd>;
emmy::StepResult<float> step(emmy::Trainer<Net, Rule, kBatch>& trainer, const float* x, const int* labels,
                             const Rule& rule) {
  return trainer.step(x, labels, emmy::CrossEntropy{}, rule);
}
