// refuses: emmy: LowRank<L, Rank> takes a Dense, or with parametrize/low_rank.hpp included a Conv1d
#include <emmy/layers/conv1d.hpp>
#include <emmy/parametrize/parametrized.hpp>

#ifdef EMMY_REFUSED
using Thin = emmy::LowRank<emmy::Conv1d<3, 2>, 2>;
#else
using Thin = emmy::LowRank<emmy::Dense<3>, 2>;
#endif
static_assert(emmy::Net<emmy::Input<5, 4>, Thin>::kNodes == 2);
