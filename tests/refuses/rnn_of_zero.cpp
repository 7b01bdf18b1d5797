// refuses: emmy: a recurrent layer needs at least one unit
#include <emmy/layers/recurrent.hpp>

#ifdef EMMY_REFUSED
constexpr int kUnits = 0;
#else
constexpr int kUnits = 1;
#endif
static_assert(emmy::Rnn<kUnits>::kGates == 1);
