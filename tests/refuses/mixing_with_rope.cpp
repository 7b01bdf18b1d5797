// refuses: emmy: with rotary positions only turns of planes leave a head as it is
#include <emmy/layers/attention.hpp>
#include <emmy/project/balance.hpp>

#ifdef EMMY_REFUSED
using Rotary = emmy::Rope<>;
#else
using Rotary = emmy::NoOutputBias;
#endif
using Small = emmy::Net<emmy::Input<4, 6>, emmy::Attention<1, 4, Rotary>>;
emmy::Mixing<Small, emmy::QueryKey<emmy::Layer<0>, 0>> mixing{};
