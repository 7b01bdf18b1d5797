// refuses: emmy: absorb_constant_units takes a plain chain: call fold first
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/fold.hpp>

#ifdef EMMY_REFUSED
using Last = emmy::Parametrized<emmy::Dense<3>, emmy::Product>;
#else
using Last = emmy::Dense<3>;
#endif
using Net = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, Last>;
int run(emmy::Params<Net>& params) { return emmy::absorb_constant_units(params); }
