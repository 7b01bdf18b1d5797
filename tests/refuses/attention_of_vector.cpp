// refuses: emmy: an Attention takes Shape<positions, channels>
#include <emmy/layers/attention.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<12>, emmy::Attention<2, 4>>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4>>;
#endif
static_assert(Net::kOutputs == 12);
