// refuses: emmy: a Padding is not negative
#include <emmy/layers/conv2d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::Padding<-1>>>;
#else
using Net = emmy::Net<emmy::Input<4, 3, 1>, emmy::Conv2d<8, 2, 2, emmy::Padding<1, 0>>>;
#endif
static_assert(Net::kOutputs == 80);
