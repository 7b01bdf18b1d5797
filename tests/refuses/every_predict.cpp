// refuses: emmy: Predict follows every step and costs little: take it without Every<N>, or Every<N, Measure>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Mode = emmy::Every<16, emmy::Predict>;
#else
using Mode = emmy::Every<16, emmy::Measure>;
#endif
using Ledger = emmy::Ledger<Small, emmy::WatchAll, Mode>;
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Sgd, 1>& trainer, const float* x, const int* label,
                             Ledger& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, emmy::Sgd{}, ledger);
}
