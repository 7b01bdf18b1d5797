// refuses: emmy: this net has no such layer (Layer<1> is the second one after Input)
#include <emmy/layers/activations.hpp>
#include <emmy/parametrize/certificate.hpp>

using Small = emmy::Net<emmy::Input<4>, emmy::Parametrized<emmy::Dense<6>, emmy::ProductByOutput>, emmy::Relu,
                        emmy::Parametrized<emmy::Dense<5>, emmy::ProductByInput>, emmy::Relu, emmy::Dense<3>>;
void sizes(const emmy::Params<Small>& params, float* size) {
#ifdef EMMY_REFUSED
  emmy::group_sizes<emmy::Layer<7>>(params, size);
#else
  emmy::group_sizes<emmy::Layer<2>>(params, size);
#endif
}
