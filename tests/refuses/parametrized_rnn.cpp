// refuses: emmy: this parametrisation takes a layer with plain weights: a Dense or a convolution
#include <emmy/layers/activations.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/syre.hpp>

#ifdef EMMY_REFUSED
using Inner = emmy::Rnn<3, emmy::Tanh>;
#else
using Inner = emmy::Dense<3>;
#endif
using Moved = emmy::Parametrized<Inner, emmy::Syre<emmy::RandomOffset<1, 100>>>;
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<5, 4>, Moved>>) > 0);
