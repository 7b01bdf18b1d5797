// refuses: emmy: this parametrisation takes a layer with plain weights: a Dense, a convolution, an Rnn or a Gru
#include <emmy/layers/attention.hpp>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/syre.hpp>

#ifdef EMMY_REFUSED
using Inner = emmy::Attention<1, 4>;
#else
using Inner = emmy::Gru<3>;
#endif
using Moved = emmy::Parametrized<Inner, emmy::Syre<emmy::RandomOffset<1, 100>>>;
static_assert(sizeof(emmy::Params<emmy::Net<emmy::Input<5, 4>, Moved>>) > 0);
