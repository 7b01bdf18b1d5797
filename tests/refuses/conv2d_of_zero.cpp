// refuses: emmy: Conv2d<Channels, Height, Width> needs at least one of each
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 4, 3>, emmy::Conv2d<8, 0, 1>>;
#else
using Net = emmy::Net<emmy::Input<4, 4, 3>, emmy::Conv2d<8, 4, 4>>;
#endif
static_assert(Net::kOutputs == 8);
