// refuses: emmy: the law of a rule with momentum follows every step: take Measure, or Every<N, Audit>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Mode = emmy::Every<16>;
#else
using Mode = emmy::Every<16, emmy::Audit>;
#endif
using Ledger = emmy::Ledger<Small, emmy::WatchAll, Mode>;
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Momentum, 1>& trainer, const float* x, const int* label,
                             Ledger& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, emmy::Momentum{}, ledger);
}
