// refuses: emmy: Dense<Out> needs at least one output
#include <emmy/layers/dense.hpp>

#ifdef EMMY_REFUSED
emmy::Dense<0> layer;
#else
emmy::Dense<1> layer;
#endif
