// refuses: emmy: a convolution takes Stride<...>, Padding<...>, Same, WithBias and NoBias after its sizes
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::Dense<2>>>;
#else
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::WithBias>>;
#endif
static_assert(Net::kOutputs == 48);
