// refuses: emmy: an Attention needs at least one head of at least one column
#include <emmy/layers/attention.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
constexpr int kHeads = 0;
#else
constexpr int kHeads = 1;
#endif
static_assert(emmy::Net<emmy::Input<4, 3>, emmy::Attention<kHeads, 4>>::kOutputs == 12);
