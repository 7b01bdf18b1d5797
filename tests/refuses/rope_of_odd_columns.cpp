// refuses: emmy: rotary positions turn pairs of columns: with Rope the size of a head is even
#include <emmy/layers/attention.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
constexpr int kSize = 3;
#else
constexpr int kSize = 4;
#endif
static_assert(emmy::Net<emmy::Input<4, 3>, emmy::Attention<2, kSize, emmy::Rope<>>>::kOutputs == 12);
