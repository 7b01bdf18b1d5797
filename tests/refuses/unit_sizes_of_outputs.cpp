// refuses: emmy: unit meters take a Dense with activations only between it and the next Dense
#include <emmy/train/meters.hpp>

using Net = emmy::Net<emmy::Input<4>, emmy::Dense<3>, emmy::Tanh, emmy::Dense<2>>;
void look(const emmy::Params<Net>& params, float* size) {
#ifdef EMMY_REFUSED
  emmy::unit_sizes<emmy::Layer<2>>(params, size);
#else
  emmy::unit_sizes<emmy::Layer<0>>(params, size);
#endif
}
