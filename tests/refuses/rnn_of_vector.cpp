// refuses: emmy: Rnn and Gru take Shape<positions, channels>
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<12>, emmy::Gru<5>>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Gru<5>>;
#endif
static_assert(Net::output::kChannels == 5);
