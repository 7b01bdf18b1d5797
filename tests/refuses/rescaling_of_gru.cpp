// refuses: emmy: this net has no rescaling symmetry at this site
#include <emmy/layers/dense.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/symmetry/symmetries_of.hpp>

#ifdef EMMY_REFUSED
using Layer = emmy::Gru<5>;
#else
using Layer = emmy::Rnn<5, emmy::Relu>;
#endif
using Net = emmy::Net<emmy::Input<4, 3>, Layer, emmy::Last, emmy::Dense<2>>;
static_assert(emmy::charges_of<Net>(emmy::Rescaling<emmy::Layer<1>>{}).kCount == 1);
