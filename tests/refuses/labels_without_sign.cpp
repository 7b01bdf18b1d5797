// refuses: emmy: this loss takes no targets of this type
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Label = unsigned;
#else
using Label = int;
#endif
emmy::StepResult<float> step(emmy::Trainer<Net, emmy::Sgd, 1>& trainer, const float* x, const Label* label,
                             const emmy::Sgd& rule) {
  return trainer.step(x, label, emmy::CrossEntropy{}, rule);
}
