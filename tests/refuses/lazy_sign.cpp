// refuses: emmy: Lazy takes plain gradient descent (Sgd)
#include <emmy/train/trainer.hpp>

#ifdef EMMY_REFUSED
emmy::Lazy<emmy::SignSgd> rule{};
#else
emmy::Lazy<emmy::Sgd> rule{};
#endif
