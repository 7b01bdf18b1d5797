// refuses: emmy: LowRankStates<Rank> has a rank of at least 1
#include <emmy/parametrize/low_rank_states.hpp>

#ifdef EMMY_REFUSED
using States = emmy::Parametrized<emmy::Gru<3>, emmy::LowRankStates<0>>;
#else
using States = emmy::Parametrized<emmy::Gru<3>, emmy::LowRankStates<2>>;
#endif
static_assert(emmy::kPlan<emmy::Net<emmy::Input<5, 4>, States>>.params > 0);
