// refuses: emmy: LeakyRelu needs a positive slope (use Relu for slope 0)
#include <emmy/layers/activations.hpp>

#ifdef EMMY_REFUSED
emmy::LeakyRelu<0, 4> layer;
#else
emmy::LeakyRelu<1, 4> layer;
#endif
