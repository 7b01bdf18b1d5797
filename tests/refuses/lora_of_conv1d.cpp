// refuses: emmy: Lora<L, Rank> takes a Dense: it adapts plain weights
#include <emmy/layers/conv1d.hpp>
#include <emmy/layers/lora.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
using Adapted = emmy::Lora<emmy::Conv1d<6, 2>, 2>;
#else
using Adapted = emmy::Lora<emmy::Dense<6>, 2>;
#endif
static_assert(emmy::Net<emmy::Input<5, 4>, Adapted>::kNodes == 4);
