// refuses: emmy: fold_units takes nets in which a unit has one row of outgoing weights: no convolution, no Flatten
#include <emmy/layers/activations.hpp>
#include <emmy/layers/conv1d.hpp>
#include <emmy/parametrize/fold.hpp>

template <class... L>
using Of = emmy::Net<emmy::Input<4, 3>, L...>;
#ifdef EMMY_REFUSED
using From = Of<emmy::Dense<6>, emmy::Relu, emmy::Conv1d<3, 2>>;
using To = Of<emmy::Dense<5>, emmy::Relu, emmy::Conv1d<3, 2>>;
#else
using From = Of<emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
using To = Of<emmy::Dense<5>, emmy::Relu, emmy::Dense<3>>;
#endif
emmy::Status run(const emmy::Params<From>& from, emmy::Params<To>& to, int& live) {
  return emmy::fold_units(from, to, live);
}
