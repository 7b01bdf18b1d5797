// refuses: emmy: this net has no scale symmetry at this site: a norm alone must read it
#include <emmy/layers/activations.hpp>
#include <emmy/layers/norm.hpp>
#include <emmy/noether/ledger.hpp>

#ifdef EMMY_REFUSED
using Between = emmy::Tanh;
#else
using Between = emmy::Relu;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, Between, emmy::LayerNorm<>, emmy::Dense<3>>;
emmy::Ledger<Small, emmy::Watch<emmy::Scale<emmy::Layer<1>>>> ledger{};
