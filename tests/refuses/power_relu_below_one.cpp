// refuses: emmy: PowerRelu<P, Q> needs P >= Q (a slope at 0) and P <= 16
#include <emmy/layers/activations.hpp>

#ifdef EMMY_REFUSED
emmy::PowerRelu<1, 2> layer;
#else
emmy::PowerRelu<3, 2> layer;
#endif
