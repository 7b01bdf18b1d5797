// refuses: emmy: Unchecked takes a rule without clipping
#include <emmy/train/trainer.hpp>

#ifdef EMMY_REFUSED
emmy::Unchecked<emmy::ClipByNorm<emmy::Sgd>> rule{};
#else
emmy::Unchecked<emmy::Sgd> rule{};
#endif
