// refuses: emmy: ProductByUnit needs a layer of more than one output
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/channel_product.hpp>

#ifdef EMMY_REFUSED
using Units = emmy::Parametrized<emmy::Dense<1>, emmy::ProductByUnit>;
#else
using Units = emmy::Parametrized<emmy::Dense<2>, emmy::ProductByUnit>;
#endif
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<4>, Units>>) > 0);
