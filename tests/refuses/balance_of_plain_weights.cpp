// refuses: emmy: this layer has no factors to balance: FactorBalance needs a Parametrized<...> product (not DiagonalProduct), Constrained or WeightNorm
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/noether/ledger.hpp>
#include <emmy/parametrize/product.hpp>

using Small =
    emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Parametrized<emmy::Dense<3>, emmy::ProductByInput>>;
#ifdef EMMY_REFUSED
using Wanted = emmy::FactorBalance<emmy::Layer<0>>;
#else
using Wanted = emmy::FactorBalance<emmy::Layer<2>>;
#endif
emmy::Ledger<Small, emmy::Watch<Wanted>> ledger{};
