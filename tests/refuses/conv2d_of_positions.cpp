// refuses: emmy: a two-dimensional convolution takes Shape<height, width, channels> of at least its kernel
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Conv2d<8, 1, 2>>;
#else
using Net = emmy::Net<emmy::Input<1, 2, 3>, emmy::Conv2d<8, 1, 2>>;
#endif
static_assert(Net::kOutputs == 8);
