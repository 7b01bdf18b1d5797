// refuses: emmy: a Parallel takes Add or Multiply and two branches: Parallel<Multiply, Branch<...>, Branch<...>>
#include <emmy/layers/glu.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Join = emmy::Relu;
#else
using Join = emmy::Add;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Parallel<Join, emmy::Branch<emmy::Dense<4>>, emmy::Branch<>>>;
static_assert(Small::kNodes > 0);
