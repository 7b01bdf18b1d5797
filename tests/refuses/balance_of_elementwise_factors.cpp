// refuses: emmy: this layer has no factors to balance: FactorBalance needs Parametrized<..., ProductByInput>, ProductByOutput or WeightNorm
// One charge a weight is not watched.
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>
#include <emmy/parametrize/product.hpp>

using Small =
    emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Parametrized<emmy::Dense<3>, emmy::ProductByInput>,
              emmy::Relu, emmy::Parametrized<emmy::Dense<2>, emmy::Product>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::FactorBalance<emmy::Layer<4>>;
#else
using Wanted = emmy::FactorBalance<emmy::Layer<2>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
