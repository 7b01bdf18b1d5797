// refuses: emmy: this net has no dead key bias at this site
#include <emmy/layers/attention.hpp>
#include <emmy/symmetry/symmetries_of.hpp>

#ifdef EMMY_REFUSED
using Layer = emmy::Attention<2, 4, emmy::Rope<>>;
#else
using Layer = emmy::Attention<2, 4>;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, Layer>;
static_assert(emmy::charges_of<Net>(emmy::KeyBias<emmy::Layer<0>>{}).charge[0].units == 8);
