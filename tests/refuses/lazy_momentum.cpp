// refuses: emmy: Lazy takes a rule without memory
#include <emmy/train/trainer.hpp>

#ifdef EMMY_REFUSED
emmy::Lazy<emmy::Momentum> rule{};
#else
emmy::Lazy<emmy::Sgd> rule{};
#endif
