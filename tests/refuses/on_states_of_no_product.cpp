// refuses: emmy: OnStates<P> takes a product of weights
#include <emmy/parametrize/on_states.hpp>

#ifdef EMMY_REFUSED
using States = emmy::Parametrized<emmy::Gru<3>, emmy::OnStates<emmy::DiagonalProduct>>;
#else
using States = emmy::Parametrized<emmy::Gru<3>, emmy::OnStates<emmy::ProductByChannel>>;
#endif
static_assert(emmy::kPlan<emmy::Net<emmy::Input<5, 4>, States>>.params > 0);
