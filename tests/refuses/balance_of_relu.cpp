// refuses: emmy: this net has no two linear layers at this site: Balance needs two layers with plain weights
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/balance.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<5>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Site = emmy::Layer<0>;
#else
using Site = emmy::Layer<2>;
#endif
emmy::BalanceLedger<Small, Site> balance{};
