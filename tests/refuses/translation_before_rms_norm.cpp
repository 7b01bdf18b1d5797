// refuses: emmy: this net has no translation symmetry at this site: Translation needs a plain Dense
// RmsNorm takes no mean away.
#include <emmy/layers/norm.hpp>
#include <emmy/noether/ledger.hpp>

#ifdef EMMY_REFUSED
using Between = emmy::RmsNorm<>;
#else
using Between = emmy::LayerNorm<>;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, Between, emmy::Dense<3>>;
emmy::Ledger<Small, emmy::Watch<emmy::Translation<emmy::Layer<0>>>> ledger{};
