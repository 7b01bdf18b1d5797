// refuses: emmy: a Net starts with Input<...> (or Scalar<S>, Input<...>)
#include <emmy/layers/dense.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
emmy::Net<emmy::Dense<3>, emmy::Dense<4>> net;
#else
emmy::Net<emmy::Input<4>, emmy::Dense<3>> net;
#endif
