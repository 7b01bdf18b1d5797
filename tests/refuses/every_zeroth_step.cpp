// refuses: emmy: Every<N> needs N >= 1
#include <emmy/noether/watch.hpp>

#ifdef EMMY_REFUSED
emmy::Every<0> mode;
#else
emmy::Every<1> mode;
#endif
