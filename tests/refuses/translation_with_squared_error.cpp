// refuses: emmy: Translation is no symmetry of this loss: it needs one that ignores a number added to all logits (CrossEntropy)
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Loss = emmy::SquaredError;
#else
using Loss = emmy::CrossEntropy;
#endif
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Sgd, 1>& trainer, const float* x, const float* target,
                             emmy::Ledger<Small, emmy::Watch<emmy::Translation<emmy::Layer<2>>>>& ledger) {
  return trainer.step(x, target, Loss{}, emmy::Sgd{}, ledger);
}
