// refuses: emmy: a Parallel needs a layer in one of its branches
#include <emmy/layers/glu.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using First = emmy::Branch<>;
#else
using First = emmy::Branch<emmy::Dense<4>>;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Parallel<emmy::Multiply, First, emmy::Branch<>>>;
static_assert(Small::kNodes > 0);
