// refuses: emmy: this layer has no such weights (a Dense<Out, NoBias> has no bias, a Parametrized layer factors, a norm gains)
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/memory.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3, emmy::NoBias>>;
float at(const emmy::Params<Net>& params) {
#ifdef EMMY_REFUSED
  return params.bias<emmy::Layer<2>>(1);
#else
  return params.bias<emmy::Layer<0>>(1);
#endif
}
