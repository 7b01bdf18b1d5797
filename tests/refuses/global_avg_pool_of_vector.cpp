// refuses: emmy: GlobalAvgPool takes Shape<positions, channels> or Shape<height, width, channels>
#include <emmy/layers/avg_pool.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<3>, emmy::GlobalAvgPool>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::GlobalAvgPool>;
#endif
static_assert(Net::kOutputs == 3);
