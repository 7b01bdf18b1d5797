// refuses: emmy: Conv1d<Channels, Kernel> takes Shape<positions, channels> of at least Kernel positions
#include <emmy/layers/conv1d.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Conv1d<8, 5>>;
#else
using Net = emmy::Net<emmy::Input<5, 3>, emmy::Conv1d<8, 5>>;
#endif
static_assert(Net::kOutputs == 8);
