// refuses: emmy: a rule with a preconditioner (Adam, RmsProp, Lion, SignSgd) needs a ledger of mode Kinetic
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Ledger = emmy::Ledger<Small>;
#else
using Ledger = emmy::Ledger<Small, emmy::WatchAll, emmy::Kinetic>;
#endif
auto train(emmy::Trainer<Small, emmy::Adam, 2>& trainer, const float* x, const int* y, Ledger& ledger) {
  return trainer.step(x, y, emmy::CrossEntropy{}, emmy::Adam{}, ledger);
}
