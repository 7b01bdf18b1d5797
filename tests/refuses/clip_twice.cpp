// refuses: emmy: a rule is clipped once: by norm or by tensor
#include <emmy/optim/momentum.hpp>

#ifdef EMMY_REFUSED
emmy::ClipByNorm<emmy::ClipByTensor<emmy::Momentum>> rule{};
#else
emmy::ClipByNorm<emmy::Momentum> rule{};
#endif
