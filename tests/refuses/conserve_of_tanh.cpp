// refuses: emmy: this net has no units whose charges could be held
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/optim/sgd.hpp>
#include <emmy/project/rebalance.hpp>

#ifdef EMMY_REFUSED
using Unit = emmy::Tanh;
#else
using Unit = emmy::Relu;
#endif
using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, Unit, emmy::Dense<3>>;
auto hold(emmy::Params<Small>& params, emmy::State<Small, emmy::Sgd>& state, const emmy::Targets<Small>& targets) {
  return conserve(params, state, targets);
}
