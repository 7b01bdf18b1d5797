// refuses: emmy: a Net needs at least one layer after its Input
#include <emmy/layers/dense.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4>>;
#else
using Net = emmy::Net<emmy::Input<4>, emmy::Dense<4>>;
#endif
static_assert(Net::kInputs == 4);
