// refuses: emmy: this net has no such layer (Layer<1> is the second one after Input)
#include <emmy/layers/attention.hpp>
#include <emmy/symmetry/symmetries_of.hpp>

#ifdef EMMY_REFUSED
using Site = emmy::Layer<1>;
#else
using Site = emmy::Layer<0>;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4>>;
static_assert(emmy::charges_of<Net>(emmy::KeyBias<Site>{}).charge[0].units == 8);
