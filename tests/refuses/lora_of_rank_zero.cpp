// refuses: emmy: Lora<L, Rank> needs a rank of at least 1
#include <emmy/layers/lora.hpp>
#include <emmy/net/net.hpp>

#ifdef EMMY_REFUSED
constexpr int kRank = 0;
#else
constexpr int kRank = 1;
#endif
static_assert(emmy::Net<emmy::Input<4>, emmy::Lora<emmy::Dense<6>, kRank>>::kNodes == 4);
