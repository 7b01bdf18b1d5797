// refuses: emmy: Rnn<Units, Activation> takes an activation whose derivative can be had from its output
#include <emmy/layers/recurrent.hpp>

#ifdef EMMY_REFUSED
using Activation = emmy::Sigmoid;
#else
using Activation = emmy::Relu;
#endif
static_assert(emmy::Rnn<5, Activation>::kGates == 1);
