// refuses: emmy: an Attention makes at least one channel
#include <emmy/layers/attention.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
constexpr int kChannels = 0;
#else
constexpr int kChannels = 5;
#endif
static_assert(emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, 4, emmy::OutputChannels<kChannels>>>::kOutputs == 20);
