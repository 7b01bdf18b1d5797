// refuses: emmy: OnStates takes an Rnn or a Gru
#include <emmy/parametrize/on_states.hpp>

#ifdef EMMY_REFUSED
using States = emmy::Parametrized<emmy::Dense<3>, emmy::OnStates<emmy::ProductByBlock<2>>>;
#else
using States = emmy::Parametrized<emmy::Rnn<3>, emmy::OnStates<emmy::ProductByBlock<2>>>;
#endif
static_assert(emmy::kPlan<emmy::Net<emmy::Input<5, 4>, States>>.params > 0);
