// refuses: emmy: this layer has no such weights (a Dense<Out, NoBias> has no bias, a Parametrized layer factors, a norm gains)
#include <emmy/net/memory.hpp>
#include <emmy/parametrize/product.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Parametrized<emmy::Dense<3>, emmy::Product>>;
float at(const emmy::Params<Net>& params) {
#ifdef EMMY_REFUSED
  return params.weight<emmy::Layer<1>>(0, 1);
#else
  return params.weight<emmy::Layer<0>>(0, 1);
#endif
}
