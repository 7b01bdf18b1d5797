// refuses: emmy: ProductByBlock needs a layer of more than one output
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/deep_product.hpp>

#ifdef EMMY_REFUSED
using Blocks = emmy::Parametrized<emmy::Dense<1>, emmy::ProductByBlock<4>>;
#else
using Blocks = emmy::Parametrized<emmy::Dense<2>, emmy::ProductByBlock<4>>;
#endif
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<4>, Blocks>>) > 0);
