// refuses: emmy: ProductByBlock<N> has blocks of N >= 1
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/deep_product.hpp>

#ifdef EMMY_REFUSED
using Blocks = emmy::Parametrized<emmy::Dense<2>, emmy::ProductByBlock<0>>;
#else
using Blocks = emmy::Parametrized<emmy::Dense<2>, emmy::ProductByBlock<1>>;
#endif
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<4>, Blocks>>) > 0);
