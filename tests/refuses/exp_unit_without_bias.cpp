// refuses: emmy: this net has no exponential units at this site: ExpUnit needs a layer with a bias, Exp
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>

using Small =
    emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Exp, emmy::Dense<5, emmy::NoBias>, emmy::Exp, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::ExpUnit<emmy::Layer<3>>;
#else
using Wanted = emmy::ExpUnit<emmy::Layer<1>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
