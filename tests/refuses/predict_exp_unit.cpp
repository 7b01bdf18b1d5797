// refuses: emmy: the law of an ExpUnit needs the gradient of its bias, which Predict and Measure do not read: Watch<...> the other symmetries, or use Audit or Every<N, Audit>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Exp, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Ledger = emmy::Ledger<Small, emmy::WatchAll, emmy::Predict>;
#else
using Ledger = emmy::Ledger<Small, emmy::Watch<emmy::Translation<emmy::Layer<2>>>, emmy::Predict>;
#endif
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Sgd, 1>& trainer, const float* x, const int* label,
                             Ledger& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, emmy::Sgd{}, ledger);
}
