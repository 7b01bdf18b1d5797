// refuses: emmy: a ledger sums weights that a Lazy rule has not updated yet
#include <emmy/train/trainer.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::Lazy<emmy::Sgd>;
#else
using Rule = emmy::Sgd;
#endif
emmy::StepResult<float> step(emmy::Trainer<Net, Rule, 1>& trainer, const float* x, const int* label, const Rule& rule) {
  static emmy::Ledger<Net> ledger{};
  return trainer.step(x, label, emmy::CrossEntropy{}, rule, ledger);
}
