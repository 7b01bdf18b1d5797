// refuses: emmy: a low rank is that of two layers with nothing between
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/low_rank.hpp>
#include <emmy/parametrize/parametrized.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::LowRank<emmy::Dense<3>, 2>, emmy::Relu, emmy::Dense<2>>;
void turn(emmy::Params<Net>& params, float* value) {
#ifdef EMMY_REFUSED
  emmy::singular_basis<emmy::Layer<1>>(params, value);
#else
  emmy::singular_basis<emmy::Layer<0>>(params, value);
#endif
}
