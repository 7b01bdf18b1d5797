// refuses: emmy: a depthwise convolution needs a kernel of at least one position
#include <emmy/layers/depthwise.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3, 2>, emmy::DepthwiseConv2d<2, 0>>;
#else
using Net = emmy::Net<emmy::Input<4, 3, 2>, emmy::DepthwiseConv2d<2, 1>>;
#endif
static_assert(Net::kOutputs == 18);
