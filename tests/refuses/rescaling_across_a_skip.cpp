// refuses: emmy: this net has no rescaling symmetry at this site: its units must be positively homogeneous
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Residual<emmy::Dense<5>, emmy::Relu, emmy::Dense<6>>,
                        emmy::Dense<3>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::Rescaling<emmy::Layer<0>>;
#else
using Wanted = emmy::Rescaling<emmy::Layer<1, 1>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
