// refuses: emmy: PowerRelu<P, Q> takes Q = 1 or 2 (powers and square roots)
#include <emmy/layers/activations.hpp>

#ifdef EMMY_REFUSED
emmy::PowerRelu<5, 3> layer;
#else
emmy::PowerRelu<5, 2> layer;
#endif
