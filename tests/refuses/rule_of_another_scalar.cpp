// refuses: emmy: the rule computes in another type than the net
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::BasicSgd<double>;
#else
using Rule = emmy::BasicSgd<float>;
#endif
emmy::StepResult<float> step(emmy::Trainer<Net, Rule, 1>& trainer, const float* x, const int* label, const Rule& rule) {
  return trainer.step(x, label, emmy::CrossEntropy{}, rule);
}
