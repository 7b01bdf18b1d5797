// refuses: emmy: Conv1d<Channels, Kernel> needs at least one of each
#include <emmy/layers/conv1d.hpp>

#ifdef EMMY_REFUSED
emmy::Conv1d<8, 0> layer;
#else
emmy::Conv1d<8, 1> layer;
#endif
