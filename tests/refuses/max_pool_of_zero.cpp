// refuses: emmy: MaxPool<Window> needs a window of at least one position
#include <emmy/layers/max_pool.hpp>

#ifdef EMMY_REFUSED
emmy::MaxPool<0> layer;
#else
emmy::MaxPool<1> layer;
#endif
