// refuses: emmy: a Stride is at least 1
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::Stride<2, 0>>>;
#else
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::Stride<2, 1>>>;
#endif
static_assert(Net::kOutputs == 32);
