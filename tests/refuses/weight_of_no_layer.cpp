// refuses: emmy: this net has no such layer (Layer<1> is the second one after Input)
#include <emmy/layers/activations.hpp>
#include <emmy/layers/dense.hpp>
#include <emmy/net/memory.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Dense<6>, emmy::Relu, emmy::Dense<3>>;
float at(const emmy::Params<Small>& params) {
#ifdef EMMY_REFUSED
  return params.weight<emmy::Layer<3>>(0, 1);
#else
  return params.weight<emmy::Layer<2>>(0, 1);
#endif
}
