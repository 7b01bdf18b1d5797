// refuses: emmy: this net has no BatchNorm to fold
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/fold_norms.hpp>

#ifdef EMMY_REFUSED
using Net = emmy::Net<emmy::Input<4>, emmy::Dense<4>, emmy::Relu>;
#else
using Net = emmy::Net<emmy::Input<4>, emmy::Dense<4>, emmy::BatchNorm<>, emmy::Relu>;
#endif
void run(const emmy::Params<Net>& from, const emmy::Buffers<Net>& buffers, emmy::Params<emmy::normless_of<Net>>& to) {
  emmy::fold_norms(from, buffers, to);
}
