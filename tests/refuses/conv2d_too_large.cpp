// refuses: emmy: a two-dimensional convolution takes Shape<height, width, channels> of at least its kernel, Padding included
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<2, 4, 3>, emmy::Conv2d<8, 5, 4, emmy::Padding<1, 0>>>;
#else
using Net = emmy::Net<emmy::Input<3, 4, 3>, emmy::Conv2d<8, 5, 4, emmy::Padding<1, 0>>>;
#endif
static_assert(Net::kOutputs == 8);
