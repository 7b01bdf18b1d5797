// refuses: emmy: ProductByChannel needs a layer of more than one output
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/channel_product.hpp>

#ifdef EMMY_REFUSED
using Channels = emmy::Parametrized<emmy::Dense<1>, emmy::ProductByChannel>;
#else
using Channels = emmy::Parametrized<emmy::Dense<2>, emmy::ProductByChannel>;
#endif
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<4>, Channels>>) > 0);
