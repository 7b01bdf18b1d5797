// refuses: emmy: a Padding is smaller than the kernel: windows of zeros alone make a constant
#include <emmy/layers/conv1d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Conv1d<8, 2, emmy::Padding<2>>>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Conv1d<8, 2, emmy::Padding<1>>>;
#endif
static_assert(Net::kOutputs == 40);
