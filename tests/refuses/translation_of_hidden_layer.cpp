// refuses: emmy: this net has no translation symmetry at this site: Translation needs a plain Dense
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::Translation<emmy::Layer<0>>;
#else
using Wanted = emmy::Translation<emmy::Layer<2>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
