// refuses: emmy: this PerBlock holds the rates of another net: PerBlock<Rule, Net>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using Other = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::ClipByNorm<emmy::PerBlock<emmy::Sgd, Other>>;
#else
using Rule = emmy::ClipByNorm<emmy::PerBlock<emmy::Sgd, Small>>;
#endif
emmy::StepResult<float> step(emmy::Trainer<Small, Rule, 1>& trainer, const float* x, const int* label,
                             const Rule& rule) {
  return trainer.step(x, label, emmy::CrossEntropy{}, rule);
}
