// refuses: emmy: the branches of a Parallel must make the same shape: they are added or multiplied
#include <emmy/layers/glu.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Gate = emmy::Dense<5>;
#else
using Gate = emmy::Dense<6>;
#endif
using Small =
    emmy::Net<emmy::Input<4>, emmy::Parallel<emmy::Multiply, emmy::Branch<emmy::Dense<6>>, emmy::Branch<Gate>>>;
static_assert(Small::kNodes == 3);
