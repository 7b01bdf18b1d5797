// refuses: emmy: this loss takes no targets of this type
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Target = double;
#else
using Target = float;
#endif
emmy::StepResult<float> step(emmy::Trainer<Net, emmy::Sgd, 1>& trainer, const float* x, const Target* target,
                             const emmy::Sgd& rule) {
  return trainer.step(x, target, emmy::SquaredError{}, rule);
}
