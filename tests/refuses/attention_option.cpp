// refuses: emmy: an Attention takes Causal, Rope<Base>, RopeBy<Angles>, OutputChannels<...>, WithBias, NoBias and NoOutputBias after its sizes
#include <emmy/layers/attention.hpp>
#include <emmy/layers/window_options.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4, emmy::Same>>;
#else
using Net = emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4, emmy::Causal>>;
#endif
static_assert(Net::kOutputs == 12);
