// refuses: emmy: this net has no such layer (Layer<1> is the second one after Input)
#include <emmy/layers/norm.hpp>
#include <emmy/noether/ledger.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::LayerNorm<>, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::Scale<emmy::Layer<5>>;
#else
using Wanted = emmy::Scale<emmy::Layer<0>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
