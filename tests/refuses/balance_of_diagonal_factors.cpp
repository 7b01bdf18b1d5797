// refuses: emmy: this layer has no factors to balance: FactorBalance needs a Parametrized<...> product (not DiagonalProduct), Constrained or WeightNorm
// P and M are the sum and the difference of factors.
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>
#include <emmy/parametrize/deep_product.hpp>

using Small =
    emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Parametrized<emmy::Dense<3>, emmy::ProductByInput>,
              emmy::Relu, emmy::Parametrized<emmy::Dense<2>, emmy::DiagonalProduct>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::FactorBalance<emmy::Layer<4>>;
#else
using Wanted = emmy::FactorBalance<emmy::Layer<2>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
