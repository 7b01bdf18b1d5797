// refuses: emmy: Last takes Shape<positions, channels>, such as Rnn and Gru give
#include <emmy/layers/recurrent.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<3>, emmy::Last>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Last>;
#endif
static_assert(Net::kOutputs == 3);
