// refuses: emmy: this SharedAdam shares second moments as another net ties them: SharedAdam<Net>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using Large = emmy::Net<emmy::Input<4>, emmy::Dense<7>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::SharedAdam<Large>;
#else
using Rule = emmy::SharedAdam<Small>;
#endif
auto train(emmy::Trainer<Small, Rule, 2>& trainer, const float* x, const int* y, const Rule& rule) {
  return trainer.step(x, y, emmy::CrossEntropy{}, rule);
}
