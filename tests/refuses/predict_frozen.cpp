// refuses: emmy: a charge of this net has frozen weights, whose law Predict and Measure do not know: Watch<...> the other symmetries, or use Audit or Every<N, Audit>
#include <emmy/layers/frozen.hpp>
#include <emmy/train/trainer.hpp>

using Small =
    emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Frozen<emmy::Dense<5>>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Ledger = emmy::Ledger<Small, emmy::WatchAll, emmy::Measure>;
#else
using Ledger = emmy::Ledger<Small, emmy::Watch<emmy::Translation<emmy::Layer<4>>>, emmy::Measure>;
#endif
emmy::StepResult<float> step(emmy::Trainer<Small, emmy::Sgd, 1>& trainer, const float* x, const int* label,
                             Ledger& ledger) {
  return trainer.step(x, label, emmy::CrossEntropy{}, emmy::Sgd{}, ledger);
}
