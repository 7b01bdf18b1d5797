// refuses: emmy: shared second moments are clipped by norm: ClipByNorm<SharedAdam<Net>>
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Rule = emmy::ClipByValue<emmy::SharedAdam<Small>>;
#else
using Rule = emmy::ClipByNorm<emmy::SharedAdam<Small>>;
#endif
auto train(emmy::Trainer<Small, Rule, 2>& trainer, const float* x, const int* y, const Rule& rule) {
  return trainer.step(x, y, emmy::CrossEntropy{}, rule);
}
