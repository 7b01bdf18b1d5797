// refuses: emmy: AvgPool<Window> needs a window of at least one position
#include <emmy/layers/avg_pool.hpp>

#ifdef EMMY_REFUSED
emmy::AvgPool<0> layer;
#else
emmy::AvgPool<1> layer;
#endif
