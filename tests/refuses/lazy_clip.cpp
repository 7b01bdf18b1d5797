// refuses: emmy: Lazy takes a rule without clipping
#include <emmy/train/trainer.hpp>

#ifdef EMMY_REFUSED
emmy::Lazy<emmy::ClipByNorm<emmy::Sgd>> rule{};
#else
emmy::Lazy<emmy::Sgd> rule{};
#endif
