// refuses: emmy: a batch has at least one sample
#include <emmy/train/trainer.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
emmy::Trainer<Small, emmy::Sgd, 0> trainer{};
#else
emmy::Trainer<Small, emmy::Sgd, 1> trainer{};
#endif
