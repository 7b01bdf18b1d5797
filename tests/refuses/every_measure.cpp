// refuses: emmy: the laws follow every step: take Measure or Predict without Every<N>, or Every<N, Audit>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Mode = emmy::Every<16, emmy::Measure>;
#else
using Mode = emmy::Every<16, emmy::Audit>;
#endif
using Ledger = emmy::Ledger<Small, emmy::WatchAll, Mode>;
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Sgd, 1>& trainer, const float* x, const int* label,
                             Ledger& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, emmy::Sgd{}, ledger);
}
