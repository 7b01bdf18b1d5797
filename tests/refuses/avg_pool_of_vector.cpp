// refuses: emmy: AvgPool<Window> takes Shape<positions, channels> of at least Window positions
#include <emmy/layers/avg_pool.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<12>, emmy::AvgPool<2>>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::AvgPool<2>>;
#endif
static_assert(Net::kOutputs == 6);
