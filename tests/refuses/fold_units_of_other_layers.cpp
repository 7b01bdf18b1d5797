// refuses: emmy: fold_units needs two chains of the same layers (no Residual); only the widths may differ
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/fold.hpp>

template <class... L>
using Of = emmy::Net<emmy::Input<4>, L...>;
#ifdef EMMY_REFUSED
using From = Of<emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using To = Of<emmy::Dense<5>, emmy::Dense<3>>;
#else
using From = Of<emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using To = Of<emmy::Dense<5>, emmy::Relu, emmy::Dense<3>>;
#endif
emmy::Status run(const emmy::Params<From>& from, emmy::Params<To>& to, int& live) {
  return emmy::fold_units(from, to, live);
}
