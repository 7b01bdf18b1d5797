// refuses: emmy: this rule has no closed law with equal rates on both sides of a charge; use Audit or Every<N, Audit> instead of Predict and Measure
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::ClipByTensor<emmy::Momentum>;
#else
using Rule = emmy::ClipByNorm<emmy::Momentum>;
#endif
emmy::StepResult<float> step(emmy::Trainer<Small, Rule, 1>& trainer, const float* x, const int* label, const Rule& rule,
                             emmy::Ledger<Small, emmy::WatchAll, emmy::Predict>& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, rule, ledger);
}
