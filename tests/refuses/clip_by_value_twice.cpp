// refuses: emmy: a rule is clipped once: by value, by norm or by tensor
#include <emmy/optim/adam.hpp>

#ifdef EMMY_REFUSED
emmy::ClipByValue<emmy::ClipByNorm<emmy::Adam>> rule{};
#else
emmy::ClipByValue<emmy::Adam> rule{};
#endif
